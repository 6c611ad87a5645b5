"""Settings of `m3n simulate`: a site is one point, and held-out subjects never calibrate."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from m3n.config.simulate import CalibrateConfig, SimulateConfig, Site


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "expected one of offset_m, vertex and towards, found none"),
        ({"vertex": 3, "offset_m": (0, 0, 0)}, "found offset_m and vertex"),
        ({"vertex": 3, "end": "left_wrist"}, "give towards too"),
        ({"towards": (0, 1, 0), "from_end_m": 0.1}, "give end too"),
        ({"towards": (0, 1, 0), "end": "left_wrist", "above_m": 0.1}, "give from_end_m instead"),
        ({"towards": (0, 1, 0), "end": "left_elbow"}, "is the joint 'left_elbow' itself"),
        ({"towards": (0, 0, 0), "end": "left_wrist"}, "expected a direction across the bone"),
        ({"towards": (0, 1, 0)}, "expected a direction across the bone"),  # without an end, the bone runs straight up
        ({"vertex": -1}, "greater than or equal to 0"),
        ({"vertex": 3, "joint": "left_elbo"}, "did you mean 'left_elbow'"),
    ],
)
def test_a_site_that_is_not_one_point_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Site(**{"joint": "left_elbow", **settings})


@pytest.mark.parametrize(
    "settings", [{"offset_m": (0, 0.1, 0)}, {"vertex": 7}, {"towards": (0, 1, 0), "end": "left_wrist", "from_end_m": 0.03}]
)
def test_each_way_to_give_one_point_is_accepted(settings: dict[str, Any]) -> None:
    assert Site(joint="left_elbow", **settings).joint == "left_elbow"


def test_calibration_needs_to_know_who_is_held_out() -> None:
    for chosen in ({}, {"subjects": ["s1"], "exclude_subjects": ["s2"]}):
        with pytest.raises(ValidationError, match=r"give one of calibrate.subjects and calibrate.exclude_subjects"):
            CalibrateConfig(recordings="table", **chosen)
    assert CalibrateConfig(recordings="table", exclude_subjects=[]).exclude_subjects == []
    assert CalibrateConfig().recordings is None


def test_a_placement_that_is_not_simulated_cannot_be_calibrated() -> None:
    with pytest.raises(ValidationError, match=r"calibrate.placements names 'head', which is not simulated"):
        SimulateConfig(placements=["left_wrist"], calibrate=CalibrateConfig(placements=["head"]))


def test_a_site_of_ones_own_is_a_placement() -> None:
    site = Site(joint="spine3", offset_m=(0, 0, 0.1))
    assert SimulateConfig(placements=["left_wrist", "chest"], sites={"chest": site}).sites["chest"] == site
    with pytest.raises(Exception, match="chest"):
        SimulateConfig(placements=["chest"])
