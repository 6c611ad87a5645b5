"""The number of workers changes how long pretraining takes and nothing else: real Ray Train workers, over gloo."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from m3n.cluster.pretrain import run_workers
from m3n.config import AugmentConfig, LossConfig, ModelConfig, OptimConfig, PretrainConfig, WindowsConfig
from m3n.training import checkpoint as checkpoints
from m3n.training.pretrain import Corpus, make_corpus, pretrain
from m3n.windows import POSE_FEATURES, ClipWindows

TRAIN, VAL, BATCH = 64, 40, 16  # four steps of 16 windows; validation in three batches, which two workers cannot share evenly
OFF = AugmentConfig(turn_rad=0, tilt_rad=0, scale=0, noise=0, mask=0, drop=0)
ON = AugmentConfig(drop=0.5)


def corpus() -> Corpus:
    """Windows of noise; clips of two windows, sentences shared by some clips and missing in others."""
    rng = np.random.default_rng(0)
    n, shape = TRAIN + VAL, WindowsConfig(window_s=1.0, rate_hz=40, pose_fps=10)
    clip = np.arange(n) // 2
    text = np.where(clip % 7 == 3, -1, clip % 10)
    windows = ClipWindows(
        pose_nfd=rng.normal(size=(n, shape.pose_frames, POSE_FEATURES)).astype(np.float32),
        imu_npt6=rng.normal(size=(n, 2, shape.samples, 6)).astype(np.float32),
        text=text, clip=clip, label=np.where(clip % 5 == 0, -1, clip % 13), texts=[f"sentence {i}" for i in range(10)],
        clip_ids=[f"c{i}" for i in range(n // 2)], subjects=[f"s{i}" for i in range(n // 2)],
        placements=("left_wrist", "right_wrist"), sources=["test"] * (n // 2),
    )  # fmt: skip
    found = make_corpus(windows, rng.normal(size=(10, 12)).astype(np.float32), val_share=0.0, seed=0)
    found.train, found.val = np.arange(TRAIN), np.arange(TRAIN, n)
    return found


def config(augment: AugmentConfig, workers: int) -> PretrainConfig:
    return PretrainConfig(
        model=ModelConfig(width=32, depth=1, embedding=8, dropout=0.0),
        loss=LossConfig(left_right=1.0),
        optim=OptimConfig(batch_size=BATCH, epochs=1, lr=5e-4, warmup=0.0),
        augment=augment,
        workers=workers,
    )


def alone(augment: AugmentConfig) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Final weights and metrics of the plain loop, without any cluster."""
    found = []
    pretrain(corpus(), config(augment, 1), lambda epoch, metrics, best: found.append((dict(best.weights), metrics)))
    return found[-1]


def on_ray(augment: AugmentConfig, workers: int, folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """The same of Ray Train workers."""
    found = []
    run_workers(corpus(), config(augment, workers), folder, lambda epoch, metrics: found.append(metrics))
    assert len(found) == 1
    return dict(checkpoints.load(folder, "multi3net").weights), found[0]


def felt(name: str, value: torch.Tensor) -> torch.Tensor:
    """The part of a weight that any output depends on.

    A softmax does not see what is added to all of its inputs, so the biases of attention keys and scores have no gradient but
    rounding noise, and Adam turns noise of any size into steps of its own.
    """
    if name.endswith("pool.score.bias"):
        return value[:0]
    if name.endswith("self_attn.in_proj_bias"):
        query, _, values = value.chunk(3)
        return torch.cat([query, values])
    return value


def assert_same(first, second) -> None:
    (weights, metrics), (others, other_metrics) = first, second
    assert set(weights) == set(others)
    for name, value in weights.items():
        np.testing.assert_allclose(felt(name, others[name]), felt(name, value), atol=1e-5, rtol=0, err_msg=name)
    compared = [name for name in metrics if "loss" in name]
    assert len(compared) == 14  # six objectives and their sum, in training and in validation
    for name in compared:
        assert other_metrics[name] == pytest.approx(metrics[name], abs=2e-5), name


@pytest.mark.parametrize("augment", [OFF, ON], ids=["without augmentation", "with augmentation"])
def test_two_workers_end_with_the_weights_of_the_plain_loop(ray_cluster, tmp_path, augment):
    assert_same(alone(augment), on_ray(augment, 2, tmp_path))


def test_one_worker_ends_with_the_weights_of_the_plain_loop(ray_cluster, tmp_path):
    assert_same(alone(ON), on_ray(ON, 1, tmp_path))


def test_the_comparison_would_see_other_draws():
    first, second = alone(ON), alone(OFF)
    assert max(float((first[0][name] - second[0][name]).abs().max()) for name in first[0]) > 3e-4
