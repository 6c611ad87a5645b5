"""`m3n report`: commands that make reports with tables, figures and plots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from m3n.cli.options import LOCATION, PATH, InOrder, StageCommand, finish, json_option, stage, stage_options

if TYPE_CHECKING:
    from m3n import config as configs
    from m3n.io.storage import Location


@click.group(cls=InOrder)
def report() -> None:
    """Make reports with tables, figures and plots."""


@stage(report, "fidelity")
@click.argument("poses", type=PATH)
@click.argument("recordings", type=PATH)
def fidelity(poses: Path, recordings: Path, out: Path, config: configs.FidelityConfig) -> dict[str, Any]:
    """Compare simulated sensors with real ones.

    POSES and RECORDINGS are tables whose clip_id and recording_id match.
    """
    from m3n.commands.fidelity import fidelity as run

    return run(poses, recordings, out, config)


@report.command("video", cls=StageCommand)
@click.argument("place", type=LOCATION)
@click.option("--out", type=PATH, help="Folder for film.md and the contact sheets (default: PLACE/report).")
@json_option
def film(place: Location, out: Path | None, json_file: Path | None) -> None:
    """Look at what `m3n ingest video` saw.

    PLACE is its --out. Draws contact sheets: skeletons over frames, which arm was visible when, frames whose left and right were
    put right; film.md lists what was left out, and why.
    """
    from m3n.commands.film_report import film_report as run
    from m3n.errors import InputError

    if out is None:
        if not isinstance(place, Path):
            raise InputError(f"{place} is on a store: say with --out which local folder the report goes to")
        out = place / "report"
    finish(run(place, out), json_file, out)


@report.command(cls=StageCommand, stage="mounting")
@click.argument("recordings", type=PATH)
@stage_options()
def mounting(recordings: Path, overrides: tuple[str, ...], config_file: Path | None, out: Path, json_file: Path | None) -> None:
    """Find out which way round wrist sensors were worn.

    RECORDINGS is a table made by `m3n ingest`; labels are not needed. For every person and wrist: the rotation from the recording's
    axes to m3n's, and its confidence. Writes mounting.json, mounting.md and mounting.png.
    """
    from m3n import config
    from m3n.commands.mounting import as_plain, summary
    from m3n.commands.mounting import mounting as run

    found, figures = run(recordings, out, config.resolve(config.MountingConfig, "mounting", config_file, overrides))
    for line in summary(found, out):
        click.echo(line)
    finish(as_plain(found), json_file, None)
    finish(figures, None, out)


@report.command(cls=StageCommand, stage="pretrain")
@click.argument("clips", type=PATH)
@click.argument("recordings", type=PATH)
@click.option("--held-out", multiple=True, required=True, metavar="SUBJECT", help="Subject to test on; can be repeated.")
@click.option("--seed", "seeds", multiple=True, type=int, default=[0], help="Seed of the pretraining; can be repeated.")
@click.option(
    "--variant", "names", multiple=True, help="all, paper, or '<loss> alone'; can be repeated (default: each of them)."
)
@stage_options()
def ablation(
    clips: Path, recordings: Path, held_out: tuple[str, ...], seeds: tuple[int, ...], names: tuple[str, ...],
    overrides: tuple[str, ...], config_file: Path | None, out: Path, json_file: Path | None,
) -> None:  # fmt: skip
    """Compare the pretraining losses.

    Every loss alone, all together, and the paper's preset, tested on held-out subjects. CLIPS is a table of synthetic clips,
    RECORDINGS one of labelled recordings. Settings are those of `m3n pretrain` and hold for every variant. Rerun an interrupted
    command to resume it; add seeds and variants to extend it.
    """
    from m3n.commands.ablation import ablation as run

    finish(run(clips, recordings, out, held_out, overrides, seeds, names, config_file, click.echo), json_file, out)
    click.echo("\n" + (out / "ablation.md").read_text(encoding="utf-8"))
