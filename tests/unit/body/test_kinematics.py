"""Joints of a moving body, against scipy's rotations applied one after the other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from m3n.body.kinematics import ancestors, joint_positions, joint_transforms, rest_joints, rotation_matrices, skinned_points
from m3n.body.model import SMPL_JOINTS, SMPL_PARENTS, standin_body
from m3n.errors import InputError

RNG = np.random.default_rng(3)
POSES = RNG.normal(scale=0.6, size=(6, 24, 3))
TRANS = RNG.normal(size=(6, 3))


def test_rotation_matrices_are_scipys_for_small_and_large_angles() -> None:
    vectors = np.concatenate([POSES.reshape(-1, 3), 1e-9 * POSES[0], 5 * POSES[1], np.zeros((1, 3))])
    np.testing.assert_allclose(rotation_matrices(vectors), Rotation.from_rotvec(vectors).as_matrix(), atol=1e-12)


def test_joints_follow_the_chain_from_the_pelvis() -> None:
    body = standin_body()
    rest = rest_joints(body)
    turned: list[Rotation] = []
    places: list[np.ndarray] = []
    for joint, parent in enumerate(SMPL_PARENTS):
        local = Rotation.from_rotvec(POSES[:, joint])
        turned.append(local if parent < 0 else turned[parent] * local)
        places.append(rest[joint] + TRANS if parent < 0 else places[parent] + turned[parent].apply(rest[joint] - rest[parent]))
    rotations, positions = joint_transforms(body, POSES, TRANS)
    np.testing.assert_allclose(positions, np.stack(places, axis=1), atol=1e-9)
    np.testing.assert_allclose(rotations, np.stack([one.as_matrix() for one in turned], axis=1), atol=1e-9)
    np.testing.assert_allclose(joint_positions(body, POSES, TRANS, 22), np.stack(places, axis=1)[:, :22], atol=1e-9)


def test_only_the_joints_asked_for_come_back() -> None:
    body, wrist = standin_body(), SMPL_JOINTS.index("right_wrist")
    np.testing.assert_allclose(
        joint_transforms(body, POSES, TRANS, joints=[wrist])[1][:, 0], joint_transforms(body, POSES, TRANS)[1][:, wrist]
    )
    found = [SMPL_JOINTS[k] for k in ancestors(body, [wrist])]
    assert found == [
        "pelvis", "spine1", "spine2", "spine3", "right_collar", "right_shoulder", "right_elbow", "right_wrist",
    ]  # fmt: skip
    with pytest.raises(InputError, match="the body has 24"):
        joint_transforms(body, POSES, TRANS, joints=[24])


def test_a_turned_body_turns_its_skin_about_the_pelvis() -> None:
    body = standin_body()
    vertices = np.arange(0, len(body.v_template), 97)
    rest = skinned_points(body, np.zeros((1, 24, 3)), np.zeros((1, 3)), None, vertices)[0]
    poses = np.zeros((1, 24, 3))
    poses[0, 0] = (0.3, -0.8, 0.4)
    pelvis = rest_joints(body)[0]
    moved = skinned_points(body, poses, np.array([[1.0, 2.0, 3.0]]), None, vertices)[0]
    np.testing.assert_allclose(moved, Rotation.from_rotvec(poses[0, 0]).apply(rest - pelvis) + pelvis + (1, 2, 3), atol=1e-6)
