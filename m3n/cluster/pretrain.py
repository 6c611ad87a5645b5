"""Distributed pretraining on Ray Train: every worker runs the plain loop of `m3n.training.pretrain`, fed by Ray Data.

The first worker leaves the state in the staging folder, which is on this machine, on a disk that all nodes share, or on an object
store; windows are read from a scratch folder, on this machine or on a shared disk. A group that Ray Train starts again after a lost
worker goes on from the state, as a command that is run again does. Metrics travel to the driver through a queue, so that the driver
alone shows progress and writes to MLflow.
"""

from __future__ import annotations

import logging
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from m3n.config import PretrainConfig
from m3n.data.window_store import WindowStore
from m3n.errors import InputError, StoppedError
from m3n.io.storage import Location, full_name, location, read, write

log = logging.getLogger(__name__)
OnMetrics = Callable[[int, dict[str, float]], None]
Snapshots = Mapping[int, Path]  # epoch -> where the best checkpoint until its end is kept, on a disk that all nodes share
NO_SNAPSHOTS: Snapshots = MappingProxyType({})
CPU_PER_WORKER = 0.5  # logical: with whole ones, a two-core machine has none left for Ray's own tasks, and waits for ever
STOP = "stop"  # a file in the scratch folder that asks the workers to stop
RAY_TRAIN = ".ray-train"


def run_workers(
    store: WindowStore,
    config: PretrainConfig,
    staging: Location,
    scratch: Path,
    description: dict[str, Any],
    on_metrics: OnMetrics,
    snapshots: Snapshots = NO_SNAPSHOTS,
) -> None:
    """Pretrain on `config.workers` Ray Train workers, from the state in `staging` where there is one.

    The best checkpoint and the last state are left in `staging`. `on_metrics(epoch, metrics)` is called in this process after
    every epoch, again for one that is done again. SIGTERM ends the run after the step under way. Raises InputError for what the
    loop found wrong with the data or the config, and StoppedError where it ended before its end.
    """
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    gpu = _on_gpu(config)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)  # or it dies with another node
    queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
    storage = scratch.resolve() / RAY_TRAIN
    for left in (storage, scratch / STOP):  # by a run that was killed; Ray Train would take a run of the same name for its own
        shutil.rmtree(left, ignore_errors=True) if left.is_dir() else left.unlink(missing_ok=True)
    trainer = TorchTrainer(
        _train_on_worker,
        train_loop_config={
            "store": str(store.folder.resolve()),
            "config": config.model_dump(),
            "staging": full_name(staging),
            "stop": str(scratch.resolve() / STOP),
            "description": description,
            "queue": queue,
            "snapshots": {epoch: str(folder.resolve()) for epoch, folder in snapshots.items()},
        },
        torch_config=TorchConfig(backend="nccl" if gpu else "gloo"),
        scaling_config=ScalingConfig(
            num_workers=config.workers, use_gpu=gpu, resources_per_worker={"CPU": CPU_PER_WORKER} | ({"GPU": 1} if gpu else {})
        ),
        run_config=RunConfig(
            name="pretrain", storage_path=str(storage), failure_config=FailureConfig(max_failures=config.restarts)
        ),
    )
    listener = threading.Thread(target=_listen, args=(queue, on_metrics))
    listener.start()
    try:
        with _terminated(scratch / STOP):
            outcome = trainer.fit().return_value
    finally:
        queue.put(None)
        listener.join()
        queue.shutdown(force=True)
    shutil.rmtree(storage, ignore_errors=True)
    (scratch / STOP).unlink(missing_ok=True)
    if outcome["error"]:
        raise outcome["error"]
    if outcome["stopped"]:
        raise StoppedError(*outcome["stopped"])


def keep_snapshot(staging: Location, folder: Path) -> None:
    """Copy the best checkpoint so far to where the next better one does not replace it."""
    from m3n.training.checkpoint import DESCRIPTION, WEIGHTS

    folder.mkdir(parents=True, exist_ok=True)
    for name in (WEIGHTS, DESCRIPTION):
        write(folder / name, read(staging / name))


def _on_gpu(config: PretrainConfig) -> bool:
    import ray

    gpus = int(ray.cluster_resources().get("GPU", 0))
    if config.device == "cuda" and gpus < config.workers:
        gpus = _awaited_gpus(config.workers, config.gpu_wait_s)
        if gpus < config.workers:
            raise InputError(
                f"device is cuda, but the cluster has {gpus} GPUs for {config.workers} workers: lower `workers`, or give a cluster "
                "that grows time to bring them (gpu_wait_s)"
            )
    return config.device != "cpu" and gpus >= config.workers


def _awaited_gpus(wanted: int, seconds: float) -> int:
    """GPUs of the cluster, once there are as many as wanted or the time is up; an autoscaler is told to bring them."""
    import ray
    from ray.autoscaler.sdk import request_resources

    until = time.monotonic() + seconds
    if seconds:
        log.warning("waits up to %.0f s for %d GPUs", seconds, wanted)
        request_resources(bundles=[{"GPU": 1}] * wanted)
    try:
        while (gpus := int(ray.cluster_resources().get("GPU", 0))) < wanted and time.monotonic() < until:
            time.sleep(1)
    finally:
        if seconds:
            request_resources(bundles=[])  # or they would be held for ever
    return gpus


@contextmanager
def _terminated(stop: Path) -> Iterator[None]:
    """While the block runs, SIGTERM leaves a file that the workers look for; a second one ends this process at once."""
    if threading.current_thread() is not threading.main_thread():  # a trial of a sweep: not ours to end
        yield
        return

    def ask(number: int, frame: Any) -> None:
        stop.touch()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    before = signal.signal(signal.SIGTERM, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _listen(queue: Any, on_metrics: OnMetrics) -> None:
    while (message := queue.get()) is not None:
        on_metrics(*message)


def _train_on_worker(settings: dict[str, Any]) -> dict[str, Any]:
    """Runs on every worker; what the loop has to say to the user is returned, because an exception would start the group again."""
    import os
    import warnings

    import torch
    from ray import train
    from ray.train.torch import get_device

    from m3n.cluster.feed import ray_feed
    from m3n.training.pretrain import Run, plan_of, pretrain

    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")  # shared memory, and only read
    config = PretrainConfig.model_validate(settings["config"])
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))  # networks this small gain nothing from a second one
    staging, rank = location(settings["staging"]), train.get_context().get_world_rank()

    def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
        if rank == 0:
            if epoch in settings["snapshots"]:
                keep_snapshot(staging, Path(settings["snapshots"][epoch]))
            settings["queue"].put((epoch, metrics))

    try:
        plan = plan_of(WindowStore.open(Path(settings["store"])), config)
        run = Run(staging, settings["description"], on_epoch, Path(settings["stop"]).exists)
        pretrain(plan, config, run, ray_feed(plan), get_device())
    except InputError as error:
        return {"error": error, "stopped": None}
    except StoppedError as stopped:
        return {"error": None, "stopped": (stopped.message, stopped.status)}
    return {"error": None, "stopped": None}
