"""Fine-tuning a classifier on labelled windows.

The schedule is fixed (warm-up and cosine over a set number of steps) and the last weights are kept, so that nothing is selected on
anybody's data; validation subjects, where given, are scored beside the test subjects but choose nothing here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from m3n.freeze import Schedule, add_adapters, merge_adapters, rules_of
from m3n.models import Classifier
from m3n.randomness import generator
from m3n.training.augment import augment
from m3n.training.classifier import tower_columns
from m3n.windows import Normaliser, RecordingWindows

if TYPE_CHECKING:
    from m3n.config import FinetuneConfig
    from m3n.training.midway import Midway


def finetune(
    model: Classifier,
    windows: RecordingWindows,
    normaliser: Normaliser,
    config: FinetuneConfig,
    own_hz: float,
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None,
    midway: Midway | None = None,
) -> None:
    """Train `model` in place on all of `windows` (not yet normalised), which are at `own_hz`; `midway` looks at it on the way."""
    columns = tower_columns(model.imu, windows.placements)
    imu = torch.from_numpy(normaliser(windows.imu_npt6))
    worn, label, rate = (torch.from_numpy(x) for x in (windows.worn_np, windows.label, windows.rate_n))
    target = label if not model.dense or windows.step_label_ns is None else torch.from_numpy(windows.step_label_ns)
    batch = min(config.batch_size, len(label))
    per_epoch = -(-len(label) // batch)
    steps = max(config.epochs * per_epoch, config.min_steps)
    torch.manual_seed(config.seed)
    if config.freeze == "adapters":
        add_adapters(model.imu, config.freeze_options.rank)
    rules = rules_of(config.freeze, [name for name, _ in model.named_parameters()], config.freeze_options)
    schedule = Schedule(model, rules, config.lr, config.encoder_lr, config.weight_decay)
    weight = _class_weights(windows.label, len(windows.classes)) if config.class_weights == "balanced" else None
    draws = torch.Generator().manual_seed(int(generator(config.seed, "finetune", "augment").integers(2**62)))
    first, order = midway.start(model, schedule.optimizer, draws) if midway else (0, np.empty(0, int))
    for step in range(first, steps):
        schedule.at(step / steps)
        if len(order) < batch:
            order = np.concatenate([order, generator(config.seed, "finetune", "order", step).permutation(len(label))])
        rows, order = torch.from_numpy(order[:batch]), order[batch:]
        changed = augment(imu[rows], config.augment, draws, slice(None), batch, own_hz)
        forward = model.steps if model.dense else model
        logits, penalty = forward(changed.imu_bpt6, worn[rows], columns, torch.minimum(changed.rate_b, rate[rows]))
        loss = penalty + functional.cross_entropy(
            logits.flatten(0, -2), target[rows].flatten(), weight, ignore_index=-1, label_smoothing=config.label_smoothing
        )
        schedule.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        schedule.optimizer.step()
        on_step(step + 1, steps, float(loss.detach()))
        if midway:
            midway.after(step + 1, steps, model, schedule.optimizer, draws, order)
    merge_adapters(model.imu)


def _class_weights(label: np.ndarray, classes: int) -> Tensor:
    """Weights that let every class with examples count the same in sum."""
    count = np.bincount(label, minlength=classes)
    present = count > 0
    weight = np.where(present, len(label) / np.maximum(count, 1) / present.sum(), 0.0)
    return torch.from_numpy(weight.astype(np.float32))
