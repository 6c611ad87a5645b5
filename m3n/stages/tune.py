"""`m3n tune`: search pretraining settings for the best macro F1 after fine-tuning, on validation subjects.

Held-out test subjects are split off first and never looked at: a trial is scored on subjects taken from the training ones.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from m3n import config as configs
from m3n import report, schema, tables, tracking
from m3n.cluster.start import connect
from m3n.cluster.tune import run_trials
from m3n.config import FinetuneConfig, PretrainConfig, TuneConfig
from m3n.errors import InputError, nearest
from m3n.progress import bar
from m3n.splits import Split, make_split

METRIC = "val_macro_f1"


def load_space(name: str) -> tuple[Callable[[Any], None], list[dict[str, Any]]]:
    """The function `space` of a search-space file, and its first settings; checked before anything runs.

    `name` is a path, or the name of a file in `tune_spaces/`. Raises InputError for a file without `space`, or one that draws a
    key that no config has.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = Path(__file__).resolve().parents[2] / "tune_spaces"
    file = next((f for f in (Path(name), folder / name, folder / f"{name}.py") if f.is_file()), None)
    if file is None:
        known = sorted(f.stem for f in folder.glob("*.py"))
        raise InputError(
            f"no search space '{name}'{nearest(name, known)}: expected a Python file, or one of {', '.join(known)}"
        )
    spec = importlib.util.spec_from_file_location("m3n_search_space", file)
    if spec is None or spec.loader is None:
        raise InputError(f"{file} is not a Python file: a search space is a .py file with a function space(trial)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Ray Tune saves the search, which refers to the function by its module
    spec.loader.exec_module(module)
    if not callable(getattr(module, "space", None)):
        raise InputError(f"{file} has no function space(trial)")
    trial = optuna.create_study().ask()
    module.space(trial)
    first = list(getattr(module, "FIRST", []))
    for settings in (trial.params, *first):
        trial_configs(TuneConfig(), settings)
    return module.space, first


def trial_configs(config: TuneConfig, settings: dict[str, Any]) -> tuple[PretrainConfig, FinetuneConfig]:
    """The configs of one trial: those of the sweep with the drawn settings on top. Raises InputError for an unknown key."""
    checked = configs.check(TuneConfig, configs.updated(config.model_dump(exclude_unset=True), settings))
    return checked.pretrain, checked.finetune


def tune(
    data: Path,
    recordings: Path,
    out: Path,
    space: str,
    config: TuneConfig = TuneConfig(),
    address: str | None = None,
) -> dict[str, Any]:
    """Search a space over a table of synthetic clips and one of recordings; returns the figures.

    Leaves `best.yaml` (a config for `m3n pretrain` and `m3n finetune`), `trials.json` and `trials.md` in `out`.
    """
    draw, first = load_space(space)
    split = _split(recordings, config.finetune)
    data, recordings = data.resolve(), recordings.resolve()
    tables.shard_paths(data)
    results: list[dict[str, Any]] = []
    with (
        tables.staged(out, inputs=[data, recordings]) as staging,
        tracking.track("tune", out.name, config, out=staging, data_sha=tables.data_sha256(data)) as run,
        tempfile.TemporaryDirectory(dir=staging, prefix=".tune-") as storage,
        bar("tune", config.trials) as advance,
    ):
        parent = run.wait_started()
        tracking_uri = tracking.absolute_uri()
        shared = Path(storage).resolve() / "pretrained"
        shared.mkdir()

        def score(settings: dict[str, Any]) -> dict[str, float]:
            return _score_trial(settings, config, data, recordings, split, shared, parent, tracking_uri)

        def on_result(number: int, settings: dict[str, Any], figures: dict[str, float]) -> None:
            results.append({"trial": number, "settings": settings, **figures})
            run.metrics({f"tune/{key}": value for key, value in figures.items()}, number)
            advance(1, f"best {max((r.get(METRIC, 0.0) for r in results), default=0.0):.3f}")

        connect(address, config.concurrent * config.pretrain.workers)
        run_trials(
            score, draw, first, metric=METRIC, trials=config.trials, concurrent=config.concurrent, seed=config.seed,
            storage=Path(storage), on_result=on_result,
        )  # fmt: skip
        done = sorted((r for r in results if METRIC in r), key=lambda r: -r[METRIC])
        if not done:
            raise RuntimeError(f"all {len(results)} trials failed")
        pretrain, finetune = trial_configs(config, done[0]["settings"])
        best = {
            "pretrain": pretrain.model_dump(mode="json", exclude_unset=True),
            "finetune": finetune.model_dump(mode="json", exclude_unset=True),
        }
        tables.write_text(staging / "best.yaml", yaml.safe_dump(best, sort_keys=False))
        tables.write_text(staging / "trials.json", json.dumps(results, indent=2) + "\n")
        keys = list(done[0]["settings"])
        rows = [[str(r["trial"]), f"{r[METRIC]:.3f}", *(_short(r["settings"].get(k)) for k in keys)] for r in done]
        tables.write_text(staging / "trials.md", report.markdown_table(["trial", METRIC, *keys], rows))
        figures = {
            "trials": len(results),
            "failed": len(results) - len(done),
            f"best_{METRIC}": done[0][METRIC],
            "best_trial": done[0]["trial"],
        }
        tables.write_manifest(
            staging,
            table="sweep",
            totals=figures,
            inputs={data.name: tables.data_sha256(data)},
            config=config.model_dump(mode="json"),
        )
        for name in ("best.yaml", "trials.md", "trials.json"):
            run.artifact(staging / name)
        run.metrics({f"tune/best_{METRIC}": done[0][METRIC]}, len(results))
    return figures


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _split(recordings: Path, config: FinetuneConfig) -> Split:
    """Training and validation subjects of the sweep; without `val_subjects`, a quarter of the training ones validate."""
    subjects: set[str] = set()
    for shard in tables.shard_paths(recordings):
        schema.validate_imu_recordings(tables.read_schema(shard), str(shard))
        subjects |= {row["subject"] for row in tables.rows(tables.read_shard(shard, schema.imu_recordings(())))}
    whole = make_split(
        sorted(subjects), test=config.test_subjects, val=config.val_subjects, train=config.train_subjects,
        folds=config.folds, fold=config.fold, seed=config.seed,
    )  # fmt: skip
    if whole.val:
        return whole
    count = max(1, len(whole.train) // 4)
    if count == len(whole.train):
        raise InputError("one training subject leaves none to validate on: name finetune.val_subjects, or train on more")
    return Split(whole.train[count:], whole.train[:count], whole.test)


def _score_trial(
    settings: dict[str, Any],
    config: TuneConfig,
    data: Path,
    recordings: Path,
    split: Split,
    shared: Path,
    parent: str | None,
    tracking_uri: str,
) -> dict[str, float]:
    """One trial, on a worker of the cluster: pretrain, fine-tune, and score on the validation subjects.

    Trials of one pretraining config share the checkpoint in `shared`: the first to come makes it, and others wait.
    """
    import fcntl
    import os

    from m3n.stages.finetune import finetune
    from m3n.stages.pretrain import pretrain

    os.environ["MLFLOW_TRACKING_URI"] = tracking_uri
    pretrain_config, finetune_config = trial_configs(config, settings)
    held_out = {"train_subjects": list(split.train), "val_subjects": [], "test_subjects": list(split.val)}
    checkpoint = shared / configs.sha256(pretrain_config)[:16]
    with checkpoint.with_suffix(".wait").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not (checkpoint / tables.MANIFEST).is_file():
            pretrain(data, checkpoint, pretrain_config, parent_run=parent)
    with tempfile.TemporaryDirectory() as folder:
        figures = finetune(
            recordings,
            Path(folder) / "finetune",
            finetune_config.model_copy(update=held_out),
            checkpoint,
            parent,
        )
    return {METRIC: figures["test_macro_f1"]}
