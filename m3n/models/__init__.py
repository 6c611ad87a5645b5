"""Encoders, decoders and heads, in plain torch."""

from m3n.models.multi3net import Classifier, ImuTower, Multi3Net, make_imu_tower

__all__ = ["Classifier", "ImuTower", "Multi3Net", "make_imu_tower"]
