"""From a posture's channels and the places of two hands to joint rotations.

Everything is authored in SMPL's own axes (x to the body's left, y up, z forward) in a frame that turns with the body's
heading, and for the LEFT arm; `Motion.mirrored` makes the right-handed version. The trunk and the legs come first, because a
hand on a knee or on a table needs to know where its shoulder is; then the arms reach. Heights follow from what touches the
floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from m3n.body.kinematics import joint_positions, rest_joints
from m3n.body.model import standin_body
from m3n.motion import quaternions as q
from m3n.motion.rhythm import Array
from m3n.schema import BODY_JOINTS

REST = rest_joints(standin_body())
_ROOT = REST[0].copy()
REST = REST - _ROOT
SHOULDER = REST[16]  # of the left arm, from the pelvis [m]
SWAP = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20]
# what can touch the floor, and how far its skin is from the joint [m]
_TOUCH = {0: 0.1, 4: 0.05, 5: 0.05, 7: 0.07, 8: 0.07, 10: 0.025, 11: 0.025, 15: 0.1, 16: 0.07, 17: 0.07, 18: 0.04, 19: 0.04,
          20: 0.03, 21: 0.03}  # fmt: skip
_SOFT = 0.025  # metres over which one contact hands over to the next
_OVER_TIME = ("spin", "velocity", "support", "height", "lift")  # of a motion
_ARMS = (13, 16, 18, 20)  # collar, shoulder, elbow, wrist of the left arm


@dataclass(frozen=True)
class Motion:
    """Local rotations `quats` (22, F, 4) xyzw, the root's without heading, and how the body moves: `spin` (F,) rad/s to the
    left, `velocity` (F, 3) m/s to its left, up and forward, `support` (F,) 1 where the floor carries it and 0 where the pelvis
    is at `height` (F,), and `lift` (F,) metres on top."""

    quats: Array
    spin: Array
    velocity: Array
    support: Array
    height: Array
    lift: Array

    def mirrored(self) -> Motion:
        """The motion seen in a mirror."""
        quats = self.quats[SWAP] * q.MIRROR
        return replace(self, quats=quats, spin=-self.spin, velocity=self.velocity * np.array([-1.0, 1.0, 1.0]))


@dataclass(frozen=True)
class Stance:
    """Trunk and legs over time, before the arms: rotations of joints (number of the joint -> (F, 4)) and where that puts
    them."""

    turns: Mapping[int, Array]
    places: Array  # (F, 22, 3), pelvis at the origin
    chest: Array  # (F, 4) of the trunk's top, from its own frame to the body's
    lying: Array  # (F, 4) of the whole body, before the trunk leans


def stance(channels: Mapping[str, Array], frames: int) -> Stance:
    """Trunk and legs of channels in radians, each (F,) or one number, missing ones 0: `lean`, `bend`, `turn`, `tilt`, `nod`,
    `hip_left`, `knee_left`, `ankle_left`, `apart_left` … `_right`, and `pitch`, `roll` of a body that lies."""

    def about(axis: str, name: str, factor: float = 1.0) -> Array:
        return q.about(axis, factor * np.broadcast_to(np.asarray(channels.get(name, 0.0), float), (frames,)))

    lying = q.times(about("x", "pitch"), about("y", "roll"))
    spine = q.times(about("x", "bend", 1 / 3), about("y", "turn", 1 / 3), about("z", "tilt", -1 / 3))
    turns = {0: q.times(lying, about("x", "lean")), 3: spine, 6: spine, 9: spine}
    turns |= {12: about("x", "nod", 0.5), 15: about("x", "nod", 0.5)}
    for side, hip, sign in (("left", 1, 1.0), ("right", 2, -1.0)):
        turns[hip] = q.times(about("x", "lean", -1.0), about("z", f"apart_{side}", sign), about("x", f"hip_{side}", -1.0))
        turns[hip + 3] = about("x", f"knee_{side}")
        turns[hip + 6] = about("x", f"ankle_{side}", -1.0)
    places = placed(_stacked(turns, frames))
    return Stance(turns, places, q.times(turns[0], spine, spine, spine), lying)


def whole(below: Stance, left: list[Array], right: list[Array], moving: Mapping[str, Array | float], frames: int) -> Motion:
    """The whole body: `left` and `right` are collar, shoulder, elbow and wrist, both as left arms; `moving` has `spin`,
    `left`, `up`, `forward`, `support`, `lift`, and (with support under 1) `height`."""
    turns = dict(below.turns)
    turns |= {joint: left[k] for k, joint in enumerate(_ARMS)}
    turns |= {joint + 1: right[k] * q.MIRROR for k, joint in enumerate(_ARMS)}
    quats = _stacked(turns, frames)

    def over_time(name: str, default: float) -> Array:
        return np.broadcast_to(np.asarray(moving.get(name, default), float), (frames,)).copy()

    velocity = np.stack([over_time(name, 0.0) for name in ("left", "up", "forward")], axis=-1)
    support = over_time("support", 1.0)
    if "height" in moving or support.min() >= 1.0:
        height = over_time("height", 0.9)
    else:  # a gait: the height of its mean stance
        height = np.full(frames, float(np.mean(floor_height(below.places))))
    return Motion(q.continuous(quats), over_time("spin", 0.0), velocity, support, height, over_time("lift", 0.0))


def floor_height(places: Array) -> Array:
    """How high the pelvis is (F,) when the lowest of the joints (F, 22, 3), about the pelvis, touch the floor."""
    joints = list(_TOUCH)
    depths = np.array(list(_TOUCH.values())) - places[:, joints, 1]
    top = depths.max(1)
    return np.asarray(top + _SOFT * np.log(np.exp((depths - top[:, None]) / _SOFT).sum(1)))


def blended(first: Motion, second: Motion, weight: Array) -> Motion:
    """`first` where weight (F,) is 0, `second` where it is 1, and the way between."""

    def way(name: str) -> Array:
        start, stop = getattr(first, name), getattr(second, name)
        return np.asarray(start + (stop - start) * (weight if start.ndim == 1 else weight[:, None]))

    return Motion(q.between(first.quats, second.quats, weight), *map(way, _OVER_TIME))


def cut(motion: Motion, first: int, last: int) -> Motion:
    """Frames `first` to before `last`."""
    return Motion(motion.quats[:, first:last], *(getattr(motion, name)[first:last] for name in _OVER_TIME))


def strung(*motions: Motion) -> Motion:
    """One motion after the other."""
    quats = q.continuous(np.concatenate([m.quats for m in motions], axis=1))
    return Motion(quats, *(np.concatenate([getattr(m, name) for m in motions]) for name in _OVER_TIME))


def turned(motion: Motion, joints: Mapping[int, Array]) -> Motion:
    """The motion with each of these joints turned further (F, 4), before its own rotation."""
    quats = motion.quats.copy()
    for joint, turn in joints.items():
        quats[joint] = q.times(turn, quats[joint])
    return replace(motion, quats=q.continuous(quats))


def with_arms_of(motion: Motion, other: Motion, weight: Array) -> Motion:
    """The motion with the arms of another one, as far as weight (F,) says."""
    quats = motion.quats.copy()
    arms = [*_ARMS, *(joint + 1 for joint in _ARMS)]
    quats[arms] = q.between(motion.quats[arms], other.quats[arms], weight)
    return replace(motion, quats=quats)


def smpl(motion: Motion, fps: float) -> tuple[Array, Array]:
    """Poses (F, 72) axis-angle and trans (F, 3) in SMPL's y-up axes: heading and path integrated, feet on the floor at y =
    0."""
    frames = len(motion.spin)
    rotvecs = np.zeros((frames, 24, 3))
    quats = motion.quats.copy()
    heading = q.about("y", _integrated(motion.spin[:, None], fps)[:, 0])
    pelvis = motion.support * floor_height(placed(quats)) + (1 - motion.support) * motion.height + motion.lift
    quats[0] = q.continuous(q.times(heading, quats[0])[None])[0]
    rotvecs[:, :BODY_JOINTS] = q.vectors_of(quats).transpose(1, 0, 2)
    trans = _integrated(q.apply(heading, motion.velocity), fps)
    trans[:, 1] += pelvis
    return rotvecs.reshape(frames, -1), trans - standin_root()


def placed(quats: Array) -> Array:
    """Joints (F, 22, 3) m of local rotations (22, F, 4), the pelvis at the origin."""
    rotvecs = q.vectors_of(quats).transpose(1, 0, 2)
    return joint_positions(standin_body(), rotvecs, np.zeros((quats.shape[1], 3)) - standin_root(), BODY_JOINTS)


def standin_root() -> Array:
    """Where the pelvis of the body at rest is (3,) m: trans is counted from there."""
    return _ROOT


def _stacked(turns: Mapping[int, Array], frames: int) -> Array:
    quats = np.zeros((BODY_JOINTS, frames, 4))
    quats[..., 3] = 1.0
    for joint, turn in turns.items():
        quats[joint] = turn
    return quats


def _integrated(rate: Array, fps: float) -> Array:
    """What a rate (F, C) per second adds up to, by trapezia, from 0."""
    steps = 0.5 * (rate[1:] + rate[:-1]) / fps
    return np.concatenate([np.zeros((1, rate.shape[1])), np.cumsum(steps, axis=0)])
