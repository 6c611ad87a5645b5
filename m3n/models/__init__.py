"""Encoders, decoders and heads, in plain torch."""

from m3n.models.heads import HEADS, TextHead
from m3n.models.multi3net import Classifier, ImuTower, Multi3Net, make_classifier, make_imu_tower

__all__ = ["HEADS", "Classifier", "ImuTower", "Multi3Net", "TextHead", "make_classifier", "make_imu_tower"]
