"""The pretraining losses, each by name, and their weighted sum.

InfoNCE (van den Oord et al. 2018; symmetric as in CLIP, Radford et al. 2021) over the global batch: every worker compares its
own rows with the columns of all workers, gathered with gradient. Two windows that share a clip, a sentence or a label are never
each other's negatives: they are left out of the sum rather than pushed apart. With text, sharing a clip does not count, because a
clip with segments shows several activities. SigLIP (Zhai et al., ICCV 2023), which decides for every pair alone whether it belongs
together, can replace InfoNCE. Learned uncertainties can correct the weights of the losses (Kendall, Gal and Cipolla, CVPR 2018).

A batch may lack modalities: a recording has no pose, a window no sentence, a sensor no gyroscope, and a placement was not worn.
Every loss is then the mean over the pairs or samples of the global batch that are there, and exactly 0 where none is. Real
recordings are also compared with themselves: two augmented views of a window belong together (SimCLR, Chen et al., ICML 2020).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from m3n.errors import InputError

TEMPERATURES = (0.01, 0.5)  # bounds of a learned temperature; the lower one is CLIP's
_SIGLIP_BIAS = -10.0  # at the start: few of all pairs belong together (Zhai et al., sec. 3.2)
Gather = Callable[[Tensor], Tensor]


def no_gather(x: Tensor) -> Tensor:
    """The global batch of a single worker is its own batch."""
    return x


def info_nce(
    a_be: Tensor,
    b_be: Tensor,
    same_bn: Tensor,
    temperature: float | Tensor,
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


def siglip(
    a_be: Tensor,
    b_be: Tensor,
    same_bn: Tensor,
    temperature: float | Tensor,
    bias: Tensor,
    *,
    valid_b: Tensor | None = None,
    rank: int = 0,
    gather: Gather = no_gather,
) -> Tensor:
    """Sigmoid loss of every pair of the global batch, summed over columns and averaged over rows.

    Arguments as in `info_nce`, and the learned `bias` of the logits. Pairs that share a clip, a sentence or a label are left out,
    except for a row's own pair.
    """
    b, n = same_bn.shape
    own_bn = functional.one_hot(torch.arange(b, device=a_be.device) + rank * b, n).bool()
    kept_bn = ~same_bn | own_bn
    weight = 1.0 / b
    if valid_b is not None:
        valid_n = gather(valid_b)
        kept_bn = kept_bn & valid_b[:, None] & valid_n
        weight = float(n / b) / float(valid_n.sum().clamp(min=1))
    logits_bn = a_be @ gather(b_be).T / temperature + bias
    loss_bn = functional.softplus(torch.where(own_bn, -logits_bn, logits_bn))
    return (loss_bn * kept_bn).sum() * weight


def same_group(keys_bk: Tensor, keys_nk: Tensor) -> Tensor:
    """(b, n) True where two windows agree in any of their k keys (clip, sentence, label); negative keys agree with none."""
    return ((keys_bk[:, None] == keys_nk[None]) & (keys_bk[:, None] >= 0)).any(-1)


# those of `m3n.config.names.CONTRASTIVE_LOSSES`, each called with all arguments of `siglip`
CONTRASTIVE_LOSSES: dict[str, Callable[..., Tensor]] = {
    "infonce": lambda a_be, b_be, same_bn, temperature, bias, **group: info_nce(a_be, b_be, same_bn, temperature, **group),
    "siglip": siglip,
}


@dataclass(frozen=True)
class Comparison:
    """A batch and the model's outputs for it, as the losses read them."""

    out: Mapping[str, Tensor]
    batch: Mapping[str, Tensor]
    wrists: Sequence[int]  # numbers of the left and the right wrist among the placements
    contrastive: Callable[..., Tensor]
    signal_target: Literal["window", "centre"]
    rank: int
    gather: Gather

    @cached_property
    def keys_nk(self) -> Tensor:
        return self.gather(self.batch["keys_bk"])

    @cached_property
    def same_bn(self) -> Tensor:
        """Which windows of the global batch share a clip, a sentence or a label with a local one."""
        return same_group(self.batch["keys_bk"], self.keys_nk)

    @cached_property
    def same_words_bn(self) -> Tensor:
        """Which windows of the global batch share a sentence or a label with a local one."""
        return same_group(self.batch["keys_bk"][:, 1:], self.keys_nk[:, 1:])

    @cached_property
    def has_text_b(self) -> Tensor:
        return self.batch["keys_bk"][:, 1] >= 0

    @property
    def has_pose_b(self) -> Tensor | None:
        """Windows with a pose; None for all."""
        return self.batch.get("has_pose_b")

    @property
    def has_text_and_pose_b(self) -> Tensor:
        return self.has_text_b if self.has_pose_b is None else self.has_text_b & self.has_pose_b

    def wrist_be(self, side: int) -> Tensor:
        """Embeddings of the left (0) or the right (1) wrist."""
        return self.out["imu_bpe"][:, self.wrists[side]]

    @property
    def has_both_wrists_b(self) -> Tensor | None:
        """Windows of which both wrists were recorded; None for all."""
        there_bp2 = self.batch.get("signals_bp2")
        return None if there_bp2 is None else there_bp2[:, self.wrists, 0].all(1)

    def contrast(self, a_be: Tensor, b_be: Tensor, valid_b: Tensor | None = None, same_bn: Tensor | None = None) -> Tensor:
        """The contrastive loss of paired embeddings; `same_bn`: which windows are no negatives, instead of the property."""
        same_bn = self.same_bn if same_bn is None else same_bn
        return self.contrastive(a_be, b_be, same_bn, valid_b=valid_b, rank=self.rank, gather=self.gather)

    def signal_error(self, made_bpt6: Tensor, target_bpt6: Tensor, valid_b: Tensor | None = None) -> Tensor:
        """Mean squared error of the window, or of its centre sample with every placement's six channels scaled to length 1, over
        the channels that were recorded in the windows `valid_b` (None for all)."""
        there_bp2 = self.batch.get("signals_bp2")
        if there_bp2 is None:
            if self.signal_target == "centre":
                made_bpt6, target_bpt6 = (_centre(x) for x in (made_bpt6, target_bpt6))
            return functional.mse_loss(made_bpt6, target_bpt6)
        there_bp16 = there_bp2.repeat_interleave(3, dim=2)[:, :, None]
        if valid_b is not None:
            there_bp16 = there_bp16 & valid_b[:, None, None, None]
        made_bpt6, target_bpt6 = (x * there_bp16 for x in (made_bpt6, target_bpt6))
        if self.signal_target == "centre":
            made_bpt6, target_bpt6 = (_centre(x)[:, :, None] for x in (made_bpt6, target_bpt6))
        b, _, t, _ = made_bpt6.shape
        counted_n = self.gather(there_bp16.sum((1, 2, 3)).to(made_bpt6.dtype)) * t
        return (made_bpt6 - target_bpt6).square().sum() * (len(counted_n) / b) / counted_n.sum().clamp(min=1)


def _centre(x_bpt6: Tensor) -> Tensor:
    return functional.normalize(x_bpt6[:, :, x_bpt6.shape[2] // 2], dim=-1)


# those of `m3n.config.names.LOSSES`
LOSSES: dict[str, Callable[[Comparison], Tensor]] = {
    "text_imu": lambda of: of.contrast(of.out["text_be"], of.out["imu_be"], of.has_text_b, of.same_words_bn),
    "text_pose": lambda of: of.contrast(of.out["text_be"], of.out["pose_be"], of.has_text_and_pose_b, of.same_words_bn),
    "imu_pose": lambda of: of.contrast(of.out["imu_be"], of.out["pose_be"], of.has_pose_b),
    "left_right": lambda of: of.contrast(of.wrist_be(0), of.wrist_be(1), of.has_both_wrists_b),
    "pose2imu": lambda of: of.signal_error(of.out["pose2imu_bpt6"], of.batch["ideal_bpt6"], of.has_pose_b),
    "reconstruction": lambda of: of.signal_error(of.out["reconstruction_bpt6"], of.batch["clean_bpt6"]),
    "two_views": lambda of: of.contrast(of.out["imu_be"], of.out["view_be"], of.batch["recorded_b"]),
}


RECORDINGS_ONLY = ("two_views",)  # losses that compare windows of real recordings: left out if there are none
TWO_WRISTS = ("left_right",)  # losses that compare the wrists with each other: left out if there is only one


class MultiTaskLoss(nn.Module):
    """The model's outputs and the batch to a dict of losses by name, with their weighted sum as `total`."""

    def __init__(
        self,
        weights: Mapping[str, float],
        temperature: float,
        placements: tuple[str, ...],
        *,
        contrast: str = "infonce",
        learn_temperature: bool = False,
        uncertainty: bool = False,
        signal_target: Literal["window", "centre"] = "window",
        recordings: bool = False,
    ) -> None:
        """`recordings`: whether there are windows of real recordings, which some losses need.

        Raises InputError where no loss that has a weight applies to the placements and the data.
        """
        super().__init__()
        self.weights = {
            name: weight for name, weight in weights.items() if weight > 0 and (recordings or name not in RECORDINGS_ONLY)
        }
        wrists = ("left_wrist", "right_wrist")
        self.wrists = [placements.index(w) for w in wrists if w in placements]
        if len(self.wrists) < 2:
            self.weights = {name: weight for name, weight in self.weights.items() if name not in TWO_WRISTS}
        if not self.weights:
            raise InputError(
                f"no loss is left: {' and '.join(TWO_WRISTS)} needs both wrists, and there is {', '.join(placements)}; "
                f"{' and '.join(RECORDINGS_ONLY)} needs --recordings; give another "
                "loss a weight"
            )
        self.contrast, self.signal_target, self.fixed_temperature = contrast, signal_target, temperature
        self.log_temperature = nn.Parameter(torch.tensor(math.log(temperature)), requires_grad=learn_temperature)
        self.bias = nn.Parameter(torch.tensor(_SIGLIP_BIAS), requires_grad=contrast == "siglip")
        self.log_variance = nn.Parameter(torch.zeros(len(self.weights)), requires_grad=uncertainty)

    @property
    def temperature(self) -> float | Tensor:
        """Of all contrastive losses."""
        learns = self.log_temperature.requires_grad
        return self.log_temperature.exp().clamp(*TEMPERATURES) if learns else self.fixed_temperature

    def forward(
        self, out: Mapping[str, Tensor], batch: Mapping[str, Tensor], rank: int = 0, gather: Gather = no_gather
    ) -> dict[str, Tensor]:
        """`batch` holds `keys_bk` (clip, sentence, label; -1 for none; a window without a sentence takes no part in losses with
        text), `ideal_bpt6` (the target of pose2imu) and `clean_bpt6` (the target of reconstruction: mounted like the input, but
        without noise). Where something is missing it also holds `signals_bp2` (whether a placement's acceleration and angular rate
        were recorded), `has_pose_b` and `recorded_b` (whether a window is of a real recording), all bool."""
        temperature, kind = self.temperature, CONTRASTIVE_LOSSES[self.contrast]

        def contrastive(a_be: Tensor, b_be: Tensor, same_bn: Tensor, **group: Any) -> Tensor:
            return kind(a_be, b_be, same_bn, temperature, self.bias, **group)

        comparison = Comparison(out, batch, self.wrists, contrastive, self.signal_target, rank, gather)
        losses = {name: LOSSES[name](comparison) for name in self.weights}
        return losses | {"total": self.total(losses)}

    def total(self, losses: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum of all losses, by name."""
        terms = torch.stack([self.weights[name] * losses[name] for name in self.weights])
        if self.log_variance.requires_grad:  # exp(-s) loss + s: a task that stays uncertain counts for less
            terms = torch.exp(-self.log_variance) * terms + self.log_variance
        return terms.sum()
