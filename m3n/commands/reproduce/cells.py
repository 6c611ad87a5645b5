"""One cell of the grid of `m3n reproduce`: a method, trained on a share of the labels of all but one fold, tested on that fold.

A cell is a plain dictionary and so is its result, because both travel to and from workers of the cluster; what is read from disk
stays in the worker for its next cells.
"""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from m3n.commands.finetune import head_sentences, load_windows
from m3n.config import FinetuneConfig, PretrainConfig, WindowsConfig, check, preset, resolve, updated
from m3n.config.names import CO_TRAINED, METHODS
from m3n.data.splits import Person, check_classes, check_leakage, draw_labels, people
from m3n.data.windows import RecordingWindows
from m3n.errors import InputError
from m3n.evaluation.baselines import BASELINES
from m3n.evaluation.metrics import classification
from m3n.training.checkpoint import Checkpoint, load_pretrained
from m3n.training.classifier import new_classifier, predict, recording_probabilities
from m3n.training.fit import architecture_of, fit, window_shape
from m3n.training.rehearsal import rehearsal

NO_PRETRAINING = "none"  # the setting of a baseline
ZERO = "0"  # the label budget of a method that reads no label


def method_config(method: str, finetune: dict[str, Any], seed: int, setting: str) -> FinetuneConfig:
    """The fine-tuning of a method: the grid's settings (or the authors' preset) with the method's own on top."""
    own = METHODS[method].settings | {"seed": seed} | ({"rehearse": 0} if setting == NO_PRETRAINING else {})
    if method == CO_TRAINED and not finetune.get("rehearse"):
        own |= {"rehearse": 0.5}
    if method == "paper":
        own |= {"epochs": finetune["epochs"], "min_steps": finetune["min_steps"]}
        return resolve(FinetuneConfig, "finetune", preset("paper.yaml"), [f"{key}={value}" for key, value in own.items()])
    return check(FinetuneConfig, updated(finetune, own))


def run_cell(cell: dict[str, Any]) -> dict[str, Any]:
    """Figures of one cell: `macro_f1` over labelled examples (windows averaged), `window_macro_f1`, per class, confusion."""
    import torch

    torch.set_num_threads(1)
    started = time.perf_counter()
    config = method_config(cell["method"], cell["finetune"], cell["seed"], cell["setting"])
    pretrained = _checkpoint(cell["checkpoint"]) if cell["checkpoint"] else None
    shape = window_shape(config, pretrained)
    windows = _windows(cell["recordings"], shape.model_dump_json(), tuple(config.ignore_labels), tuple(cell["placements"]))
    train = windows.subset(np.isin(windows.subject, cell["train_subjects"]))
    test = windows.subset(np.isin(windows.subject, cell["test_subjects"]))
    if not len(train.label) or not len(test.label):
        raise InputError(f"fold {cell['fold']}: no labelled window {'to train' if not len(train.label) else 'to test'} on")
    check_classes(train, test)
    check_leakage(train, test, pretrained.subjects if pretrained else {}, allow_seen=False)
    held_out = frozenset(people(windows) - people(train))
    scores, examples = _scores(cell, config, pretrained, train, test, shape, held_out)
    by_window = classification(test.label, scores.argmax(1), test.classes)
    means, labels = recording_probabilities(scores, test)
    found = classification(labels, means.argmax(1), test.classes)
    return {
        "macro_f1": found["macro_f1"],
        "accuracy": found["accuracy"],
        "window_macro_f1": by_window["macro_f1"],
        "train_examples": examples,
        "test_examples": len(labels),
        "per_class": found["per_class"],
        "confusion": found["confusion"],
        "elapsed_s": time.perf_counter() - started,
    }


def _scores(
    cell: dict[str, Any],
    config: FinetuneConfig,
    pretrained: Checkpoint | None,
    train: RecordingWindows,
    test: RecordingWindows,
    shape: WindowsConfig,
    held_out: frozenset[Person],
) -> tuple[np.ndarray, int]:
    """(class scores of the test windows, labelled examples that were trained on)."""
    sentences = head_sentences(config, train, pretrained)
    if cell["labels"] == ZERO:
        architecture = architecture_of(config, pretrained)
        model = new_classifier(train.placements, train.classes, config.head, architecture, pretrained, config.seed, sentences)
        return predict(model, test, pretrained.normaliser), 0  # type: ignore[union-attr]
    share = float(cell["labels"].rstrip("%")) / 100 if cell["labels"].endswith("%") else 1.0
    per_class = None if cell["labels"].endswith("%") else int(cell["labels"])
    train = train.subset(draw_labels(train.label, train.example, share, cell["seed"], per_class))
    examples = len(np.unique(train.example))
    if cell["method"] in BASELINES:
        return BASELINES[cell["method"]](train, test, cell["seed"]), examples
    rehearsed = None
    if config.rehearse:
        rehearsed = _rehearsal(
            cell["clips"], cell["checkpoint"], shape.model_dump_json(), train.placements, tuple(train.classes),
            frozenset() if pretrained else held_out, cell["setting"] != "cross_corpus",
        )  # fmt: skip
        if rehearsed is None and cell["method"] == CO_TRAINED:
            raise InputError(
                f"the clips of {cell['setting']} lack a class, and {CO_TRAINED} needs all: leave it out of methods"
            )
    return fit(train, shape, config, pretrained, sentences, rehearsed=rehearsed).predict(test), examples


@lru_cache(maxsize=4)
def _checkpoint(folder: str) -> Checkpoint:
    return load_pretrained(Path(folder))


@lru_cache(maxsize=4)
def _windows(recordings: str, shape: str, ignore: tuple[str, ...], placements: tuple[str, ...]) -> RecordingWindows:
    return load_windows(Path(recordings), WindowsConfig.model_validate_json(shape), list(placements), None, ignore)


@lru_cache(maxsize=4)
def _rehearsal(
    clips: str,
    checkpoint: str | None,
    shape: str,
    placements: tuple[str, ...],
    classes: tuple[str, ...],
    held_out: frozenset[Person],
    own: bool,
) -> RecordingWindows | None:
    """None for clips of other corpora alone that lack a class: with half of the classes in it, a rehearsal would prefer those."""
    known = _checkpoint(checkpoint).subjects if checkpoint else None
    try:
        found = rehearsal(Path(clips), WindowsConfig.model_validate_json(shape), placements, classes, known, held_out)
    except InputError:
        if own:
            raise
        return None
    return found if own or len(np.unique(found.label)) == len(classes) else None


def paper_pretraining(ours: PretrainConfig) -> PretrainConfig:
    """The authors' preset, with our budget of epochs, workers and seed, so that both may train as long."""
    budget = {"optim.epochs": ours.optim.epochs, "optim.patience": ours.optim.epochs, "val_share": ours.val_share}
    own = {**budget, "workers": ours.workers, "seed": ours.seed}
    return resolve(PretrainConfig, "pretrain", preset("paper.yaml"), [f"{key}={value}" for key, value in own.items()])
