"""Which IMU encoder, and how large; the first trial is m3n's own choice."""

from typing import Any

from m3n.config.names import IMU_ENCODERS

FIRST = [{"pretrain.model.imu_encoder": "conv_transformer", "pretrain.model.width": 64, "pretrain.model.depth": 2}]


def space(trial: Any) -> None:
    trial.suggest_categorical("pretrain.model.imu_encoder", list(IMU_ENCODERS))
    trial.suggest_categorical("pretrain.model.width", [32, 64, 96, 128])
    trial.suggest_int("pretrain.model.depth", 1, 3)
