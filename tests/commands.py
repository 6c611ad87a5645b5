"""Whether a command line of m3n in a document could run: its command, its options and its settings exist.

Nothing is run, and files need not be there, except those that come with m3n.
"""

from __future__ import annotations

from pathlib import Path

import click

from m3n import config, packaged
from m3n.cli import cli, grid_file, grid_section
from m3n.commands.ingest import options_of
from m3n.commands.tune.space import load_space
from m3n.errors import InputError


def check_command(words: list[str]) -> None:
    """`words`: m3n or a script of `jobs/`, and its arguments. Raises InputError or click.ClickException where it could not run."""
    program = Path(words[0])
    names = [program.stem] if program.suffix == ".py" else []
    group: click.Command = cli
    rest = [*names, *words[1:]]
    while isinstance(group, click.Group):
        if not rest or rest[0] in ("--help", "--version"):
            return
        found = group.get_command(click.Context(group), rest[0])
        if found is None:
            raise InputError(f"no command {rest[0]}")
        group, rest = found, rest[1:]
    if "--help" in rest:
        return
    address = [rest.index(word) for word in rest if word == "--address"]
    for at in address:  # asked at once whether somebody listens there
        del rest[at : at + 2]
    context = group.make_context(str(group.name), rest)
    overrides = [word for word in context.params.get("overrides", ()) if "=" in word]
    if group.name == "ingest":
        config.resolve(options_of(context.params["source"]), "ingest", None, overrides)
    elif (stage := getattr(group, "stage", None)) is not None:
        base = None
        if group.name == "reproduce":
            base, stage = grid_file(context.params), grid_section(context.params)
        config.resolve(config.STAGES[stage], stage, None, overrides, **({"base": base} if base else {}))
    made_earlier = ("/", "runs/", "data/")
    if (given := context.params.get("config_file")) and not str(given).startswith(made_earlier):
        packaged.find(given, "configs", ".yaml", "config file")
    if group.name == "tune":
        load_space(context.params["space"], config.resolve(config.TuneConfig, "tune", None, overrides))
