"""One classifier from labelled windows: what `m3n finetune` does once and `m3n reproduce` does in every cell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    from m3n.training.eval_checkpoint import Midway


@dataclass
class Fitted:
    """A trained classifier, and what must travel with it."""

    model: Classifier
    normaliser: Normaliser
    classes: list[str]
    head: str
    architecture: dict[str, Any]
    windows: WindowsConfig

    def predict(self, windows: RecordingWindows) -> np.ndarray:
        """Class probabilities (windows, classes) float32."""
        return predict(self.model, windows, self.normaliser)

    def checkpoint(self) -> Checkpoint:
        """What `m3n.training.checkpoint.save` writes."""
        return classifier_checkpoint(
            self.model, self.classes, self.head, self.normaliser, self.architecture, self.windows.model_dump()
        )


def fit(
    train: RecordingWindows,
    shape: WindowsConfig,
    config: FinetuneConfig,
    pretrained: Checkpoint | None,
    sentences: Sentences | None = None,
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None,
    where: str = "the recordings to train on",
    rehearsed: RecordingWindows | None = None,
    midway: Midway | None = None,
) -> Fitted:
    """Train a classifier on all of `train`, which has the window shape `shape`; `sentences` are for a text head, `rehearsed` are
    windows of synthetic clips for `rehearse`, and `midway` looks at it on the way.

    Raises InputError, which names `where`, for windows in other units than a pretrained tower's.
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
    finetune(model, train, normaliser, config, shape.rate_hz, on_step, rehearsed, midway)
    return Fitted(model, normaliser, train.classes, config.head, architecture, shape)


def window_shape(config: FinetuneConfig, pretrained: Checkpoint | None) -> WindowsConfig:
    """The checkpoint's window shape, changed by the settings that were given; its sampling rate cannot be."""
    given = config.windows.model_dump(exclude_unset=True) if config.windows else {}
    if pretrained is None:
        return WindowsConfig(**given)
    if given.get("rate_hz", pretrained.windows["rate_hz"]) != pretrained.windows["rate_hz"]:
        raise InputError(
            f"windows.rate_hz is {given['rate_hz']}, but the checkpoint was pretrained at {pretrained.windows['rate_hz']} Hz"
        )
    return WindowsConfig(**{**pretrained.windows, **given})


def architecture_of(config: FinetuneConfig, pretrained: Checkpoint | None) -> dict[str, Any]:
    """The fields of ModelConfig: the checkpoint's, or those that were given; InputError where they disagree."""
    if pretrained is None:
        return (config.model or ModelConfig()).model_dump()
    given = config.model.model_dump(exclude_unset=True) if config.model else {}
    for key, value in given.items():
        if pretrained.architecture.get(key) != value:
            found = pretrained.architecture.get(key)
            raise InputError(f"model.{key} is {value}, but the checkpoint is of another architecture: it has {found}")
    return pretrained.architecture
