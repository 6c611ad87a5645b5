"""The multi-task pretraining loop, in plain PyTorch; it runs alone or as one of several workers.

Every worker computes its share of each global batch, and random numbers depend on (seed, epoch, batch) only. So the number of
workers changes neither batches nor augmentation, and a run that resumes from its last state ends with the same weights as one that
was never interrupted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from m3n.data.window_store import Block, WindowStore
from m3n.data.windows import POSE_FEATURES
from m3n.errors import TERMINATED, InputError, StoppedError
from m3n.io.storage import Location
from m3n.losses import MultiTaskLoss
from m3n.models import Multi3Net
from m3n.optim import Schedule, pretraining_optimizer, set_rates
from m3n.randomness import generator
from m3n.training import checkpoint as checkpoints
from m3n.training.batch_order import BatchSampler, ChunkReader, global_batch
from m3n.training.batches import BatchMaker
from m3n.training.distributed import Gradients, gather, mean_over_workers, world
from m3n.training.state import LAST, remove_previous, restore, save_state
from m3n.training.task import PretrainingTask

if TYPE_CHECKING:
    from m3n.config import PretrainConfig

OnEpoch = Callable[[int, dict[str, float]], None]
DIVERGED = 2  # exit status: the settings have to be changed


@dataclass
class Run:
    """Where a run saves its state, and how it reports."""

    folder: Location  # the first worker keeps the best checkpoint and the last state here
    description: dict[str, Any]  # put into the header of the state
    on_epoch: OnEpoch = lambda epoch, metrics: None
    stop_asked: Callable[[], bool] = lambda: False  # True on any worker: all of them stop after this step


def batch_sampler(store: WindowStore, config: PretrainConfig) -> BatchSampler:
    """The batches of this worker."""
    rank, workers = world()
    batch = global_batch(config.optim.batch_size, store.epoch_windows, workers)
    return BatchSampler(store, config.seed, batch, rank, workers)


def pretrain(
    sampler: BatchSampler,
    config: PretrainConfig,
    run: Run,
    reader: ChunkReader | None = None,
    device: torch.device = torch.device("cpu"),
) -> None:
    """Train Multi3Net from the last state in `run.folder`, or from the start; every worker calls this with the same arguments.

    Keeps the weights with the best validation loss (training loss if nothing validates) and stops after `optim.patience` epochs
    without a better one. Raises StoppedError if it was asked to stop, after saving its state, and if losses were not finite too
    often in a row.
    """
    Loop(sampler, config, run, reader or sampler.in_process, device).run_epochs()
    if sampler.rank == 0:
        remove_previous(run.folder / LAST)


class Loop:
    """Model, optimiser and progress of one run."""

    def __init__(
        self, sampler: BatchSampler, config: PretrainConfig, run: Run, reader: ChunkReader, device: torch.device
    ) -> None:
        self.sampler, self.config, self.run, self.reader, self.device = sampler, config, run, reader, device
        store, optim = sampler.store, config.optim
        self.steps = sampler.train_batches // optim.accumulate  # of the optimiser, in an epoch
        if self.steps < 1:
            raise InputError(f"optim.accumulate is {optim.accumulate}, but an epoch has {sampler.train_batches} batches")
        torch.manual_seed(config.seed)
        text_features = store.sentences.shape[1]
        model = Multi3Net(store.placements, POSE_FEATURES, text_features, **config.architecture.model_dump())
        model.imu.in_units_of(store.normaliser.acc, store.normaliser.gyro, config.windows.rate_hz)
        loss = MultiTaskLoss(
            config.loss.weights, placements=store.placements, recordings=store.has_recordings, **config.loss.options
        )
        bf16 = optim.precision == "bf16" or (
            optim.precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()
        )
        self.task = PretrainingTask(model, loss, bf16=bf16).to(device)
        if optim.compile:
            self.task.model.compile()
        self.names = [*loss.weights, "total"]
        learned = {n.removeprefix("model."): p for n, p in self.task.named_parameters() if p.requires_grad}
        self.optimizer = pretraining_optimizer(learned.items(), optim)
        self.schedule = Schedule.of(optim, optim.epochs * self.steps)
        self.make_batch = BatchMaker(store, device, config.windows.rate_hz, views="two_views" in loss.weights)
        self.gradients = Gradients(list(learned.values()), len(self.names) + 1)
        self.progress = restore(run.folder / LAST, self.task, self.optimizer)
        self.saved = time.monotonic()

    def run_epochs(self) -> None:
        """Train to the end."""
        progress, optim = self.progress, self.config.optim
        if progress.epoch >= optim.epochs or progress.since_best >= optim.patience:
            return
        batches = self.sampler.batches(progress.epoch, progress.step * optim.accumulate, optim.epochs, self.reader)
        while progress.epoch < optim.epochs and progress.since_best < optim.patience:
            self.epoch(batches)

    def epoch(self, batches: Iterator[Block]) -> None:
        """One pass over the training windows, or the rest of one, and its validation."""
        progress, first, clock = self.progress, self.progress.step, time.perf_counter()
        self.task.train()
        while progress.step < self.steps:
            stop = self.step(batches)
            if stop or time.monotonic() - self.saved > self.config.optim.save_every_s:
                self.save()
            if stop:
                raise StoppedError(
                    f"stopped in epoch {progress.epoch + 1}, after step {progress.step} of {self.steps}", TERMINATED
                )
        for _ in range(self.sampler.train_batches - self.steps * self.config.optim.accumulate):
            next(batches)  # too few batches for one more step
        seconds = time.perf_counter() - clock
        metrics = self._train_metrics() | self._validate(batches)
        current = metrics.get("val/loss", metrics["train/loss"])
        if not math.isfinite(current):
            raise self._diverged(f"the loss became {current}")
        improved = current < progress.best
        progress.best, progress.since_best = (current, 0) if improved else (progress.best, progress.since_best + 1)
        if improved and self.sampler.rank == 0:
            checkpoints.save(self.run.folder, self.checkpoint())
        progress.history.append(metrics)
        progress.epoch, progress.step, progress.sums, progress.skipped = progress.epoch + 1, 0, {}, 0
        self.save()
        windows = (self.steps - first) * self.config.optim.accumulate * self.sampler.batch
        self.run.on_epoch(progress.epoch - 1, metrics | {"train/windows_per_s": windows / seconds})

    def step(self, batches: Iterator[Block]) -> bool:
        """One step of the optimiser; True if a worker was asked to stop after it."""
        progress, optim, sampler = self.progress, self.config.optim, self.sampler
        self.gradients.zero()
        sums: Tensor | float = 0.0
        for micro in range(optim.accumulate):
            batch = progress.step * optim.accumulate + micro
            if self.config.model.dropout:
                drawn = generator(self.config.seed, "dropout", progress.epoch, batch, sampler.rank).integers(2**62)
                torch.manual_seed(int(drawn))
            draw = (self.config.seed, progress.epoch, batch)
            inputs = self.make_batch.augmented(next(batches), self.config.augment, draw, sampler.rank, sampler.batch)
            losses = self.task(inputs, sampler.rank, gather)
            (losses["total"] / optim.accumulate).backward()
            sums = sums + torch.stack([losses[name].detach() for name in self.names]) / optim.accumulate
        asked = torch.full((1,), float(self.run.stop_asked()), device=self.device)
        *values, stop, norm = self.gradients.exchange(torch.cat([torch.as_tensor(sums), asked]), optim.clip_norm)
        set_rates(self.optimizer, self.schedule, self._progress(progress.step))
        progress.step += 1
        if math.isfinite(values[-1]) and math.isfinite(norm):  # the same numbers on every worker
            self.optimizer.step()
            progress.skipped_in_row = 0
            for name, value in zip(self.names, values, strict=True):
                progress.sums[name] = progress.sums.get(name, 0.0) + value
        else:
            progress.skipped, progress.skipped_in_row = progress.skipped + 1, progress.skipped_in_row + 1
            if progress.skipped_in_row > optim.max_skipped:
                raise self._diverged(f"the loss was not finite in {progress.skipped_in_row} steps in a row")
        return stop > 0

    def save(self) -> None:
        """Save the state; the first worker writes it."""
        self.saved = time.monotonic()
        if self.sampler.rank == 0:
            save_state(self.run.folder / LAST, self.progress, self.task, self.optimizer, self.run.description)

    def checkpoint(self) -> checkpoints.Checkpoint:
        """The model as it is now, and what is needed to use it."""
        store = self.sampler.store
        return checkpoints.Checkpoint(
            kind="multi3net",
            weights=self.task.model.state_dict(),
            architecture=self.config.architecture,
            windows=self.config.windows,
            placements=list(store.placements),
            normaliser=store.normaliser,
            text_model=self.config.text_model,
            text_features=int(store.sentences.shape[1]),
            subjects=store.subjects,
            labelled_subjects=store.labelled_subjects,
        )

    @torch.no_grad()
    def _validate(self, batches: Iterator[Block]) -> dict[str, float]:
        """Losses of the validation windows, without augmentation; the workers take turns with whole batches.

        A batch without any pair for a loss, whose value is then exactly 0, says nothing about it and is left out of its mean.
        """
        sampler = self.sampler
        if not sampler.val_batches:
            return {}
        self.task.eval()
        names = [name for name in self.names if name != "total"]
        sums = torch.zeros(2, len(names), device=self.device)  # losses times windows, and windows
        spans = list(enumerate(sampler.val_batches))
        for number, (start, stop) in spans[sampler.rank :: sampler.workers]:
            losses = self.task(self.make_batch.validated(next(batches), self.config.augment, (self.config.seed, number)))
            found = torch.stack([losses[name] for name in names])
            sums += torch.stack([found, (found != 0).to(found)]) * (stop - start)
        total, windows = mean_over_workers(sums)
        means = dict(zip(names, total / windows.clamp(min=torch.finfo().tiny), strict=True))
        known = [name for name, there in zip(names, (windows > 0).tolist(), strict=True) if there]
        if not known:
            return {}
        return {"val/loss": float(self.task.loss.total(means))} | {f"val/{_metric(name)}": float(means[name]) for name in known}

    def _train_metrics(self) -> dict[str, float]:
        progress = self.progress
        done = self.steps - progress.skipped
        means = {name: progress.sums[name] / done if done else math.nan for name in self.names}
        named = {f"train/{_metric(name)}": value for name, value in means.items()}
        return named | {
            "train/lr": self.schedule.rate(self.config.optim.lr, self._progress(self.steps - 1)),
            "train/skipped_steps": progress.skipped,
        }

    def _progress(self, step: int) -> float:
        """Share of the training that is done at a step of the current epoch."""
        return (self.progress.epoch * self.steps + step) / (self.config.optim.epochs * self.steps)

    def _diverged(self, what: str) -> Exception:
        where = f"{what} (epoch {self.progress.epoch + 1}, step {self.progress.step} of {self.steps}): lower optim.lr"
        if not (self.run.folder / checkpoints.DESCRIPTION).exists():
            return InputError(where)
        return StoppedError(f"{where}; the best checkpoint before that is kept in {self.run.folder}", DIVERGED)


def _metric(name: str) -> str:
    return "loss" if name == "total" else f"loss/{name}"
