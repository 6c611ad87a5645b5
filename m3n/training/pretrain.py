"""The multi-task pretraining loop, in plain PyTorch; it runs alone or as one of several workers.

Every worker holds the windows, walks through the same seeded order, and computes its share of each global batch: rows
rank * b to (rank + 1) * b. So the number of workers changes neither the batches nor the draws.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from m3n.errors import InputError
from m3n.losses import MultiTaskLoss
from m3n.models import Multi3Net
from m3n.randomness import generator
from m3n.training.augment import augment, draw_worn
from m3n.training.checkpoint import Checkpoint
from m3n.training.distributed import gather, mean_over_workers, parallel, world
from m3n.windows import POSE_FEATURES, ClipWindows, Normaliser

if TYPE_CHECKING:
    from m3n.config import OptimConfig, PretrainConfig

# (epoch, metrics, the best checkpoint where this epoch is the best so far)
OnEpoch = Callable[[int, dict[str, float], Checkpoint | None], None]


@dataclass
class Corpus:
    """What pretraining reads: normalised windows and the sentence embeddings they refer to."""

    windows: ClipWindows
    normaliser: Normaliser
    text_nc: np.ndarray  # (sentences + 1, features); the last row stands for "no sentence"
    train: np.ndarray  # positions of the training windows
    val: np.ndarray


def make_corpus(windows: ClipWindows, text_nc: np.ndarray, *, val_share: float, seed: int) -> Corpus:
    """Split windows by subject, fit the normaliser on the training part, and normalise all of them in place."""
    subjects = np.array(windows.subjects)
    names = np.unique(subjects)
    count = 0 if val_share == 0 else min(max(round(val_share * len(names)), 1), len(names) - 1)
    held_out = generator(seed, "pretrain", "val").permutation(names)[:count]
    is_val = np.isin(subjects, held_out)[windows.clip]
    train, val = np.flatnonzero(~is_val), np.flatnonzero(is_val)
    normaliser = Normaliser.fit(windows.imu_npt6[train])
    windows.imu_npt6 = normaliser(windows.imu_npt6)
    empty = np.zeros((1, text_nc.shape[1]), np.float32)
    return Corpus(windows, normaliser, np.concatenate([text_nc, empty]), train, val)


def pretrain(corpus: Corpus, config: PretrainConfig, on_epoch: OnEpoch) -> None:
    """Train Multi3Net; every worker calls this with the same corpus and config.

    Keeps the weights with the best validation loss (training loss where there is no validation part) and stops after
    `optim.patience` epochs without a better one. Raises InputError where there are fewer windows than workers can share.
    """
    rank, workers = world()
    batch = global_batch(config.optim.batch_size, len(corpus.train), workers)
    torch.manual_seed(config.seed)
    model = _make_model(corpus, config)
    loss = MultiTaskLoss(config.loss.weights, placements=corpus.windows.placements, **config.loss.options)
    wrapped = parallel(model, some_unused=len(loss.weights) < len(config.loss.weights))
    steps = len(corpus.train) // batch * config.optim.epochs
    optimizer, scheduler = make_optimizer([{"params": model.parameters()}], config.optim, steps)
    share = slice(rank * batch // workers, (rank + 1) * batch // workers)
    best, since_best, clock = math.inf, 0, time.perf_counter()
    for epoch in range(config.optim.epochs):
        model.train()
        sums: dict[str, Tensor] = {}
        order = generator(config.seed, "pretrain", "order", epoch).permutation(corpus.train)
        batches = order[: len(order) // batch * batch].reshape(-1, batch)
        for step, rows in enumerate(batches):
            draws = torch.Generator().manual_seed(int(generator(config.seed, "augment", epoch, step).integers(2**62)))
            inputs = _make_batch(corpus, rows[share])
            changed = augment(inputs["ideal_bpt6"], config.augment, draws, share, batch, config.windows.rate_hz)
            inputs["imu_bpt6"], inputs["clean_bpt6"], inputs["rate_b"] = changed
            inputs["worn_bp"] = draw_worn(inputs["ideal_bpt6"], config.augment, draws, share, batch)
            losses = loss(wrapped(inputs), inputs, rank, gather)
            optimizer.zero_grad(set_to_none=True)
            losses["total"].backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), config.optim.clip_norm)
            optimizer.step()
            scheduler.step()
            for name, value in losses.items():
                sums[name] = sums.get(name, torch.zeros(())) + value.detach().cpu()
        metrics = {f"train/{k}": v for k, v in _named(sums, len(batches)).items()}
        if len(corpus.val) >= 2:
            metrics |= {f"val/{k}": v for k, v in _validate(model, corpus, loss, batch).items()}
        metrics["train/lr"] = float(scheduler.get_last_lr()[0])
        metrics["train/windows_per_s"] = (epoch + 1) * batches.size / (time.perf_counter() - clock)
        current = metrics.get("val/loss", metrics["train/loss"])
        if not math.isfinite(current):
            raise InputError(f"the loss became {current} in epoch {epoch}: lower optim.lr")
        improved = current < best
        best, since_best = (current, 0) if improved else (best, since_best + 1)
        on_epoch(epoch, metrics, _checkpoint(model, corpus, config) if improved else None)
        if since_best >= config.optim.patience:
            break


def global_batch(wanted: int, windows: int, workers: int) -> int:
    """Windows in a batch over all workers, the same number on each; InputError where there are too few to share."""
    batch = min(wanted, windows) // workers * workers
    if batch < 2:
        raise InputError(f"{windows} training windows are too few for batches on {workers} workers")
    return batch


def _make_model(corpus: Corpus, config: PretrainConfig) -> Multi3Net:
    return Multi3Net(corpus.windows.placements, POSE_FEATURES, corpus.text_nc.shape[1], **config.model.model_dump())


def make_optimizer(
    groups: list[dict[str, Any]], config: OptimConfig, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler]:
    """Adam or AdamW with a linear warm-up, then a cosine to zero or a constant rate."""
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
    optimizer = kind(groups, lr=config.lr, weight_decay=config.weight_decay)
    warmup = max(1, round(config.warmup * steps))

    def rate(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        done = (step - warmup) / max(1, steps - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0))) if config.schedule == "cosine" else 1.0

    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, rate)


def _make_batch(corpus: Corpus, rows: np.ndarray) -> dict[str, Tensor]:
    windows = corpus.windows
    ideal = torch.from_numpy(windows.imu_npt6[rows])
    return {
        "imu_bpt6": ideal,
        "worn_bp": torch.ones(ideal.shape[:2], dtype=torch.bool),
        "ideal_bpt6": ideal,
        "clean_bpt6": ideal,
        "pose_bfd": torch.from_numpy(windows.pose_nfd[rows]),
        "text_bc": torch.from_numpy(corpus.text_nc[windows.text[rows]]),
        "keys_bk": torch.from_numpy(np.stack([windows.clip[rows], windows.text[rows], windows.label[rows]], axis=1)),
    }


@torch.no_grad()
def _validate(model: Multi3Net, corpus: Corpus, loss: MultiTaskLoss, batch: int) -> dict[str, float]:
    """Losses of the validation windows without augmentation, in batches of the training's size, on every worker's share."""
    rank, workers = world()
    model.eval()
    order = generator(0, "validation").permutation(corpus.val)
    pieces = list(_pieces(order, batch))
    sums: dict[str, Tensor] = {}
    for rows in pieces[rank::workers]:
        inputs = _make_batch(corpus, rows)
        for name, value in loss(model(inputs), inputs).items():
            sums[name] = sums.get(name, torch.zeros(())) + value * len(rows)
    names = sorted([*loss.weights, "total"])
    stacked = torch.stack([sums.get(name, torch.zeros(())) for name in names])
    stacked = mean_over_workers(stacked) * workers / sum(len(p) for p in pieces)
    return _rename(dict(zip(names, stacked.tolist(), strict=True)))


def _pieces(order: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(order), size):
        if len(order) - start >= 2:
            yield order[start : start + size]


def _named(sums: dict[str, Tensor], count: int) -> dict[str, float]:
    means = mean_over_workers(torch.stack(list(sums.values())) / count)
    return _rename(dict(zip(sums, means.tolist(), strict=True)))


def _rename(losses: dict[str, float]) -> dict[str, float]:
    return {("loss" if name == "total" else f"loss/{name}"): value for name, value in losses.items()}


def _checkpoint(model: Multi3Net, corpus: Corpus, config: PretrainConfig) -> Checkpoint:
    return Checkpoint(
        kind="multi3net",
        weights=copy.deepcopy(model.state_dict()),
        architecture=config.model.model_dump(),
        windows=config.windows.model_dump(),
        placements=list(corpus.windows.placements),
        normaliser=corpus.normaliser,
        text_model=config.text_model,
        text_features=int(corpus.text_nc.shape[1]),
        subjects=_subjects_by_source(corpus.windows),
    )


def _subjects_by_source(windows: ClipWindows) -> dict[str, list[str]]:
    pairs = sorted(set(zip(windows.sources, windows.subjects, strict=True)))
    return {source: [subject for s, subject in pairs if s == source] for source, _ in pairs}
