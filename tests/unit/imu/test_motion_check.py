"""`m3n.simulate` names a motion that no person makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from people import INDEX, STAND, walker
from scipy.spatial.transform import Rotation

import m3n
from m3n.errors import InputError


def with_frame(values: np.ndarray, frame: int, content: Any) -> np.ndarray:
    changed = values.copy()
    changed[frame] = content
    return changed


def t_pose_first(poses: np.ndarray) -> np.ndarray:
    return with_frame(with_frame(poses, 0, 0), (0, 0), STAND.as_rotvec())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, t: (np.degrees(p), t), "in degrees"),
        (lambda p, t: (p, 1000 * t), "mm, cm or scaled"),
        (lambda p, t: (p, 93.6 * t), "mm, cm or scaled"),
        (lambda p, t: (p, with_frame(t, 100, 0)), "where trans is zero"),
        (lambda p, t: (t_pose_first(p), t), "T-pose"),
        (lambda p, t: (p, t + np.outer(np.arange(len(t)) >= 120, [1, 2, 0])), "are these two clips"),
    ],
    ids=["degrees", "mm", "aist", "zero", "t-pose", "two people"],
)
def test_the_likely_cause_is_named(change: Any, message: str) -> None:
    poses, trans = change(*walker())
    with pytest.raises(InputError, match=message):
        m3n.simulate(poses, trans, fps=60.0)
    assert np.isfinite(m3n.simulate(poses, trans, fps=60.0, check=False)["left_wrist"]).all()


def test_a_frame_rate_that_is_too_high_is_a_warning() -> None:
    poses, trans = walker(20.0, 6.0)
    with pytest.warns(UserWarning, match="is fps=60 too high"):
        m3n.simulate(poses, trans, fps=60.0)


def test_a_world_with_y_up_is_a_warning_and_up_turns_it() -> None:
    poses, trans = walker()
    turned = poses.copy()
    turned[:, 0] = (STAND.inv() * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
    with pytest.warns(UserWarning, match="pass up='y'"):
        m3n.simulate(turned, STAND.inv().apply(trans), fps=60.0)
    found = m3n.simulate(turned, STAND.inv().apply(trans), fps=60.0, up="y")
    expected = m3n.simulate(poses, trans, fps=60.0)
    for placement in expected:
        np.testing.assert_allclose(found[placement], expected[placement], atol=1e-3)


@pytest.mark.filterwarnings("error")
def test_a_walk_a_fast_punch_and_a_body_at_rest_pass() -> None:
    poses, trans = walker()
    m3n.simulate(poses, trans, fps=60.0)
    t = np.arange(len(poses)) / 60.0
    poses[:, INDEX["right_elbow"], 1] += 1.2 * (1 - np.exp(-(((t - 2.0) / 0.05) ** 2))) - 0.6
    m3n.simulate(poses, trans, fps=60.0)
    m3n.simulate(np.zeros((60, 24, 3)), np.zeros((60, 3)), fps=60.0)
