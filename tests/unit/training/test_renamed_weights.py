"""Weights of an earlier version by today's names."""

from __future__ import annotations

import torch

from m3n.config import ModelConfig
from m3n.models import Multi3Net
from m3n.training.renamed_weights import RENAMED, todays_names


def test_whole_parts_of_names_are_renamed_and_nothing_else():
    weights = {
        name: torch.tensor(float(i)) for i, name in enumerate(("imu.told_place.weight", "model/imu.told_rate.w", "x.told"))
    }
    assert list(todays_names(weights)) == ["imu.placement_embedding.weight", "model/imu.rate_embedding.w", "x.told"]
    assert [float(value) for value in todays_names(weights).values()] == [0, 1, 2]


def test_todays_names_are_those_of_the_network_and_stay():
    weights = Multi3Net(["right_wrist"], 135, 32, **ModelConfig(width=16, depth=1, embedding=8).model_dump()).state_dict()
    assert list(todays_names(weights)) == list(weights)
    parts = {part for name in weights for part in name.split(".")}
    assert set(RENAMED.values()) <= parts
    assert not set(RENAMED) & parts
