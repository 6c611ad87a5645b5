"""An arm over time: where its wrist goes, where its elbow points, how the forearm is turned, within what joints allow.

A wrist's place and a swivel of the elbow about the line from shoulder to wrist give the upper arm by two-bone inverse
kinematics (Tolani, Goswami and Badler, Graphical Models 62(5), 2000). Places that would put the hand inside the trunk or the
head are moved to the skin; a swivel for which the shoulder would have to turn too far is replaced by the nearest possible one.
Limits are those of healthy adults (Boone and Azen, J Bone Joint Surg 61-A, 1979), somewhat wider. All for the left arm, in the
trunk's axes with the shoulder at the origin: outwards, up, forward; metres and radians. Rotations are quaternions.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass

import numpy as np
from numba import njit
from scipy.ndimage import gaussian_filter1d

from m3n.body.rotations import cross_into
from m3n.motion import quaternions as q
from m3n.motion.rhythm import Array
from m3n.motion.sketch_body import REST, SHOULDER

UPPER_ARM = float(np.linalg.norm(REST[18] - REST[16]))
FOREARM = float(np.linalg.norm(REST[20] - REST[18]))
FARTHEST, NEAREST = 0.992 * (UPPER_ARM + FOREARM), 0.13  # wrist from shoulder [m]
_SOFT = 0.015
MOST_ACCELERATION, MOST_RATE = (
    120.0,
    25.0,
)  # of a hand about its shoulder [m/s²], of a joint [rad/s]: sport, without the racket's hit
_CALMING_S = (0.0, 0.015, 0.025, 0.04, 0.06, 0.09, 0.13)  # standard deviations of the smoothing, the first that does
MOST_PRONATION = np.deg2rad(95.0)
_NEUTRAL = 0.4  # pronation where the palm's direction says nothing
_CLEAR = 0.03  # metres by which a hand has to be moved for it to count
_HEAD = np.array([-SHOULDER[0], REST[15][1] + 0.07 - SHOULDER[1], 0.04 - SHOULDER[2]])
_MOST_AXIAL = np.deg2rad(105.0)
_HOPELESS = np.deg2rad(30.0)
_DOWN = q.about("z", np.array([-np.pi / 2]))  # from SMPL's T-pose to a hanging arm
# Swivels are counted from an elbow that hangs. A direction field on a sphere has a pole, which lies where no hand goes: in
# the trunk.
_AHEAD = np.array([0.755, -0.05, 0.654]) / np.linalg.norm([0.755, -0.05, 0.654])
_BELOW = np.array([0.0, -1.0, 0.0]) + _AHEAD[1] * _AHEAD
_BELOW /= np.linalg.norm(_BELOW)


@dataclass(frozen=True)
class Corrections:
    """How often a sketch had to be put right: hands kept out of the body, elbows turned, targets out of reach, hands too
    quick."""

    trunk: int = 0
    shoulder: int = 0
    reach: int = 0
    quick: int = 0

    def __add__(self, other: Corrections) -> Corrections:
        return Corrections(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))


def reaching(wrist: Array, swivel: Array) -> tuple[Array, Array]:
    """Rotation (F, 4) of the upper arm and elbow flexion (F,) of an arm whose wrist is at (F, 3) and whose elbow is turned by
    `swivel` (F,) from where it hangs."""
    turns, flexion = _reaching(np.ascontiguousarray(wrist), np.ascontiguousarray(swivel), _AHEAD, _BELOW)
    return turns, flexion


def swivel_of(wrist: Array, pole: Array) -> Array:
    """Swivels (K,) of elbows that point to directions (K, 3)."""
    return _swivel_of(np.ascontiguousarray(wrist), np.ascontiguousarray(pole), _AHEAD, _BELOW)


def swung(sideways: Array, forwards: Array, axial: Array) -> Array:
    """Rotation (F, 4) of the upper arm swung from hanging by these components (F,), then turned inward about itself."""
    tilt = np.stack([-forwards, np.zeros_like(forwards), sideways], axis=-1)
    return q.times(q.of_vectors(tilt), q.about("y", -axial), _DOWN)


def chain(humerus: Array, flexion: Array, pronation: Array, wrist: Array, shrug: Array) -> list[Array]:
    """Local rotations (F, 4) of collar, shoulder, elbow and wrist."""
    elbow = q.times(q.about("y", -flexion), q.about("x", pronation))
    return [q.about("z", shrug), q.times(q.about("z", -shrug), humerus), elbow, q.about("z", -wrist)]


def kept_out(wrist: Array) -> tuple[Array, bool]:
    """Wrists (F, 3) moved out of the trunk (an elliptic cylinder) and the head (a sphere), smoothly; whether any was inside."""
    moved = _outside(np.ascontiguousarray(wrist), SHOULDER[0], _HEAD)
    return moved, bool(np.sqrt(np.sum((moved - wrist) ** 2, axis=-1)).max() > _CLEAR)


def possible(wrist: Array, swivel: Array) -> tuple[Array, int, bool]:
    """Swivels (K,) for wrists (K, 3), changed where the shoulder could not do it: to the nearest that it can. Also how many
    were changed, and whether for one there is none."""
    turns = np.deg2rad(np.array([0, *(sign * angle for angle in range(15, 181, 15) for sign in (1, -1))]))
    count = len(wrist)
    humerus, _ = reaching(np.repeat(wrist, len(turns), axis=0), (swivel[:, None] + turns).reshape(-1))
    strains = strain(humerus).reshape(count, len(turns))
    fine = strains <= 0
    best = np.where(fine.any(1), np.argmax(fine, axis=1), np.argmin(strains, axis=1))
    changed = int((np.abs(turns[best]) > 0.4).sum())
    return swivel + turns[best], changed, bool((strains[np.arange(count), best] > _HOPELESS).any())


def strain(humerus: Array) -> Array:
    """By how many radians each upper arm (F, 4) is beyond what a shoulder allows; 0 or less: within."""
    upper = q.apply(humerus, np.array([1.0, 0.0, 0.0]))
    level = np.hypot(upper[:, 0], upper[:, 2])
    scale = np.arctan2(level, -upper[:, 1]) / np.maximum(level, 1e-6)
    relative = q.times(q.inverse(swung(upper[:, 0] * scale, upper[:, 2] * scale, np.zeros(len(upper)))), humerus)
    axial = 2 * np.arctan2(np.abs(relative[:, 0]), np.abs(relative[:, 3]))  # about the upper arm's own axis
    backward = np.arcsin(np.clip(-upper[:, 2], -1, 1)) - np.deg2rad(65.0)
    across = np.arcsin(np.clip(-upper[:, 0], -1, 1)) - np.deg2rad(50.0)
    return np.asarray(np.max([axial - _MOST_AXIAL, backward, across], axis=0))


def pronation_for(palm: Array, humerus: Array, flexion: Array) -> Array:
    """Pronation (K,) that turns the palm as far towards directions (K, 3) as a forearm can."""
    forearm = q.times(humerus, q.about("y", -flexion))
    along_y, along_z = (np.sum(q.apply(forearm, np.eye(3)[i]) * palm, axis=-1) for i in (1, 2))
    wanted = np.clip(np.arctan2(-along_z, -along_y), -MOST_PRONATION, MOST_PRONATION)
    clear = np.clip((np.hypot(along_y, along_z) - 0.2) / 0.4, 0.0, 1.0)  # a palm cannot look along its forearm
    return np.asarray(_NEUTRAL + clear * (wanted - _NEUTRAL))


def hand(arm: list[Array]) -> Array:
    """Where the wrist of an arm (as of `chain`) is (F, 3), from the shoulder."""
    upper = q.times(arm[0], arm[1])
    bone = np.array([1.0, 0.0, 0.0])
    return np.asarray(UPPER_ARM * q.apply(upper, bone) + FOREARM * q.apply(q.times(upper, arm[2]), bone))


def calmed(arm: list[Array], fps: float) -> tuple[list[Array], bool]:
    """The arm, smoothed as far as it takes to accelerate no faster than people do; whether that was needed."""
    turns = q.continuous(np.stack(arm))
    for width in _CALMING_S:
        calm = turns if not width else gaussian_filter1d(turns, width * fps, axis=1, mode="nearest")
        calm = calm / np.sqrt(np.sum(calm**2, axis=-1, keepdims=True))
        jolt = np.diff(hand(list(calm)), n=2, axis=0) * fps**2
        rate = 2 * np.sqrt(np.sum(np.diff(calm[1:3], axis=1) ** 2, axis=-1)) * fps
        if len(jolt) == 0 or (np.sum(jolt**2, axis=-1).max() < MOST_ACCELERATION**2 and rate.max() < MOST_RATE):
            break
    return list(calm), width > 0


def within(pronation: Array) -> Array:
    """Pronation bent back smoothly into what a forearm can do."""
    high = pronation - _softplus(pronation - MOST_PRONATION, 0.08)
    return np.asarray(-MOST_PRONATION + _softplus(high + MOST_PRONATION, 0.08))


def _softplus(value: Array, soft: float = _SOFT) -> Array:
    return np.asarray(soft * np.logaddexp(0.0, value / soft))


@njit(cache=True, nogil=True)
def _frame(wrist: Array, ahead: Array, hangs: Array, along: Array, below: Array, aside: Array) -> float:
    """Fills in directions (3,): to the wrist, where a hanging elbow points, and their cross product; returns the distance."""
    length = np.sqrt(wrist[0] ** 2 + wrist[1] ** 2 + wrist[2] ** 2)
    axis, carried = np.empty(3), np.empty(3)
    along[:] = wrist / max(length, 1e-9)
    cross_into(ahead, along, axis)
    cosine = ahead[0] * along[0] + ahead[1] * along[1] + ahead[2] * along[2]
    cross_into(axis, hangs, carried)
    cross_into(axis, carried, below)
    for i in range(3):
        below[i] = hangs[i] + carried[i] + below[i] / max(1.0 + cosine, 1e-6)
    cross_into(along, below, aside)
    return length


@njit(cache=True, nogil=True)
def _swivel_of(wrist: Array, pole: Array, ahead: Array, hangs: Array) -> Array:
    """See `swivel_of`."""
    along, below, aside = np.empty(3), np.empty(3), np.empty(3)
    out = np.empty(len(wrist))
    for f in range(len(wrist)):
        _frame(wrist[f], ahead, hangs, along, below, aside)
        sine, cosine = 0.0, 0.0
        for i in range(3):
            sine += pole[f, i] * aside[i]
            cosine += pole[f, i] * below[i]
        out[f] = np.arctan2(sine, cosine)
    return out


@njit(cache=True, nogil=True)
def _reaching(wrist: Array, swivel: Array, ahead: Array, hangs: Array) -> tuple[Array, Array]:
    """See `reaching`."""
    along, below, aside = np.empty(3), np.empty(3), np.empty(3)
    upper, fold = np.empty((len(wrist), 3)), np.empty((len(wrist), 3))
    third, flexion = np.empty((len(wrist), 3)), np.empty(len(wrist))
    for f in range(len(wrist)):
        length = _frame(wrist[f], ahead, hangs, along, below, aside)
        distance = length - _soft(length - FARTHEST)
        distance = NEAREST + _soft(distance - NEAREST)
        cos_elbow = (UPPER_ARM**2 + FOREARM**2 - distance**2) / (2 * UPPER_ARM * FOREARM)
        cosine = min(1.0, max(-1.0, (UPPER_ARM**2 + distance**2 - FOREARM**2) / (2 * UPPER_ARM * distance)))
        sine = np.sqrt(1.0 - cosine**2)
        for i in range(3):
            pole = np.cos(swivel[f]) * below[i] + np.sin(swivel[f]) * aside[i]
            upper[f, i] = cosine * along[i] + sine * pole
            fold[f, i] = sine * along[i] - cosine * pole
        cross_into(fold[f], upper[f], third[f])
        flexion[f] = np.pi - np.arccos(min(1.0, max(-1.0, cos_elbow)))
    return q.turns_of_axes(upper, third, fold), flexion


@njit(cache=True, nogil=True)
def _soft(value: float) -> float:
    """Softplus: 0 below, `value` above, over some 15 mm."""
    scaled = value / _SOFT
    return value if scaled > 30.0 else _SOFT * np.log1p(np.exp(scaled))


@njit(cache=True, nogil=True)
def _outside(wrist: Array, middle: float, head: Array) -> Array:
    """See `kept_out`; `middle`: from the shoulder to the trunk's axis."""
    out = wrist.copy()
    for f in range(len(wrist)):
        x, y, z = wrist[f]  # no arm folds to behind its own shoulder blade
        there = 1.0 / (1.0 + np.exp(-(y + 0.24) / 0.04) + np.exp((y - 0.1) / 0.03) + np.exp((x - 0.06) / 0.04))
        out[f, 2] += there * 0.03 * np.log1p(np.exp((0.0 - z) / 0.03))
        x, y, z = out[f, 0] + middle, out[f, 1], out[f, 2]
        radius = np.sqrt((x / 0.185) ** 2 + ((z - 0.01) / 0.14) ** 2)
        inside = 1.0 / (1.0 + np.exp((y + 0.01) / 0.04)) / (1.0 + np.exp(-(y + 0.66) / 0.04))
        push = 0.015 * np.log1p(np.exp((1.0 - radius) / 0.1)) * inside
        z += 0.08  # away from the spine, so that what is inside comes out in front
        size = max(np.sqrt(x * x + z * z), 0.03)
        out[f, 0] += x / size * push
        out[f, 2] += z / size * push
        x, y, z = out[f]  # and round the shoulder itself, to where an elbow can fold
        push = 0.02 * np.log1p(np.exp((0.15 - np.sqrt(x * x + y * y + z * z)) / 0.02))
        z += 0.08
        size = max(np.sqrt(x * x + y * y + z * z), 0.03)
        out[f, 0] += x / size * push
        out[f, 1] += y / size * push
        out[f, 2] += z / size * push
        x, y, z = out[f, 0] - head[0], out[f, 1] - head[1], out[f, 2] - head[2]
        radius = np.sqrt(x * x + y * y + z * z)
        scale = 0.02 * np.log1p(np.exp((0.13 - radius) / 0.02)) / max(radius, 0.05)
        out[f, 0] += x * scale
        out[f, 1] += y * scale
        out[f, 2] += z * scale
    return out
