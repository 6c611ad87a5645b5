"""Body shapes come back from the joints of bodies of known shape."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.body.kinematics import joint_transforms, rest_joints
from m3n.body.model import SMPL_JOINTS, standin_body
from m3n.body.shape import fitted_shape, with_middles

SPINE = ("spine1", "spine2", "spine3", "left_collar", "right_collar")


def seen(betas: np.ndarray, leave_out: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    poses = np.random.default_rng(0).normal(scale=0.3, size=(20, 24, 3))
    joints = joint_transforms(standin_body(), poses, np.zeros((20, 3)), betas)[1]
    named = dict(zip(SMPL_JOINTS, np.moveaxis(joints, 1, 0), strict=True))
    return with_middles({name: points for name, points in named.items() if name not in leave_out})


def bones(betas: np.ndarray) -> np.ndarray:
    rest = dict(zip(SMPL_JOINTS, rest_joints(standin_body(), betas), strict=True))
    pairs = [
        ("left_elbow", "left_wrist"),
        ("left_shoulder", "left_elbow"),
        ("left_knee", "left_ankle"),
        ("left_hip", "left_knee"),
    ]
    return np.array([np.linalg.norm(rest[a] - rest[b]) for a, b in pairs])


@pytest.mark.parametrize(("leave_out", "tolerance_m"), [((), 0.003), (SPINE, 0.02)])
def test_limbs_have_the_lengths_that_were_seen(leave_out: tuple[str, ...], tolerance_m: float) -> None:
    for first in (-2.0, 0.0, 2.0):
        betas = np.zeros(10)
        betas[0] = first
        found = fitted_shape(standin_body(), seen(betas, leave_out))
        np.testing.assert_allclose(bones(found), bones(betas), atol=tolerance_m)


def test_the_mean_shape_is_found_as_such() -> None:
    np.testing.assert_allclose(fitted_shape(standin_body(), seen(np.zeros(10))), 0.0, atol=0.05)


def test_middles_are_half_way() -> None:
    points = seen(np.zeros(10))
    np.testing.assert_allclose(points["middle_hip"] - points["left_hip"], points["right_hip"] - points["middle_hip"])
    np.testing.assert_allclose(points["middle_shoulder"] * 2, points["left_shoulder"] + points["right_shoulder"])
