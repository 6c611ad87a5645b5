"""Multi^3Net (arXiv 2406.01316): encoders of text, pose and IMU with a shared embedding, and two decoders.

Legend of shape suffixes: b windows, p placements, t IMU samples, f pose frames, d pose features, s tokens, w width, e embedding.

The left wrist is mirrored in the sagittal plane onto the right one before a shared encoder sees it, so that one set of weights
serves both: a movement of the left arm is that of the right arm, seen in a mirror. Encoders that are not shared keep each
placement's own frame and weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from m3n.models.heads import make_head, projection
from m3n.models.imu import IMU_ENCODERS, AttentionPool, ImuEncoder
from m3n.models.pose import POSE_ENCODERS
from m3n.models.strapdown import WORLD_CHANNELS, world_channels

# a reflection flips the sign of acceleration along y, the axis across the wrist, and of angular rate, a pseudovector, along x and z
MIRROR = (1.0, -1.0, 1.0, -1.0, 1.0, -1.0)
PLACEMENT_KINDS = ("wrist", "head", "pelvis", "thigh", "ankle")  # and one more for placements that users define
FULL_RATE_HZ = 50.0  # movements of the body are slower than half of this, so a higher sampling rate shows no more


class ImuTower(nn.Module):
    """Windows of one or more placements to tokens and features: the part that fine-tuning keeps.

    The encoder gets an embedding of the sensor's placement and of its sampling rate beside the samples: windows are resampled to
    one rate, but a sensor of 20 Hz has not seen fast movement. With `strapdown` it also gets the signal in a frame fixed in space
    (`m3n.models.strapdown`), for which the tower must know the units: `in_units_of`. With `mounting_embedding` it also
    gets one more embedding for sensors of unknown mounting, which starts at 0 and leaves the other random weights as they are.
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
        mounting_embedding: bool = False,
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
        self.placement_embedding = nn.Embedding(len(PLACEMENT_KINDS) + 1, width)
        self.rate_embedding = nn.Linear(1, width, bias=False)
        nn.init.normal_(self.placement_embedding.weight, std=0.02)
        self.unknown_mounting = nn.Parameter(torch.zeros(width)) if mounting_embedding else None
        mirrored = [MIRROR if shared and p.startswith("left_") else (1.0,) * 6 for p in self.placements]
        kinds = [p.removeprefix("left_").removeprefix("right_") for p in self.placements]
        self.register_buffer("mirror_p6", torch.tensor(mirrored), persistent=False)
        known = [PLACEMENT_KINDS.index(kind) if kind in PLACEMENT_KINDS else len(PLACEMENT_KINDS) for kind in kinds]
        self.register_buffer("kind_p", torch.tensor(known), persistent=False)
        self.register_buffer("unit_6", torch.ones(6), persistent=strapdown)
        self.register_buffer("rate_hz", torch.tensor(FULL_RATE_HZ), persistent=strapdown)

    @property
    def stride(self) -> int:
        """Samples per token."""
        return self._encoder(0).stride

    def blocks(self) -> list[str]:
        """Patterns of its parameters' names, block by block from the sensor to the features; the pooling is the last."""
        return [*(f"encoders.*.{block}" for block in self._encoder(0).blocks()), "pool.*"]

    def in_units_of(self, acc: float, gyro: float, rate_hz: float) -> None:
        """Set the units of the windows: multiples of `acc` m/s² and `gyro` rad/s, at `rate_hz`. They are saved with the weights."""
        self.unit_6.copy_(torch.tensor([acc] * 3 + [gyro] * 3))
        self.rate_hz.fill_(rate_hz)

    def assume_unknown_mounting(self) -> bool:
        """From now on, treat every sensor as one whose mounting is not known; False if the tower has no embedding for that.

        The embedding joins that of the placement, so all that is made of the tower later knows it too, and twice is as once.
        """
        if self.unknown_mounting is None:
            return False
        with torch.no_grad():
            self.placement_embedding.weight += self.unknown_mounting
            self.unknown_mounting.zero_()
        return True

    def tokens(self, imu_bpt6: Tensor, rate_b: Tensor | None = None, unknown_b: Tensor | None = None) -> Tensor:
        """Tokens (b, p, s, w) of all the tower's placements, in order; `rate_b` and `unknown_b` as in `forward`."""
        b, p = imu_bpt6.shape[:2]
        imu_bpt6 = imu_bpt6 * self.mirror_p6[None, :, None]
        sensor_bpw = self._sensor(rate_b, range(p), b, unknown_b)
        if self.shared:
            return self._encode(0, imu_bpt6.flatten(0, 1), sensor_bpw.flatten(0, 1)).unflatten(0, (b, p))
        return torch.stack([self._encode(i, imu_bpt6[:, i], sensor_bpw[:, i]) for i in range(p)], dim=1)

    def forward(
        self,
        imu_bpt6: Tensor,
        worn_bp: Tensor | None = None,
        columns: Sequence[int] | None = None,
        rate_b: Tensor | None = None,
        pool: nn.Module | None = None,
        unknown_b: Tensor | None = None,
    ) -> Tensor:
        """Features (b, w): the mean over the placements that were worn.

        `worn_bp`: None for all; `columns`: which of the tower's placements the input holds, None for all, in order; `rate_b` (b,):
        sampling rates of the sensors [Hz], None for the windows' rate or more; `pool`: tokens to features, None for the tower's;
        `unknown_b` (b,) bool: windows of sensors whose mounting is not known, None for none.
        """
        pool = self.pool if pool is None else pool
        b, p = imu_bpt6.shape[:2]
        worn_bp = torch.ones(b, p, dtype=torch.bool, device=imu_bpt6.device) if worn_bp is None else worn_bp
        columns = range(len(self.placements)) if columns is None else columns
        imu_bpt6 = imu_bpt6 * self.mirror_p6[list(columns)][None, :, None]
        sensor_bpw = self._sensor(rate_b, columns, b, unknown_b)
        sums_bw = imu_bpt6.new_zeros(())
        for i, column in enumerate(columns):  # placements that were not worn are not encoded
            rows = worn_bp[:, i].nonzero().squeeze(1)
            tokens_rsw = self._encode(0 if self.shared else column, imu_bpt6[rows, i], sensor_bpw[rows, i])
            features_rw = pool(tokens_rsw)
            sums_bw = sums_bw + features_rw.new_zeros(b, *features_rw.shape[1:]).index_add(0, rows, features_rw)
        return sums_bw / worn_bp.sum(1).clamp(min=1).view(b, *[1] * (sums_bw.dim() - 1))

    def _encoder(self, number: int) -> ImuEncoder:
        encoder = self.encoders[number]
        assert isinstance(encoder, ImuEncoder)
        return encoder

    def _encode(self, encoder: int, imu_bt6: Tensor, sensor_bw: Tensor) -> Tensor:
        if not self.strapdown:
            return self.encoders[encoder](imu_bt6, sensor_bw)
        with torch.no_grad(), torch.autocast(imu_bt6.device.type, enabled=False):  # bf16 is too coarse for the sum of angles
            world_btc = world_channels(imu_bt6 * self.unit_6, self.rate_hz)
        return self.encoders[encoder](torch.cat([imu_bt6, world_btc], dim=-1), sensor_bw)

    def _sensor(self, rate_b: Tensor | None, columns: Sequence[int], b: int, unknown_b: Tensor | None) -> Tensor:
        """(b, p, w): the placement's embedding, plus one direction per octave that the rate lies below `FULL_RATE_HZ`, plus that of
        an unknown mounting."""
        sensor_bpw = self.placement_embedding(self.kind_p[list(columns)])[None].expand(b, -1, -1)
        if unknown_b is not None and self.unknown_mounting is not None:
            sensor_bpw = sensor_bpw + unknown_b[:, None, None] * self.unknown_mounting
        if rate_b is None:
            return sensor_bpw
        octaves_b1 = (rate_b / FULL_RATE_HZ).log2().clamp(max=0)[:, None]
        return sensor_bpw + self.rate_embedding(octaves_b1)[:, None]


def mean_worn(features_bpw: Tensor, worn_bp: Tensor) -> Tensor:
    """Mean over the placements that were worn, (b, w)."""
    weight_bp1 = worn_bp.to(features_bpw.dtype)[..., None]
    return (features_bpw * weight_bp1).sum(1) / weight_bp1.sum(1).clamp(min=1)


class SequenceDecoder(nn.Module):
    """Tokens (b, s, w) to samples (b, t, channels): interpolated to an even grid; each step gives a patch of samples."""

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
    """All encoders and decoders; `forward` returns a dict of what the losses compare."""

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
        pose_encoder: str = "joint_transformer",
        mounting_embedding: bool = False,
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
            mounting_embedding=mounting_embedding,
        )
        self.pose = POSE_ENCODERS[pose_encoder](pose_features, width, depth, dropout)
        self.imu_projection = projection(width, embedding)
        self.pose_projection = projection(width, embedding)
        self.text_projection = projection(text_features, embedding)
        self.pose2imu = SequenceDecoder(width, 6 * len(self.imu.placements))
        self.reconstruct = SequenceDecoder(width, 6)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Outputs for a batch with `imu_bpt6` (normalised), `worn_bp`, `pose_bfd`, `text_bc` (sentence embeddings) and, optionally,
        `rate_b` [Hz], `unknown_b` (whose mounting is not known) and, of a second view of the r windows `recorded_b`, `view_rpt6`,
        `view_worn_rp` and `view_rate_r`.

        Embeddings of length 1: `text_be`, `pose_be`, `imu_be` (all worn placements), `imu_bpe` (each placement), `view_be` (0 for
        windows without a second view). Normalised samples in the placements' own frames: `pose2imu_bpt6`, `reconstruction_bpt6`.
        """
        imu_bpt6 = batch["imu_bpt6"]
        b, p, t, _ = imu_bpt6.shape
        tokens_bpsw = self.imu.tokens(imu_bpt6, batch.get("rate_b"), batch.get("unknown_b"))
        features_bpw = self.imu.pool(tokens_bpsw.flatten(0, 1)).unflatten(0, (b, p))
        pose_tokens_bsw, pose_features_bw = self.pose(batch["pose_bfd"])
        reconstruction = self.reconstruct(tokens_bpsw.flatten(0, 1), t).unflatten(0, (b, p))
        views = {"view_be": self._views(batch)} if "view_rpt6" in batch else {}
        return views | {
            "text_be": _unit(self.text_projection(batch["text_bc"])),
            "pose_be": _unit(self.pose_projection(pose_features_bw)),
            "imu_be": _unit(self.imu_projection(mean_worn(features_bpw, batch["worn_bp"]))),
            "imu_bpe": _unit(self.imu_projection(features_bpw)),
            "pose2imu_bpt6": self.pose2imu(pose_tokens_bsw, t).unflatten(2, (p, 6)).transpose(1, 2),
            "reconstruction_bpt6": reconstruction * self.imu.mirror_p6[None, :, None],
        }

    def _views(self, batch: dict[str, Tensor]) -> Tensor:
        """Embeddings of the second views, (b, e)."""
        rows, b = batch["recorded_b"].nonzero().squeeze(1), len(batch["recorded_b"])
        unknown_r = batch["unknown_b"][rows]
        features_rw = self.imu(batch["view_rpt6"], batch["view_worn_rp"], rate_b=batch["view_rate_r"], unknown_b=unknown_r)
        found_re = _unit(self.imu_projection(features_rw))
        return found_re.new_zeros(b, found_re.shape[1]).index_add(0, rows, found_re)


class Classifier(nn.Module):
    """An IMU tower with a head on the features of a window or, if `dense`, on each of its steps."""

    def __init__(self, imu: ImuTower, head: nn.Module, dense: bool = False) -> None:
        super().__init__()
        self.imu = imu
        self.head = head
        self.dense = dense

    def blocks(self) -> list[str]:
        """Patterns of the names of the encoder's parameters, block by block from the sensor to the features."""
        return [f"imu.{block}" for block in self.imu.blocks()]

    def forward(
        self,
        imu_bpt6: Tensor,
        worn_bp: Tensor | None = None,
        columns: Sequence[int] | None = None,
        rate_b: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Logits (b, classes) and the head's penalty; arguments as in `ImuTower`. The logits of a dense classifier are the
        logarithm of the mean probabilities of its steps."""
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
        """Logits (b, s, classes) of every step, and the head's penalty."""
        return self.of_tokens(self.imu(imu_bpt6, worn_bp, columns, rate_b, nn.Identity()))

    def of_tokens(self, tokens_bsw: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of every step, and the head's penalty, from tokens."""
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
        mounting_embedding=architecture["mounting_embedding"],
    )


def _unit(x: Tensor) -> Tensor:
    return functional.normalize(x, dim=-1)
