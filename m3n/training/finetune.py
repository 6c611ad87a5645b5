"""Fine-tuning a classifier on labelled windows, and applying it.

The schedule is fixed (cosine to zero over a set number of steps) and the last weights are kept, so that nothing is selected on
anybody's data; validation subjects, where given, are scored beside the test subjects but choose nothing here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from m3n.errors import InputError
from m3n.freeze import parameter_groups
from m3n.models import Classifier, ImuTower, make_imu_tower
from m3n.randomness import generator
from m3n.training.augment import augment
from m3n.training.checkpoint import Checkpoint, fill, part
from m3n.windows import Normaliser, RecordingWindows

if TYPE_CHECKING:
    from m3n.config import FinetuneConfig


def make_classifier(
    placements: tuple[str, ...], classes: int, architecture: dict[str, object], pretrained: Checkpoint | None, seed: int
) -> Classifier:
    """A classifier with fresh weights, or with the IMU tower of a pretrained checkpoint."""
    torch.manual_seed(seed)
    tower = make_imu_tower(placements if pretrained is None else pretrained.placements, architecture)
    if pretrained is not None:
        fill(tower, part(pretrained.weights, "imu."), "--checkpoint")
    return Classifier(tower, classes, int(architecture["width"]))  # type: ignore[call-overload]


def finetune(
    model: Classifier,
    windows: RecordingWindows,
    normaliser: Normaliser,
    config: FinetuneConfig,
    own_hz: float,
    on_step: Callable[[int, int, float], None] = lambda step, steps, loss: None,
) -> None:
    """Train `model` in place on all of `windows` (not yet normalised), which are at `own_hz`."""
    columns = tower_columns(model.imu, windows.placements)
    imu = torch.from_numpy(normaliser(windows.imu_npt6))
    worn, label, rate = (torch.from_numpy(x) for x in (windows.worn_np, windows.label, windows.rate_n))
    batch = min(config.batch_size, len(label))
    per_epoch = -(-len(label) // batch)
    steps = max(config.epochs * per_epoch, config.min_steps)
    groups = parameter_groups(model, config.freeze, config.lr, config.encoder_lr)
    optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
    peaks = [group["lr"] for group in groups]
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, peaks if len(peaks) > 1 else peaks[0], total_steps=steps, pct_start=0.1, cycle_momentum=False
    )
    weight = _class_weights(windows.label, len(windows.classes))
    model.train()
    if config.freeze == "all":
        model.imu.eval()  # a frozen encoder gives the features it was pretrained for, without dropout
    draws = torch.Generator().manual_seed(int(generator(config.seed, "finetune", "augment").integers(2**62)))
    order = np.empty(0, int)
    for step in range(steps):
        if len(order) < batch:
            order = np.concatenate([order, generator(config.seed, "finetune", "order", step).permutation(len(label))])
        rows, order = torch.from_numpy(order[:batch]), order[batch:]
        changed = augment(imu[rows], config.augment, draws, slice(None), batch, own_hz)
        logits = model(changed.imu_bpt6, worn[rows], columns, torch.minimum(changed.rate_b, rate[rows]))
        loss = functional.cross_entropy(logits, label[rows], weight, label_smoothing=config.label_smoothing)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        on_step(step + 1, steps, float(loss.detach()))


def _class_weights(label: np.ndarray, classes: int) -> Tensor:
    """Weights that let every class with examples count the same in sum."""
    count = np.bincount(label, minlength=classes)
    present = count > 0
    weight = np.where(present, len(label) / np.maximum(count, 1) / present.sum(), 0.0)
    return torch.from_numpy(weight.astype(np.float32))


@torch.no_grad()
def predict(model: Classifier, windows: RecordingWindows, normaliser: Normaliser, batch: int = 512) -> np.ndarray:
    """Class probabilities (windows, classes) float32."""
    model.eval()
    columns = tower_columns(model.imu, windows.placements)
    out = []
    for start in range(0, len(windows.imu_npt6), batch):
        piece = slice(start, start + batch)
        imu = torch.from_numpy(normaliser(windows.imu_npt6[piece]))
        worn, rate = (torch.from_numpy(x[piece]) for x in (windows.worn_np, windows.rate_n))
        logits = model(imu, worn, columns, rate)
        out.append(logits.softmax(-1).numpy())
    return np.concatenate(out)


def recording_probabilities(probabilities: np.ndarray, windows: RecordingWindows) -> tuple[np.ndarray, np.ndarray]:
    """(mean class probabilities, label) of every recording that has windows, for recordings with one label each."""
    recordings = np.unique(windows.recording)
    means = np.stack([probabilities[windows.recording == r].mean(0) for r in recordings])
    labels = np.array([np.bincount(windows.label[windows.recording == r]).argmax() for r in recordings])
    return means, labels


def tower_columns(tower: ImuTower, placements: tuple[str, ...]) -> list[int]:
    """Which of the tower's placements the windows hold; InputError for one that it was not trained for."""
    known = tower.placements
    for placement in placements:
        if placement not in known:
            raise InputError(f"the checkpoint knows the placements {', '.join(known)}; the recordings have '{placement}'")
    return [known.index(p) for p in placements]


def classifier_checkpoint(
    model: Classifier,
    windows: RecordingWindows,
    normaliser: Normaliser,
    architecture: dict[str, object],
    shape: dict[str, object],
) -> Checkpoint:
    """A checkpoint of a trained classifier."""
    return Checkpoint(
        kind="classifier",
        weights=copy.deepcopy(model.state_dict()),
        architecture=architecture,
        windows=shape,
        placements=list(model.imu.placements),
        normaliser=normaliser,
        classes=windows.classes,
    )
