"""`m3n tune`: search settings of pretraining and fine-tuning for the best macro F1 on validation subjects.

Held-out test subjects are split off first, and no trial sees them: trials are scored on validation subjects, taken from the
training subjects. The output folder holds everything that a sweep has done, trial by trial, so that `--resume` continues an
interrupted sweep, or extends a finished one with more trials.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from m3n import config as configs
from m3n import tracking
from m3n.cluster.start import connect, named_cluster
from m3n.cluster.tune import ERROR, FINISHED, STEP, Outcome, Rule, run_trials
from m3n.commands.evaluate.data import clip_people, recording_people
from m3n.commands.finetune import finetune, load_windows
from m3n.commands.tune.results import ARTIFACTS, write_results
from m3n.commands.tune.space import Space, load_space, trial_configs
from m3n.commands.tune.study import COMPLETE, FAILED, METRIC, OPEN, STOPPED, Study, Trial
from m3n.commands.tune.trial import PRETRAINED, Sweep, labelled_parts, pretraining_key, run_trial
from m3n.config import HARDWARE, FinetuneConfig, TuneConfig, WindowsConfig
from m3n.data.corpora import Mixture, open_corpora
from m3n.data.splits import Split, check_leakage, make_split
from m3n.errors import INTERRUPTED, InputError, StoppedError
from m3n.io import locks, tables
from m3n.progress import Advance, bar

PLAN, JOURNAL, TEST = "plan.json", "trials.jsonl", "test"
MAY_CHANGE = {
    "trials",
    "hours",
    "concurrent",
    "test",
    "registered",
    "restarts",
    *(f"pretrain.{key}" for key in HARDWARE - {"device"}),
}
HOPELESS = 3  # failed trials before the first success: then the settings are not the cause


def tune(
    data: Path,
    recordings: Path,
    out: Path,
    space: str,
    config: TuneConfig = TuneConfig(),
    address: str | None = None,
    resume: bool = False,
    pretraining_recordings: Sequence[Path] = (),
) -> dict[str, Any]:
    """Search a space over a table of synthetic clips and one of recordings; returns the figures.

    `pretraining_recordings`: tables of real recordings that trials pretrain on too, as `m3n pretrain --recordings`.
    Leaves `best.yaml` (a config for `m3n pretrain` and `m3n finetune`), a table, importances and plots in `out`; see
    `m3n.commands.tune.results`. `resume` continues the sweep in `out`, if there is one. Raises InputError, before anything runs,
    for a space, data or settings that cannot be searched, and StoppedError if the sweep was interrupted and can be resumed.
    """
    started = time.perf_counter()
    found = load_space(space, config)
    data, recordings, out = data.resolve(), recordings.resolve(), out.resolve()
    beside = tuple(table.resolve() for table in pretraining_recordings)
    split = _checked_split(data, recordings, beside, config)
    plan = _planned(found, data, recordings, beside, config, split)
    with locks.held(out):
        plan = _resumed(out, plan) if resume and (out / PLAN).is_file() else _started(out, plan)
        study = Study(out / JOURNAL, found, config)
        with tracking.track(
            "tune", out.name, config, out=out, data=data, data_sha=plan["inputs"]["data"], run_id=plan.get("mlflow_run")
        ) as run:
            plan["mlflow_run"] = run.reference
            tables.write_text(out / PLAN, json.dumps(plan, indent=2) + "\n")
            if not study.finished:
                connect(address, config.concurrent * config.pretrain.workers)
                sweep = Sweep(
                    config, data, recordings, beside, out, split, run.reference, tracking.absolute_uri(), named_cluster(address)
                )
                with bar("tune", config.most_trials or 0) as advance:
                    _run(study, sweep, run, advance, plan["inputs"]["data"])
            if study.best is None:
                raise _nothing_found(out, study)
            figures = write_results(out, study) | {"elapsed_s": time.perf_counter() - started}
            run.compare(list(study.best.settings), logarithmic=_logarithmic(study))
            if config.test or config.registered:
                figures |= _test(out, data, recordings, study, split, run)
            tables.write_manifest(
                out, table="sweep", totals={k: v for k, v in figures.items() if k != "elapsed_s"}, inputs=plan["inputs"],
                config=config.model_dump(mode="json"),
            )  # fmt: skip
            for name in ARTIFACTS:
                if (out / name).is_file():
                    run.artifact(out / name)
            run.metrics({f"tune/{key}": value for key, value in figures.items() if isinstance(value, int | float)})
    return figures


def _run(study: Study, sweep: Sweep, run: tracking.Run, advance: Advance, data_sha: str) -> None:
    config = sweep.config
    tracked: dict[int, tracking.Run] = {}  # of the trials that are running
    ended = [trial for trial in study.trials if trial.state != OPEN]
    failed_before = len(study.of(FAILED))
    advance(len(ended), "")
    compared = False

    def hopeless() -> bool:
        return not study.of(COMPLETE) and len(study.of(FAILED)) - failed_before >= HOPELESS

    def draw() -> tuple[int, dict[str, Any]] | None:
        while (trial := None if hopeless() else study.next()) is not None:
            start_tracked(trial)
            twin = next((known for known in study.of(COMPLETE) if known.settings == trial.settings), None)
            if twin is None:
                return trial.number, trial.settings
            tracked[trial.number].metrics({"val/macro_f1": twin.figures[METRIC]}, config.steps)
            finish(trial.number, COMPLETE, dict(twin.reports), twin.figures, None, 0.0)  # the same settings, the same figures
        return None

    def start_tracked(trial: Trial) -> None:
        nonlocal compared
        if not compared:  # the page of all trials is of use while they run
            run.compare(list(trial.settings), logarithmic=_logarithmic(study))
            compared = True
        own = configs.check(TuneConfig, configs.updated(config.model_dump(exclude_unset=True), trial.settings))
        tracked[trial.number] = tracking.trial(
            run, trial.number, own, trial.settings, logarithmic=_logarithmic(study), data=sweep.data, data_sha=data_sha
        )

    def on_report(number: int, report: dict[str, Any]) -> None:
        if number in tracked and not report.get(ERROR):
            tracked[number].metrics({"val/macro_f1": report[METRIC]}, report[STEP])

    def on_end(number: int, outcome: Outcome) -> None:
        state = FAILED if outcome.error else COMPLETE if outcome.last.get(FINISHED) else STOPPED
        kept = (METRIC, "parameters", "latency_ms") if state != FAILED else ()
        measured = {name: outcome.last[name] for name in kept if name in outcome.last}
        finish(number, state, outcome.reports, measured, outcome.error, outcome.last.get("elapsed_s", 0.0))

    def finish(number: int, state: str, reports: dict[int, float | None], *rest: Any) -> None:
        study.ended(number, state, reports, *rest)
        _end_tracked(tracked.pop(number), study.trials[number], config.steps)
        if study.best:
            run.metrics({f"tune/{METRIC}": study.best.figures[METRIC]}, len(study.trials) - len(study.of(OPEN)))
        advance(1, f"best {study.best.figures[METRIC]:.3f}" if study.best else "")

    rule = Rule(config.scheduler, METRIC, config.steps, config.grace, config.reduction)
    status = run_trials(
        lambda number, settings, send: run_trial(sweep, number, settings, send),
        draw=draw, on_end=on_end, on_report=on_report, rule=rule, past=[trial.reports for trial in ended],
        concurrent=config.concurrent, restarts=config.restarts, storage=sweep.out / ".ray-tune",
    )  # fmt: skip
    for left in tracked.values():
        left.close("KILLED")
    if not study.finished and not hopeless():
        done = len(study.trials) - len(study.of(OPEN))
        raise StoppedError(
            f"interrupted after {done} trials, kept in {sweep.out}; rerun the same command with --resume to continue",
            status or INTERRUPTED,
        )


def _nothing_found(out: Path, study: Study) -> Exception:
    """The error if no trial succeeded; nothing is kept if every trial reported bad input itself."""
    failed = study.of(FAILED)
    what = f"none of {len(study.trials)} trials succeeded; first failure: {failed[0].error if failed else 'none'}"
    if failed and all(trial.reports and trial.reports[-1][1] is None for trial in failed):
        shutil.rmtree(out)
        return InputError(what)
    return StoppedError(f"{what} ({out})", 1)


def _end_tracked(run: tracking.Run, trial: Trial, steps: int) -> None:
    """End the run of a trial: KILLED where the scheduler stopped it."""
    measured = {name: value for name, value in trial.figures.items() if name != METRIC}
    run.metrics({**measured, "elapsed_s": trial.elapsed_s}, steps)
    run.close({FAILED: "FAILED", STOPPED: "KILLED"}.get(trial.state, "FINISHED"))


def _logarithmic(study: Study) -> set[str]:
    """The settings that are drawn on a logarithmic scale."""
    return {name for name, drawn in study.ranges.items() if drawn.log}


def _test(out: Path, data: Path, recordings: Path, study: Study, split: Split, sweep: tracking.Run) -> dict[str, float]:
    """Train the best settings on training and validation subjects together, score the test subjects, and register the model."""
    best = study.best
    assert best is not None
    pretraining, finetuning = trial_configs(study.config, best.settings)
    people = {"train_subjects": sorted({*split.train, *split.val}), "val_subjects": [], "test_subjects": list(split.test)}
    checkpoint = out / PRETRAINED / pretraining_key(pretraining)
    scores = finetune(recordings, out / TEST, finetuning.model_copy(update=people), checkpoint, sweep.reference, data)
    tested = f"{scores['test_macro_f1']:.4f}"
    note = f"Best of {len(study.trials)} trials of {out.name}, trial {best.number}; macro F1 on the test people {tested}"
    facts = {
        "test_macro_f1": tested,
        "recordings": recordings.name,
        "trial": str(best.number),
        "settings": json.dumps(best.settings),
    }
    sweep.register(out / TEST, "val/macro_f1", best.figures[METRIC], note, {name: text[:5000] for name, text in facts.items()})
    return {"test_macro_f1": scores["test_macro_f1"]}


def _checked_split(data: Path, recordings: Path, beside: Sequence[Path], config: TuneConfig) -> Split:
    """Subjects for training, validation and test, after all checks that would fail in a trial.

    Without `val_subjects`, a quarter of the training subjects validate.
    """
    pretraining, finetuning = trial_configs(config, {})
    corpora = open_corpora([data], beside)
    Mixture(pretraining.mix, pretraining.mounting.unknown).check(corpora)
    people = clip_people(data).union(*map(recording_people, beside))
    seen: dict[str, list[str]] = {}
    for source, subject in people:
        if subject not in pretraining.exclude_subjects:
            seen.setdefault(source, []).append(subject)
    given = finetuning.windows.model_dump(exclude_unset=True) if finetuning.windows else {}
    shape = WindowsConfig(**{**pretraining.windows.model_dump(), **given})
    windows = load_windows(recordings, shape, finetuning.placements, None, finetuning.ignore_labels)
    split = _split(windows.subjects, finetuning)
    labelled_parts(windows, split, finetuning, seen)
    trained, test = (windows.subset(np.isin(windows.subject, part)) for part in ((*split.train, *split.val), split.test))
    check_leakage(trained, test, seen, finetuning.allow_seen)
    return split


def _split(subjects: list[str], config: FinetuneConfig) -> Split:
    whole = make_split(
        subjects, test=config.test_subjects, val=config.val_subjects, train=config.train_subjects,
        folds=config.folds, fold=config.fold, seed=config.seed,
    )  # fmt: skip
    if whole.val:
        return whole
    count = max(1, len(whole.train) // 4)
    if count == len(whole.train):
        raise InputError(
            "a single training subject leaves nobody to validate on: name finetune.val_subjects, or train on more subjects"
        )
    return Split(whole.train[count:], whole.train[:count], whole.test)


def _planned(
    space: Space, data: Path, recordings: Path, beside: Sequence[Path], config: TuneConfig, split: Split
) -> dict[str, Any]:
    """Everything that decides the outcome of a sweep; it is resumed only with the same plan."""
    return {
        "space": {"name": space.file.name, "sha256": space.sha256},
        "inputs": {
            "data": tables.data_sha256(data),
            "recordings": tables.data_sha256(recordings),
            **{f"pretraining_recordings.{number}": tables.data_sha256(table) for number, table in enumerate(beside, 1)},
        },
        "split": {"train": list(split.train), "val": list(split.val), "test": list(split.test)},
        "config": _fixed(config),
        "packages": tables.package_versions(),
    }


def _fixed(config: TuneConfig) -> dict[str, Any]:
    """The settings that must stay the same for a sweep to resume, by dotted key."""
    return {key: value for key, value in configs.flatten(config).items() if key not in MAY_CHANGE}


def _started(out: Path, plan: dict[str, Any]) -> dict[str, Any]:
    if (out / PLAN).is_file():
        raise InputError(f"{out} holds a sweep: continue it with --resume, remove the folder, or choose another --out")
    if out.is_file() or (out.is_dir() and any(out.iterdir())):
        raise InputError(f"{out} exists and was not made by `m3n tune`: choose another --out, or remove the folder")
    out.mkdir(parents=True, exist_ok=True)
    return plan


def _resumed(out: Path, plan: dict[str, Any]) -> dict[str, Any]:
    earlier = json.loads((out / PLAN).read_text(encoding="utf-8"))
    with contextlib.suppress(InputError):  # what no version of ours wrote differs below
        earlier["config"] = _fixed(configs.check(TuneConfig, configs.updated({}, earlier["config"])))
    for part in ("space", "inputs", "config"):
        for key in {**earlier[part], **plan[part]}:
            was, now = earlier[part].get(key), plan[part].get(key)
            if was != now:
                what = f"another space ({earlier['space']['name']})" if part == "space" else f"{part}.{key} = {was!r}"
                raise InputError(
                    f"{out} holds a sweep with {what}, not {now!r}: resume it with its own settings, or choose another --out"
                )
    return plan | {"mlflow_run": earlier.get("mlflow_run")}
