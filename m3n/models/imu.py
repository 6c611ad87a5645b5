"""IMU encoders: a window of one placement's samples to a short sequence of tokens.

Each maps imu_btc (batch, samples, channels; what the sensor read, normalised, and what follows from it) and told_bw (batch, width:
what is known of the sensor, its placement and rate) to tokens_bsw (batch, steps, width), steps = samples / 8, so that pooling,
heads and decoders are the same for all of them.
Normalisation is per sample (group and layer norm), never per batch, so the result does not depend on how a batch is spread over
workers.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


def _conv(inputs: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv1d(inputs, outputs, kernel, stride, padding=kernel // 2), nn.GroupNorm(8, outputs), nn.GELU())


def _stem(width: int, channels: int) -> nn.Sequential:
    return nn.Sequential(_conv(channels, width, 7, 2), _conv(width, width, 5, 2), _conv(width, width, 5, 2))


def positions(steps: int, width: int, like: Tensor) -> Tensor:
    """Sinusoidal positions (steps, width) (Vaswani et al. 2017), for sequences of any length."""
    rate = torch.exp(torch.arange(0, width, 2, device=like.device) * (-9.21034 / width))
    angle = torch.arange(steps, device=like.device)[:, None] * rate
    return torch.cat([angle.sin(), angle.cos()], dim=1).to(like.dtype)


def transformer(width: int, depth: int, dropout: float) -> nn.TransformerEncoder:
    """Pre-norm transformer layers with heads of 32 channels, or of 16 where the width is no multiple of 32."""
    layer = nn.TransformerEncoderLayer(
        width,
        width // (32 if width % 32 == 0 else 16),
        2 * width,
        dropout,
        activation="gelu",
        batch_first=True,
        norm_first=True,
    )
    return nn.TransformerEncoder(layer, depth, norm=nn.LayerNorm(width), enable_nested_tensor=False)


class ConvTransformer(nn.Module):
    """Convolutional stem, then a small transformer."""

    def __init__(self, width: int, depth: int, dropout: float, channels: int = 6) -> None:
        super().__init__()
        self.stem = _stem(width, channels)
        self.layers = transformer(width, depth, dropout)

    def forward(self, imu_btc: Tensor, told_bw: Tensor) -> Tensor:
        tokens_bsw = self.stem(imu_btc.transpose(1, 2)).transpose(1, 2) + told_bw[:, None]
        return self.layers(tokens_bsw + positions(tokens_bsw.shape[1], tokens_bsw.shape[2], tokens_bsw))


class _Residual(nn.Module):
    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _conv(width, width, 5, 1),
            nn.Dropout(dropout),
            nn.Conv1d(width, width, 5, padding=2),
            nn.GroupNorm(8, width),
        )

    def forward(self, x_bws: Tensor) -> Tensor:
        return nn.functional.gelu(x_bws + self.body(x_bws))


class ResidualCNN(nn.Module):
    """Convolutional stem, then residual blocks."""

    def __init__(self, width: int, depth: int, dropout: float, channels: int = 6) -> None:
        super().__init__()
        self.stem = _stem(width, channels)
        self.layers = nn.Sequential(*(_Residual(width, dropout) for _ in range(depth)))

    def forward(self, imu_btc: Tensor, told_bw: Tensor) -> Tensor:
        return self.layers(self.stem(imu_btc.transpose(1, 2)) + told_bw[:, :, None]).transpose(1, 2)


class ConvLSTM(nn.Module):
    """Convolutions, then LSTM layers, after DeepConvLSTM (Ordóñez and Roggen 2016)."""

    def __init__(self, width: int, depth: int, dropout: float, channels: int = 6) -> None:
        super().__init__()
        self.stem = _stem(width, channels)
        self.layers = nn.LSTM(width, width, depth, batch_first=True, dropout=dropout if depth > 1 else 0.0)

    def forward(self, imu_btc: Tensor, told_bw: Tensor) -> Tensor:
        return self.layers(self.stem(imu_btc.transpose(1, 2)).transpose(1, 2) + told_bw[:, None])[0]


class AttendDiscriminate(nn.Module):
    """Convolutions along each sensor channel, self-attention across the channels, then GRU layers: the encoder of Attend and
    Discriminate (Abedin et al., IMWUT 5(1), 2021), which the authors of Multi^3Net build on; its convolutions stride here."""

    def __init__(self, width: int, depth: int, dropout: float, channels: int = 6) -> None:
        super().__init__()
        filters = max(8, width // 4)
        sizes = [1, *[filters] * 4]
        self.stem = nn.Sequential(
            *(
                nn.Sequential(nn.Conv2d(a, b, (5, 1), (2 if i < 3 else 1, 1), padding=(2, 0)), nn.ReLU())
                for i, (a, b) in enumerate(pairwise(sizes))
            )
        )
        self.across_channels = nn.MultiheadAttention(filters, 1, dropout=dropout, batch_first=True)
        self.merge = nn.Linear(channels * filters, width)
        self.over_time = nn.GRU(width, width, depth, batch_first=True, dropout=dropout if depth > 1 else 0.0)

    def forward(self, imu_btc: Tensor, told_bw: Tensor) -> Tensor:
        features_bsfc = self.stem(imu_btc[:, None]).permute(0, 2, 3, 1)
        each = features_bsfc.flatten(0, 1)
        each = each + self.across_channels(each, each, each, need_weights=False)[0]
        tokens_bsw = self.merge(each.flatten(1)).unflatten(0, features_bsfc.shape[:2])
        return self.over_time(tokens_bsw + told_bw[:, None])[0]


IMU_ENCODERS: dict[str, type[nn.Module]] = {
    "conv_transformer": ConvTransformer,
    "residual_cnn": ResidualCNN,
    "conv_lstm": ConvLSTM,
    "attend_discriminate": AttendDiscriminate,
}


class AttentionPool(nn.Module):
    """Tokens (batch, steps, width) to features (batch, width): a learned query's attention, beside the plain mean."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1, bias=False)  # softmax would cancel a bias
        self.mix = nn.Linear(2 * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens_bsw: Tensor) -> Tensor:
        attention_bs1 = self.score(tokens_bsw).softmax(dim=1)
        pooled = torch.cat([(attention_bs1 * tokens_bsw).sum(1), tokens_bsw.mean(1)], dim=-1)
        return self.norm(self.mix(pooled))
