"""One cell of `m3n reproduce`'s grid: a method, trained on part of the labels of all folds but one and tested on that one.

Cells run on workers of the cluster. A worker process keeps the last few checkpoints and tables it has read (`CellInputs`), because
its next cells mostly need the same ones.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from m3n.commands.finetune import head_sentences, load_windows
from m3n.config import FinetuneConfig, PretrainConfig, WindowsConfig, check, preset, resolve, updated
from m3n.config.names import AS_SET, AUTO, CO_TRAINED, METHODS
from m3n.data.splits import Person, check_classes, check_leakage, draw_labels, people
from m3n.data.windows import RecordingWindows
from m3n.errors import InputError, NoWindowsError
from m3n.evaluation.baselines import BASELINES
from m3n.evaluation.metrics import ClassScores, classification
from m3n.training.checkpoint import Checkpoint, load_pretrained
from m3n.training.classifier import new_classifier, predict, recording_probabilities
from m3n.training.fit import architecture_of, window_shape
from m3n.training.rehearsal import rehearsal
from m3n.training.starting_point import REHEARSE, choose_start, fit_from, start_as_set

NO_PRETRAINING = "none"  # the setting of a baseline
CROSS_CORPUS = "cross_corpus"  # the setting without poses of the dataset itself
ZERO = "0"  # the label budget of a method that reads no label


@dataclass(frozen=True)
class Cell:
    """What to train, and who is tested. Paths are absolute, because a worker has a working folder of its own."""

    dataset: str
    setting: str  # whose poses were pretrained on, or NO_PRETRAINING
    method: str
    labels: str  # label budget: a share ("10%"), so many examples per class ("2"), or ZERO
    seed: int
    fold: int
    recordings: Path
    train_subjects: tuple[str, ...]
    test_subjects: tuple[str, ...]
    placements: tuple[str, ...]
    finetune: FinetuneConfig
    checkpoint: Path | None = None
    clips: Path | None = None


@dataclass(frozen=True)
class CellResult:
    """What a cell found: the content of its file in `cells/`, and a row of `results.parquet`."""

    dataset: str
    setting: str
    method: str
    labels: str
    seed: int
    fold: int
    test_subjects: tuple[str, ...]
    macro_f1: float  # over labelled examples, whose windows are averaged
    accuracy: float
    window_macro_f1: float
    train_examples: int
    test_examples: int
    per_class: dict[str, ClassScores]
    confusion: list[list[int]]
    elapsed_s: float
    start: str = ""  # as in m3n.training.starting_point; "" for baselines, and in results of earlier versions

    @classmethod
    def read(cls, file: Path) -> CellResult:
        """The result that a file of `cells/` holds."""
        content = json.loads(file.read_text(encoding="utf-8"))
        return cls(**content | {"test_subjects": tuple(content["test_subjects"])})


class Scored(NamedTuple):
    """Class scores of the test windows, the number of labelled examples trained on, and the start."""

    scores: np.ndarray
    examples: int
    start: str = ""


class CellInputs:
    """Reads checkpoints, windows and clips, and keeps the last few of each."""

    def __init__(self, kept: int = 4) -> None:
        self.checkpoint = lru_cache(kept)(load_pretrained)
        self.windows = lru_cache(kept)(self._windows)
        self.rehearsed = lru_cache(kept)(self._rehearsed)

    @staticmethod
    def _windows(
        recordings: Path, shape: WindowsConfig, ignore: tuple[str, ...], placements: tuple[str, ...]
    ) -> RecordingWindows:
        return load_windows(recordings, shape, list(placements), None, ignore)

    def _rehearsed(
        self,
        clips: Path,
        checkpoint: Path | None,
        shape: WindowsConfig,
        placements: tuple[str, ...],
        classes: tuple[str, ...],
        held_out: frozenset[Person],
        own: bool,
    ) -> RecordingWindows | None:
        """Windows to rehearse; `own`: whether the dataset's own poses are among the clips.

        None if other corpora alone lack a class: the classifier would come to prefer the classes that are rehearsed.
        """
        known = self.checkpoint(checkpoint).subjects if checkpoint else None
        try:
            found = rehearsal(clips, shape, placements, classes, known, held_out)
        except NoWindowsError:
            if own:
                raise
            return None
        return found if own or len(np.unique(found.label)) == len(classes) else None


_OF_THIS_PROCESS = CellInputs()


def method_config(method: str, finetune: FinetuneConfig, seed: int, setting: str) -> FinetuneConfig:
    """The fine-tuning of a method: the grid's settings (or the authors' preset) with the method's own on top."""
    own = {"start": AS_SET} | METHODS[method].settings | {"seed": seed}
    if setting == NO_PRETRAINING:
        own |= {"rehearse": 0}
    if method == CO_TRAINED and not finetune.rehearse:
        own |= {"rehearse": REHEARSE}
    budget = {"epochs": finetune.epochs, "min_steps": finetune.min_steps}
    if method == "paper":
        settings = [f"{key}={value}" for key, value in (own | budget).items()]
        return resolve(FinetuneConfig, "finetune", preset("paper.yaml"), settings)
    return check(FinetuneConfig, updated(finetune.model_dump(mode="json", exclude_unset=True) | budget, own))


def run_cell(cell: Cell) -> CellResult:
    """Train and test one cell."""
    import torch

    torch.set_num_threads(1)
    started = time.perf_counter()
    inputs = _OF_THIS_PROCESS
    config = method_config(cell.method, cell.finetune, cell.seed, cell.setting)
    pretrained = inputs.checkpoint(cell.checkpoint) if cell.checkpoint else None
    shape = window_shape(config, pretrained)
    windows = inputs.windows(cell.recordings, shape, tuple(config.ignore_labels), cell.placements)
    train = windows.subset(np.isin(windows.subject, cell.train_subjects))
    test = windows.subset(np.isin(windows.subject, cell.test_subjects))
    if not len(train.label) or not len(test.label):
        raise InputError(f"fold {cell.fold}: no labelled window to {'train' if not len(train.label) else 'test'} on")
    check_classes(train, test)
    check_leakage(train, test, pretrained.subjects if pretrained else {}, allow_seen=False)
    held_out = frozenset(people(windows) - people(train))
    scored = _scores(cell, config, pretrained, train, test, shape, held_out, inputs)
    by_window = classification(test.label, scored.scores.argmax(1), test.classes)
    means, labels = recording_probabilities(scored.scores, test)
    found = classification(labels, means.argmax(1), test.classes)
    return CellResult(
        dataset=cell.dataset,
        setting=cell.setting,
        method=cell.method,
        labels=cell.labels,
        seed=cell.seed,
        fold=cell.fold,
        test_subjects=cell.test_subjects,
        macro_f1=found.macro_f1,
        accuracy=found.accuracy,
        window_macro_f1=by_window.macro_f1,
        train_examples=scored.examples,
        test_examples=len(labels),
        per_class=found.per_class,
        confusion=found.confusion,
        elapsed_s=time.perf_counter() - started,
        start=scored.start,
    )


def _scores(
    cell: Cell,
    config: FinetuneConfig,
    pretrained: Checkpoint | None,
    train: RecordingWindows,
    test: RecordingWindows,
    shape: WindowsConfig,
    held_out: frozenset[Person],
    inputs: CellInputs,
) -> Scored:
    """Train the cell's method and score the test windows."""
    sentences = head_sentences(config, train, pretrained)
    if cell.labels == ZERO:
        architecture = architecture_of(config, pretrained)
        model = new_classifier(train.placements, train.classes, config.head, architecture, pretrained, config.seed, sentences)
        return Scored(predict(model, test, pretrained.normaliser), 0)  # type: ignore[union-attr]
    share = float(cell.labels.rstrip("%")) / 100 if cell.labels.endswith("%") else 1.0
    per_class = None if cell.labels.endswith("%") else int(cell.labels)
    drawn = draw_labels(train.label, train.example, share, cell.seed, per_class)
    unlabelled = train.subset(np.setdiff1d(np.arange(len(train.label)), drawn)) if config.unlabelled else None
    train = train.subset(drawn)
    examples = len(np.unique(train.example))
    if cell.method in BASELINES:
        return Scored(BASELINES[cell.method](train, test, cell.seed), examples)
    rehearsed, deciding = None, config.start == AUTO
    if config.rehearse or deciding:
        assert cell.clips is not None  # only baselines have none, and they do not rehearse
        rehearsed = inputs.rehearsed(
            cell.clips, None if deciding else cell.checkpoint, shape, train.placements, tuple(train.classes),
            held_out if deciding or not pretrained else frozenset(), cell.setting != CROSS_CORPUS and not deciding,
        )  # fmt: skip
        if rehearsed is None and cell.method == CO_TRAINED:
            raise InputError(
                f"the clips of {cell.setting} lack a class, and {CO_TRAINED} needs clips of all: leave it out of methods"
            )
    start = start_as_set(config, pretrained)
    if deciding:
        choice = choose_start(train, shape, config, pretrained, rehearsed, sentences)
        start, config = choice.start, choice.settings(config)
    fitted = fit_from(start, train, shape, config, pretrained, rehearsed, sentences, unlabelled=unlabelled)
    return Scored(fitted.predict(test), examples, start)


def paper_pretraining(ours: PretrainConfig) -> PretrainConfig:
    """The authors' preset with our budget of epochs, workers and seed, so that both train equally long."""
    budget = {"optim.epochs": ours.optim.epochs, "optim.patience": ours.optim.epochs, "val_share": ours.val_share}
    own = {**budget, "workers": ours.workers, "seed": ours.seed}
    return resolve(PretrainConfig, "pretrain", preset("paper.yaml"), [f"{key}={value}" for key, value in own.items()])
