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
from m3n.errors import TERMINATED, InputError, StoppedError


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_the_first_signal_asks_the_workers_to_stop_and_the_second_is_not_caught(number, status, tmp_path):
    stop, before = tmp_path / "stop", [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]

    def run() -> None:
        assert not stop.exists()
        os.kill(os.getpid(), number)
        time.sleep(0.01)
        assert stop.exists()
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        raise StoppedError("stopped in epoch 1", TERMINATED)  # as the loop does

    with pytest.raises(StoppedError) as stopped, pretrain._stopped_by_signals(stop):
        run()
    assert stopped.value.status == status
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == before


def test_ctrl_c_does_not_wait_for_a_state_that_takes_long(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain, "CTRL_C_S", 0.05)

    def validate() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(10)

    with pytest.raises(KeyboardInterrupt), pretrain._stopped_by_signals(tmp_path / "stop"):
        validate()
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


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
