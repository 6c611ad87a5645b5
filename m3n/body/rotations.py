"""Directions and rotations of many frames at once: what the body fit is made of.

Arrays are (F, 3) directions and (F, 3, 3) rotations, float64, rotations acting on column vectors. All are closed forms that are
continuous where the data are; where one has a pole (opposite directions, a half turn), its text says what happens there. The
loops over frames are compiled: clips are often so short that NumPy would spend its time between the calls.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from m3n.body.model import FloatArray, IntArray

_TINY = 1e-12
# Rotation from a world whose vertical is the key to m3n's (z up). A camera's frame (x right, y down, z forwards) is "-y".
TURN_UP = {
    "z": np.eye(3),
    "y": np.array([(1.0, 0.0, 0.0), (0.0, 0.0, -1.0), (0.0, 1.0, 0.0)]),
    "-y": np.array([(1.0, 0.0, 0.0), (0.0, 0.0, 1.0), (0.0, -1.0, 0.0)]),
}


def swing(parent: FloatArray, seen: FloatArray, at_rest: FloatArray) -> FloatArray:
    """`parent` (F, 3, 3) followed by the shortest arc that points the bone, at rest (3,), where it is seen (F, 3).

    Of the many arcs to the opposite direction it takes none: there the rotation stays `parent`.
    """
    out = np.empty((len(seen), 3, 3))
    _swing(np.ascontiguousarray(parent), np.ascontiguousarray(seen), np.ascontiguousarray(at_rest), out)
    return out


@njit(cache=True, nogil=True)
def _swing(parent: FloatArray, seen: FloatArray, at_rest: FloatArray, out: FloatArray) -> None:
    start, end, normal, moved = np.empty(3), np.empty(3), np.empty(3), np.empty(3)
    for f in range(len(seen)):
        for i in range(3):
            start[i] = parent[f, i, 0] * at_rest[0] + parent[f, i, 1] * at_rest[1] + parent[f, i, 2] * at_rest[2]
            end[i] = seen[f, i]
        _normalise(start)
        _normalise(end)
        cross_into(start, end, normal)
        scale = 1.0 / max(1.0 + start[0] * end[0] + start[1] * end[1] + start[2] * end[2], 1e-9)
        for c in range(3):  # v + n x v + s n x (n x v), for every column v
            x, y, z = parent[f, 0, c], parent[f, 1, c], parent[f, 2, c]
            moved[0] = normal[1] * z - normal[2] * y
            moved[1] = normal[2] * x - normal[0] * z
            moved[2] = normal[0] * y - normal[1] * x
            out[f, 0, c] = x + moved[0] + scale * (normal[1] * moved[2] - normal[2] * moved[1])
            out[f, 1, c] = y + moved[1] + scale * (normal[2] * moved[0] - normal[0] * moved[2])
            out[f, 2, c] = z + moved[2] + scale * (normal[0] * moved[1] - normal[1] * moved[0])


def transported(along: FloatArray) -> FloatArray:
    """Unit vectors (F, 3) at right angles to `along` that turn about it as little as possible from frame to frame: the last
    one, carried over by the shortest arc (none, for a half turn in one frame)."""
    out = np.empty((len(along), 3))
    _transported(np.ascontiguousarray(along), out)
    return out


@njit(cache=True, nogil=True)
def _transported(along: FloatArray, out: FloatArray) -> None:
    normal, moved, vector = np.empty(3), np.empty(3), np.zeros(3)
    vector[np.argmin(np.abs(along[0]))] = 1.0
    for f in range(len(along)):
        if f > 0:
            cross_into(along[f - 1], along[f], normal)
            cross_into(normal, vector, moved)
            scale = 1.0 / max(1.0 + along[f - 1] @ along[f], 1e-9)
            vector[0] += moved[0] + scale * (normal[1] * moved[2] - normal[2] * moved[1])
            vector[1] += moved[1] + scale * (normal[2] * moved[0] - normal[0] * moved[2])
            vector[2] += moved[2] + scale * (normal[0] * moved[1] - normal[1] * moved[0])
        vector -= (vector @ along[f]) * along[f]
        _normalise(vector)
        out[f] = vector


def chained(world: FloatArray, parents: IntArray, steps: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Local axis-angle and positions, both (F, J, 3), of global rotations (J, F, 3, 3) of joints whose parents come first (-1
    for the root, at the origin); `steps` (J, 3) m lead from parent to joint at rest.

    Axis-angle goes on where the principal angle would jump at half a turn, and stays within a turn of it.
    """
    joints, frames = world.shape[:2]
    rotvecs, places = np.empty((frames, joints, 3)), np.zeros((frames, joints, 3))
    _chained(world, parents, steps, rotvecs, places)
    return continued(rotvecs), places


@njit(cache=True, nogil=True)
def _chained(world: FloatArray, parents: IntArray, steps: FloatArray, rotvecs: FloatArray, places: FloatArray) -> None:
    local = np.empty((3, 3))
    for j in range(len(parents)):
        p = parents[j]
        for f in range(world.shape[1]):
            for i in range(3):
                for k in range(3):
                    if p < 0:
                        local[i, k] = world[j, f, i, k]
                    else:
                        local[i, k] = (
                            world[p, f, 0, i] * world[j, f, 0, k]
                            + world[p, f, 1, i] * world[j, f, 1, k]
                            + world[p, f, 2, i] * world[j, f, 2, k]
                        )
                if p >= 0:
                    turned = world[p, f, i, 0] * steps[j, 0] + world[p, f, i, 1] * steps[j, 1] + world[p, f, i, 2] * steps[j, 2]
                    places[f, j, i] = places[f, p, i] + turned
            _rotvec(local, rotvecs[f, j])


@njit(cache=True, nogil=True)
def _rotvec(m: FloatArray, out: FloatArray) -> None:
    """Principal axis-angle by the best-conditioned of four quaternion formulas (Shepperd, J. Guidance and Control 1(3), 1978)."""
    trace = m[0, 0] + m[1, 1] + m[2, 2]
    largest = max(trace, m[0, 0], m[1, 1], m[2, 2])
    if largest == trace:
        w, x, y, z = 1 + trace, m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
    elif largest == m[0, 0]:
        w, x, y, z = m[2, 1] - m[1, 2], 1 + 2 * m[0, 0] - trace, m[1, 0] + m[0, 1], m[0, 2] + m[2, 0]
    elif largest == m[1, 1]:
        w, x, y, z = m[0, 2] - m[2, 0], m[1, 0] + m[0, 1], 1 + 2 * m[1, 1] - trace, m[2, 1] + m[1, 2]
    else:
        w, x, y, z = m[1, 0] - m[0, 1], m[0, 2] + m[2, 0], m[2, 1] + m[1, 2], 1 + 2 * m[2, 2] - trace
    if w < 0:
        w, x, y, z = -w, -x, -y, -z
    sine = math.sqrt(x * x + y * y + z * z)
    scale = 2 * math.atan2(sine, w) / max(sine, _TINY)
    out[0], out[1], out[2] = scale * x, scale * y, scale * z


def continued(rotvecs: FloatArray) -> FloatArray:
    """Axis-angle (F, n, 3) of the same rotations without jumps in time: beyond half a turn where the way leads there."""
    out = np.ascontiguousarray(rotvecs, np.float64).copy()
    _continue(out)
    return out


@njit(cache=True, nogil=True)
def _continue(rotvecs: FloatArray) -> None:
    frames, joints = rotvecs.shape[:2]
    angles, axis = np.empty(frames), np.empty((frames, 3))
    for j in range(joints):
        for f in range(frames):
            vector = rotvecs[f, j]
            angle = math.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2)
            for i in range(3):
                axis[f, i] = vector[i] / max(angle, _TINY)
            if f > 0:
                if axis[f, 0] * axis[f - 1, 0] + axis[f, 1] * axis[f - 1, 1] + axis[f, 2] * axis[f - 1, 2] < 0:
                    angle = -angle
                    for i in range(3):
                        axis[f, i] = -axis[f, i]
                angle -= 2 * math.pi * round((angle - angles[f - 1]) / (2 * math.pi))
            angles[f] = angle
        turns = 2 * math.pi * round(np.median(angles) / (2 * math.pi))
        for f in range(frames):
            for i in range(3):
                rotvecs[f, j, i] = (angles[f] - turns) * axis[f, i]


def two_vector_rotation(main: tuple[FloatArray, FloatArray], minor: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Rotation that takes the resting main direction to the seen one, and the minor one as near as that allows (TRIAD)."""

    def frame(first: FloatArray, second: FloatArray) -> FloatArray:
        x = unit(first)
        z = unit(cross(x, second))
        return np.stack([x, cross(z, x), z], axis=-1)

    rotation: FloatArray = frame(main[0], minor[0]) @ frame(main[1], minor[1]).T
    return rotation


def unit(vectors: FloatArray) -> FloatArray:
    """Vectors (..., 3) scaled to length 1; zero stays zero."""
    return vectors / np.maximum(np.sqrt(dot(vectors, vectors)), _TINY)[..., None]


def cross(left: FloatArray, right: FloatArray) -> FloatArray:
    """numpy.cross for (..., 3), several times faster on short arrays."""
    a, b, c = left[..., 0], left[..., 1], left[..., 2]
    d, e, f = right[..., 0], right[..., 1], right[..., 2]
    return np.stack([b * f - c * e, c * d - a * f, a * e - b * d], axis=-1)


def dot(left: FloatArray, right: FloatArray) -> FloatArray:
    """Scalar products over the last axis."""
    product: FloatArray = np.einsum("...i,...i->...", left, right)
    return product


@njit(cache=True, nogil=True, inline="always")
def _normalise(vector: FloatArray) -> None:
    scale = 1.0 / max(math.sqrt(vector[0] ** 2 + vector[1] ** 2 + vector[2] ** 2), _TINY)
    for i in range(3):
        vector[i] *= scale


@njit(cache=True, nogil=True, inline="always")
def cross_into(left: FloatArray, right: FloatArray, out: FloatArray) -> None:
    """The cross product of two vectors (3,), for compiled loops."""
    out[0] = left[1] * right[2] - left[2] * right[1]
    out[1] = left[2] * right[0] - left[0] * right[2]
    out[2] = left[0] * right[1] - left[1] * right[0]
