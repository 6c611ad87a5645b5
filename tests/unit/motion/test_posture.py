"""Anatomical angles become the postures that a physiotherapist means, measured on the joints of a body."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from m3n.body.kinematics import joint_transforms
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.motion.posture import Arm, Body, in_world, mirrored, reach, smpl_motion

LEFT, UP, FORWARD = np.eye(3)
HANGING = {"elevation": 0.0, "plane": 0.0, "axial": 0.0, "elbow": 0.0, "pronation": 0.0}


def joints(poses: np.ndarray, trans: np.ndarray) -> dict[str, np.ndarray]:
    """Positions (frames, 3) m of every joint."""
    body = load_body("smpl", "neutral")
    _, positions = joint_transforms(body, poses, trans)
    return {name: positions[:, k] for k, name in enumerate(SMPL_JOINTS[: positions.shape[1]])}


def direction(arm: Arm, start: str, end: str) -> np.ndarray:
    found = joints(*smpl_motion(Body(arm=arm), 1))
    along = (found[end] - found[start])[0]
    return along / np.linalg.norm(along)


@pytest.mark.parametrize(
    ("angles", "expected"),
    [
        ({}, -UP),
        ({"elevation": np.pi / 2}, LEFT),
        ({"elevation": np.pi / 2, "plane": np.pi / 2}, FORWARD),
        ({"elevation": np.pi, "plane": np.pi / 2}, UP),
    ],
    ids=["hanging", "abducted", "raised forwards", "overhead"],
)
def test_elevation_lifts_the_upper_arm_in_its_plane(angles: dict[str, float], expected: np.ndarray) -> None:
    assert direction(Arm(**{**HANGING, **angles}), "left_shoulder", "left_elbow") @ expected > np.cos(np.radians(12))


def test_a_bent_elbow_brings_the_forearm_forward() -> None:
    assert direction(Arm(**{**HANGING, "elbow": np.pi / 2}), "left_elbow", "left_wrist") @ FORWARD > np.cos(np.radians(12))


def test_pronation_moves_no_joint() -> None:
    still, turned = (joints(*smpl_motion(Body(arm=Arm(pronation=p, elbow=1.0)), 1)) for p in (0.0, 1.2))
    for name in ("left_elbow", "left_wrist"):
        np.testing.assert_allclose(turned[name], still[name], atol=0.005)


@pytest.mark.parametrize("target", [(0.1, -0.1, 0.35), (-0.1, 0.0, 0.3), (0.2, 0.2, 0.2)])
def test_a_hand_reaches_its_target(target: tuple[float, float, float]) -> None:
    found = joints(*smpl_motion(Body(arm=reach(*target)), 1))
    wrist = (found["left_wrist"] - found["left_shoulder"])[0]
    assert np.linalg.norm(wrist - target) < 0.07  # the body's arm is not exactly as long as the average adult's


def test_a_mirrored_motion_has_left_and_right_joints_exchanged() -> None:
    motion = smpl_motion(Body(arm=Arm(elevation=np.linspace(0, 2, 5), elbow=0.7), turn=0.3, tilt=0.2), 5)
    original, seen = joints(*motion), joints(*mirrored(*motion))
    rest = joints(np.zeros((1, 72)), np.zeros((1, 3)))
    for part in ("shoulder", "elbow", "wrist", "knee"):
        unlike = np.abs(rest[f"left_{part}"] * [-1, 1, 1] - rest[f"right_{part}"]).max()  # of the body itself
        np.testing.assert_allclose(seen[f"right_{part}"], original[f"left_{part}"] * [-1, 1, 1], atol=0.02 + 2 * unlike)
    for once, twice in zip(motion, mirrored(*mirrored(*motion)), strict=True):
        np.testing.assert_allclose(twice, once)


def test_in_the_world_z_is_up_and_yaw_turns_the_walk() -> None:
    shift = np.outer(np.linspace(0, 1, 5), FORWARD)  # a metre forward
    poses, trans = in_world(*smpl_motion(Body(arm=Arm(), shift=shift), 5), yaw=np.pi / 2, height=0.9)
    np.testing.assert_allclose(trans[0], [0, 0, 0.9], atol=1e-9)
    np.testing.assert_allclose(trans[-1] - trans[0], [1, 0, 0], atol=1e-9)  # forward is -y at yaw 0
    np.testing.assert_allclose(Rotation.from_rotvec(poses[0, :3]).apply(UP), [0, 0, 1], atol=1e-9)


def test_sitting_lowers_the_pelvis_by_about_a_thigh_and_leaves_the_feet() -> None:
    found = joints(*smpl_motion(Body(arm=Arm(), sit=np.array([0.0, 1.0])), 2))
    fall = found["pelvis"][0] - found["pelvis"][1]
    assert 0.3 < fall @ UP < 0.5
    assert np.linalg.norm((found["left_ankle"][1] - found["left_ankle"][0]) @ UP) < 0.06
