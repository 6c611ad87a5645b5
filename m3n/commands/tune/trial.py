"""One trial of a sweep, on a worker of the cluster: pretrain, fine-tune, and score on the validation subjects.

A trial's folder has a line for every report, and the state of the fine-tuning at the last one; the pretraining saves a state of
its own. A restarted trial repeats its reports and continues after the last. Trials with the same pretraining config share the
checkpoint: the first trial makes it, the others wait for it, or resume it if that trial was stopped.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from m3n.cluster.tune import ERROR, FINISHED, STEP
from m3n.commands.finetune import head_sentences, load_windows
from m3n.commands.pretrain import pretrain
from m3n.commands.tune.space import Settings, trial_configs
from m3n.commands.tune.study import METRIC, read_lines
from m3n.config import FinetuneConfig, PretrainConfig, TuneConfig
from m3n.data.splits import Split, check_classes, check_leakage, draw_labels
from m3n.data.windows import RecordingWindows
from m3n.errors import InputError, LockedError, StoppedError, UnwritableError
from m3n.evaluation.embed import embed_recordings, load_multi3net
from m3n.evaluation.metrics import classification
from m3n.evaluation.probes import linear_probe
from m3n.io import locks, tables
from m3n.models import Classifier
from m3n.training.checkpoint import Checkpoint, load_pretrained
from m3n.training.classifier import predict
from m3n.training.eval_checkpoint import EvalCheckpoint
from m3n.training.fit import fit, window_shape
from m3n.training.rehearsal import rehearsal
from m3n.training.state import remove as remove_state

Send = Callable[[dict[str, Any]], None]
REPORTS, STATE = "reports.jsonl", "finetune.safetensors"
TRIALS, PRETRAINED = "trials", "pretrained"
LATENCY_RUNS = 100
WAIT_S = 1.0


@dataclass(frozen=True)
class Sweep:
    """Everything that all trials of a sweep share. Paths are absolute, because workers have working folders of their own."""

    config: TuneConfig
    data: Path
    recordings: Path
    beside: tuple[Path, ...]  # tables of recordings to pretrain on
    out: Path
    split: Split
    parent_run: str
    tracking_uri: str
    cluster: str | None = None  # that the user named; None: a local one


def run_trial(sweep: Sweep, number: int, settings: Settings, send: Send) -> None:
    """Run or resume a trial, sending every report; unsuitable settings or data are reported as a failure.

    Raises UnwritableError for a full disk, which says nothing about the settings.
    """
    torch.set_num_threads(1)
    os.environ["MLFLOW_TRACKING_URI"] = sweep.tracking_uri
    folder = sweep.out / TRIALS / f"{number:04d}"
    folder.mkdir(parents=True, exist_ok=True)
    with _turn(folder):  # an interrupted process may not have ended yet
        log = _Log(folder / REPORTS, send)
        if log.whole:
            return
        try:
            pretraining, finetuning = trial_configs(sweep.config, settings)
            checkpoint = _pretrained(sweep, pretraining, log)
            figures = _finetuned(sweep, finetuning, load_pretrained(checkpoint), log, folder / STATE)
        except UnwritableError:
            raise
        except (InputError, StoppedError) as error:
            log.add({STEP: log.step + 1, METRIC: math.nan, ERROR: str(error.args[0])})
            return
        log.add({STEP: sweep.config.steps, **figures, FINISHED: True})
        remove_state(folder / STATE)


class _Log:
    """The reports of a trial, written to disk before they are sent; earlier ones are sent again at the start."""

    def __init__(self, file: Path, send: Send) -> None:
        self._file, self._send, self._sent = file, send, read_lines(file)
        self._before_s = self._sent[-1]["elapsed_s"] if self._sent else 0.0
        self._started = time.perf_counter()
        for report in self._sent:
            send(report)

    @property
    def step(self) -> int:
        return self._sent[-1][STEP] if self._sent else 0

    @property
    def whole(self) -> bool:
        return bool(self._sent) and bool({FINISHED, ERROR} & set(self._sent[-1]))

    def add(self, report: dict[str, Any]) -> None:
        if report[STEP] <= self.step:
            return
        report = {**report, "elapsed_s": self._before_s + time.perf_counter() - self._started}
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(report) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._sent.append(report)
        self._send(report)


def labelled_parts(
    windows: RecordingWindows, split: Split, config: FinetuneConfig, seen: dict[str, list[str]]
) -> tuple[RecordingWindows, RecordingWindows]:
    """Windows of the training subjects, with the drawn label budget, and of the validation subjects, after the usual checks."""
    train, val = (windows.subset(np.isin(windows.subject, part)) for part in (split.train, split.val))
    check_leakage(train, val, seen, config.allow_seen)
    check_classes(train, val)
    return train.subset(
        draw_labels(train.label, train.example, config.label_fraction, config.seed, config.labels_per_class)
    ), val


def pretraining_key(config: PretrainConfig) -> str:
    """A name for a pretraining: equal for configs that give the same weights."""
    return hashlib.sha256(json.dumps(config.deciding, sort_keys=True).encode()).hexdigest()[:16]


def _pretrained(sweep: Sweep, config: PretrainConfig, log: _Log) -> Path:
    """The folder of a config's pretraining, made if it is missing; reports the probes during the pretraining."""
    folder = sweep.out / PRETRAINED / pretraining_key(config)
    folder.parent.mkdir(exist_ok=True)
    looks = sweep.config.reports if sweep.config.scheduler != "none" else 0
    steps = {math.ceil(config.optim.epochs * k / (looks + 1)) - 1: k for k in range(1, looks + 1)}  # by epoch
    snapshots = {epoch: folder.with_suffix(".snapshots") / str(epoch) for epoch in steps}
    probe = _Probe(sweep)
    failures: list[Exception] = []

    with _turn(folder):
        probes = _Log(folder.with_suffix(".probes.jsonl"), log.add)

        def on_epoch(epoch: int) -> None:
            if epoch not in steps or steps[epoch] <= probes.step or not snapshots[epoch].is_dir() or failures:
                return
            try:
                probes.add({STEP: steps[epoch], METRIC: probe.macro_f1(snapshots[epoch])})
            except Exception as error:  # raised below: where workers are listened to, this is a thread of its own
                failures.append(error)

        if not (folder / tables.MANIFEST).is_file():
            pretrain(sweep.data, folder, config, sweep.cluster, sweep.parent_run, snapshots, on_epoch, sweep.beside)
        if failures:
            raise failures[0]
        shutil.rmtree(folder.with_suffix(".snapshots"), ignore_errors=True)
    return folder


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Wait until no other process works on a trial, or on a pretraining."""
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locks.held(folder.with_name(f"{folder.name}.turn")))
                break
            except LockedError:
                time.sleep(WAIT_S)
        yield


class _Probe:
    """Scores the encoder during pretraining, with the label budget of the sweep's own config, the same for all trials."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep, self.config = sweep, sweep.config.finetune
        self._parts: tuple[RecordingWindows, RecordingWindows] | None = None

    def macro_f1(self, folder: Path) -> float:
        """Macro F1 of a linear probe on the features of a checkpoint."""
        model, pretrained = load_multi3net(folder)
        self._parts = self._parts or _cut(self.sweep, self.config, pretrained)
        train, val = self._parts
        features = [embed_recordings(model, pretrained, part, batch=256)[0] for part in (train, val)]
        scores = linear_probe(features[0], train.label, features[1], len(train.classes), c=1.0)
        return classification(val.label, scores.argmax(1), val.classes).macro_f1


def _cut(sweep: Sweep, config: FinetuneConfig, pretrained: Checkpoint) -> tuple[RecordingWindows, RecordingWindows]:
    shape = window_shape(config, pretrained)
    windows = load_windows(sweep.recordings, shape, config.placements, pretrained, config.ignore_labels)
    return labelled_parts(windows, sweep.split, config, pretrained.subjects)


def _finetuned(sweep: Sweep, config: FinetuneConfig, pretrained: Checkpoint, log: _Log, state: Path) -> dict[str, float]:
    """Figures of a fine-tuning, which are the last report; earlier ones are sent during the training."""
    train, val = _cut(sweep, config, pretrained)
    reports = sweep.config.reports

    def macro_f1(probabilities: np.ndarray) -> float:
        return classification(val.label, probabilities.argmax(1), val.classes).macro_f1

    def on_evaluation(number: int, model: Classifier) -> None:
        if number < reports:
            log.add({STEP: reports + number, METRIC: macro_f1(predict(model, val, pretrained.normaliser))})

    eval_checkpoint = EvalCheckpoint(state, [k / reports for k in range(1, reports + 1)], on_evaluation)
    sentences = head_sentences(config, train, pretrained)
    shape = window_shape(config, pretrained)
    rehearsed = rehearsal(sweep.data, shape, train.placements, train.classes, pretrained.subjects) if config.rehearse else None
    fitted = fit(train, shape, config, pretrained, sentences, rehearsed=rehearsed, eval_checkpoint=eval_checkpoint)
    one = val.subset(np.arange(1))
    return {
        METRIC: macro_f1(fitted.predict(val)),
        "parameters": sum(parameter.numel() for parameter in fitted.model.parameters()),
        "latency_ms": _latency_ms(lambda: fitted.predict(one)),
    }


def _latency_ms(run: Callable[[], Any]) -> float:
    """Median time of a call, after a warm-up."""
    times = []
    for _ in range(LATENCY_RUNS + 10):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return 1000 * float(np.median(times[10:]))
