"""Windows of two gestures that are easy to tell apart, and a small classifier that learns them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from m3n.config import FinetuneConfig, ModelConfig, WindowsConfig
from m3n.data.windows import Normaliser, RecordingWindows, cut_recordings
from m3n.models import Classifier
from m3n.training.classifier import new_classifier
from m3n.training.finetune import finetune

WRISTS = ("left_wrist", "right_wrist")
MODEL = ModelConfig(width=16, depth=1, dropout=0.2)


def on_either_wrist(recording: Callable[..., Any]) -> RecordingWindows:
    """40 windows."""
    rows = [recording(f"r{i}", seconds=6.0, label=("wave", "shake")[i % 2], worn=WRISTS[i // 4]) for i in range(8)]
    return cut_recordings(rows, WindowsConfig(), WRISTS)


def by_four_people(recording: Callable[..., Any]) -> RecordingWindows:
    """The right wrists of s0 to s3, with noise."""
    rows = [
        recording(f"r{i}", seconds=6.0, label=("wave", "shake")[i % 2], subject=f"s{i // 2}", worn="right_wrist")
        for i in range(8)
    ]
    rng = np.random.default_rng(0)
    for row in rows:
        row["imu_right_wrist"] = row["imu_right_wrist"] + rng.normal(0, 0.3, row["imu_right_wrist"].shape).astype(np.float32)
    return cut_recordings(rows, WindowsConfig(), ("right_wrist",))


def people(windows: RecordingWindows, *subjects: str) -> RecordingWindows:
    return windows.subset(np.isin(windows.subject, subjects))


def classifier(seed: int = 0) -> Classifier:
    return new_classifier(WRISTS, ["shake", "wave"], "linear", MODEL, None, seed)


def train(model: Classifier, windows: RecordingWindows, **settings: Any) -> None:
    options = {"epochs": 1, "min_steps": 4, "batch_size": 8} | settings
    finetune(model, windows, Normaliser.fit(windows.imu_npt6), FinetuneConfig(**options), own_hz=50.0)
