"""Rows of pose clips, looked at: are they valid, where are the joints, which way does the person look?"""

from __future__ import annotations

from typing import Any

import numpy as np

from m3n.body.kinematics import joint_transforms
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.schema import POSE_CLIPS, check_pose_clip


def clip(row: Any) -> dict[str, Any]:
    assert isinstance(row, dict), row
    assert list(row) == POSE_CLIPS.names
    assert check_pose_clip(row) is None
    return row


def world_joints(row: dict[str, Any]) -> np.ndarray:
    poses = row["poses"].reshape(row["n_frames"], -1, 3)
    return joint_transforms(load_body("smpl"), poses, row["trans"], row["betas"])[1]


def stands_upright(row: dict[str, Any]) -> bool:
    points = world_joints(row)
    head, foot = points[:, SMPL_JOINTS.index("head")], points[:, SMPL_JOINTS.index("left_ankle")]
    return bool((head[:, 2] - foot[:, 2] > 1.0).all())


def faces(row: dict[str, Any]) -> np.ndarray:
    """Mean direction (3,) the person looks in: from the heels to the toes."""
    points = world_joints(row)
    return (points[:, SMPL_JOINTS.index("left_foot")] - points[:, SMPL_JOINTS.index("left_ankle")]).mean(0)
