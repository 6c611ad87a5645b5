"""The shape of a body from the lengths of its bones.

Skeletons of cameras and players define joints their own way: a Kinect's hips lie 8 cm above SMPL's, its shoulders further apart.
So a length counts for as much as its two ends mean the same in all skeletons: limbs most, trunk and widths little. A skeleton
with SMPL's own inner joints (spine, collars) is taken at its word.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from m3n.body.model import SMPL_JOINTS, SMPL_PARENTS, Body, FloatArray
from m3n.body.segments import hips_tell

# Bones, and how far (m, standard deviation) another skeleton's may miss SMPL's.
_BONES = (
    ("left_shoulder", "left_elbow", 0.006), ("right_shoulder", "right_elbow", 0.006),
    ("left_elbow", "left_wrist", 0.006), ("right_elbow", "right_wrist", 0.006),
    ("left_hip", "left_knee", 0.03), ("right_hip", "right_knee", 0.03),
    ("left_knee", "left_ankle", 0.02), ("right_knee", "right_ankle", 0.02),
    ("left_shoulder", "right_shoulder", 0.04), ("left_hip", "right_hip", 0.06), ("middle_hip", "middle_shoulder", 0.06),
)  # fmt: skip
_INNER = ("spine1", "spine2", "spine3", "left_collar", "right_collar")
_SIBLINGS = (  # joints of one rigid part
    ("left_hip", "right_hip"), ("left_hip", "spine1"), ("right_hip", "spine1"),
    ("left_collar", "right_collar"), ("left_collar", "neck"), ("right_collar", "neck"),
)  # fmt: skip
_OWN_M = 0.002  # the same for a skeleton that has SMPL's inner joints
_STEPS = 4


def fitted_shape(body: Body, seen: Mapping[str, FloatArray]) -> FloatArray:
    """Betas (B,) of joints seen, name -> (F, 3) m: regularised Gauss-Newton on the median lengths of the bones.

    The prior is N(0, 1) for every component, SMPL's own (Loper et al., ACM TOG 34(6), 2015). `seen` may hold `middle_hip` and
    `middle_shoulder` beside SMPL's joints.
    """
    bones = [bone for bone in _BONES if bone[0] in seen and bone[1] in seen]
    if all(name in seen for name in _INNER) and hips_tell(seen):
        chain = [(SMPL_JOINTS[parent], name) for name, parent in zip(SMPL_JOINTS, SMPL_PARENTS, strict=True) if parent >= 0]
        pairs = [*chain, *_SIBLINGS]
        bones = [(start, end, _OWN_M) for start, end in pairs if start in seen and end in seen]
    bones = [bone for bone in bones if {bone[0], bone[1]} != {"left_hip", "right_hip"} or hips_tell(seen)]
    target = np.array([np.median(np.linalg.norm(seen[child] - seen[parent], axis=-1)) for parent, child, _ in bones])
    scale = np.array([deviation for _, _, deviation in bones])
    mean, slope = _joints(body.rest_joint_template), _joints(body.rest_joint_shapedirs)
    start = np.stack([mean[child] - mean[parent] for parent, child, _ in bones])
    change = np.stack([slope[child] - slope[parent] for parent, child, _ in bones])
    betas = np.zeros(body.shapedirs.shape[2])
    for _ in range(_STEPS):
        vectors = start + change @ betas
        lengths = np.linalg.norm(vectors, axis=-1)
        jacobian = np.einsum("nc,ncb->nb", vectors / lengths[:, None], change) / scale[:, None]
        residual = (target - lengths) / scale + jacobian @ betas
        betas = np.linalg.solve(jacobian.T @ jacobian + np.eye(len(betas)), jacobian.T @ residual)
    return betas


def with_middles(points: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """The same points, and the middles of hips and shoulders."""
    hips = 0.5 * (points["left_hip"] + points["right_hip"])
    shoulders = 0.5 * (points["left_shoulder"] + points["right_shoulder"])
    return {**points, "middle_hip": hips, "middle_shoulder": shoulders}


def _joints(values: FloatArray) -> dict[str, FloatArray]:
    return with_middles(dict(zip(SMPL_JOINTS, values, strict=True)))
