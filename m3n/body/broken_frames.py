"""Frames that do not belong to a motion: a T-pose before it, a flash of another pose, left and right exchanged, another person.

A body's parts have mass, so their accelerations are bounded: what moves as no muscle could move it is a fault of the capture. The
limits are far above sport (a pitcher's wrist reaches 600 m/s², a landing pelvis 80) and above the noise of depth cameras, whose
joints jump by decimetres; below 12 cm nothing counts, because at high frame rates small noise is a large acceleration. Positions
are metres, frames are numbered from 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from m3n.body.model import FloatArray
from m3n.body.rotations import dot, unit

TRUNK = {
    "pelvis", "spine1", "spine2", "spine3", "neck", "left_collar", "right_collar", "left_shoulder", "right_shoulder", "left_hip",
    "right_hip",
}  # fmt: skip
PAIRS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
_FASTEST = {"trunk": 200.0, "limb": 700.0}  # m/s²
_LEAST_M = 0.12  # second difference that counts
START_FRAMES = 10  # in which a rest pose blends into the motion
START_SPEED, _START_RATIO = (
    8.0,
    6.0,
)  # m/s of the fastest joint; times the 95th percentile of each one's own speed over the clip
_USUAL_FRAMES = 80  # that show how fast somebody usually moves
_START_SHARE = 0.4  # of the joints that move so fast: one arm may well
_REST_POSE_SPEED = 3.0  # m/s after a T-pose
_ARMS_FALL_M, _ARMS_RATIO = 0.06, 3.0  # step of the arms out of a T-pose: m, and times the 95th percentile of their steps
_ARMS_START, _ARMS_BLEND = 1.5, 0.3  # m/s of the arms in the first step out of an exact T-pose; share of it that goes on
_STILL_M = 1e-6  # the most that a copied frame differs; nobody stands so still
_LIMBS = ("knee", "ankle", "elbow", "wrist")
_MIRROR_M = 0.06  # the same for limbs seen from the hips, and a pose that is mirrored
_SWAP_M = 0.12  # mean distance of the joints from where they were, had left and right not been exchanged
_SHORTEST_S = 0.5  # a stretch between two jumps that is kept
_SHORTEST_FRAMES = 6
FEWEST_FRAMES = 8  # of a clip that tells what is usual in it
_SHORTEST_AGAIN, _LONGEST_FLASH = 3, 5  # frames of a shorter one that a few broken frames part from a long one
_REUNITED_M, _REUNITED_RATIO = 0.1, 1.5  # how far joints may get over broken frames: m, and times their fast steps


@dataclass(frozen=True)
class Broken:
    """`bad` (F,) bool: frames to leave out; `breaks`: frames at which another motion starts; `start`, `stop`: what is left once the
    ends are trimmed; `jumps`: the frames after which something jumps, with the joint's number; `exchanged`: whether left and right
    are exchanged at one of them."""

    bad: NDArray[np.bool_]
    start: int
    stop: int
    breaks: tuple[int, ...] = ()
    jumps: tuple[tuple[int, int], ...] = ()
    exchanged: bool = False

    @property
    def kept(self) -> int:
        """Number of good frames."""
        return int((~self.bad).sum())


def broken_frames(points: FloatArray, names: Sequence[str], fps: float) -> Broken:
    """Frames of joints (F, K, 3) m that are no part of one person's movement; NaN: not seen. `names` (K,) are SMPL's."""
    frames = len(points)
    found = _Jumps(points, names, fps) if frames >= FEWEST_FRAMES else None
    if found is None or not found.links.any():
        return Broken(np.zeros(frames, bool), 0, frames)
    cuts = [0, *(int(f) + 1 for f in np.flatnonzero(found.links)), frames]
    runs = _of_one_side(points, names, _kept(points, list(pairwise(cuts)), fps))
    bad = np.ones(frames, bool)
    for a, b in runs:
        bad[a:b] = False
    reach = _reach(points)
    breaks = tuple(b[0] for a, b in pairwise(runs) if not _reunited(points, a[1] - 1, b[0], reach))
    return Broken(bad, runs[0][0], runs[-1][1], breaks, found.named(), found.exchanged)


def _kept(points: FloatArray, runs: list[tuple[int, int]], fps: float) -> list[tuple[int, int]]:
    """The stretches between jumps that are long, and short ones that go on where a long one ends, a few broken frames further."""
    shortest, reach = max(_SHORTEST_FRAMES, round(_SHORTEST_S * fps)), _reach(points)
    copied = [len(runs) > 1 and _copied(points[a:b]) for a, b in runs]  # a pose that was put there, such as a held T-pose
    longest = max(zip(copied, runs, strict=True), key=lambda run: (not run[0], run[1][1] - run[1][0]))[1]
    kept = [run == longest or (run[1] - run[0] >= shortest and not copy) for copy, run in zip(copied, runs, strict=True)]
    for order in (range(len(runs)), range(len(runs) - 1, -1, -1)):
        last = None
        for k in order:
            if not kept[k] and not copied[k] and last is not None and runs[k][1] - runs[k][0] >= _SHORTEST_AGAIN:
                first, second = sorted((runs[k], runs[last]))
                gap = second[0] - first[1]
                kept[k] = 0 < gap <= _LONGEST_FLASH and _reunited(points, first[1] - 1, second[0], reach)
            last = k if kept[k] else last
    return [run for run, keep in zip(runs, kept, strict=True) if keep]


def _copied(points: FloatArray) -> bool:
    """True where frames (F, K, 3) repeat the first one."""
    return len(points) > 1 and bool((np.nan_to_num(np.abs(points - points[:1])) <= _STILL_M).all())


def farthest_bend(name: str, fps: float) -> float:
    """Second difference (m) of a joint's positions up to which it is a movement."""
    return max(_FASTEST["trunk" if name in TRUNK else "limb"] / fps**2, _LEAST_M)


def rest_pose(points: FloatArray, names: Sequence[str], *, exact: bool = False) -> bool:
    """True where one frame's joints (K, 3) form a T-pose: both arms straight, level and across the trunk.

    `exact`: as files have it and people do not, with straight legs below the trunk.
    """
    straightest, most_across, most_along = (0.97, 0.96, 0.2) if exact else (0.94, 0.9, 0.35)
    place = {name: k for k, name in enumerate(names)}
    needed = [f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist", "hip")]
    if any(name not in place or not np.isfinite(points[place[name]]).all() for name in needed):
        return False
    joint = {name: points[place[name]] for name in needed}
    across = unit(joint["left_shoulder"] - joint["right_shoulder"])
    middle = {part: joint[f"left_{part}"] + joint[f"right_{part}"] for part in ("shoulder", "hip")}
    trunk = unit(middle["shoulder"] - middle["hip"])
    for side, sign in (("left", 1.0), ("right", -1.0)):
        shoulder, elbow, wrist = (joint[f"{side}_{part}"] for part in ("shoulder", "elbow", "wrist"))
        arm = unit(wrist - shoulder)
        straight = float(dot(unit(elbow - shoulder), unit(wrist - elbow)))
        if straight < straightest or sign * float(arm @ across) < most_across or abs(float(arm @ trunk)) > most_along:
            return False
        leg = [points[place[f"{side}_{part}"]] for part in ("hip", "knee", "ankle") if f"{side}_{part}" in place]
        if exact and any(float(unit(b - a) @ trunk) > -0.93 for a, b in pairwise(leg)):
            return False
    return True


@dataclass
class _Jumps:
    """`links` (F - 1,): True where a jump lies between a frame and the next; `joints`: of which joint; `exchanged`: see Broken."""

    points: FloatArray
    names: Sequence[str]
    fps: float
    links: NDArray[np.bool_] = field(init=False)
    joints: NDArray[np.int64] = field(init=False)
    exchanged: bool = field(init=False)

    def __post_init__(self) -> None:
        with np.errstate(invalid="ignore"):
            change = np.diff(self.points, axis=0)
            steps = np.nan_to_num(np.sqrt(dot(change, change)))
            self.joints = steps.argmax(1) if steps.size else np.zeros(len(steps), int)
            exchanged = self._exchanged(steps)
            self.exchanged = bool(exchanged.any())
            self.links = self._accelerated(change, steps) | self._at_the_ends(steps) | exchanged

    def named(self) -> tuple[tuple[int, int], ...]:
        return tuple((int(f), int(self.joints[f])) for f in np.flatnonzero(self.links))

    def _accelerated(self, change: FloatArray, steps: FloatArray) -> NDArray[np.bool_]:
        links = np.zeros(len(steps), bool)
        if len(steps) < 2:
            return links
        limit = np.array([farthest_bend(name, self.fps) for name in self.names])
        if (steps < 0.5 * limit).all():  # no second difference can be over the limit
            return links
        bend = np.diff(change, axis=0)
        bend = np.nan_to_num(np.sqrt(dot(bend, bend)))
        over = bend > limit
        links[:-1] |= (over & (steps[:-1] >= 0.4 * bend)).any(1)
        links[1:] |= (over & (steps[1:] >= 0.4 * bend)).any(1)
        return links

    def _at_the_ends(self, steps: FloatArray) -> NDArray[np.bool_]:
        links = np.zeros(len(steps), bool)
        first, last = _held(steps), len(steps) - _held(steps[::-1])
        if last - first < 3 * START_FRAMES:
            return links
        ends = (slice(first, first + START_FRAMES), slice(last - START_FRAMES, last))
        speed = [steps[part] * self.fps for part in ends]
        if max(part.max() for part in speed) <= _ARMS_START:
            return links
        usual = steps[first + START_FRAMES : last - START_FRAMES] * self.fps
        for part, moved in zip(ends, speed, strict=True):
            fastest = moved.max(1)
            if len(steps) >= _USUAL_FRAMES and fastest.max() > START_SPEED:
                many = (moved > np.maximum(_START_RATIO * np.percentile(usual, 95, axis=0), 1.0)).mean(1) > _START_SHARE
                links[part] |= many & (fastest > START_SPEED)
        for part, moved, order, end in zip(ends, speed, (1, -1), (first, last), strict=True):
            if not rest_pose(self.points[end], self.names):
                continue
            arms, fast = self._arm_steps()[first:last][::order], moved[::order].max(1) > _REST_POSE_SPEED
            low = max(_ARMS_FALL_M, _ARMS_RATIO * float(np.nanpercentile(arms[START_FRAMES:], 95)))
            leaves = (arms[:START_FRAMES] > low) & fast
            if arms[0] * self.fps > _ARMS_START and rest_pose(self.points[end], self.names, exact=True):
                leaves |= np.logical_and.accumulate(arms[:START_FRAMES] > _ARMS_BLEND * arms[0])
            links[part] |= leaves[::order]
        return links

    def _arm_steps(self) -> FloatArray:
        """Mean step (F - 1,) m of elbows and wrists, seen from the shoulders."""
        place = {name: k for k, name in enumerate(self.names)}
        shoulders = 0.5 * (self.points[:, place["left_shoulder"]] + self.points[:, place["right_shoulder"]])
        arms = [place[f"{side}_{joint}"] for side in ("left", "right") for joint in ("elbow", "wrist")]
        moved = np.diff(self.points[:, arms] - shoulders[:, None], axis=0)
        return np.sqrt(dot(moved, moved)).mean(1)

    def _exchanged(self, steps: FloatArray) -> NDArray[np.bool_]:
        """True (F - 1,) where left and right are exchanged, by name or in a mirrored pose; only large steps are looked at."""
        links = np.zeros(len(steps), bool)
        for distances, pairs, least in ((_distances, PAIRS, _SWAP_M), (_mirror_distances, _LIMBS, _MIRROR_M)):
            sides = _sides(self.names, pairs)
            if sides is None:
                continue
            moved = steps[:, np.concatenate(sides)].mean(1)
            if distances is _mirror_distances:  # which is seen from the hips
                moved = moved + steps[:, [list(self.names).index(f"{side}_hip") for side in ("left", "right")]].mean(1)
            some = np.flatnonzero(moved > least)
            if len(some):
                same, other = distances(self.points[some], self.points[some + 1], self.names)
                links[some] |= (same > least) & (other < 0.4 * same)
        return links


def _sides(names: Sequence[str], pairs: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """Places of the left and the right joint of each of `pairs`; None for fewer than three of them, or no hips."""
    place = {name: k for k, name in enumerate(names)}
    known = [(place[f"left_{p}"], place[f"right_{p}"]) for p in pairs if f"left_{p}" in place and f"right_{p}" in place]
    if len(known) < 3 or "left_hip" not in place or "right_hip" not in place:
        return None
    left, right = (np.array(side) for side in zip(*known, strict=True))
    return left, right


def _held(steps: FloatArray) -> int:
    """Number of the first steps (F - 1, K) that repeat a frame."""
    moving = np.flatnonzero(steps.max(1, initial=0.0) > _STILL_M)
    return int(moving[0]) if len(moving) else len(steps)


def _distances(before: FloatArray, after: FloatArray, names: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Mean distance (F,) of the paired joints from where they were, as named, and with left and right exchanged; NaN: not seen."""
    sides = _sides(names, PAIRS)
    if sides is None:
        return np.zeros(len(before)), np.ones(len(before))
    left, right = sides

    def mean(ends: tuple[NDArray[np.int64], NDArray[np.int64]]) -> FloatArray:
        total = np.zeros(len(before))
        for first, second in ((left, ends[0]), (right, ends[1])):
            moved = after[:, second] - before[:, first]
            total += np.sqrt(dot(moved, moved)).mean(1)
        return 0.5 * total

    return mean((left, right)), mean((right, left))


def _mirror_distances(before: FloatArray, after: FloatArray, names: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Mean distance (F,) of the limbs from where they were, seen from the hips, and from where the mirrored pose has them: an
    estimator, or an augmentation, that takes left for right mirrors the pose and leaves the body where it is."""
    sides = _sides(names, _LIMBS)
    if sides is None:
        return np.zeros(len(before)), np.ones(len(before))
    hips = [list(names).index(name) for name in ("left_hip", "right_hip")]
    limbs, swapped = np.concatenate(sides), np.concatenate(sides[::-1])
    from_hips = [points - points[:, hips].mean(1, keepdims=True) for points in (before, after)]
    across = unit(before[:, hips[0]] - before[:, hips[1]])[:, None]
    mirror = from_hips[0] - 2 * dot(from_hips[0], across)[..., None] * across
    moved = [from_hips[1][:, limbs] - place for place in (from_hips[0][:, limbs], mirror[:, swapped])]
    same, other = (np.sqrt(dot(way, way)).mean(1) for way in moved)
    return same, other


def _of_one_side(points: FloatArray, names: Sequence[str], runs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The stretches in which left and right are as in most frames."""
    parity, held = [0], [0, 0]
    for (_, before), (after, _) in pairwise(runs):
        turned = False
        for distances, least in ((_distances, _SWAP_M), (_mirror_distances, _MIRROR_M)):
            same, other = distances(points[None, before - 1], points[None, after], names)
            follows = distances is _distances or after == before  # over a gap, a stride mirrors a pose
            turned = turned or (follows and bool(same[0] > least and other[0] < 0.5 * same[0]))
        parity.append(parity[-1] ^ int(turned))
    for side, (a, b) in zip(parity, runs, strict=True):
        held[side] += b - a
    kept = int(held[1] > held[0])
    return [run for side, run in zip(parity, runs, strict=True) if side == kept]


def _reach(points: FloatArray) -> FloatArray:
    """How far (K,) m each joint gets from one frame to the next in the fast parts of its clip."""
    moved = np.diff(points, axis=0)
    steps = np.sqrt(dot(moved, moved))
    reach: FloatArray = np.nan_to_num(np.nanpercentile(np.where(np.isfinite(steps), steps, 0.0), 95, axis=0))
    return reach


def _reunited(points: FloatArray, before: int, after: int, reach: FloatArray) -> bool:
    """True where every joint may have got from frame `before` to frame `after` over the broken ones between them."""
    if after == before + 1:
        return False
    moved = points[after] - points[before]
    distance = np.nan_to_num(np.sqrt(dot(moved, moved)))
    return bool((distance <= _REUNITED_M + _REUNITED_RATIO * reach * (after - before)).all())
