"""Where the joints and a few points of the skin are, for many frames at once, without computing a mesh.

A worn sensor needs one bone's rotation and a handful of vertices, not all 6,890: only the ancestors of what is asked for are
computed, and blend shapes only at the vertices asked for. The formulas are SMPL's (Loper et al., ACM TOG 34(6), 2015, eqs.
2-4 and 9), and agree with the package smplx.

Shapes: F frames, J joints of the body, n asked for. Frames: rotations map a joint's own frame to the world, R = R_parent
R_local, and all of them are the identity at rest; positions are in the world of `trans`. Metres, radians.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from m3n.body.model import Body, FloatArray, IntArray
from m3n.errors import InputError


def rotation_matrices(rotvecs: ArrayLike) -> FloatArray:
    """Rotation matrices (..., 3, 3) of axis-angle vectors (..., 3), radians (Rodrigues' formula)."""
    vectors = np.asarray(rotvecs, np.float64)
    x, y, z = vectors[..., 0], vectors[..., 1], vectors[..., 2]
    squared = x * x + y * y + z * z
    angle = np.sqrt(squared)
    sine = np.sinc(angle / np.pi)  # sin(a) / a
    versine = 0.5 * np.sinc(angle / (2 * np.pi)) ** 2  # (1 - cos(a)) / a²
    cosine = 1 - versine * squared
    matrices = np.empty((*angle.shape, 3, 3))
    matrices[..., 0, 0] = cosine + versine * x * x
    matrices[..., 1, 1] = cosine + versine * y * y
    matrices[..., 2, 2] = cosine + versine * z * z
    for row, column, first, second, axis in ((0, 1, x, y, z), (2, 0, z, x, y), (1, 2, y, z, x)):
        product, turn = versine * first * second, sine * axis
        matrices[..., row, column] = product - turn
        matrices[..., column, row] = product + turn
    return matrices


def rest_joints(body: Body, betas: ArrayLike | None = None) -> FloatArray:
    """Joints of the body at rest, (J, 3) m. Betas beyond the body's are cut, missing ones are zero."""
    return body.rest_joint_template + body.rest_joint_shapedirs @ fitted_betas(body, betas)


def fitted_betas(body: Body, betas: ArrayLike | None) -> FloatArray:
    """Betas of exactly the body's number of shape components, (B,)."""
    full = np.zeros(body.shapedirs.shape[2])
    if betas is not None:
        given = np.asarray(betas, np.float64).reshape(-1)[: len(full)]
        full[: len(given)] = given
    return full


def joint_transforms(
    body: Body,
    poses: ArrayLike,
    trans: ArrayLike,
    betas: ArrayLike | None = None,
    joints: Sequence[int] | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Global rotations (F, n, 3, 3) and positions (F, n, 3) m of joints.

    `poses` (F, J, 3) or (F, 3 J) axis-angle; with another model's joint count, the first `body.body_joints` count and the
    rest is at rest. `trans` (F, 3) m is added last, SMPL's convention: the pelvis is at rest_joints[0] + trans. `joints`
    are indices into the body's joints, all of them where None; only their ancestors are computed.

    Raises InputError for shapes that do not fit and for a joint that the body does not have.
    """
    wanted = list(range(body.joints)) if joints is None else [int(joint) for joint in joints]
    if any(not 0 <= joint < body.joints for joint in wanted):
        raise InputError(f"joints {wanted} asked for, but the body has {body.joints}")
    rotvecs, offset = _checked(body, poses, trans)
    needed = ancestors(body, wanted)
    rest = rest_joints(body, betas)
    local = dict(zip(needed, np.moveaxis(rotation_matrices(rotvecs[:, needed]), 1, 0), strict=True))
    rotations, positions = _chain(body, local, rest, len(rotvecs))
    return (
        np.stack([rotations[joint] for joint in wanted], axis=1),
        np.stack([positions[joint] for joint in wanted], axis=1) + offset[:, None],
    )


def joint_positions(body: Body, poses: FloatArray, trans: FloatArray, count: int) -> FloatArray:
    """Positions (F, count, 3) m of the first joints of a body of the mean shape; poses (F, J, 3) rad, trans (F, 3) m."""
    rest = rest_joints(body, None)
    places = np.empty((len(poses), count, 3))
    _positions(np.ascontiguousarray(poses[:, :count]), np.ascontiguousarray(trans), rest, body.parents, places)
    return places


@njit(cache=True, nogil=True)
def _positions(poses: FloatArray, trans: FloatArray, rest: FloatArray, parents: IntArray, places: FloatArray) -> None:
    count = places.shape[1]
    turned = np.empty((count, 3, 3))
    local = np.empty((3, 3))
    for f in range(len(poses)):
        for j in range(count):
            x, y, z = poses[f, j]
            angle = math.sqrt(x * x + y * y + z * z)
            sine = math.sin(angle) / angle if angle > 1e-8 else 1.0
            versine = (1.0 - math.cos(angle)) / (angle * angle) if angle > 1e-4 else 0.5
            cosine = 1.0 - versine * angle * angle
            local[0, 0], local[0, 1], local[0, 2] = (
                cosine + versine * x * x,
                versine * x * y - sine * z,
                versine * x * z + sine * y,
            )
            local[1, 0], local[1, 1], local[1, 2] = (
                versine * x * y + sine * z,
                cosine + versine * y * y,
                versine * y * z - sine * x,
            )
            local[2, 0], local[2, 1], local[2, 2] = (
                versine * x * z - sine * y,
                versine * y * z + sine * x,
                cosine + versine * z * z,
            )
            p = parents[j]
            if p < 0:
                turned[j] = local
                places[f, j] = rest[j] + trans[f]
                continue
            for a in range(3):
                places[f, j, a] = places[f, p, a]
                for b in range(3):
                    places[f, j, a] += turned[p, a, b] * (rest[j, b] - rest[p, b])
                    turned[j, a, b] = 0.0
                    for c in range(3):
                        turned[j, a, b] += turned[p, a, c] * local[c, b]


def skinned_points(
    body: Body, poses: ArrayLike, trans: ArrayLike, betas: ArrayLike | None, vertex_ids: Sequence[int] | NDArray[np.int64]
) -> FloatArray:
    """Positions (F, n, 3) m of vertices under linear blend skinning, shape and pose blend shapes included.

    Arguments as in `joint_transforms`; `vertex_ids` (n,) are indices into the body's vertices, with repetition allowed.
    Raises InputError for a vertex that the body does not have.
    """
    ids = np.asarray(vertex_ids, np.int64).reshape(-1)
    if ids.size and not (ids.min() >= 0 and ids.max() < len(body.v_template)):
        raise InputError(f"vertex {ids.max()} asked for, but the body has {len(body.v_template)} vertices")
    rotvecs, offset = _checked(body, poses, trans)
    rest = rest_joints(body, betas)
    shaped = body.v_template[ids] + body.shapedirs[ids] @ fitted_betas(body, betas)
    weights = body.weights[ids]
    bones = np.flatnonzero(weights.any(0)).tolist()
    needed = list(range(body.joints)) if body.posedirs is not None else ancestors(body, bones)
    matrices = rotation_matrices(rotvecs[:, needed])
    points = np.broadcast_to(shaped, (len(rotvecs), *shaped.shape))
    if body.posedirs is not None:
        feature = (matrices[:, 1:] - np.eye(3)).reshape(len(rotvecs), -1)
        directions = body.posedirs[ids].reshape(3 * len(ids), -1)
        points = points + (feature @ directions.T).reshape(points.shape)
    rotations, positions = _chain(body, dict(zip(needed, np.moveaxis(matrices, 1, 0), strict=True)), rest, len(rotvecs))
    skinned = np.repeat(offset[:, None], len(ids), axis=1)
    for bone in bones:
        moved = (points - rest[bone]) @ np.swapaxes(rotations[bone], -1, -2) + positions[bone][:, None]
        skinned += weights[:, bone, None] * moved
    return skinned


def ancestors(body: Body, joints: Sequence[int]) -> list[int]:
    """The joints and everything between them and the root, parents first."""
    found: set[int] = set()
    for start in joints:
        joint = int(start)
        while joint >= 0 and joint not in found:
            found.add(joint)
            joint = int(body.parents[joint])
    return sorted(found)


def _chain(
    body: Body, local: dict[int, FloatArray], rest: FloatArray, frames: int
) -> tuple[dict[int, FloatArray], dict[int, FloatArray]]:
    rotations: dict[int, FloatArray] = {}
    positions: dict[int, FloatArray] = {}
    for joint, rotation in local.items():
        parent = int(body.parents[joint])
        if parent < 0:
            rotations[joint] = rotation
            positions[joint] = np.broadcast_to(rest[joint], (frames, 3))
        else:
            rotations[joint] = rotations[parent] @ rotation
            positions[joint] = positions[parent] + rotations[parent] @ (rest[joint] - rest[parent])
    return rotations, positions


def _checked(body: Body, poses: ArrayLike, trans: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Poses (F, J, 3) with the body's own joint count, trans (F, 3)."""
    rotvecs = np.asarray(poses, np.float64)
    if rotvecs.ndim == 2 and rotvecs.shape[1] % 3 == 0:
        rotvecs = rotvecs.reshape(len(rotvecs), -1, 3)
    if rotvecs.ndim != 3 or rotvecs.shape[2] != 3:
        raise InputError(f"poses have shape {rotvecs.shape}, expected (frames, joints, 3)")
    offset = np.asarray(trans, np.float64)
    if offset.shape != (len(rotvecs), 3):
        raise InputError(f"trans has shape {offset.shape}, expected ({len(rotvecs)}, 3): one position per frame of poses")
    if rotvecs.shape[1] != body.joints:
        if rotvecs.shape[1] < body.body_joints:
            raise InputError(f"poses have {rotvecs.shape[1]} joints, expected {body.joints} or at least {body.body_joints}")
        shared = rotvecs
        rotvecs = np.zeros((len(shared), body.joints, 3))
        rotvecs[:, : body.body_joints] = shared[:, : body.body_joints]
    return rotvecs, offset
