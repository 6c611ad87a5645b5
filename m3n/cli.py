"""`m3n <command>`: parses, calls, prints. Heavy imports wait until a command runs, so that `m3n --help` answers at once.

Exit status: 0 done; 2 bad input or configuration, with one clear line; 143 ended by SIGTERM, to be taken up again; 1 anything
else.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from m3n.io.storage import Location

# Before torch is imported. Networks this small gain nothing from a second thread (0.043 s a step with one, 0.042 s with two), and
# threads that wait for each other make a step up to twenty times slower once another process wants a core.
os.environ.setdefault("OMP_NUM_THREADS", "1")


class _LocalPath(click.Path):
    """A local path; a URI is refused, which would otherwise become a folder named `s3:`."""

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


class StageCommand(click.Command):
    """A command whose help ends with every config key, its default and its meaning."""

    def __init__(self, *args: Any, stage: str | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stage = stage

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.stage:
            from m3n import config

            _format_keys(formatter, f"Settings (key=value, or under `{self.stage}:` in --config)", config.STAGES[self.stage])
        if self.stage == "simulate":
            from m3n.config.names import SOURCES
            from m3n.imu.smoothing import KINDS

            with formatter.section("Low pass over the motion where cutoff_hz=source, by the clips' `source` (any other: none)"):
                formatter.write_dl([(name, str(KINDS[s.poses_from] or "none")) for name, s in SOURCES.items() if s.poses_from])
        if self.stage == "ingest":
            from m3n import sources
            from m3n.config.names import SOURCES

            with formatter.section("Sources"):
                formatter.write_dl([(name, source.help) for name, source in SOURCES.items()])
            for name in SOURCES:
                _format_keys(formatter, f"Settings of {name}", sources.load(name).Options)


def _format_keys(formatter: click.HelpFormatter, title: str, schema: Any) -> None:
    from m3n import config

    rows = [(f"{key}={default}", text) for key, default, text in config.describe(schema)]
    if rows:
        with formatter.section(title):
            formatter.write_dl(rows, col_max=44)


def _writable_file(context: click.Context, parameter: click.Parameter, value: Path | None) -> Path | None:
    """Known before the work rather than after it."""
    from m3n.errors import InputError

    if value is not None:
        parent = next(p for p in value.absolute().parents if p.exists())
        if value.is_dir() or not parent.is_dir():
            raise InputError(
                f"--json {value}: expected a file to write, but {value if value.is_dir() else parent} is in the way"
            )
    return value


def _answering_cluster(context: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """Known before tables are read, and at once: Ray itself tries for minutes."""
    from m3n.cluster.start import check_listening

    check_listening(value or os.environ.get("RAY_ADDRESS"))
    return value


json_option = click.option(
    "--json", "json_file", type=PATH, callback=_writable_file, help="Write the figures to this file too."
)


def stage_options(out: click.ParamType[Any] = PATH, address: bool = False) -> Callable[[Any], Any]:
    """The options that stages share; `out`: what kind of place the result can go to."""

    def add(command: Any) -> Any:
        command = json_option(command)
        if address:
            where = "Ray cluster to run on, as host:port (default: the surrounding job's, or a local one)."
            command = click.option("--address", callback=_answering_cluster, help=where)(command)
        places = "Folder for the result." if out is PATH else "Folder for the result, or s3://bucket/key or gs://bucket/key."
        command = click.option("--out", required=True, type=out, help=places)(command)
        preset = "YAML file with one section per stage, or the name of a preset, such as paper."
        command = click.option("--config", "config_file", type=PATH, help=preset)(command)
        return click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")(command)

    return add


def _finish(figures: dict[str, Any], json_file: Path | None, where: Location | None) -> None:
    for key, value in figures.items():
        if isinstance(value, int | float | str) and not isinstance(value, bool):
            click.echo(f"  {key}: {value:,.4g}" if isinstance(value, float) else f"  {key}: {value}")
    if json_file:
        from m3n.io import tables

        json_file.parent.mkdir(parents=True, exist_ok=True)
        tables.write_text(json_file, json.dumps(figures, indent=2) + "\n")
    if where:
        click.echo(f"  -> {where}")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="m3n")
def cli() -> None:
    """Wrist-worn activity recognition, pretrained on video through virtual IMUs (Multi^3Net, arXiv 2406.01316).

    \b
    Poses from video  ->  ingest  ->  simulate  ->  pretrain  ->  finetune  ->  a classifier of real wrist data
    Start with `m3n demo`; every command teaches with --help.
    """


@cli.command(cls=StageCommand)
@click.option("--out", default="runs/demo", type=PATH, show_default=True, help="Folder for everything the demo makes.")
@json_option
def demo(out: Path, json_file: Path | None) -> None:
    """The whole path on data that needs no licence: choreographed poses to a classifier of a real smart watch."""
    from m3n.commands.demo import demo as run

    _finish(run(out, run_command=_run_printed, echo=click.echo), json_file, out)


def _run_printed(arguments: list[str]) -> None:
    click.echo("\n$ m3n " + " ".join(arguments))
    cli.main(arguments, standalone_mode=False, prog_name="m3n")


@cli.command(cls=StageCommand, stage="ingest")
@click.argument("source")
@stage_options()
def ingest(source: str, overrides: tuple[str, ...], config_file: Path | None, out: Path, json_file: Path | None) -> None:
    """Read poses or recordings of an outside format: m3n ingest SOURCE [PATH] --out DIR [KEY=VALUE]...

    Writes DIR/poses and / or DIR/recordings.
    """
    from m3n import config
    from m3n.commands.ingest import ingest as run
    from m3n.commands.ingest import options_of
    from m3n.errors import InputError

    paths = [o for o in overrides if "=" not in o or Path(o).exists()]
    if len(paths) > 1:
        raise InputError(f"expected one PATH, found {len(paths)}: {' '.join(paths)}")
    options = config.resolve(options_of(source), "ingest", config_file, [o for o in overrides if o not in paths])
    _finish(run(source, Path(paths[0]) if paths else None, out, options), json_file, out)


@cli.command(cls=StageCommand, stage="simulate")
@click.argument("poses", type=LOCATION)
@stage_options(out=LOCATION, address=True)
def simulate(
    poses: Location,
    overrides: tuple[str, ...],
    config_file: Path | None,
    out: Location,
    address: str | None,
    json_file: Path | None,
) -> None:
    """Simulate wrist IMUs over a table of pose clips, on Ray Data.

    POSES and --out are local folders, or s3://bucket/key or gs://bucket/key. A run that was interrupted goes on where it was.
    """
    from m3n import config
    from m3n.commands.simulate.command import simulate_clips

    resolved = config.resolve(config.SimulateConfig, "simulate", config_file, overrides)
    _finish(simulate_clips(poses, out, resolved, address), json_file, out)


@cli.command(cls=StageCommand, stage="pretrain")
@click.argument("data", type=LOCATION)
@stage_options(out=LOCATION, address=True)
def pretrain(
    data: Location,
    overrides: tuple[str, ...],
    config_file: Path | None,
    out: Location,
    address: str | None,
    json_file: Path | None,
) -> None:
    """Pretrain text, pose and IMU encoders together on synthetic clips, on Ray Train."""
    from m3n import config
    from m3n.commands.pretrain import pretrain as run

    resolved = config.resolve(config.PretrainConfig, "pretrain", config_file, overrides)
    _finish(run(data, out, resolved, address), json_file, out)


@cli.command(cls=StageCommand, stage="finetune")
@click.argument("recordings", type=LOCATION)
@click.option("--checkpoint", type=LOCATION, help="Folder made by `m3n pretrain`; without it, training starts from scratch.")
@click.option(
    "--clips",
    type=LOCATION,
    help="Table of synthetic clips for `rehearse`: those that the checkpoint was made from; without one, any.",
)
@stage_options()
def finetune(
    recordings: Location,
    checkpoint: Location | None,
    clips: Location | None,
    overrides: tuple[str, ...],
    config_file: Path | None,
    out: Path,
    json_file: Path | None,
) -> None:
    """Train a classifier of real recordings and score it on subjects never seen."""
    from m3n import config
    from m3n.commands.finetune import finetune as run

    resolved = config.resolve(config.FinetuneConfig, "finetune", config_file, overrides)
    _finish(run(recordings, out, resolved, checkpoint, clips=clips), json_file, out)


@cli.command(cls=StageCommand, stage="evaluate")
@click.argument("checkpoint", type=LOCATION)
@click.option("--clips", type=PATH, help="Table of synthetic clips: retrieval, alignment, Pose2IMU.")
@click.option("--recordings", type=PATH, help="Table of labelled recordings: zero-shot, nearest neighbours, linear probe.")
@stage_options()
def evaluate(
    checkpoint: Location,
    clips: Path | None,
    recordings: Path | None,
    overrides: tuple[str, ...],
    config_file: Path | None,
    out: Path,
    json_file: Path | None,
) -> None:
    """Judge a folder made by `m3n pretrain` on subjects it was not trained on, without fine-tuning."""
    from m3n import config
    from m3n.commands.evaluate.command import evaluate as run

    resolved = config.resolve(config.EvaluateConfig, "evaluate", config_file, overrides)
    _finish(run(checkpoint, out, resolved, clips, recordings), json_file, out)


@cli.command(cls=StageCommand, stage="predict")
@click.argument("recordings", type=LOCATION)
@click.option("--checkpoint", type=PATH, required=True, help="Folder made by `m3n finetune`.")
@stage_options()
def predict(
    recordings: Location,
    checkpoint: Path,
    overrides: tuple[str, ...],
    config_file: Path | None,
    out: Path,
    json_file: Path | None,
) -> None:
    """A time line of activities with confidence, for every recording of a table.

    RECORDINGS is a table made by `m3n ingest`, or one of its shards; labels are not needed. Writes timeline.csv, timeline.parquet,
    timeline.png and, with all the probabilities, cells.parquet.
    """
    from m3n import config
    from m3n.commands.predict import predict as run

    resolved = config.resolve(config.PredictConfig, "predict", config_file, overrides)
    _finish(run(recordings, checkpoint, out, resolved), json_file, out)


@cli.command(cls=StageCommand, stage="tune")
@click.argument("data", type=PATH)
@click.argument("recordings", type=PATH)
@click.option("--space", required=True, help="Search space: a Python file, or the name of one in tune_spaces/.")
@click.option("--resume", is_flag=True, help="Go on with the sweep in --out: after an interruption, or to more trials.")
@stage_options(address=True)
def tune(
    data: Path,
    recordings: Path,
    space: str,
    resume: bool,
    overrides: tuple[str, ...],
    config_file: Path | None,
    out: Path,
    address: str | None,
    json_file: Path | None,
) -> None:
    """Search settings of pretraining and fine-tuning for the best macro F1 on validation subjects, on Ray Tune.

    DATA is a table of synthetic clips, RECORDINGS one of real, labelled recordings. No trial looks at the held-out test subjects.
    """
    from m3n import config
    from m3n.commands.tune.command import tune as run

    resolved = config.resolve(config.TuneConfig, "tune", config_file, overrides)
    _finish(run(data, recordings, out, space, resolved, address, resume), json_file, out)


@cli.command(cls=StageCommand, stage="reproduce")
@click.argument("name")
@click.option("--data", type=PATH, help="The data set's file (none for a source that needs none).")
@click.option("--corpus", "corpora", multiple=True, metavar="SOURCE=FILE", help="Other poses to pretrain on; may be repeated.")
@stage_options(address=True)
def reproduce(
    name: str,
    data: Path | None,
    corpora: tuple[str, ...],
    overrides: tuple[str, ...],
    config_file: Path | None,
    out: Path,
    address: str | None,
    json_file: Path | None,
) -> None:
    """Pretraining against training from scratch, on a data set's own protocol: every method, label budget, seed and fold.

    NAME is a protocol of configs/protocols/ (utd_mhad, seglearn_watch, openpack, mmfit). A run that was interrupted goes on where
    it was, and methods, labels and seeds may be added later.
    """
    from m3n import config
    from m3n.commands.reproduce.command import protocol_file
    from m3n.commands.reproduce.command import reproduce as run

    resolved = config.resolve(config.ReproduceConfig, "reproduce", config_file, overrides, base=protocol_file(name))
    _finish(run(Path(name).stem, data, out, resolved, _corpora(corpora), address), json_file, out)
    click.echo("\n" + (out / "results.md").read_text(encoding="utf-8"))


def _corpora(given: tuple[str, ...]) -> dict[str, Path]:
    from m3n import sources
    from m3n.errors import InputError

    found = {}
    for item in given:
        source, equals, file = item.partition("=")
        if not equals or not Path(file).exists():
            raise InputError(f"--corpus {item}: expected SOURCE=FILE with a file that exists")
        sources.load(source)
        found[source] = Path(file)
    return found


@cli.command(cls=StageCommand)
@click.argument("classifier", type=PATH)
@click.option("--out", required=True, type=PATH, help="Folder for model.onnx, the weights and the model card.")
@json_option
def export(classifier: Path, out: Path, json_file: Path | None) -> None:
    """Write the classifier in a folder made by `m3n finetune` as ONNX and safetensors, with a model card."""
    from m3n.commands.export import export as run

    _finish(run(classifier, out), json_file, out)


@cli.command(cls=StageCommand)
@click.option("--address", help="Ray cluster to look at (default: the surrounding job's, or a local one is started).")
@click.option("--no-ray", is_flag=True, help="Leave Ray out, which takes seconds to start.")
@click.option("--storage", type=LOCATION, help="Folder or s3://bucket/key or gs://bucket/key that must be writable.")
@json_option
def doctor(address: str | None, no_ray: bool, storage: Location | None, json_file: Path | None) -> None:
    """Look over everything that m3n stands on: one line each, with what to do. Exit status 1 where something fails."""
    from m3n.commands.doctor.command import doctor as run
    from m3n.errors import StoppedError

    figures = run(address, not no_ray, storage, echo=click.echo)
    _finish(figures, json_file, None)
    if figures["failures"]:
        raise StoppedError(f"{figures['failures']} of {len(figures['checks'])} checks failed", 1)


@cli.command(cls=StageCommand)
@json_option
def sync(json_file: Path | None) -> None:
    """Send to MLflow what it has missed while it was down: in order, and each value once.

    Any command that writes to MLflow does the same on the way; exit status 1 where the server does not answer.
    """
    from m3n import tracking

    figures = tracking.sync()
    _finish(figures, json_file, None)
    for server, runs in figures["for_other_servers"].items():
        click.echo(f"  {runs} more runs are for {server}: set MLFLOW_TRACKING_URI to it and run this again")


@cli.group()
def report() -> None:
    """Reports on data and results: tables, figures and plots."""


@report.command(cls=StageCommand, stage="fidelity")
@click.argument("poses", type=PATH)
@click.argument("recordings", type=PATH)
@stage_options()
def fidelity(
    poses: Path, recordings: Path, overrides: tuple[str, ...], config_file: Path | None, out: Path, json_file: Path | None
) -> None:
    """Simulated against real sensors: POSES and RECORDINGS are tables, paired by clip_id and recording_id."""
    from m3n import config
    from m3n.commands.fidelity import fidelity as run

    resolved = config.resolve(config.FidelityConfig, "fidelity", config_file, overrides)
    figures = run(poses, recordings, out, resolved)
    _finish(figures, json_file, out)


@report.command(cls=StageCommand, stage="pretrain")
@click.argument("clips", type=PATH)
@click.argument("recordings", type=PATH)
@click.option("--held-out", multiple=True, required=True, metavar="SUBJECT", help="Subject to test on; may be repeated.")
@click.option("--seed", "seeds", multiple=True, type=int, default=[0], help="Seed of the pretraining; may be repeated.")
@click.option(
    "--variant", "names", multiple=True, help="all, paper, or '<loss> alone'; may be repeated (default: each of them)."
)
@stage_options()
def ablation(
    clips: Path, recordings: Path, held_out: tuple[str, ...], seeds: tuple[int, ...], names: tuple[str, ...],
    overrides: tuple[str, ...], config_file: Path | None, out: Path, json_file: Path | None,
) -> None:  # fmt: skip
    """What each pretraining loss earns: every one alone, all together, and the paper's preset, tested on held-out subjects.

    CLIPS is a table of synthetic clips, RECORDINGS one of labelled recordings. Settings are those of `m3n pretrain` and hold for
    every variant. An interrupted run resumes, and seeds and variants may be added later.
    """
    from m3n.commands.ablation import ablation as run

    _finish(run(clips, recordings, out, held_out, overrides, seeds, names, config_file, click.echo), json_file, out)
    click.echo("\n" + (out / "ablation.md").read_text(encoding="utf-8"))


@cli.command(cls=StageCommand, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(name: str | None, arguments: tuple[str, ...]) -> None:
    """Measure how fast or how exact a part of m3n is; without NAME, list the benchmarks.

    `m3n bench NAME --help` shows the options of one; with --record, the figures join the history in benchmarks/results/.
    """
    from m3n.commands.bench.command import run_benchmark, summaries

    if name is None:
        for known, summary in summaries().items():
            click.echo(f"  {known:20s} {summary}")
    else:
        run_benchmark(name, list(arguments))


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    from m3n.errors import TERMINATED, InputError, StoppedError

    try:
        cli.main(arguments, standalone_mode=False, prog_name="m3n")
    except InputError as error:
        click.echo(f"m3n: {error}", err=True)
        return 2
    except StoppedError as error:
        click.echo(f"m3n: {error.message}", err=True)
        return error.status
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        click.echo(f"m3n: {error.format_message()}", err=True)
        return 2
    except SystemExit as ended:
        if ended.code != TERMINATED:
            raise
        click.echo("m3n: ended by SIGTERM: run again, simulate, pretrain and reproduce go on from what is finished", err=True)
        return TERMINATED
    except (KeyboardInterrupt, click.Abort):
        click.echo("m3n: interrupted", err=True)
        return 130
    return 0


def entry(*command: str) -> None:
    """Console script, and the scripts of `jobs/`, whose `command` comes before the arguments they are given."""
    sys.exit(main([*command, *sys.argv[1:]]))
