"""The pretraining objectives, each by name, and their weighted sum.

InfoNCE (van den Oord et al. 2018; symmetric as in CLIP, Radford et al. 2021) over the global batch: every worker compares its
own rows with the columns of all workers, gathered with gradient. Two windows that share a clip, a sentence or a label are never
each other's negatives: they are left out of the sum rather than pushed apart.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional

Gather = Callable[[Tensor], Tensor]


def no_gather(x: Tensor) -> Tensor:
    """The global batch of a single worker is its own."""
    return x


def info_nce(
    a_be: Tensor,
    b_be: Tensor,
    same_bn: Tensor,
    temperature: float,
    *,
    valid_b: Tensor | None = None,
    rank: int = 0,
    gather: Gather = no_gather,
) -> Tensor:
    """Symmetric InfoNCE between paired unit-norm embeddings, mean over the valid rows of the global batch.

    a_be, b_be (b, e): this worker's pairs; same_bn (b, n) bool: which columns of the global batch share a clip, a sentence or a
    label with a local row (its own pair included); valid_b (b,) bool: rows that have both modalities, None for all. Pairs of
    worker `rank` start at column rank * b. The mean over workers of what is returned is the loss of the global batch.
    """
    b, n = same_bn.shape
    target_b = torch.arange(b, device=a_be.device) + rank * b
    excluded_bn = same_bn & ~functional.one_hot(target_b, n).bool()
    weight_b = a_be.new_full((b,), 1 / b)
    if valid_b is not None:
        valid_n = gather(valid_b)
        excluded_bn = (excluded_bn | ~valid_n) & ~functional.one_hot(target_b, n).bool()
        weight_b = valid_b.to(a_be.dtype) * (n / b) / valid_n.sum().clamp(min=1)
    total = a_be.new_zeros(())
    for rows, columns in ((a_be, b_be), (b_be, a_be)):
        logits_bn = (rows @ gather(columns).T / temperature).masked_fill(excluded_bn, float("-inf"))
        total = total + (functional.cross_entropy(logits_bn, target_b, reduction="none") * weight_b).sum()
    return total / 2


def same_group(keys_bk: Tensor, keys_nk: Tensor) -> Tensor:
    """(b, n) True where two windows agree in any of their k keys (clip, sentence, label); a negative key agrees with none."""
    return ((keys_bk[:, None] == keys_nk[None]) & (keys_bk[:, None] >= 0)).any(-1)


class MultiTaskLoss:
    """Model outputs and batch to a named dict of losses, `total` being their weighted sum."""

    def __init__(self, weights: Mapping[str, float], temperature: float, placements: tuple[str, ...]) -> None:
        self.weights = {name: weight for name, weight in weights.items() if weight > 0}
        self.temperature = temperature
        wrists = ("left_wrist", "right_wrist")
        self.wrists = [placements.index(w) for w in wrists if w in placements]
        if len(self.wrists) < 2:
            self.weights.pop("left_right", None)

    def __call__(
        self, out: Mapping[str, Tensor], batch: Mapping[str, Tensor], rank: int = 0, gather: Gather = no_gather
    ) -> dict[str, Tensor]:
        """`batch` holds `keys_bk` (clip, sentence, label; -1 for none; without a sentence no part in the objectives with text),
        `ideal_bpt6` (what Pose2IMU regresses) and `clean_bpt6` (what reconstruction aims at: mounted as the input, noise-free)."""
        keys_bk = batch["keys_bk"]
        same_bn = same_group(keys_bk, gather(keys_bk))
        has_text_b = keys_bk[:, 1] >= 0

        def contrast(a_be: Tensor, b_be: Tensor, valid_b: Tensor | None = None) -> Tensor:
            return info_nce(a_be, b_be, same_bn, self.temperature, valid_b=valid_b, rank=rank, gather=gather)

        objectives: dict[str, Callable[[], Tensor]] = {
            "text_imu": lambda: contrast(out["text_be"], out["imu_be"], has_text_b),
            "text_pose": lambda: contrast(out["text_be"], out["pose_be"], has_text_b),
            "imu_pose": lambda: contrast(out["imu_be"], out["pose_be"]),
            "left_right": lambda: contrast(*(out["imu_bpe"][:, wrist] for wrist in self.wrists)),
            "pose2imu": lambda: functional.mse_loss(out["pose2imu_bpt6"], batch["ideal_bpt6"]),
            "reconstruction": lambda: functional.mse_loss(out["reconstruction_bpt6"], batch["clean_bpt6"]),
        }
        losses = {name: objectives[name]() for name in self.weights}
        losses["total"] = torch.stack([self.weights[name] * value for name, value in losses.items()]).sum()
        return losses
