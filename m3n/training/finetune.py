"""Fine-tuning a classifier on labelled windows.

The schedule is fixed (warm-up, then cosine, over a set number of steps) and the last weights are kept, so nothing is selected on
any data; validation subjects are scored like the test subjects but do not influence the training. A share of every batch can be
synthetic windows of the same activities (rehearsal, Robins 1995), which helps where labels are few and fades where they are many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count, islice
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from m3n.data.windows import Normaliser, RecordingWindows
from m3n.freeze import Freezing, add_adapters, merge_adapters, rules_of
from m3n.models import Classifier
from m3n.randomness import generator
from m3n.training.augment import augment, turned_by_right_angles
from m3n.training.classifier import tower_columns
from m3n.training.unlabelled import PseudoLabels

if TYPE_CHECKING:
    from m3n.config import FinetuneConfig
    from m3n.training.eval_checkpoint import EvalCheckpoint


def finetune(
    model: Classifier,
    windows: RecordingWindows,
    normaliser: Normaliser,
    config: FinetuneConfig,
    own_hz: float,
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None,
    rehearsed: RecordingWindows | None = None,
    eval_checkpoint: EvalCheckpoint | None = None,
    unlabelled: RecordingWindows | None = None,
) -> None:
    """Train `model` in place on all of `windows` (not yet normalised), which are sampled at `own_hz`.

    `rehearsed`: synthetic windows of the same placements and classes, the share `config.rehearse` of every batch; half of them are
    from the sources of `windows`, if any are. `unlabelled`: windows to learn from by pseudo-labels, whose `label` is not read.
    `eval_checkpoint` scores and saves the model during training; it does not save the state of pseudo-labels.
    """
    columns = tower_columns(model.imu, windows.placements)
    parts = [windows] if rehearsed is None else [windows, rehearsed]
    imu = torch.from_numpy(normaliser(np.concatenate([part.imu_npt6 for part in parts])))
    worn, label, rate = (
        torch.from_numpy(np.concatenate([getattr(part, name) for part in parts])) for name in ("worn_np", "label", "rate_n")
    )
    steps_ns = [part.step_label_ns for part in parts if part.step_label_ns is not None]
    target = label
    if model.dense and len(steps_ns) == len(parts):
        target = _at_steps(torch.from_numpy(np.concatenate(steps_ns)), -(-imu.shape[2] // model.imu.stride))
    share = 0.0 if rehearsed is None else faded(config.rehearse, examples_per_class(windows), config.rehearse_fade)
    batch = min(max(1, round(config.batch_size * (1 - share))), len(windows.label))
    beside = round(batch * share / (1 - share))
    per_epoch = -(-len(windows.label) // batch)
    steps = max(config.epochs * per_epoch, config.min_steps)
    torch.manual_seed(config.seed)
    if config.freeze == "adapters":
        add_adapters(model.imu, config.freeze_options.rank)
    rules = rules_of(config.freeze, model.blocks(), config.freeze_options)
    freezing = Freezing(model, rules, config.lr, config.encoder_lr, config.weight_decay)
    weight = _class_weights(windows.label, len(windows.classes)) if config.class_weights == "balanced" else None
    draws = torch.Generator().manual_seed(int(generator(config.seed, "finetune", "augment").integers(2**62)))
    first = eval_checkpoint.resume(model, freezing.optimizer, draws) if eval_checkpoint else 0
    real = _rows(len(windows.label), config.seed, "order", first * batch)
    kinds = _by_origin(rehearsed, windows.sources) if rehearsed else []
    synthetic = _in_turn(kinds, config.seed, "rehearse", first * beside)
    pseudo = None
    if unlabelled is not None and len(unlabelled.label):
        order = _rows(len(unlabelled.label), config.seed, "unlabelled", 0)
        pseudo = PseudoLabels(unlabelled, model, normaliser, config, own_hz, columns, order)
    for step in range(first, steps):
        freezing.at(step / steps)
        rows = torch.tensor([*islice(real, batch), *(len(windows.label) + row for row in islice(synthetic, beside))])
        shown = turned_by_right_angles(imu[rows], draws, slice(None), len(rows)) if config.mounting_unknown else imu[rows]
        changed = augment(shown, config.augment, draws, slice(None), batch + beside, own_hz)
        forward = model.steps if model.dense else model
        logits, penalty = forward(changed.imu_bpt6, worn[rows], columns, torch.minimum(changed.rate_b, rate[rows]))
        loss = penalty + functional.cross_entropy(
            logits.flatten(0, -2), target[rows].flatten(), weight, ignore_index=-1, label_smoothing=config.label_smoothing
        )
        if pseudo:
            loss = loss + pseudo.loss(model, step / steps)
        freezing.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        freezing.optimizer.step()
        if pseudo:
            pseudo.follow(model, step)
        on_step(step + 1, steps, float(loss.detach()))
        if eval_checkpoint:
            eval_checkpoint.after_step(step + 1, steps, model, freezing.optimizer, draws)
    merge_adapters(model.imu)


def faded(share: float, examples: float, half_at: float | None) -> float:
    """The share of a batch to rehearse with this many labelled examples per class: halved at `half_at`; None or 0 never fades.

    The weight of a prior of `half_at` examples beside as many real ones as there are, which is how conjugate priors are updated.
    """
    return share / (1 + examples / half_at) if half_at else share


def examples_per_class(windows: RecordingWindows) -> float:
    """Mean number of labelled examples of the classes that have any."""
    return len(np.unique(windows.example)) / len(np.unique(windows.label))


def _at_steps(label_ns: Tensor, steps: int) -> Tensor:
    """Labels at the steps of an encoder: the nearest ones, where the windows have another number of labels."""
    middle = (torch.arange(steps) + 0.5) * label_ns.shape[1] / steps
    return label_ns[:, middle.long()]


def _rows(total: int, seed: int, what: str, done: int) -> Iterator[int]:
    """Numbers below `total`, pass after pass, each in an order of its own, without the first `done`."""
    for number in count(done // total):
        order = generator(seed, "finetune", what, number).permutation(total).tolist()
        yield from order[done % total :] if number == done // total else order


def _by_origin(windows: RecordingWindows, sources: list[str]) -> list[np.ndarray]:
    """Numbers of the windows from these sources, and from others; one array if all are of one kind."""
    own = np.array([source in sources for source in windows.sources])[windows.recording]
    return [part for part in (np.flatnonzero(own), np.flatnonzero(~own)) if len(part)]


def _in_turn(parts: list[np.ndarray], seed: int, what: str, done: int) -> Iterator[int]:
    """Numbers from each part in turn, pass after pass as in `_rows`, without the first `done`."""
    orders = [_rows(len(part), seed, what + str(k or ""), -(-(done - k) // len(parts))) for k, part in enumerate(parts)]
    for turn in count(done):
        k = turn % len(parts)
        yield int(parts[k][next(orders[k])])


def _class_weights(label: np.ndarray, classes: int) -> Tensor:
    """Weights with which every class that has examples counts the same."""
    count = np.bincount(label, minlength=classes)
    present = count > 0
    weight = np.where(present, len(label) / np.maximum(count, 1) / present.sum(), 0.0)
    return torch.from_numpy(weight.astype(np.float32))
