"""Multi^3Net (arXiv 2406.01316): encoders of text, pose and IMU with a shared embedding, and two decoders.

Legend of shape suffixes: b windows, p placements, t IMU samples, f pose frames, d pose features, s tokens, w width, e embedding.

The left wrist is mirrored in the sagittal plane onto the right one before a shared encoder sees it, so that one set of weights
serves both: a movement of the left arm is the same movement of the right arm, seen in a mirror. Where encoders are not shared,
each placement keeps its own frame and weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from m3n.models.heads import make_head, projection
from m3n.models.imu import IMU_ENCODERS, AttentionPool
from m3n.models.pose import PoseTower
from m3n.models.strapdown import WORLD_CHANNELS, world_channels

# a reflection turns acceleration over as a vector and angular rate as a pseudovector; y is the axis across the wrist
MIRROR = (1.0, -1.0, 1.0, -1.0, 1.0, -1.0)
KINDS = ("wrist", "head", "pelvis", "thigh", "ankle")  # of placements; one more stands for users' own
FAST_HZ = 50.0  # a body's movement lies below half of this


class ImuTower(nn.Module):
    """One or more placements' windows to tokens and features; the part that fine-tuning keeps.

    What a sensor is, its place on the body and the rate it recorded at (20 to 200 Hz; windows come resampled to one rate, but a
    slow sensor has seen nothing of what is fast), is told to the encoder beside the samples. With `strapdown` it also reads what
    they are in a frame that stands still (`m3n.models.strapdown`), for which the tower must know their units: `in_units_of`.
    """

    mirror_p6: Tensor
    kind_p: Tensor
    unit_6: Tensor
    rate_hz: Tensor

    def __init__(
        self,
        placements: Sequence[str],
        *,
        imu_encoder: str,
        shared: bool,
        width: int,
        depth: int,
        dropout: float,
        strapdown: bool,
    ) -> None:
        super().__init__()
        self.placements = tuple(placements)
        self.shared = shared
        self.strapdown = strapdown
        channels = 6 + WORLD_CHANNELS * strapdown
        self.encoders = nn.ModuleList(
            IMU_ENCODERS[imu_encoder](width, depth, dropout, channels) for _ in range(1 if shared else len(self.placements))
        )
        self.pool = AttentionPool(width)
        self.told_place = nn.Embedding(len(KINDS) + 1, width)
        self.told_rate = nn.Linear(1, width, bias=False)
        nn.init.normal_(self.told_place.weight, std=0.02)
        mirrored = [MIRROR if shared and p.startswith("left_") else (1.0,) * 6 for p in self.placements]
        kinds = [p.removeprefix("left_").removeprefix("right_") for p in self.placements]
        self.register_buffer("mirror_p6", torch.tensor(mirrored), persistent=False)
        known = [KINDS.index(kind) if kind in KINDS else len(KINDS) for kind in kinds]
        self.register_buffer("kind_p", torch.tensor(known), persistent=False)
        self.register_buffer("unit_6", torch.ones(6), persistent=strapdown)
        self.register_buffer("rate_hz", torch.tensor(FAST_HZ), persistent=strapdown)

    def in_units_of(self, acc: float, gyro: float, rate_hz: float) -> None:
        """Say what the samples of the windows are: multiples of `acc` m/s² and `gyro` rad/s, `rate_hz` of them in a second.

        It travels with the weights.
        """
        self.unit_6.copy_(torch.tensor([acc] * 3 + [gyro] * 3))
        self.rate_hz.fill_(rate_hz)

    def tokens(self, imu_bpt6: Tensor, rate_b: Tensor | None = None) -> Tensor:
        """Tokens (b, p, s, w) of all the tower's placements, which the input holds in order."""
        b, p = imu_bpt6.shape[:2]
        imu_bpt6 = imu_bpt6 * self.mirror_p6[None, :, None]
        told_bpw = self._told(rate_b, range(p), b)
        if self.shared:
            return self._encode(0, imu_bpt6.flatten(0, 1), told_bpw.flatten(0, 1)).unflatten(0, (b, p))
        return torch.stack([self._encode(i, imu_bpt6[:, i], told_bpw[:, i]) for i in range(p)], dim=1)

    def forward(
        self,
        imu_bpt6: Tensor,
        worn_bp: Tensor | None = None,
        columns: Sequence[int] | None = None,
        rate_b: Tensor | None = None,
        pool: nn.Module | None = None,
    ) -> Tensor:
        """Features (b, w): the mean over the placements that were worn.

        `worn_bp` None: all were; `columns`: which of the tower's placements the input holds, None: all, in order; `rate_b` (b,) Hz:
        what the sensors recorded at, None: the windows' own rate or more; `pool`: tokens to features, None: the tower's own.
        """
        pool = self.pool if pool is None else pool
        b, p = imu_bpt6.shape[:2]
        worn_bp = torch.ones(b, p, dtype=torch.bool, device=imu_bpt6.device) if worn_bp is None else worn_bp
        columns = range(len(self.placements)) if columns is None else columns
        imu_bpt6 = imu_bpt6 * self.mirror_p6[list(columns)][None, :, None]
        told_bpw = self._told(rate_b, columns, b)
        sums_bw = imu_bpt6.new_zeros(())
        for i, column in enumerate(columns):  # only what was worn is worth encoding
            rows = worn_bp[:, i].nonzero().squeeze(1)
            tokens_rsw = self._encode(0 if self.shared else column, imu_bpt6[rows, i], told_bpw[rows, i])
            features_rw = pool(tokens_rsw)
            sums_bw = sums_bw + features_rw.new_zeros(b, *features_rw.shape[1:]).index_add(0, rows, features_rw)
        return sums_bw / worn_bp.sum(1).clamp(min=1).view(b, *[1] * (sums_bw.dim() - 1))

    def _encode(self, encoder: int, imu_bt6: Tensor, told_bw: Tensor) -> Tensor:
        if not self.strapdown:
            return self.encoders[encoder](imu_bt6, told_bw)
        with torch.no_grad(), torch.autocast(imu_bt6.device.type, enabled=False):  # angles add up: not in bf16
            world_btc = world_channels(imu_bt6 * self.unit_6, self.rate_hz)
        return self.encoders[encoder](torch.cat([imu_bt6, world_btc], dim=-1), told_bw)

    def _told(self, rate_b: Tensor | None, columns: Sequence[int], b: int) -> Tensor:
        """(b, p, w): the placement's embedding, and a direction for octaves of rate below `FAST_HZ`."""
        told_bpw = self.told_place(self.kind_p[list(columns)])[None].expand(b, -1, -1)
        if rate_b is None:
            return told_bpw
        octaves_b1 = (rate_b / FAST_HZ).log2().clamp(max=0)[:, None]
        return told_bpw + self.told_rate(octaves_b1)[:, None]


def mean_worn(features_bpw: Tensor, worn_bp: Tensor) -> Tensor:
    """Mean over the placements that were worn, (b, w)."""
    weight_bp1 = worn_bp.to(features_bpw.dtype)[..., None]
    return (features_bpw * weight_bp1).sum(1) / weight_bp1.sum(1).clamp(min=1)


class SequenceDecoder(nn.Module):
    """Tokens (b, s, w) to samples (b, t, channels): every step of an even grid gives a patch of samples."""

    PATCH = 4

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv1d(width, width, 3, padding=1), nn.GELU(), nn.Conv1d(width, width, 3, padding=1), nn.GELU()
        )
        self.out = nn.Conv1d(width, self.PATCH * channels, 3, padding=1)
        self.channels = channels

    def forward(self, tokens_bsw: Tensor, samples: int) -> Tensor:
        steps = -(-samples // self.PATCH)
        x_bws = functional.interpolate(tokens_bsw.transpose(1, 2), size=steps, mode="linear", align_corners=False)
        patches_bsw = self.out(self.mix(x_bws)).transpose(1, 2)
        return patches_bsw.reshape(len(tokens_bsw), steps * self.PATCH, self.channels)[:, :samples]


class Multi3Net(nn.Module):
    """All encoders and decoders; `forward` returns what the losses need, by name."""

    def __init__(
        self,
        placements: Sequence[str],
        pose_features: int,
        text_features: int,
        *,
        imu_encoder: str = "conv_transformer",
        shared_imu_encoder: bool = True,
        width: int = 128,
        depth: int = 2,
        embedding: int = 256,
        dropout: float = 0.0,
        strapdown: bool = True,
    ) -> None:
        super().__init__()
        self.imu = ImuTower(
            placements,
            imu_encoder=imu_encoder,
            shared=shared_imu_encoder,
            width=width,
            depth=depth,
            dropout=dropout,
            strapdown=strapdown,
        )
        self.pose = PoseTower(pose_features, width, depth, dropout)
        self.imu_projection = projection(width, embedding)
        self.pose_projection = projection(width, embedding)
        self.text_projection = projection(text_features, embedding)
        self.pose2imu = SequenceDecoder(width, 6 * len(self.imu.placements))
        self.reconstruct = SequenceDecoder(width, 6)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Outputs for a batch with `imu_bpt6` (as the sensors read), `worn_bp`, `pose_bfd`, `text_bc` (sentence embeddings) and,
        where it is known, `rate_b`.

        Unit-norm embeddings: `text_be`, `pose_be`, `imu_be` (the worn placements), `imu_bpe` (each). Normalised samples:
        `pose2imu_bpt6`, `reconstruction_bpt6`, both in the placements' own frames.
        """
        imu_bpt6 = batch["imu_bpt6"]
        b, p, t, _ = imu_bpt6.shape
        tokens_bpsw = self.imu.tokens(imu_bpt6, batch.get("rate_b"))
        features_bpw = self.imu.pool(tokens_bpsw.flatten(0, 1)).unflatten(0, (b, p))
        pose_tokens_bsw, pose_features_bw = self.pose(batch["pose_bfd"])
        reconstruction = self.reconstruct(tokens_bpsw.flatten(0, 1), t).unflatten(0, (b, p))
        return {
            "text_be": _unit(self.text_projection(batch["text_bc"])),
            "pose_be": _unit(self.pose_projection(pose_features_bw)),
            "imu_be": _unit(self.imu_projection(mean_worn(features_bpw, batch["worn_bp"]))),
            "imu_bpe": _unit(self.imu_projection(features_bpw)),
            "pose2imu_bpt6": self.pose2imu(pose_tokens_bsw, t).unflatten(2, (p, 6)).transpose(1, 2),
            "reconstruction_bpt6": reconstruction * self.imu.mirror_p6[None, :, None],
        }


class Classifier(nn.Module):
    """An IMU tower with a head, which reads a window's features, or (`dense`) each of its steps."""

    def __init__(self, imu: ImuTower, head: nn.Module, dense: bool = False) -> None:
        super().__init__()
        self.imu = imu
        self.head = head
        self.dense = dense

    def forward(
        self,
        imu_bpt6: Tensor,
        worn_bp: Tensor | None = None,
        columns: Sequence[int] | None = None,
        rate_b: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (b, classes) and the head's own penalty; arguments as of `ImuTower`. A dense classifier's are the logarithm of the
        mean of its steps' probabilities."""
        if self.dense:
            logits_bsc, penalty = self.steps(imu_bpt6, worn_bp, columns, rate_b)
            return mean_step(logits_bsc), penalty
        return self.head(self.imu(imu_bpt6, worn_bp, columns, rate_b, getattr(self.head, "pool", None)))

    def steps(
        self,
        imu_bpt6: Tensor,
        worn_bp: Tensor | None = None,
        columns: Sequence[int] | None = None,
        rate_b: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (b, s, classes) of every step, and the head's own penalty."""
        return self.of_tokens(self.imu(imu_bpt6, worn_bp, columns, rate_b, nn.Identity()))

    def of_tokens(self, tokens_bsw: Tensor) -> tuple[Tensor, Tensor]:
        """The same from a window's tokens."""
        logits, penalty = self.head(tokens_bsw.flatten(0, 1))
        return logits.reshape(-1, tokens_bsw.shape[1], logits.shape[1]), penalty


def mean_step(logits_bsc: Tensor) -> Tensor:
    """Logits (b, classes) whose softmax is the mean of the steps' probabilities."""
    return logits_bsc.log_softmax(-1).logsumexp(1) - math.log(logits_bsc.shape[1])


def make_classifier(
    placements: Sequence[str], classes: int, head: str, architecture: dict[str, Any], dense: bool = False
) -> Classifier:
    """A classifier with fresh weights, from the fields of `m3n.config.ModelConfig`."""
    return Classifier(make_imu_tower(placements, architecture), make_head(head, classes, architecture), dense)


def make_imu_tower(placements: Sequence[str], architecture: dict[str, Any]) -> ImuTower:
    """An IMU tower from the fields of `m3n.config.ModelConfig`."""
    return ImuTower(
        placements,
        imu_encoder=architecture["imu_encoder"],
        shared=architecture["shared_imu_encoder"],
        width=architecture["width"],
        depth=architecture["depth"],
        dropout=architecture["dropout"],
        strapdown=architecture["strapdown"],
    )


def _unit(x: Tensor) -> Tensor:
    return functional.normalize(x, dim=-1)
