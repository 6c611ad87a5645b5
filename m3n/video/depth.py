"""The depth of joints that one camera saw, from what does not change: bones keep their lengths, and bodies have mass.

A network finds a joint across the image to a few centimetres, and towards the camera to one or two decimetres, frame by frame. So
joints are moved, most of all in depth, to where bones have their median length and accelerations are those of people: a nonlinear
least-squares problem over all frames at once (Gauss-Newton), whose normal equations are banded, because a frame is tied to its
neighbours only. Weights are the inverse variances of what is measured and assumed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded
from scipy.sparse import coo_array, csr_array, diags_array, eye_array, kron

from m3n.video.landmarks import NAMES
from m3n.video.networks import FloatArray

DEPTH_AXIS = 1
_ASIDE_M, _DEPTH_M, _BONE_M = 0.03, 0.1, 0.01  # standard deviations: joints across the image, in depth, lengths of bones
_ACCELERATION = 10.0  # standard deviation of a joint's acceleration along an axis [m/s²]
_STEPS, _CONVERGED_M = 12, 0.001


def _of(*pairs: tuple[str, str]) -> list[tuple[int, int]]:
    return [(NAMES.index(f"{side}_{a}"), NAMES.index(f"{side}_{b}")) for side in ("left", "right") for a, b in pairs]


_LIMBS = _of(("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("shoulder", "hip"))
_ACROSS = [(NAMES.index(f"left_{joint}"), NAMES.index(f"right_{joint}")) for joint in ("shoulder", "hip")]
_BONES = np.array(_LIMBS + _ACROSS)
_JOINTS = np.unique(_BONES)
_HANDS = [
    (NAMES.index(f"{s}_wrist"), [NAMES.index(f"{s}_{f}") for f in ("pinky", "index", "thumb")]) for s in ("left", "right")
]


def with_steady_bones(joints: FloatArray, fps: float) -> FloatArray:
    """Landmarks (F, 33, 3) m, depth on `DEPTH_AXIS`, with shoulders, elbows, wrists, hips, knees and ankles moved; hands follow.

    Left and right bones get one length, the mean of their medians.
    """
    frames, count = len(joints), len(_JOINTS)
    if frames < 3:
        return joints
    measured = joints[:, _JOINTS].reshape(-1)
    sigma = np.full(3, _ASIDE_M)
    sigma[DEPTH_AXIS] = _DEPTH_M
    weight = np.tile(1 / sigma**2, frames * count)
    second = diags_array([1.0, -2.0, 1.0], offsets=[0, 1, 2], shape=(frames - 2, frames)) * (fps**2 / _ACCELERATION)
    fixed = (diags_array(weight) + kron(second.T @ second, eye_array(3 * count))).tocsr()
    ends = np.searchsorted(_JOINTS, _BONES)
    lengths = _lengths(joints)
    found = measured.copy()
    for _ in range(_STEPS):
        slope, miss = _bones(found.reshape(frames, count, 3), ends, lengths)
        step = _solved(fixed + slope.T @ slope, weight * measured - fixed @ found - slope.T @ miss, 3 * count)
        found += step
        if np.abs(step).max() < _CONVERGED_M:
            break
    steady = joints.copy()
    steady[:, _JOINTS] = found.reshape(frames, count, 3)
    for wrist, hand in _HANDS:
        steady[:, hand] += (steady[:, wrist] - joints[:, wrist])[:, None]
    return steady


def _lengths(joints: FloatArray) -> FloatArray:
    median = np.median(np.linalg.norm(joints[:, _BONES[:, 0]] - joints[:, _BONES[:, 1]], axis=-1), axis=0)
    half = len(_LIMBS) // 2
    median[: 2 * half] = np.tile((median[:half] + median[half : 2 * half]) / 2, 2)
    return median


def _bones(joints: FloatArray, ends: NDArray[Any], lengths: FloatArray) -> tuple[csr_array, FloatArray]:
    """How far bones miss their lengths, in standard deviations (bones x F), and the slope of that by the joints' coordinates."""
    frames, count, _ = joints.shape
    bones = joints[:, ends[:, 0]] - joints[:, ends[:, 1]]  # F, B, 3
    long = np.linalg.norm(bones, axis=-1)
    along = bones / np.maximum(long, 1e-6)[..., None] / _BONE_M
    row = np.arange(frames * len(ends)).reshape(frames, len(ends))
    start = 3 * count * np.arange(frames)[:, None]
    rows, columns, values = [], [], []
    for axis in range(3):
        for end, sign in ((0, 1.0), (1, -1.0)):
            rows.append(row.ravel())
            columns.append((start + 3 * ends[:, end] + axis).ravel())
            values.append((sign * along[..., axis]).ravel())
    where = np.concatenate(rows), np.concatenate(columns)
    slope = coo_array((np.concatenate(values), where), shape=(row.size, frames * count * 3)).tocsr()
    return slope, ((long - lengths) / _BONE_M).ravel()


def _solved(matrix: csr_array, right: FloatArray, width: int) -> FloatArray:
    """The solution of a symmetric system whose entries lie within two frames of the diagonal."""
    entries = matrix.tocoo()
    lower = entries.row >= entries.col
    banded = np.zeros((2 * width + 1, len(right)))
    banded[entries.row[lower] - entries.col[lower], entries.col[lower]] = entries.data[lower]
    return solveh_banded(banded, right, lower=True)
