"""Which IMU encoder, and how large; first m3n's own."""

from typing import Any

FIRST = [{"pretrain.model.imu_encoder": "conv_transformer", "pretrain.model.width": 64, "pretrain.model.depth": 2}]


def space(trial: Any) -> None:
    encoders = ["conv_transformer", "residual_cnn", "conv_lstm", "attend_discriminate"]
    trial.suggest_categorical("pretrain.model.imu_encoder", encoders)
    trial.suggest_categorical("pretrain.model.width", [32, 64, 96, 128])
    trial.suggest_int("pretrain.model.depth", 1, 3)
