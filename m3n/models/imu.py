"""IMU encoders: the samples of one placement's window to a short sequence of tokens.

Each maps imu_btc (batch, samples, channels: the normalised signal, and what is computed from it) and sensor_bw (batch, width: an
embedding of the sensor's placement and sampling rate) to tokens_bsw (batch, steps, width), one step for `stride` samples, so that
pooling, heads and decoders are the same for all of them. `blocks` names an encoder's parameters from the sensor up, for strategies
that freeze some of them. Normalisation is per sample (group and layer norm), never per batch, so results do not depend on how a
batch is spread over workers.
"""

from __future__ import annotations

from collections.abc import Sized
from itertools import pairwise

import torch
from torch import Tensor, nn


class ImuEncoder(nn.Module):
    """What every IMU encoder declares; it is made with (width, depth, dropout, channels)."""

    stride: int  # samples per token

    def blocks(self) -> list[str]:
        """Patterns of the names of its parameters, a block of layers each, from the sensor to the tokens."""
        raise NotImplementedError


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


class ConvTransformer(ImuEncoder):
    """Convolutional stem, then a small transformer."""

    stride = 8

    def __init__(self, width: int, depth: int, dropout: float, channels: int = 6) -> None:
        super().__init__()
        self.stem = _stem(width, channels)
        self.layers = transformer(width, depth, dropout)

    def blocks(self) -> list[str]:
        return [*_numbered("stem", self.stem), *_numbered("layers.layers", self.layers.layers), "layers.norm.*"]

    def forward(self, imu_btc: Tensor, sensor_bw: Tensor) -> Tensor:
        tokens_bsw = self.stem(imu_btc.transpose(1, 2)).transpose(1, 2) + sensor_bw[:, None]
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


class ResidualCNN(ImuEncoder):
    """Convolutional stem, then residual blocks."""

    stride = 8

    def __init__(self, width: int, depth: int, dropout: float, channels: int = 6) -> None:
        super().__init__()
        self.stem = _stem(width, channels)
        self.layers = nn.Sequential(*(_Residual(width, dropout) for _ in range(depth)))

    def blocks(self) -> list[str]:
        return [*_numbered("stem", self.stem), *_numbered("layers", self.layers)]

    def forward(self, imu_btc: Tensor, sensor_bw: Tensor) -> Tensor:
        return self.layers(self.stem(imu_btc.transpose(1, 2)) + sensor_bw[:, :, None]).transpose(1, 2)


class ConvLSTM(ImuEncoder):
    """Convolutions, then LSTM layers, after DeepConvLSTM (Ordóñez and Roggen 2016)."""

    stride = 8

    def __init__(self, width: int, depth: int, dropout: float, channels: int = 6) -> None:
        super().__init__()
        self.stem = _stem(width, channels)
        self.layers = nn.LSTM(width, width, depth, batch_first=True, dropout=dropout if depth > 1 else 0.0)

    def blocks(self) -> list[str]:
        return [*_numbered("stem", self.stem), *_recurrent("layers", self.layers)]

    def forward(self, imu_btc: Tensor, sensor_bw: Tensor) -> Tensor:
        return self.layers(self.stem(imu_btc.transpose(1, 2)).transpose(1, 2) + sensor_bw[:, None])[0]


class AttendDiscriminate(ImuEncoder):
    """Convolutions along each sensor channel, self-attention across the channels, then GRU layers: the encoder of Attend and
    Discriminate (Abedin et al., IMWUT 5(1), 2021), which the authors of Multi^3Net build on; its convolutions have strides here."""

    stride = 8

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

    def blocks(self) -> list[str]:
        return [*_numbered("stem", self.stem), "across_channels.*", "merge.*", *_recurrent("over_time", self.over_time)]

    def forward(self, imu_btc: Tensor, sensor_bw: Tensor) -> Tensor:
        features_bsfc = self.stem(imu_btc[:, None]).permute(0, 2, 3, 1)
        each = features_bsfc.flatten(0, 1)
        each = each + self.across_channels(each, each, each, need_weights=False)[0]
        tokens_bsw = self.merge(each.flatten(1)).unflatten(0, features_bsfc.shape[:2])
        return self.over_time(tokens_bsw + sensor_bw[:, None])[0]


def _numbered(name: str, layers: Sized) -> list[str]:
    return [f"{name}.{i}.*" for i in range(len(layers))]


def _recurrent(name: str, layers: nn.RNNBase) -> list[str]:
    return [f"{name}.*_l{i}" for i in range(layers.num_layers)]


# those of `m3n.config.names.IMU_ENCODERS`
IMU_ENCODERS: dict[str, type[ImuEncoder]] = {
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
