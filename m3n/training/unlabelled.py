"""Learning from windows without labels: pseudo-labels of a mean teacher, which must hold under strong augmentation.

FixMatch (Sohn et al., NeurIPS 2020): where the classifier is sure of a window as it was recorded, its answer is the target for the
same window strongly changed. The answers are those of a mean teacher (Tarvainen and Valpola, NeurIPS 2017): a running average of
the weights. Classes that are answered often weigh less, so that the sure ones do not drive out the others.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from m3n.data.windows import Normaliser, RecordingWindows
from m3n.models import Classifier
from m3n.randomness import generator
from m3n.training.augment import augment

if TYPE_CHECKING:
    from m3n.config import AugmentConfig, FinetuneConfig

SURE = 0.8  # probability from which an answer is a target; with label smoothing even a perfect classifier stays below 0.91
BEGIN = 0.3  # share of the training before pseudo-labels count
KEPT = 0.99  # of the teacher's weights from one step to the next
STRONGER = {"mask": 0.3, "signal_dropout": 0.1, "warp": 0.25, "noise": 0.1}  # at least, of the strong augmentation


class PseudoLabels:
    """The loss on windows without labels; `loss` before every step of the optimiser, `follow` after it."""

    def __init__(
        self, windows: RecordingWindows, model: Classifier, normaliser: Normaliser, config: FinetuneConfig, own_hz: float,
        columns: list[int], order: Iterator[int],
    ) -> None:  # fmt: skip
        self.imu = torch.from_numpy(normaliser(windows.imu_npt6))
        self.worn, self.rate = torch.from_numpy(windows.worn_np), torch.from_numpy(windows.rate_n)
        self.teacher = copy.deepcopy(model).eval().requires_grad_(False)
        self.strength, self.batch, self.own_hz = _stronger(config.augment), config.batch_size, own_hz
        self.columns, self.order = columns, order
        self.draws = torch.Generator().manual_seed(int(generator(config.seed, "finetune", "unlabelled").integers(2**62)))
        self.often_c = torch.full((len(windows.classes),), 1 / len(windows.classes))  # running shares of the sure answers
        self.balanced = config.class_weights == "balanced"

    def loss(self, model: Classifier, progress: float) -> Tensor:
        """Cross entropy of the sure answers, over the whole batch; 0 in the first part of the training."""
        rows = torch.tensor(list(islice(self.order, self.batch)))
        if progress < BEGIN:
            return torch.zeros(())
        imu_bpt6, worn_bp, rate_b = self.imu[rows], self.worn[rows], self.rate[rows]
        with torch.no_grad():
            sure_b, answer_b = self.teacher(imu_bpt6, worn_bp, self.columns, rate_b)[0].softmax(-1).max(-1)
        counted_b = sure_b >= SURE
        if not counted_b.any():
            return torch.zeros(())
        weight_b = self._weight(answer_b, counted_b)
        changed = augment(imu_bpt6, self.strength, self.draws, slice(None), len(rows), self.own_hz)
        logits_bc, _ = model(changed.imu_bpt6, worn_bp, self.columns, torch.minimum(changed.rate_b, rate_b))
        return (functional.cross_entropy(logits_bc, answer_b, reduction="none") * weight_b).mean()

    @torch.no_grad()
    def follow(self, model: Classifier, step: int) -> None:
        """Move the teacher towards the model; quickly at first, when the weights still say little."""
        kept = min(KEPT, step / (step + 10))
        for own, theirs in zip(self.teacher.parameters(), model.parameters(), strict=True):
            own.lerp_(theirs, 1 - kept)

    def _weight(self, answer_b: Tensor, counted_b: Tensor) -> Tensor:
        classes = len(self.often_c)
        if not self.balanced:
            return counted_b.float()
        share_c = torch.bincount(answer_b[counted_b], minlength=classes) / counted_b.sum()
        self.often_c.lerp_(share_c, 0.05)
        return counted_b * (1 / (classes * self.often_c[answer_b])).clamp(max=3)


def _stronger(strength: AugmentConfig) -> AugmentConfig:
    return strength.model_copy(update={name: max(value, getattr(strength, name)) for name, value in STRONGER.items()})
