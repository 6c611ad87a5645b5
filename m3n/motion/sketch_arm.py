"""An arm over time: where its wrist goes, where its elbow points, how the forearm is turned, within what joints allow.

A wrist's place and the elbow's direction give the upper arm by two-bone inverse kinematics. Places that would put the hand inside the
trunk or the head are moved to the skin; an elbow direction for which the shoulder would have to turn too far is replaced by the nearest
one that is possible. Limits are those of healthy adults (Boone and Azen, J Bone Joint Surg 61-A, 1979), somewhat wider. All for the left
arm, in the trunk's axes with the shoulder at the origin: outwards, up, forward; metres and radians.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from scipy.spatial.transform import Rotation

from m3n.motion.posture import Array
from m3n.motion.sketch_body import REST, SHOULDER
from m3n.motion.sketch_targets import DIRECTIONS

UPPER_ARM = float(np.linalg.norm(REST[18] - REST[16]))
FOREARM = float(np.linalg.norm(REST[20] - REST[18]))
FARTHEST, NEAREST, SOFT = 0.992 * (UPPER_ARM + FOREARM), 0.13, 0.015  # wrist from shoulder [m]
MOST_PRONATION = np.deg2rad(95.0)
_NEUTRAL = 0.4  # pronation where the palm's direction says nothing
_CLEAR = 0.03  # metres by which a hand has to be moved for it to count
_HEAD = np.array([-SHOULDER[0], REST[15][1] + 0.07 - SHOULDER[1], 0.04 - SHOULDER[2]])
_MOST_AXIAL = np.deg2rad(105.0)


@dataclass(frozen=True)
class Corrections:
    """How often a sketch had to be put right: hands moved out of the body, elbows turned, reaches shortened, palms held back."""

    trunk: int = 0
    shoulder: int = 0
    reach: int = 0

    def __add__(self, other: Corrections) -> Corrections:
        return Corrections(self.trunk + other.trunk, self.shoulder + other.shoulder, self.reach + other.reach)


def reaching(wrist: Array, pole: Array) -> tuple[Rotation, Array]:
    """Rotation of the upper arm and elbow flexion (F,) of an arm whose wrist is at (F, 3) and whose elbow points to `pole` (F, 3)."""
    upper, lower, flexion = _two_bones(np.ascontiguousarray(wrist), np.ascontiguousarray(pole))
    fold = lower - upper * np.sum(lower * upper, axis=-1, keepdims=True)
    fold /= np.maximum(np.linalg.norm(fold, axis=-1, keepdims=True), 1e-9)
    return Rotation.from_matrix(np.stack([upper, np.cross(fold, upper), fold], axis=-1)), flexion


def swung(sideways: Array, forwards: Array, axial: Array) -> Rotation:
    """Rotation of the upper arm swung from hanging by these components (F,), then turned inward about itself."""
    tilt = np.stack([-forwards, np.zeros_like(forwards), sideways], axis=-1)
    inward = np.stack([np.zeros_like(axial), -axial, np.zeros_like(axial)], axis=-1)
    return Rotation.from_rotvec(tilt) * Rotation.from_rotvec(inward) * Rotation.from_euler("z", -np.pi / 2)


def chain(humerus: Rotation, flexion: Array, pronation: Array, wrist: Array, shrug: Array) -> list[Rotation]:
    """Local rotations of collar, shoulder, elbow and wrist."""
    collar = _turn("z", shrug)
    elbow = _turn("y", -flexion) * _turn("x", pronation)
    return [collar, collar.inv() * humerus, elbow, _turn("z", -wrist)]


def kept_out(wrist: Array) -> tuple[Array, bool]:
    """Wrists (F, 3) moved out of the trunk (an elliptic cylinder) and the head (a sphere), smoothly; whether any was inside."""
    moved = _outside(np.ascontiguousarray(wrist), SHOULDER[0], _HEAD)
    return moved, bool(np.sqrt(np.sum((moved - wrist) ** 2, axis=-1)).max() > _CLEAR)


def possible_poles(wrist: Array, pole: Array) -> tuple[Array, int, bool]:
    """Elbow directions (K, 3) for wrists (K, 3), changed where the shoulder could not do it: to the nearest direction that it can. Also how
    many were changed, and whether for one there is none."""
    poles, changed, hopeless = pole.copy(), 0, False
    turns = np.deg2rad(np.array([0, *(sign * angle for angle in range(15, 181, 15) for sign in (1, -1))]))
    for k in range(len(wrist)):
        axis = wrist[k] / max(float(np.linalg.norm(wrist[k])), 1e-9)
        tried = Rotation.from_rotvec(np.outer(turns, axis)).apply(pole[k])
        humerus, _ = reaching(np.repeat(wrist[k : k + 1], len(tried), axis=0), tried)
        strains = strain(humerus)
        best = int(np.argmax(strains <= 0)) if (strains <= 0).any() else int(np.argmin(strains))
        poles[k] = tried[best]
        changed += abs(turns[best]) > 0.4
        hopeless |= bool(strains[best] > np.deg2rad(30.0))
    return poles, changed, hopeless


def strain(humerus: Rotation) -> Array:
    """By how many radians each upper arm is beyond what a shoulder allows; 0 or less: within."""
    matrices = humerus.as_matrix()
    upper = matrices[..., 0]
    minimal = swung(*_swing_of(upper), np.zeros(len(upper)))
    relative = (minimal.inv() * humerus).as_rotvec()
    axial = -relative[:, 0]  # about the upper arm's own axis
    backward = np.arcsin(np.clip(-upper[:, 2], -1, 1)) - np.deg2rad(65.0)
    across = np.arcsin(np.clip(-upper[:, 0], -1, 1)) - np.deg2rad(50.0)
    return np.asarray(np.max([np.abs(axial) - _MOST_AXIAL, backward, across], axis=0))


def pronation_for(palm: Array, humerus: Rotation, flexion: Array) -> Array:
    """Pronation (K,) that turns the palm as far towards directions (K, 3) as a forearm can."""
    forearm = (humerus * _turn("y", -flexion)).as_matrix()
    along_y, along_z = (np.sum(forearm[..., i] * palm, axis=-1) for i in (1, 2))
    wanted = np.arctan2(-along_z, -along_y)
    clear = np.clip((np.hypot(along_y, along_z) - 0.2) / 0.4, 0.0, 1.0)  # a palm cannot look along its forearm
    wanted = np.clip(wanted, -MOST_PRONATION, MOST_PRONATION)
    return np.asarray(_NEUTRAL + clear * (wanted - _NEUTRAL))


def within(pronation: Array) -> Array:
    """Pronation bent back smoothly into what a forearm can do."""
    return np.asarray(_soft_limit(pronation, MOST_PRONATION))


def direction(word: str) -> Array:
    """Unit vector of a word such as "down"."""
    return np.array(DIRECTIONS[word])


def _soft_limit(value: Array, most: float, soft: float = 0.08) -> Array:
    high = most - soft * np.logaddexp(0.0, (most - value) / soft)
    return np.asarray(-most + soft * np.logaddexp(0.0, (high + most) / soft))


def _swing_of(upper: Array) -> tuple[Array, Array]:
    """Sideways and forward components of the shortest rotation from hanging to a direction (F, 3)."""
    level = np.hypot(upper[:, 0], upper[:, 2])
    angle = np.arctan2(level, -upper[:, 1])
    scale = angle / np.maximum(level, 1e-6)
    return upper[:, 0] * scale, upper[:, 2] * scale


def _turn(axis: str, angle: Array) -> Rotation:
    quats = np.zeros((len(angle), 4))
    quats[:, "xyz".index(axis)], quats[:, 3] = np.sin(0.5 * angle), np.cos(0.5 * angle)
    return Rotation.from_quat(quats)


def _softplus(value: Array, soft: float) -> Array:
    return np.asarray(soft * np.logaddexp(0.0, value / soft))


def _two_bones(wrist: Array, pole: Array) -> tuple[Array, Array, Array]:
    """Directions of upper arm and forearm (F, 3) and elbow flexion (F,)."""
    length = np.linalg.norm(wrist, axis=-1)
    distance = length - _softplus(length - FARTHEST, SOFT)
    distance = NEAREST + _softplus(distance - NEAREST, SOFT)
    along = wrist / np.maximum(length, 1e-9)[:, None]
    cos_elbow = (UPPER_ARM**2 + FOREARM**2 - distance**2) / (2 * UPPER_ARM * FOREARM)
    cos_shoulder = np.clip((UPPER_ARM**2 + distance**2 - FOREARM**2) / (2 * UPPER_ARM * distance), -1, 1)
    aside = pole - along * np.sum(along * pole, axis=-1, keepdims=True)
    aside /= np.maximum(np.linalg.norm(aside, axis=-1, keepdims=True), 1e-6)
    upper = cos_shoulder[:, None] * along + np.sqrt(1 - cos_shoulder**2)[:, None] * aside
    lower = (distance[:, None] * along - UPPER_ARM * upper) / FOREARM
    return upper, lower, np.pi - np.arccos(np.clip(cos_elbow, -1, 1))


@njit(cache=True, nogil=True)
def _outside(wrist: Array, middle: float, head: Array) -> Array:
    """See `kept_out`; `middle`: from the shoulder to the trunk's axis."""
    out = wrist.copy()
    for f in range(len(wrist)):
        x, y, z = wrist[f, 0] + middle, wrist[f, 1], wrist[f, 2] - 0.01
        radius = np.sqrt((x / 0.185) ** 2 + (z / 0.14) ** 2)
        inside = 1.0 / (1.0 + np.exp((y + 0.01) / 0.02)) / (1.0 + np.exp(-(y + 0.66) / 0.03))
        push = 0.05 * np.log1p(np.exp((1.0 - radius) / 0.05)) * inside
        scale = push / max(radius, 0.15)
        out[f, 0] += x * scale
        out[f, 2] += z * scale
        x, y, z = out[f, 0] - head[0], out[f, 1] - head[1], out[f, 2] - head[2]
        radius = np.sqrt(x * x + y * y + z * z)
        scale = 0.01 * np.log1p(np.exp((0.13 - radius) / 0.01)) / max(radius, 0.02)
        out[f, 0] += x * scale
        out[f, 1] += y * scale
        out[f, 2] += z * scale
    return out
