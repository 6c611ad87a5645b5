"""Arms of constant length: a rigid arm is left alone, a trembling one is closed by the law of cosines."""

from __future__ import annotations

import numpy as np
import pytest
from people import INDEX, joints_of, walker

from m3n.body.steady_arms import steady_arms
from m3n.errors import InputError


def arm() -> dict[str, np.ndarray]:
    joints = joints_of(*walker())
    names = [f"{side}_{part}" for side in ("left", "right") for part in ("shoulder", "elbow", "wrist", "hand")]
    return {name: joints[:, INDEX[name]] for name in names}


def spread(points: dict[str, np.ndarray], start: str, end: str) -> float:
    return float(np.linalg.norm(points[end] - points[start], axis=-1).std())


def test_bones_that_keep_their_lengths_come_back() -> None:
    given = arm()
    for name, points in steady_arms(given).items():
        np.testing.assert_allclose(points, given[name], atol=1e-9)


def test_noise_leaves_the_lengths_and_goes_from_the_wrist() -> None:
    truth, given = arm(), arm()
    rng = np.random.default_rng(0)
    given["right_elbow"] = given["right_elbow"] + rng.normal(scale=0.02, size=(len(given["right_elbow"]), 3))
    steady = steady_arms(given)
    assert spread(given, "right_elbow", "right_wrist") > 0.01
    assert spread(steady, "right_elbow", "right_wrist") < 1e-9
    assert spread(steady, "right_shoulder", "right_elbow") < 1e-9
    np.testing.assert_array_equal(steady["right_shoulder"], given["right_shoulder"])
    np.testing.assert_allclose(steady["left_wrist"], given["left_wrist"], atol=1e-9)
    error = np.linalg.norm(steady["right_wrist"] - truth["right_wrist"], axis=-1)
    assert np.sqrt((error**2).mean()) < 0.02  # the elbow's error, had its directions been followed, is 0.035


def test_an_arm_at_one_point_is_refused() -> None:
    given = arm()
    given["left_wrist"] = given["left_elbow"] = given["left_shoulder"]
    with pytest.raises(
        InputError, match=r"left_shoulder to left_elbow have no length|left_shoulder to left_wrist have no length"
    ):
        steady_arms(given | {"left_hand": given["left_shoulder"]})
