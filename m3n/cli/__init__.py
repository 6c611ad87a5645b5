"""`m3n <command>`: parses the command line, runs the command, prints its figures.

Imports that take long wait until a command runs, so that `m3n --help` answers at once. Exit status: 0 done; 2 bad input or
configuration, with one clear line; 143 terminated by SIGTERM (rerun to resume); 130 interrupted; 1 anything else.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from m3n.cli.options import LOCATION, PATH, InOrder, StageCommand, finish, json_option, stage, stage_options, writable_file
from m3n.cli.report_commands import report

if TYPE_CHECKING:
    from m3n import config as configs
    from m3n.io.storage import Location

STRANGERS = "strangers"  # of `m3n reproduce`: no protocol, but several in turn


@click.group(cls=InOrder, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="m3n")
def cli() -> None:
    """Train activity-recognition models for wrist IMUs, pretrained on human motion from video (Multi^3Net, arXiv 2406.01316).

    \b
    poses from video -> ingest -> simulate -> pretrain -> finetune -> a classifier of real wrist data
    Start with `m3n demo`. `m3n COMMAND --help` explains a command and all its settings.
    """


@cli.command(cls=StageCommand)
@click.argument("what", type=click.Choice(["video"]), required=False)
@click.option("--data", type=PATH, help="Of `m3n demo video`: a zip of videos, a folder of them, or a video.")
@click.option("--out", type=PATH, help="Folder for everything the demo makes (default: runs/demo, or runs/demo_video).")
@json_option
def demo(what: str | None, data: Path | None, out: Path | None, json_file: Path | None) -> None:
    """Run all stages on data that needs no licence.

    Pretrains on simulated arm movements, then trains and tests a classifier on real smartwatch recordings. `m3n demo video --data
    PLACE` turns films into poses, virtual IMUs and a page to look at; it needs the extra [video] and `m3n setup video`.
    """
    from m3n.errors import InputError

    if (what is None) != (data is None):
        raise InputError(
            "expected `m3n demo`, or `m3n demo video --data PLACE` with a zip of videos, a folder of them, or a video"
        )
    if data is not None:
        from m3n.commands.demo_video import demo_video

        films = out or Path("runs/demo_video")
        finish(demo_video(data, films, run_command=_run_printed, echo=click.echo), json_file, films)
        return
    from m3n.commands.demo import demo as run

    out = out or Path("runs/demo")
    finish(run(out, run_command=_run_printed, echo=click.echo), json_file, out)


def _run_printed(arguments: list[str]) -> None:
    click.echo("\n$ m3n " + " ".join(arguments))
    cli.main(arguments, standalone_mode=False, prog_name="m3n")


@cli.command(cls=StageCommand)
@click.argument("what", type=click.Choice(["video"]))
@json_option
def setup(what: str, json_file: Path | None) -> None:
    """Fetch files that m3n needs but does not contain.

    `m3n setup video` takes the pose networks of `m3n ingest video` (Apache-2.0, 9.4 MB) out of the wheel mediapipe==0.10.21, which
    pip downloads, checks them and keeps them in the cache. On a machine without a network, set M3N_POSE_MODELS to a folder that
    has them.
    """
    from m3n.video import network_files

    finish({"networks": network_files.fetch()}, json_file, network_files.folder())


@cli.command(cls=StageCommand, stage="ingest")
@click.argument("source")
@stage_options(out=LOCATION)
def ingest(source: str, overrides: tuple[str, ...], config_file: Path | None, out: Location, json_file: Path | None) -> None:
    """Read poses or recordings into m3n's tables.

    Usage: m3n ingest SOURCE [PATH] --out DIR [KEY=VALUE]...

    Writes the tables DIR/poses, DIR/recordings or both. Videos may lie on a store, and are read on Ray Data; rerun an interrupted
    `m3n ingest video` to resume.
    """
    from m3n import config
    from m3n.commands.ingest import ingest as run
    from m3n.commands.ingest import options_of
    from m3n.errors import InputError
    from m3n.io.storage import location

    paths = [o for o in overrides if "=" not in o or "://" in o.split("=")[0] or Path(o).exists()]
    if len(paths) > 1:
        raise InputError(f"expected one PATH, found {len(paths)}: {' '.join(paths)}")
    options = config.resolve(options_of(source), "ingest", config_file, [o for o in overrides if o not in paths])
    finish(run(source, location(paths[0]) if paths else None, out, options), json_file, out)


@cli.command(cls=StageCommand, stage="view")
@click.argument("place", type=LOCATION)
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--beside", type=LOCATION, help="A second place, drawn over the first; paired by id, or else by label.")
@click.option(
    "--save",
    "file",
    type=PATH,
    callback=writable_file,
    metavar="FILE.html",
    help="Write one page that needs no server, and end.",
)
@click.option("--config", "config_file", type=PATH, help="YAML file with a section `view`.")
@json_option
def view(
    place: Location, beside: Location | None, file: Path | None, overrides: tuple[str, ...], config_file: Path | None,
    json_file: Path | None,
) -> None:  # fmt: skip
    """Look at clips: body, sensors and samples move together.

    \b
    PLACE is one of
      a table of pose clips or synthetic clips     m3n view data/moves/synthetic
      a table of recordings                        m3n view data/watch/recordings
      a YAML file of sketches                      m3n view moves.yaml
      the output of `m3n predict`                  m3n view runs/predicted --beside data/watch/recordings

    Real sensors beside simulated ones: m3n view data/utd/synthetic --beside data/utd/recordings

    Serves a page at http://127.0.0.1:8765, for this machine alone, until Ctrl-C; reload it after a change of the data or of the
    sketches. From another machine: ssh -L 8765:127.0.0.1:8765 HOST. With --save, the page is a file to keep or send, with the
    samples of its clips inside.
    """
    from m3n import config
    from m3n.commands.view import command

    settings = config.resolve(config.ViewConfig, "view", config_file, overrides)
    if file is not None:
        finish(command.save(place, beside, file, settings), json_file, file)
        return
    server, address, entries = command.server(place, beside, settings)
    with server:
        finish({"entries": entries, "address": address}, json_file, None)
        click.echo("  open the address in a browser; Ctrl-C ends")
        with suppress(KeyboardInterrupt):
            server.serve_forever()


@stage(cli, "simulate", out=LOCATION, address=True)
@click.argument("poses", type=LOCATION)
def simulate(poses: Location, out: Location, config: configs.SimulateConfig, address: str | None) -> dict[str, Any]:
    """Simulate wrist IMUs from pose clips.

    POSES and --out are local folders, or s3://bucket/key or gs://bucket/key. Large tables are simulated on Ray Data. Rerun an
    interrupted command to resume.
    """
    from m3n.commands.simulate.command import simulate_clips

    return simulate_clips(poses, out, config, address)


@stage(cli, "pretrain", out=LOCATION, address=True, tables="data")
@click.option(
    "--recordings", multiple=True, type=LOCATION,
    help="Table of real recordings to learn from too, labelled or not; can be repeated.",
)  # fmt: skip
def pretrain(
    data: list[Location], recordings: tuple[Location, ...], out: Location, config: configs.PretrainConfig, address: str | None
) -> dict[str, Any]:
    """Pretrain text, pose and IMU encoders together.

    Usage: m3n pretrain CLIPS... [--recordings TABLE]... --out DIR [KEY=VALUE]...

    CLIPS are tables made by `m3n simulate`; a placement that only some of them have is masked in the others. Recordings are tables
    made by `m3n ingest`: labelled ones are paired with sentences of their labels, all of them feed reconstruction, left_right and
    two_views. Their people count as seen, so name test people in exclude_subjects. Runs on Ray Train, unless workers=1 on a machine
    without a GPU. Rerun an interrupted command to resume.
    """
    from m3n.commands.pretrain import pretrain as run

    return run(data, out, config, address, recordings=recordings)


@stage(cli, "evaluate")
@click.argument("checkpoint", type=LOCATION)
@click.option("--clips", type=PATH, help="Table of synthetic clips: retrieval, alignment, Pose2IMU.")
@click.option("--recordings", type=PATH, help="Table of labelled recordings: zero-shot, nearest neighbours, linear probe.")
def evaluate(
    checkpoint: Location, clips: Path | None, recordings: Path | None, out: Path, config: configs.EvaluateConfig
) -> dict[str, Any]:
    """Score a pretrained checkpoint without fine-tuning.

    CHECKPOINT is a folder made by `m3n pretrain`, or the name of weights that come with m3n. Only subjects that it was not trained
    on are scored.
    """
    from m3n.commands.evaluate.command import evaluate as run

    return run(checkpoint, out, config, clips, recordings)


@stage(cli, "finetune")
@click.argument("recordings", type=LOCATION)
@click.option(
    "--checkpoint",
    type=LOCATION,
    help="Folder made by `m3n pretrain`, or the name of weights that come with m3n (default: train from scratch).",
)
@click.option(
    "--clips",
    type=LOCATION,
    help="Table of synthetic clips to rehearse, or to co-train with; those of held-out subjects are left out.",
)
@click.option(
    "--sketches",
    metavar="auto|FILE",
    help="Instead of --clips: make them from sketches of the labels, those that come with m3n (auto) or also your own YAML file.",
)
def finetune(
    recordings: Location,
    checkpoint: Location | None,
    clips: Location | None,
    sketches: str | None,
    out: Path,
    config: configs.FinetuneConfig,
) -> dict[str, Any]:
    """Train a classifier and test it on unseen subjects.

    RECORDINGS is a table of labelled recordings made by `m3n ingest`.
    """
    from m3n.commands.finetune import finetune as run

    return run(recordings, out, config, checkpoint, clips=clips, sketches=sketches)


@stage(cli, "predict")
@click.argument("recordings", type=LOCATION)
@click.option("--checkpoint", type=PATH, required=True, help="Folder made by `m3n finetune`.")
def predict(recordings: Location, checkpoint: Path, out: Path, config: configs.PredictConfig) -> dict[str, Any]:
    """Label recordings: a timeline of activities.

    RECORDINGS is a table made by `m3n ingest`, or one of its shards; labels are not needed. Writes timeline.csv, timeline.parquet,
    timeline.png and, with the probabilities of every class, cells.parquet.
    """
    from m3n.commands.predict import predict as run

    return run(recordings, checkpoint, out, config)


@stage(cli, "tune", address=True)
@click.argument("data", type=PATH)
@click.argument("recordings", type=PATH)
@click.option("--space", required=True, help="Search space: a Python file, which is run, or the name of one in tune_spaces/.")
@click.option(
    "--recordings", "pretraining_recordings", multiple=True, type=PATH,
    help="Table of real recordings that trials pretrain on too, as in `m3n pretrain`; can be repeated.",
)  # fmt: skip
@click.option("--resume", is_flag=True, help="Resume the sweep in --out, after an interruption or for more trials.")
def tune(
    data: Path,
    recordings: Path,
    space: str,
    pretraining_recordings: tuple[Path, ...],
    resume: bool,
    out: Path,
    config: configs.TuneConfig,
    address: str | None,
) -> dict[str, Any]:
    """Search for the settings with the best macro F1.

    DATA is a table of synthetic clips, RECORDINGS one of real, labelled recordings. Trials are scored on validation subjects; none
    sees the held-out test subjects. Runs on Ray Tune.
    """
    from m3n.commands.tune.command import tune as run

    return run(data, recordings, out, space, config, address, resume, pretraining_recordings)


def grid_section(arguments: Any) -> str:
    """The section of configs that `m3n reproduce NAME` reads, which names its settings in STAGES."""
    return STRANGERS if arguments["name"] == STRANGERS else "reproduce"


def grid_file(arguments: Any) -> Path:
    """The config below the user's own: the protocol called NAME or, for strangers, what comes with m3n."""
    from m3n import packaged
    from m3n.commands.reproduce.command import protocol_file

    if arguments["name"] == STRANGERS:
        return packaged.find(STRANGERS, "configs", ".yaml", "config file")
    return protocol_file(arguments["name"])


@stage(cli, "reproduce", address=True, base=grid_file, section=grid_section, shows="results.md")
@click.argument("name")
@click.option(
    "--data", multiple=True, metavar="FILE", help="The dataset's file (leave out for a source that needs none); of strangers, "
    "NAME=FILE or NAME for each dataset. Can be repeated.",
)  # fmt: skip
@click.option("--corpus", "corpora", multiple=True, metavar="SOURCE=FILE", help="Other data to pretrain on; can be repeated.")
def reproduce(
    name: str, data: tuple[str, ...], corpora: tuple[str, ...], out: Path, config: Any, address: str | None
) -> dict[str, Any]:
    """Compare pretraining with training from scratch.

    Runs every method, label budget, seed and fold of a dataset's protocol. NAME is a protocol of configs/protocols/ (utd_mhad,
    seglearn_watch, geotec, openpack, mmfit) or a YAML file; or `strangers`, which leaves one of several datasets out in turn:

    \b
    m3n reproduce strangers --data seglearn_watch --data geotec=geotec_watch.zip --out runs/strangers

    Rerun an interrupted command to resume it; add methods, labels or seeds to extend it.
    """
    if name == STRANGERS:
        from m3n.commands.reproduce.strangers import strangers

        return strangers(_named_files("--data", "NAME=FILE", data), out, config, _corpora(corpora), address)
    from m3n.commands.reproduce.command import reproduce as run

    return run(Path(name).stem, tuple(map(Path, data)), out, config, _corpora(corpora), address)


def _corpora(given: tuple[str, ...]) -> dict[str, tuple[Path, ...]]:
    from m3n import sources

    found = _named_files("--corpus", "SOURCE=FILE", given)
    for source in found:
        sources.load(source)
    return found


def _named_files(option: str, form: str, given: tuple[str, ...]) -> dict[str, tuple[Path, ...]]:
    """Name -> files of NAME=FILE, in order; of --data, NAME alone has none."""
    from m3n.errors import InputError

    found: dict[str, tuple[Path, ...]] = {}
    for item in given:
        name, equals, file = item.partition("=")
        if not name or (equals and not Path(file).exists()) or (option == "--corpus" and not equals):
            raise InputError(f"{option} {item}: expected {form} with a file that exists")
        found[name] = (*found.get(name, ()), *((Path(file),) if equals else ()))
    return found


@cli.command(cls=StageCommand)
@click.argument("classifier", type=PATH)
@click.option("--out", required=True, type=PATH, help="Folder for model.onnx, the weights and the model card.")
@json_option
def export(classifier: Path, out: Path, json_file: Path | None) -> None:
    """Export a classifier as ONNX and safetensors.

    CLASSIFIER is a folder made by `m3n finetune`. Also writes a model card.
    """
    from m3n.commands.export import export as run

    finish(run(classifier, out), json_file, out)


@cli.command(cls=StageCommand)
@click.argument("classifier", type=PATH)
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; other than loopback, anybody there may ask."
)
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="Port to listen on.")
def serve(classifier: Path, host: str, port: int) -> None:
    """Serve a classifier over HTTP: samples in, labels out.

    CLASSIFIER is a folder made by `m3n finetune`. POST /predict takes at least one window of samples, in m/s² and rad/s, as JSON:
    {"rate_hz": 50, "samples": {"right_wrist_ax": [...], ...}}. It answers with start_s, stop_s, label and confidence of every half
    window. What is wrong with a request is status 400 and one line. GET / says what the model expects. Ends at Ctrl-C.
    """
    from m3n.export.web_service import serve as run

    click.echo(f"  serving {classifier} at http://{host}:{port}; Ctrl-C ends", err=True)
    run(classifier, host, port)


cli.add_command(report)


@cli.command(cls=StageCommand)
@click.option("--address", help="Ray cluster to check (default: the cluster of the surrounding job, or a new local one).")
@click.option("--no-ray", is_flag=True, help="Skip Ray, which takes seconds to start.")
@click.option("--storage", type=LOCATION, help="Folder, s3://bucket/key or gs://bucket/key that must be writable.")
@json_option
def doctor(address: str | None, no_ray: bool, storage: Location | None, json_file: Path | None) -> None:
    """Check the installation, and say what to fix.

    Prints one line per check. Exit status 1 if a check fails.
    """
    from m3n.commands.doctor.command import doctor as run
    from m3n.errors import StoppedError

    figures = run(address, not no_ray, storage, echo=click.echo)
    finish(figures, json_file, None)
    if figures["failures"]:
        raise StoppedError(f"{figures['failures']} of {len(figures['checks'])} checks failed", 1)


@cli.command(cls=StageCommand)
@json_option
def sync(json_file: Path | None) -> None:
    """Send MLflow what it missed while it was down.

    Values are sent in order and once each. Every command that writes to MLflow does this too. Exit status 1 if the server does not
    answer.
    """
    from m3n import tracking

    figures = tracking.sync()
    finish(figures, json_file, None)
    for server, runs in figures["for_other_servers"].items():
        click.echo(f"  {runs} more runs are for {server}: set MLFLOW_TRACKING_URI to it and rerun this command")


@cli.command(cls=StageCommand, context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("name", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def bench(name: str | None, arguments: tuple[str, ...]) -> None:
    """Measure the speed or accuracy of a part of m3n.

    Without NAME, lists the benchmarks. `m3n bench NAME --help` shows the options of one; with --record, the figures join the
    history in benchmarks/results/.
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

    # Before torch is imported. Networks this small gain nothing from a second thread (0.043 s a step with one, 0.042 s with two),
    # and threads that wait for each other make a step up to twenty times slower once another process wants a core.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
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
        click.echo("m3n: terminated; rerun the same command to resume (simulate, pretrain, tune, reproduce)", err=True)
        return TERMINATED
    except (KeyboardInterrupt, click.Abort):
        click.echo("m3n: interrupted", err=True)
        return 130
    return 0


def entry(*command: str) -> None:
    """Console script, and the scripts of `jobs/`, whose `command` comes before the arguments they are given."""
    sys.exit(main([*command, *sys.argv[1:]]))
