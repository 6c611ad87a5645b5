"""Pretraining on Ray Train: every worker runs the plain loop of `m3n.training.pretrain`, fed by Ray Data. A single worker on
the CPUs of this machine is this process, which reads a hundred times as many windows per second as it trains on.

The first worker leaves the state in the staging folder, which is on this machine, on a shared disk or on an object store; windows
are read from a scratch folder on this machine or on a shared disk. When Ray Train restarts the workers after losing one, they
resume from that state, as does a command that is run again. Metrics travel to the driver through a queue, so that the driver
alone shows progress and writes to MLflow.
"""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from m3n.cluster.start import named_cluster
from m3n.config import PretrainConfig
from m3n.data.window_store import WindowStore
from m3n.errors import TERMINATED, InputError, StoppedError
from m3n.io.storage import Location, full_name, location, read, write

log = logging.getLogger(__name__)
OnMetrics = Callable[[int, dict[str, float]], None]
Snapshots = Mapping[int, Path]  # epoch -> folder for the best checkpoint up to then, on a disk that all nodes share
NO_SNAPSHOTS: Snapshots = MappingProxyType({})
CPU_PER_WORKER = 0.5  # logical: whole ones would leave a two-core machine none for Ray Data, which would wait for ever
CTRL_C_S = 4.0  # for a state to be saved
STOP = "stop"  # a file in the scratch folder that asks the workers to stop
RAY_TRAIN = ".ray-train"


def needs_ray(config: PretrainConfig, address: str | None) -> bool:
    """Whether a pretraining needs Ray: for several workers, for a cluster that is named, or to feed a GPU."""
    import torch

    on_gpu = config.device == "cuda" or (config.device == "auto" and torch.cuda.is_available())
    return config.workers > 1 or on_gpu or named_cluster(address) is not None


def run_here(
    store: WindowStore,
    config: PretrainConfig,
    staging: Location,
    scratch: Path,
    description: dict[str, Any],
    on_metrics: OnMetrics,
    snapshots: Snapshots = NO_SNAPSHOTS,
) -> None:
    """`run_workers` of a single worker, in this process, on its CPUs; a run that is killed is resumed by the next command."""
    import torch

    from m3n.training.pretrain import Run, batch_sampler, pretrain

    def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
        if epoch in snapshots:
            keep_snapshot(staging, snapshots[epoch])
        on_metrics(epoch, metrics)

    stop, threads = scratch / STOP, torch.get_num_threads()
    stop.unlink(missing_ok=True)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    try:
        with _stopped_by_signals(stop):
            pretrain(batch_sampler(store, config), config, Run(staging, description, on_epoch, stop.exists))
    finally:
        torch.set_num_threads(threads)
        stop.unlink(missing_ok=True)


def run_workers(
    store: WindowStore,
    config: PretrainConfig,
    staging: Location,
    scratch: Path,
    description: dict[str, Any],
    on_metrics: OnMetrics,
    snapshots: Snapshots = NO_SNAPSHOTS,
) -> None:
    """Pretrain on `config.workers` Ray Train workers, resuming from the state in `staging` if there is one.

    The best checkpoint and the last state are left in `staging`. `on_metrics(epoch, metrics)` is called in this process after every
    epoch, also for one that is repeated. SIGTERM and Ctrl-C end the run after the current step. Raises InputError if the loop finds
    the data or the config bad, and StoppedError if the run was stopped early.
    """
    import ray
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer
    from ray.util.queue import Queue
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    gpu = _on_gpu(config)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)  # or it dies with a node
    queue = Queue(actor_options={"num_cpus": 0, "scheduling_strategy": here})
    storage = scratch.resolve() / RAY_TRAIN
    for left in (storage, scratch / STOP):  # by a killed run; Ray Train would resume a run of the same name
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
        torch_config=_meeting(storage, gpu),
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
        with _stopped_by_signals(scratch / STOP):
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


def _meeting(folder: Path, gpu: bool) -> Any:
    """How the workers find each other: over loopback alone on a Ray of this machine."""
    import ray
    from ray.train.torch import TorchConfig

    nodes = [node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]]
    if gpu or nodes != ["127.0.0.1"]:
        return TorchConfig(backend="nccl" if gpu else "gloo")
    from m3n.cluster.loopback import loopback_config

    return loopback_config(folder)


def keep_snapshot(staging: Location, folder: Path) -> None:
    """Copy the best checkpoint so far to a folder where a better one does not replace it."""
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
                f"device is cuda, but the cluster has {gpus} GPUs for {config.workers} workers: lower `workers`, or give an "
                "autoscaling cluster time to add them (gpu_wait_s)"
            )
    return config.device != "cpu" and gpus >= config.workers


def _awaited_gpus(wanted: int, seconds: float) -> int:
    """Number of GPUs of the cluster, after waiting for `wanted` of them; an autoscaler is asked to add them."""
    import ray
    from ray.autoscaler.sdk import request_resources

    until = time.monotonic() + seconds
    if seconds:
        log.warning("waiting up to %.0f s for %d GPUs", seconds, wanted)
        request_resources(bundles=[{"GPU": 1}] * wanted)
    try:
        while (gpus := int(ray.cluster_resources().get("GPU", 0))) < wanted and time.monotonic() < until:
            time.sleep(1)
    finally:
        if seconds:
            request_resources(bundles=[])  # release the request
    return gpus


@contextmanager
def _stopped_by_signals(stop: Path) -> Iterator[None]:
    """While the block runs, SIGTERM or Ctrl-C writes a file that the workers check; a second one ends this process at once.

    The StoppedError that follows gets the signal's exit status. Where a state cannot be saved within `CTRL_C_S`, as in a long
    validation, Ctrl-C ends the block with the state that was saved before.
    """
    if threading.current_thread() is not threading.main_thread():  # in a trial of a sweep, whose driver handles signals
        yield
        return
    received: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM)}

    def ask(number: int, frame: Any) -> None:
        stop.touch()
        received.append(number)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if number == signal.SIGINT:
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            signal.setitimer(signal.ITIMER_REAL, CTRL_C_S)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, ask)
    try:
        yield
    except StoppedError as stopped:
        if received and stopped.status == TERMINATED:
            raise StoppedError(stopped.message, 128 + received[0]) from None
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def _listen(queue: Any, on_metrics: OnMetrics) -> None:
    while (message := queue.get()) is not None:
        on_metrics(*message)


def _train_on_worker(settings: dict[str, Any]) -> dict[str, Any]:
    """Runs on every worker; errors for the user are returned, because an exception would restart the workers."""
    import warnings

    import torch
    from ray import train
    from ray.train.torch import get_device

    from m3n.cluster.feed import ray_reader
    from m3n.training.pretrain import Run, batch_sampler, pretrain

    warnings.filterwarnings(
        "ignore", message="The given NumPy array is not writable"
    )  # it is shared memory, which is only read
    config = PretrainConfig.model_validate(settings["config"])
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))  # networks this small gain nothing from a second thread
    staging, rank = location(settings["staging"]), train.get_context().get_world_rank()

    def on_epoch(epoch: int, metrics: dict[str, float]) -> None:
        if rank == 0:
            if epoch in settings["snapshots"]:
                keep_snapshot(staging, Path(settings["snapshots"][epoch]))
            settings["queue"].put((epoch, metrics))

    try:
        sampler = batch_sampler(WindowStore.open(Path(settings["store"])), config)
        run = Run(staging, settings["description"], on_epoch, Path(settings["stop"]).exists)
        pretrain(sampler, config, run, ray_reader(sampler), get_device())
    except InputError as error:
        return {"error": error, "stopped": None}
    except StoppedError as stopped:
        return {"error": None, "stopped": (stopped.message, stopped.status)}
    return {"error": None, "stopped": None}
