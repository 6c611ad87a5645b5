"""Train one classifier on labelled windows: `m3n finetune` does so once, `m3n reproduce` in every cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from m3n.config import ModelConfig, WindowsConfig
from m3n.data.scale import check_scale
from m3n.data.windows import Normaliser, RecordingWindows
from m3n.errors import InputError
from m3n.models import Classifier
from m3n.training.checkpoint import Checkpoint
from m3n.training.classifier import Sentences, classifier_checkpoint, new_classifier, predict
from m3n.training.finetune import finetune

if TYPE_CHECKING:
    from m3n.config import FinetuneConfig
    from m3n.training.eval_checkpoint import EvalCheckpoint


@dataclass
class Fitted:
    """A trained classifier, with everything that must travel with it."""

    model: Classifier
    normaliser: Normaliser
    classes: list[str]
    head: str
    architecture: ModelConfig
    windows: WindowsConfig

    def predict(self, windows: RecordingWindows) -> np.ndarray:
        """Class probabilities (windows, classes) float32."""
        return predict(self.model, windows, self.normaliser)

    def checkpoint(self) -> Checkpoint:
        """What `m3n.training.checkpoint.save` writes."""
        return classifier_checkpoint(self.model, self.classes, self.head, self.normaliser, self.architecture, self.windows)


def fit(
    train: RecordingWindows,
    shape: WindowsConfig,
    config: FinetuneConfig,
    pretrained: Checkpoint | None,
    sentences: Sentences | None = None,
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None,
    where: str = "the recordings to train on",
    rehearsed: RecordingWindows | None = None,
    eval_checkpoint: EvalCheckpoint | None = None,
    unlabelled: RecordingWindows | None = None,
) -> Fitted:
    """Train a classifier on all of `train`, whose windows have the shape `shape`.

    `sentences`: of every class, for a text head; `rehearsed`: windows of synthetic clips for `rehearse`; `eval_checkpoint`: scores
    and saves the classifier during training; `unlabelled`: more windows of the same people, without labels. Raises InputError,
    naming `where`, for windows in other units than the checkpoint's.
    """
    architecture = architecture_of(config, pretrained)
    if pretrained:
        check_scale(pretrained.normaliser, [train.imu_npt6[train.worn_np]], where)
    normaliser = pretrained.normaliser if pretrained else Normaliser.fit(train.imu_npt6[train.worn_np])
    dense = config.targets == "dense"
    model = new_classifier(
        train.placements, train.classes, config.head, architecture, pretrained, config.seed, sentences, dense
    )
    model.imu.in_units_of(normaliser.acc, normaliser.gyro, shape.rate_hz)
    if config.mounting_unknown:
        model.imu.assume_unknown_mounting()
    finetune(model, train, normaliser, config, shape.rate_hz, on_step, rehearsed, eval_checkpoint, unlabelled)
    return Fitted(model, normaliser, train.classes, config.head, architecture, shape)


def window_shape(config: FinetuneConfig, pretrained: Checkpoint | None) -> WindowsConfig:
    """The checkpoint's window shape with the given settings on top; InputError for another sampling rate."""
    given = config.windows.model_dump(exclude_unset=True) if config.windows else {}
    if pretrained is None:
        return WindowsConfig(**given)
    own_hz = pretrained.windows.rate_hz
    if given.get("rate_hz", own_hz) != own_hz:
        raise InputError(
            f"windows.rate_hz is {given['rate_hz']}, but the checkpoint was pretrained at {own_hz} Hz: leave windows.rate_hz out"
        )
    return WindowsConfig(**{**pretrained.windows.model_dump(), **given})


def architecture_of(config: FinetuneConfig, pretrained: Checkpoint | None) -> ModelConfig:
    """The checkpoint's architecture, or without a checkpoint the given one; InputError if the two disagree."""
    if pretrained is None:
        return config.model or ModelConfig()
    given = config.model.model_dump(exclude_unset=True) if config.model else {}
    for key, value in given.items():
        found = getattr(pretrained.architecture, key)
        if found != value:
            raise InputError(f"model.{key} is {value}, but the checkpoint has another architecture, with {found}: leave it out")
    return pretrained.architecture
