"""The number of workers changes how long pretraining takes and nothing else: real Ray Train workers, over gloo."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

import pytest
import torch
from processes import below, listening
from weights import assert_same_weights

from m3n.cluster.pretrain import run_workers
from m3n.config import AugmentConfig, LossConfig, ModelConfig, OptimConfig, PretrainConfig, WindowsConfig
from m3n.config.names import LOSSES
from m3n.config.pretrain import SensorMounting
from m3n.data.corpora import Mixture
from m3n.data.window_store import WindowStore
from m3n.training import checkpoint as checkpoints
from m3n.training.pretrain import Run, batch_sampler, pretrain

BATCH = 16  # 64 training windows are four steps; 40 for validation are three batches, which two workers cannot share evenly
OFF = AugmentConfig(turn_rad=0, tilt_rad=0, scale=0, noise=0, mask=0, placement_dropout=0)
ON = AugmentConfig(placement_dropout=0.5)


@pytest.fixture(scope="module")
def store(window_store, tmp_path_factory) -> WindowStore:
    found = window_store(tmp_path_factory.mktemp("noise"))
    assert found.counts("train").sum() == 64
    assert found.counts("val").sum() == 40
    return found


def config(augment: AugmentConfig, workers: int) -> PretrainConfig:
    return PretrainConfig(
        windows=WindowsConfig(window_s=1.0, rate_hz=40, pose_fps=10),
        model=ModelConfig(width=32, depth=1, embedding=8, dropout=0.0),
        loss=LossConfig(left_right=1.0),
        optim=OptimConfig(batch_size=BATCH, epochs=1, lr=5e-4, warmup=0.0),
        augment=augment,
        workers=workers,
    )


Result = tuple[dict[str, torch.Tensor], dict[str, float]]


def alone(store: WindowStore, augment: AugmentConfig, folder: Path) -> Result:
    """Final weights and metrics of the plain loop, without any cluster."""
    found: list[dict[str, float]] = []
    folder.mkdir()
    settings = config(augment, 1)
    pretrain(batch_sampler(store, settings), settings, Run(folder, {}, lambda epoch, metrics: found.append(metrics)))
    return dict(checkpoints.load(folder, "multi3net").weights), found[-1]


def on_ray(store: WindowStore, augment: AugmentConfig, workers: int, folder: Path) -> Result:
    """The same of Ray Train workers."""
    found: list[dict[str, float]] = []
    folder.mkdir()
    ended, reached = threading.Event(), set()

    def watch() -> None:
        while not ended.wait(0.5):  # reading what processes hold is slow
            for pid in [pid for pid, command in below(os.getpid()).items() if "RayTrainWorker" in command]:
                with suppress(OSError):  # it has just ended
                    reached.update(listening(pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    run_workers(store, config(augment, workers), folder, folder, {}, lambda epoch, metrics: found.append(metrics))
    ended.set()
    watcher.join()
    assert len(found) == 1
    assert reached <= {"127.0.0.1", "::ffff:127.0.0.1", "::1"}  # nobody on the network reaches a worker
    return dict(checkpoints.load(folder, "multi3net").weights), found[0]


def assert_same(first, second, recordings: bool = False) -> None:
    (weights, metrics), (others, other_metrics) = first, second
    assert_same_weights(weights, others)
    compared = {name for name in metrics if "loss" in name}
    clips_only = {name for name, loss in LOSSES.items() if not loss.recordings_only}
    trained = set(LOSSES) if recordings else clips_only
    expected = {
        "train/loss",
        "val/loss",
        *(f"train/loss/{name}" for name in trained),
        *(f"val/loss/{name}" for name in clips_only),
    }
    assert compared == expected  # validation compares clips
    for name in compared:
        assert other_metrics[name] == pytest.approx(metrics[name], abs=2e-5), name


@pytest.fixture(scope="module")
def plain(store, tmp_path_factory) -> Result:
    return alone(store, ON, tmp_path_factory.mktemp("alone") / "on")


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(4, marks=pytest.mark.slow)])
def test_ray_workers_end_with_the_weights_of_the_plain_loop(ray_cluster, store, plain, tmp_path, workers):
    assert_same(plain, on_ray(store, ON, workers, tmp_path / "ray"))


def test_the_comparison_would_see_other_draws(store, plain, tmp_path):
    (weights, _), (others, _) = plain, alone(store, OFF, tmp_path / "off")
    assert max(float((weights[name] - others[name]).abs().max()) for name in weights) > 3e-4


@pytest.mark.slow
def test_recordings_beside_clips_and_weights_change_nothing_of_that(ray_cluster, window_store, real_recordings, tmp_path):
    """Batches of 10 windows, in some of which a worker has no window with a pose, or none with a second view."""
    mixture = Mixture({"watch": 0.5}, ["watch"])
    store = window_store(tmp_path / "store", 8, 2, 0.25, real_recordings, mixture=mixture)
    changes = {"mounting": SensorMounting(unknown=["watch"])}
    found = []
    for workers in (0, 2):
        folder, metrics = tmp_path / str(workers), []
        folder.mkdir()
        settings = config(ON, max(workers, 1)).model_copy(update=changes)
        settings = settings.model_copy(update={"optim": settings.optim.model_copy(update={"batch_size": 10})})
        keep = lambda epoch, values, metrics=metrics: metrics.append(values)  # noqa: E731
        if workers:
            run_workers(store, settings, folder, folder, {}, keep)
        else:
            pretrain(batch_sampler(store, settings), settings, Run(folder, {}, keep))
        found.append((dict(checkpoints.load(folder, "multi3net").weights), metrics[-1]))
    assert_same(*found, recordings=True)
