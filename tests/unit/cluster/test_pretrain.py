"""Around the workers: signals, snapshots, GPUs and metrics. What they compute is compared in tests/integration."""

from __future__ import annotations

import os
import queue
import signal
import time
from typing import Any

import pytest

from m3n.cluster import pretrain
from m3n.config import PretrainConfig
from m3n.errors import InputError


def test_the_first_sigterm_asks_the_workers_to_stop_and_the_second_is_not_caught(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with pretrain._terminated(tmp_path / "stop"):
        assert not (tmp_path / "stop").exists()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)
        assert (tmp_path / "stop").exists()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_snapshot_stays_when_a_better_checkpoint_replaces_the_best_one(tmp_path):
    from m3n.training.checkpoint import DESCRIPTION, WEIGHTS

    staging, kept = tmp_path / "staging", tmp_path / "deep" / "epoch-2"
    staging.mkdir()
    for name in (WEIGHTS, DESCRIPTION):
        (staging / name).write_bytes(name.encode())
    pretrain.keep_snapshot(staging, kept)
    (staging / WEIGHTS).write_bytes(b"better")
    assert {file.name: file.read_bytes() for file in kept.iterdir()} == {name: name.encode() for name in (WEIGHTS, DESCRIPTION)}


def test_metrics_of_every_epoch_reach_the_driver_until_the_end_is_told():
    sent: queue.Queue[Any] = queue.Queue()
    for message in ((0, {"loss": 2.0}), (0, {"loss": 2.0}), (1, {"loss": 1.0}), None, (2, {"loss": 0.0})):
        sent.put(message)
    heard = []
    pretrain._listen(sent, lambda epoch, metrics: heard.append((epoch, metrics["loss"])))
    assert heard == [(0, 2.0), (0, 2.0), (1, 1.0)]


def test_gpus_that_the_cluster_lacks_are_refused_and_not_needed_for_auto(ray_cluster, monkeypatch):
    import ray

    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0, "GPU": 1.0})
    with pytest.raises(InputError, match="the cluster has 1 GPUs for 2 workers"):
        pretrain._on_gpu(PretrainConfig(device="cuda", workers=2, gpu_wait_s=0))
    assert pretrain._on_gpu(PretrainConfig(device="cuda", workers=1))
    assert not pretrain._on_gpu(PretrainConfig(device="auto", workers=2))
    assert not pretrain._on_gpu(PretrainConfig(device="cpu", workers=1))


def test_an_autoscaler_is_asked_for_gpus_and_the_request_is_taken_back(monkeypatch):
    import ray
    from ray.autoscaler import sdk

    asked: list[Any] = []
    monkeypatch.setattr(sdk, "request_resources", lambda bundles: asked.append(bundles))
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"GPU": float(len(asked))})
    assert pretrain._awaited_gpus(1, 30.0) == 1
    assert asked == [[{"GPU": 1}], []]


def test_a_single_worker_on_the_cpus_of_this_machine_needs_no_ray(monkeypatch):
    import torch

    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    alone = PretrainConfig(workers=1)
    assert not pretrain.needs_ray(alone, None)
    assert pretrain.needs_ray(PretrainConfig(workers=2), None)
    assert pretrain.needs_ray(alone, "127.0.0.1:6379")
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:6379")  # of the surrounding job
    assert pretrain.needs_ray(alone, None)
    monkeypatch.delenv("RAY_ADDRESS")
    assert pretrain.needs_ray(PretrainConfig(workers=1, device="cuda"), None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pretrain.needs_ray(alone, None)
    assert not pretrain.needs_ray(PretrainConfig(workers=1, device="cpu"), None)
