"""Distributed pretraining on Ray Train: every worker runs the plain loop of `m3n.training.pretrain`.

The windows are cut once and put into Ray's object store, which the workers of a node share without copying. Metrics travel to
the driver through a queue, so that the driver alone shows progress and writes to MLflow.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from m3n.config import PretrainConfig
from m3n.errors import InputError
from m3n.training import checkpoint as checkpoints
from m3n.training.pretrain import Corpus, pretrain

OnMetrics = Callable[[int, dict[str, float]], None]
CPU_PER_WORKER = 0.5  # logical: with whole ones, a two-core machine has none left for Ray's own tasks, and waits for ever


def run_workers(corpus: Corpus, config: PretrainConfig, staging: Path, on_metrics: OnMetrics) -> None:
    """Pretrain on `config.workers` Ray Train workers; the best checkpoint is left in `staging`.

    `on_metrics(epoch, metrics)` is called in this process after every epoch. Raises InputError for what the loop found wrong
    with the data or the config.
    """
    import ray
    from ray.train import CheckpointConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer
    from ray.util.queue import Queue

    queue = Queue(actor_options={"num_cpus": 0})
    with tempfile.TemporaryDirectory(dir=staging, prefix=".train-", ignore_cleanup_errors=True) as storage:
        trainer = TorchTrainer(
            _train_on_worker,
            train_loop_config={"corpus": [ray.put(corpus)], "config": config.model_dump(), "queue": queue},
            torch_config=TorchConfig(backend="gloo"),
            scaling_config=ScalingConfig(num_workers=config.workers, resources_per_worker={"CPU": CPU_PER_WORKER}),
            run_config=RunConfig(
                name="pretrain",
                storage_path=str(Path(storage).resolve()),
                checkpoint_config=CheckpointConfig(num_to_keep=1),
            ),
        )
        listener = threading.Thread(target=_listen, args=(queue, on_metrics))
        listener.start()
        try:
            result = trainer.fit()
        except ray.train.TrainingFailedError as error:
            raise _input_error(error) or error from None
        finally:
            queue.put(None)
            listener.join()
            queue.shutdown(force=True)
        with result.checkpoint.as_directory() as folder:
            for name in (checkpoints.WEIGHTS, checkpoints.DESCRIPTION):
                (staging / name).write_bytes((Path(folder) / name).read_bytes())


def _listen(queue: Any, on_metrics: OnMetrics) -> None:
    while (message := queue.get()) is not None:
        on_metrics(*message)


def _train_on_worker(settings: dict[str, Any]) -> None:
    import os

    import ray
    import torch
    from ray import train

    config = PretrainConfig.model_validate(settings["config"])
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // train.get_context().get_local_world_size()))
    rank = train.get_context().get_world_rank()

    def on_epoch(epoch: int, metrics: dict[str, float], best: checkpoints.Checkpoint | None) -> None:
        if rank == 0:
            settings["queue"].put((epoch, metrics))
        if rank == 0 and best is not None:
            with tempfile.TemporaryDirectory() as folder:
                checkpoints.save(Path(folder), best)
                train.report(metrics, checkpoint=train.Checkpoint.from_directory(folder))
        else:
            train.report(metrics)

    pretrain(ray.get(settings["corpus"][0]), config, on_epoch)


def _input_error(error: BaseException) -> InputError | None:
    """The InputError that a worker raised, wherever Ray has wrapped it."""
    pending: list[BaseException] = [error]
    while pending:
        current = pending.pop()
        if isinstance(current, InputError):
            return current
        pending += list(getattr(current, "worker_failures", {}).values())
        pending += [e for e in (current.__cause__, getattr(current, "cause", None)) if isinstance(e, BaseException)]
    return None
