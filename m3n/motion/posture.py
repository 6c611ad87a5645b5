"""From readable anatomical angles to SMPL rotations, for motions authored by formula.

A movement is easier to write and to check in a physiotherapist's terms (elevation, plane of elevation, axial rotation,
elbow flexion, pronation; after the ISB recommendation of Wu et al. 2005) than in axis-angle. Everything here is authored for
the LEFT arm, in SMPL's own axes (x to the body's left, y up, z forward, T-pose at rest), and vectorised over
frames; `mirrored` makes the right-handed version of a finished motion.

Forearm pronation rotates the elbow joint, not the wrist, because the wrist sensor sits on the forearm bone.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from m3n.motion.quaternions import MIRROR, continuous

Array = NDArray[np.float64]
Signal = float | Array  # a constant, or one value per frame

JOINTS = 24
_MIRROR = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22]
UPPER_ARM, FOREARM, THIGH = 0.28, 0.25, 0.43  # segment lengths of an average adult [m], used to reach for points


@dataclass(frozen=True)
class Arm:
    """One arm, in radians. All zero: hanging, palm to the thigh.

    `elevation` lifts the upper arm in the plane `plane` (0 sideways, pi/2 forwards, negative backwards); `axial` turns it
    about itself (internal rotation positive); `elbow` is flexion; `pronation` turns the forearm from the thumb-up neutral
    towards palm down; `wrist` is flexion of the hand towards the palm; `shrug` lifts the shoulder girdle; `unrest` shakes
    all of it a little. `humerus`, if given, is the rotation of the upper arm itself and replaces elevation, plane and axial.
    """

    elevation: Signal = 0.12
    plane: Signal = 0.4
    axial: Signal = 0.1
    elbow: Signal = 0.25
    pronation: Signal = 0.4
    wrist: Signal = 0.0
    shrug: Signal = 0.0
    unrest: Signal = 0.0
    humerus: Rotation | None = None


@dataclass(frozen=True)
class Body:
    """A whole posture over time; the acting arm is the left one. Angles in radians, `shift` in metres (left, up, forward).

    `lean` hinges the trunk forward at the hips, `bend` flexes the spine, `turn` twists the trunk to the left, `tilt` leans it
    to the left. `sit` and `squat` run from 0 (standing) to 1. `step` is the phase of the gait cycle in radians, `stride` the
    amplitude of the hip swing; walking forward is part of `shift`.
    """

    arm: Arm
    other: Arm = field(default_factory=Arm)
    lean: Signal = 0.0
    bend: Signal = 0.0
    turn: Signal = 0.0
    tilt: Signal = 0.0
    sit: Signal = 0.0
    squat: Signal = 0.0
    step: Signal = 0.0
    stride: Signal = 0.0
    shift: Array | None = None


def swing(sideways: Signal, forwards: Signal, **others: Signal) -> Arm:
    """An arm whose upper arm is swung from hanging by the rotation vector with these two components [rad]."""
    return Arm(elevation=np.hypot(sideways, forwards), plane=np.arctan2(forwards, sideways), **others)


def reach(x: Signal, y: Signal, z: Signal, *, pole: tuple[float, float, float] = (0.5, -1.0, -0.4), **others: Signal) -> Arm:
    """An arm whose wrist is at (x, y, z) metres from its shoulder: x outwards, y up, z forward, in the trunk's frame.

    `pole` is the direction in which the elbow points. Targets out of reach are pulled in smoothly. `others` are the forearm's
    pronation, the wrist and the shrug, as in `Arm`.
    """
    target = np.stack(np.broadcast_arrays(*map(np.atleast_1d, (x, y, z))), axis=-1).astype(float)
    length = np.linalg.norm(target, axis=-1)
    most, least, soft = 0.97 * (UPPER_ARM + FOREARM), 0.12, 0.02
    distance = most - soft * np.logaddexp(0.0, (most - length) / soft)
    distance = least + soft * np.logaddexp(0.0, (distance - least) / soft)
    direction = target / np.maximum(length, 1e-9)[:, None]
    cos_elbow = (UPPER_ARM**2 + FOREARM**2 - distance**2) / (2 * UPPER_ARM * FOREARM)
    cos_shoulder = (UPPER_ARM**2 + distance**2 - FOREARM**2) / (2 * UPPER_ARM * distance)
    aside = np.array(pole, dtype=float) - direction * (direction @ np.array(pole))[:, None]
    aside /= np.linalg.norm(aside, axis=-1, keepdims=True)
    upper = cos_shoulder[:, None] * direction + np.sqrt(1 - cos_shoulder**2)[:, None] * aside
    lower = distance[:, None] * direction - UPPER_ARM * upper
    fold = lower - upper * np.sum(lower * upper, axis=-1, keepdims=True)
    fold /= np.linalg.norm(fold, axis=-1, keepdims=True)
    humerus = Rotation.from_matrix(np.stack([upper, np.cross(fold, upper), fold], axis=-1))
    return Arm(elbow=np.pi - np.arccos(cos_elbow), humerus=humerus, **others)


def smpl_motion(body: Body, frames: int) -> tuple[Array, Array]:
    """SMPL pose (frames, 72) axis-angle and translation (frames, 3), in SMPL's y-up axes, of an authored posture.

    The rotations are continuous in time also where they pass half a turn, so that interpolating them is safe.
    """

    def over_time(signal: Signal) -> Array:
        return np.broadcast_to(np.asarray(signal, dtype=float), (frames,))

    lean, bend, turn, tilt = map(over_time, (body.lean, body.bend, body.turn, body.tilt))
    sit, squat, step, stride = map(over_time, (body.sit, body.squat, body.step, body.stride))
    hip = 1.5 * sit + 1.1 * squat
    knee = 1.5 * sit + 1.9 * squat
    swing_left, swing_right = stride * np.sin(step), -stride * np.sin(step)
    # the knee of the leg that swings forward bends; squared, so that it is smooth and never bends the wrong way
    bend_left = 0.1 * stride + 1.3 * stride * (0.5 + 0.5 * np.cos(step + 0.3)) ** 2
    bend_right = 0.1 * stride + 1.3 * stride * (0.5 - 0.5 * np.cos(step + 0.3)) ** 2
    spine = _about("x", bend / 3) * _about("y", turn / 3) * _about("z", -tilt / 3)
    left, right = _arm_chain(body.arm, frames), [_flipped(r) for r in _arm_chain(body.other, frames)]
    rotations = {0: _about("x", lean)}
    rotations |= {1: _about("x", -lean - hip - swing_left), 2: _about("x", -lean - hip - swing_right)}
    rotations |= {4: _about("x", knee + bend_left), 5: _about("x", knee + bend_right)}
    rotations |= {7: _about("x", hip - knee), 8: _about("x", hip - knee)}
    rotations |= {3: spine, 6: spine, 9: spine, 12: _about("x", -0.4 * (lean + bend))}
    rotations |= {joint: left[k] for k, joint in enumerate((13, 16, 18, 20))}
    rotations |= {joint: right[k] for k, joint in enumerate((14, 17, 19, 21))}

    poses = np.zeros((frames, JOINTS, 3))
    order = list(rotations)
    quaternions = np.stack([rotations[j].as_quat() for j in order])
    poses[:, order] = _continuous_rotvec(quaternions).transpose(1, 0, 2)
    trans = np.zeros((frames, 3)) if body.shift is None else np.array(body.shift, dtype=float)
    trans[:, 1] -= THIGH * (2 - np.cos(hip) - np.cos(knee - hip))  # thigh and shank are about as long
    trans[:, 2] -= 0.5 * THIGH * np.sin(1.1 * squat) * (1 - sit)  # the feet stay below the body
    return poses.reshape(frames, 3 * JOINTS), trans


def mirrored(poses: Array, trans: Array) -> tuple[Array, Array]:
    """The motion seen in a mirror: poses (frames, 72) and trans (frames, 3), both in SMPL's y-up axes.

    Reflection in the sagittal plane (x -> -x) swaps left and right joints and maps a rotation vector (x, y, z) to (x, -y, -z).
    """
    swapped = poses.reshape(len(poses), JOINTS, 3)[:, _MIRROR] * np.array([1.0, -1.0, -1.0])
    return swapped.reshape(len(poses), -1), trans * np.array([-1.0, 1.0, 1.0])


def in_world(poses: Array, trans: Array, yaw: float, height: float) -> tuple[Array, Array]:
    """Poses and trans carried from SMPL's y-up axes to the z-up world, heading `yaw` rad about z, pelvis `height` m up."""
    upright = Rotation.from_euler("z", yaw) * Rotation.from_euler("x", np.pi / 2)
    turned = poses.copy()
    turned[:, :3] = _continuous_rotvec((upright * Rotation.from_rotvec(poses[:, :3])).as_quat()[None])[0]
    return turned, upright.apply(trans) + np.array([0.0, 0.0, height])


def _arm_chain(arm: Arm, frames: int) -> list[Rotation]:
    """Local rotations of collar, shoulder, elbow and wrist of a left arm."""

    def over_time(signal: Signal) -> Array:
        return np.broadcast_to(np.asarray(signal, dtype=float), (frames,))

    if arm.humerus is None:
        elevation, plane = over_time(arm.elevation), over_time(arm.plane)
        tilt = np.stack([-elevation * np.sin(plane), np.zeros(frames), elevation * np.cos(plane)], axis=-1)
        humerus = Rotation.from_rotvec(tilt) * _about("y", -over_time(arm.axial)) * Rotation.from_euler("z", -np.pi / 2)
    else:
        humerus = arm.humerus if len(arm.humerus) == frames else arm.humerus[np.zeros(frames, dtype=int)]
    unrest = over_time(arm.unrest)
    humerus = Rotation.from_rotvec(np.outer(unrest, [-0.5, 0.4, 0.75])) * humerus
    collar = _about("z", over_time(arm.shrug))
    elbow = _about("y", -over_time(arm.elbow) - 0.5 * unrest) * _about("x", over_time(arm.pronation) - 2.0 * unrest)
    return [collar, collar.inv() * humerus, elbow, _about("z", -over_time(arm.wrist))]


def _about(axis: str, angle: Array) -> Rotation:
    rotvec = np.zeros((len(angle), 3))
    rotvec[:, "xyz".index(axis)] = angle
    return Rotation.from_rotvec(rotvec)


def _flipped(rotation: Rotation) -> Rotation:
    return Rotation.from_quat(rotation.as_quat() * MIRROR)


def _continuous_rotvec(quaternions: Array) -> Array:
    """Rotation vectors (K, frames, 3) of quaternions (K, frames, 4), continuous over frames (so their length may pass pi)."""
    fixed = continuous(quaternions)
    sine = np.linalg.norm(fixed[..., :3], axis=-1)
    angle = 2 * np.arctan2(sine, fixed[..., 3])
    scale = np.where(sine > 1e-9, angle / np.maximum(sine, 1e-9), 2.0)
    return np.asarray(fixed[..., :3] * scale[..., None])
