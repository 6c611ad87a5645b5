"""What the commands of `m3n` have in common: arguments, `--help` with every setting, and how a command starts and ends.

A command of a stage only says what it runs. `stage` adds the shared options, resolves the config, prints the figures, and writes
`--json`. Imports that take long wait until a command runs.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from m3n.io.storage import Location

Command = Callable[..., dict[str, Any]]  # returns the figures


class _LocalPath(click.Path):
    """A local path; a URI is refused, because it would become a folder named `s3:`."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        if "://" in str(value):
            self.fail(f"{value}: expected a local path here", parameter, context)
        return super().convert(value, parameter, context)


class _AnyLocation(click.ParamType[Any]):
    """A local path, or the URI of a folder or file on an object store."""

    name = "location"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        from m3n.io.storage import location

        return location(value) if isinstance(value, str) else value


PATH = _LocalPath(path_type=Path)
LOCATION = _AnyLocation()


SOURCE_FOLDERS = {"recordings": "recordings", "poses": "poses", "paired": "both at once"}


class InOrder(click.Group):
    """A group whose help lists the commands in the order in which they are used, not by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


class StageCommand(click.Command):
    """A command whose help ends with every setting, its default and its meaning; an option given twice is refused."""

    def __init__(self, *args: Any, stage: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stage = stage

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["m3n.words"] = list(args)  # for --help, which ends the parsing
        _, _, given = self.make_parser(ctx).parse_args(list(args))
        for parameter in given:
            if isinstance(parameter, click.Option) and not parameter.multiple and given.count(parameter) > 1:
                raise click.UsageError(f"{parameter.opts[-1]} is given twice: remove one of the two", ctx)
        rest = super().parse_args(ctx, args)
        for parameter in given:
            if isinstance(parameter, click.Option) and parameter.multiple:
                _check_unlike(parameter.opts[-1], ctx.params[str(parameter.name)])
        return rest

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.stage:
            from m3n import config

            _format_keys(formatter, f"Settings (key=value, or under `{self.stage}:` in --config)", config.STAGES[self.stage])
        if self.stage == "simulate":
            from m3n.config.names import SOURCES
            from m3n.imu.smoothing import LOW_PASSES

            with formatter.section("Low pass over the motion with cutoff_hz=source, by the clips' `source` (any other: none)"):
                formatter.write_dl(
                    [(name, str(LOW_PASSES[s.poses_from] or "none")) for name, s in SOURCES.items() if s.poses_from]
                )
        if self.stage == "ingest":
            _format_sources(formatter, ctx)


def _format_sources(formatter: click.HelpFormatter, ctx: click.Context) -> None:
    """The sources by what they give; the settings of one where the command line names it, as in `m3n ingest bvh --help`."""
    from m3n import sources
    from m3n.config.names import SOURCES

    named = [word for word in ctx.meta.get("m3n.words", []) if word in SOURCES]
    for name in named[:1]:
        with formatter.section(f"Source {name}"):
            formatter.write_text(SOURCES[name].help)
        _format_keys(formatter, f"Settings of {name}", sources.load(name).Options)
    if named:
        return
    for folder, title in SOURCE_FOLDERS.items():
        with formatter.section(f"Sources of {title} (`m3n ingest SOURCE --help` has the settings of one)"):
            formatter.write_dl([(name, source.help) for name, source in SOURCES.items() if source.folder == folder])


def _check_unlike(what: str, values: Sequence[Any]) -> None:
    """InputError where two values are the same, or two paths are the same place."""
    from m3n.errors import InputError

    places = [os.path.realpath(value) if isinstance(value, Path) else str(value) for value in values]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InputError(f"{what} {values[number]} is given twice: remove one of the two")


def _format_keys(formatter: click.HelpFormatter, title: str, schema: Any) -> None:
    from m3n import config

    rows = [(f"{key}={default}", text) for key, default, text in config.describe(schema)]
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows, col_max=44)


def writable_file(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Checked before the work starts, not after it."""
    from m3n.errors import InputError

    if value is not None:
        parent = next(p for p in value.absolute().parents if p.exists())
        if value.is_dir() or not parent.is_dir():
            raise InputError(
                f"{parameter.opts[0]} {value}: expected a file to write, but {value if value.is_dir() else parent} is in the way"
            )
    return value


def _answering_cluster(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Checked at once, before tables are read: Ray itself tries for minutes."""
    from m3n.cluster.start import check_listening

    check_listening(value or os.environ.get("RAY_ADDRESS"))
    return value


json_option = click.option(
    "--json", "json_file", type=PATH, callback=writable_file, help="Also write the figures to this JSON file."
)


def stage_options(out: click.ParamType[Any] = PATH, address: bool = False) -> Callable[[Any], Any]:
    """The options that all stages share; `out`: the kind of place that the result may go to."""

    def add(command: Any) -> Any:
        command = json_option(command)
        if address:
            where = "Ray cluster to run on, as host:port (default: the cluster of the surrounding job, or a local one)."
            command = click.option("--address", callback=_answering_cluster, help=where)(command)
        places = "Folder for the result." if out is PATH else "Folder for the result, or s3://bucket/key or gs://bucket/key."
        command = click.option("--out", required=True, type=out, help=places)(command)
        preset = "YAML file with one section per stage, or the name of a preset, such as paper."
        command = click.option("--config", "config_file", type=PATH, help=preset)(command)
        return click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")(command)

    return add


def stage(
    group: click.Group,
    name: str,
    out: click.ParamType[Any] = PATH,
    address: bool = False,
    base: Callable[[Mapping[str, Any]], Path | None] = lambda arguments: None,
    section: Callable[[Mapping[str, Any]], str] | None = None,
    shows: str | None = None,
    tables: str | None = None,
) -> Callable[[Command], click.Command]:
    """Register a function as the command of a stage.

    It is called with its own arguments, `out`, the resolved `config` and, if asked for, the Ray `address`; it returns the figures.
    `base`: a config file below the user's own, and `section`: what it reads of configs, if not `name`, both chosen by the
    arguments; `shows`: a text file in `out`, printed at the end; `tables`: the argument of the function that gets all words that
    are no overrides, as locations.
    """

    def register(function: Command) -> click.Command:
        @functools.wraps(function)
        def run(
            config_file: Path | None, overrides: tuple[str, ...], out: Any, json_file: Path | None, **arguments: Any
        ) -> None:
            from m3n import config

            if tables:
                given = [word for word in overrides if "=" not in word or Path(word).exists() or "://" in word.split("=")[0]]
                overrides = tuple(word for word in overrides if word not in given)
                arguments[tables] = [LOCATION.convert(word, None, None) for word in given]
                _check_unlike("table", arguments[tables])
            read = section(arguments) if section else name
            resolved = config.resolve(config.STAGES[read], read, config_file, overrides, base=base(arguments))
            finish(function(out=out, config=resolved, **arguments), json_file, out)
            if shows:
                click.echo("\n" + (out / shows).read_text(encoding="utf-8"))

        own = getattr(run, "__click_params__", [])
        vars(run)["__click_params__"] = []
        shared = stage_options(out, address)(run)
        shared.__click_params__ += own  # last here is first in the usage line
        return group.command(name, cls=StageCommand, stage=name)(shared)

    return register


def finish(figures: dict[str, Any], json_file: Path | None, where: Location | None) -> None:
    """Print the figures and where the result is; write `--json`."""
    from m3n.logins import hidden

    figures = hidden(figures)
    for key, value in figures.items():
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            click.echo(f"  {key}: {value:,.4g}" if isinstance(value, float) else f"  {key}: {value}")
    if json_file:
        from m3n.io import tables

        json_file.parent.mkdir(parents=True, exist_ok=True)
        tables.write_text(json_file, json.dumps(figures, indent=2) + "\n")
    if where:
        click.echo(f"  -> {where}")
