"""Classifiers to export, and signals to run them on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from m3n.config import ModelConfig, WindowsConfig
from m3n.data.windows import Normaliser
from m3n.models import Classifier, make_classifier
from m3n.training.checkpoint import Checkpoint, save
from m3n.training.classifier import classifier_checkpoint

BOTH = ("left_wrist", "right_wrist")
SHAPE = WindowsConfig(window_s=1.6, hop_s=0.5, rate_hz=50)
CLASSES = ["sit | rest", "walk", "wave"]
METRICS = {
    "method": "frozen", "train_subjects": 6, "train_windows": 900, "test_subjects": ["ann", "bob"], "test_windows": 200,
    "test_recordings": 20, "test_macro_f1": 0.8125, "test_macro_f1_ci95": [0.75, 0.875], "test_accuracy": 0.9,
    "test_per_class": {"walk": {"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "count": 80}}, "sources": ["my_watch"],
}  # fmt: skip


def classifier(placements: tuple[str, ...] = BOTH, head: str = "linear", **model: object) -> tuple[Classifier, Checkpoint]:
    """With random weights, larger than fresh ones, so that there is something to disagree about."""
    torch.manual_seed(0)
    architecture = ModelConfig(width=16, depth=2, embedding=16, **model)
    net = make_classifier(placements, len(CLASSES), head, architecture.model_dump()).eval()
    net.imu.in_units_of(6.7, 1.2, SHAPE.rate_hz)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.5).add_(0.05 * torch.randn_like(parameter))
        if head == "linear":  # in such a way that every class is given sometimes
            imu, worn, rate = (torch.from_numpy(x) for x in windows(64, len(placements)))
            logits, _ = net(imu / 6.7, worn, None, rate)
            net.head.out.bias.data -= logits.mean(0)
            net.head.out.weight.data *= 3 / logits.std(0)[:, None]
            net.head.out.bias.data *= 3 / logits.std(0)
    return net, classifier_checkpoint(net, CLASSES, head, Normaliser(6.7, 1.2), architecture, SHAPE)


def saved(folder: Path, made: Checkpoint) -> Path:
    folder.mkdir()
    save(folder, made)
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    return folder


def windows(batch: int, placements: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half noise, half a wrist that turns under gravity; one placement missing here and there; several sensor rates."""
    rng = np.random.default_rng(batch)
    imu = rng.normal(size=(batch, placements, SHAPE.samples, 6)) * ([8.0] * 3 + [3.0] * 3)
    angle = np.sin(2 * np.pi * np.arange(SHAPE.samples) / SHAPE.rate_hz)
    imu[::2] *= 0.02
    imu[::2, ..., 1] += 9.81 * np.sin(angle)
    imu[::2, ..., 2] += 9.81 * np.cos(angle)
    worn = np.ones((batch, placements), bool)
    worn[np.arange(1, batch, 3), np.arange(1, batch, 3) % placements] = placements == 1
    return imu.astype(np.float32), worn, rng.choice([20, 33.3, 50, 200], batch).astype(np.float32)


def a_day(seconds: float, rate_hz: float, seed: int = 0) -> np.ndarray:
    """(n, 12): slow movements of both wrists, below 5 Hz, under gravity."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    waves = [
        a * np.sin(2 * np.pi * f * t[:, None] + p) for a, f, p in rng.uniform([1, 0.1, 0], [4, 5, 6], (5, 12, 3)).swapaxes(1, 2)
    ]
    found = np.sum(waves, axis=0)
    found[:, 2::6] += 9.81
    return found.astype(np.float32)
