"""From what a camera saw of one person to joints in a world that is z up, in metres, at a steady rate.

The network sees each frame by itself. So here left and right are kept apart over time, the body gets a place in the room from
where it is in the image and how large it is there, the world is turned so that the person stands upright (nobody says how a camera
was tilted), and noise is filtered without a delay (Butterworth, forwards and backwards: Winter, Biomechanics and Motor Control of
Human Movement, 2009, ch. 3). The hand's width gives the forearm's twist; it is small, so its noise is large as an angle, and it has
a lower cut-off of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter1d

from m3n.body.rotations import TURN_UP
from m3n.imu.smoothing import low_pass
from m3n.video.depth import with_steady_bones
from m3n.video.landmarks import BODY, NAMES, OTHER_SIDE, TRUNK
from m3n.video.networks import FloatArray
from m3n.video.tracking import Stretch, Track

POSITION_HZ, TWIST_HZ, DISTANCE_HZ = 4.0, 1.5, 0.2  # cut-offs: joints, the hand's width, the distance from the camera
_HIDDEN = 0.1  # below this visibility, in the mean of `_HIDDEN_S`, a joint of an arm is hidden
_HIDDEN_S = 0.25
_UNSEEN = 0.3  # a landmark whose visibility stays below this in most frames is left out: legs out of the picture
_FOCAL = 0.85  # focal length in shares of the image's longer side: a phone's camera
_MOST_TILT = np.radians(45)
_HELD = 1.5  # frames: between two frames farther apart, nothing is interpolated
_ESSENTIAL = [NAMES.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist", "hip")]
_HANDS = [(NAMES.index(f"{side}_index"), NAMES.index(f"{side}_pinky")) for side in ("left", "right")]


@dataclass(frozen=True)
class Motion:
    """What is known of a person at `fps`, from `start_s` of the video on: landmarks `joints` (F, 33, 3) m, z up, as noisy as the
    network gives them; their `visibility` (F, 33), 0 in frames without the person; `swapped`: frames whose left and right had been
    exchanged; `tilt_deg`: how far the camera looks down."""

    joints: FloatArray
    visibility: FloatArray
    fps: float
    start_s: float
    swapped: int
    tilt_deg: float


@dataclass(frozen=True)
class Hidden:
    """Frames `start` to `stop` of a motion in which an arm was not seen, and why, in words."""

    start: int
    stop: int
    reason: str


def motion_of(track: Track, stretch: Stretch) -> Motion:
    """The motion of one person, seen in at least two frames of a stretch."""
    swapped = exchanged(track.pixels.astype(np.float64))
    pixels, metres, visibility = (
        np.where(swapped.reshape(-1, *[1] * (values.ndim - 1)), values[:, OTHER_SIDE], values).astype(np.float64)
        for values in (track.pixels, track.metres, track.visibility)
    )
    times = stretch.times_s[track.frames]
    fps = steady_rate(stretch.times_s[track.frames[0] : track.frames[-1] + 1])
    grid = times[0] + np.arange(round((times[-1] - times[0]) * fps) + 1) / fps
    pixels, metres, visibility = (_at(grid, times, values) for values in (pixels, metres, visibility))
    visibility[~_held(grid, times, fps)] = 0.0
    place = low_pass(_place(pixels, metres, visibility, stretch.size, fps), POSITION_HZ, fps)
    placed = with_steady_bones(metres @ TURN_UP["-y"].T + place[:, None], fps)
    turn, tilt = _upright(placed, visibility)
    return Motion(placed @ turn.T, visibility, fps, float(grid[0]), int(swapped.sum()), tilt)


def in_sight(motion: Motion, arms: Sequence[str]) -> tuple[list[slice], list[Hidden]]:
    """The frames in which elbows and wrists of `arms` ("left", "right") are seen, and the others."""
    needed = [NAMES.index(f"{side}_{joint}") for side in arms for joint in ("elbow", "wrist")]
    seen = uniform_filter1d(motion.visibility[:, needed], max(1, round(_HIDDEN_S * motion.fps)), axis=0, mode="nearest")
    hidden = (seen < _HIDDEN) | (motion.visibility[:, needed] <= 0)
    edges = np.flatnonzero(np.diff(np.r_[True, hidden.any(1), True].astype(np.int8)))
    kept = [slice(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    gaps = zip([0, *(k.stop for k in kept)], [*(k.start for k in kept), len(hidden)], strict=True)
    return kept, [Hidden(a, b, _why(motion.visibility[a:b], hidden[a:b], needed)) for a, b in gaps if b > a]


def _why(visibility: FloatArray, hidden: NDArray[np.bool_], needed: Sequence[int]) -> str:
    if (visibility <= 0).all(1).mean() > 0.5:
        return "the person is not seen"
    worst = int(np.argmax(hidden.sum(0)))
    name = NAMES[needed[worst]].replace("_", " ")
    return f"the {name} is hidden (visibility {np.median(visibility[:, needed[worst]]):.2f})"


def joints_of(motion: Motion, frames: slice) -> FloatArray:
    """Landmarks (n, 33, 3) of some frames without their noise; those that are hardly ever visible in them are NaN."""
    unseen = np.median(motion.visibility[frames], axis=0) < _UNSEEN
    unseen[_ESSENTIAL] = False  # of an arm that may be hidden, the network's guess is the best there is
    joints = smoothed(motion.joints[frames], motion.fps)
    joints[:, unseen] = np.nan
    return joints


def steady_rate(times_s: FloatArray) -> float:
    """Frames per second of time stamps (F,): over all of them where they are even, else the usual rate."""
    steps = np.diff(times_s)
    usual = float(np.median(steps))
    if np.abs(steps - usual).max() <= 0.1 * usual:
        return float((len(times_s) - 1) / (times_s[-1] - times_s[0]))
    return 1 / usual


def exchanged(pixels: FloatArray) -> NDArray[np.bool_]:
    """Frames (F,) in which left and right of landmarks (F, 33, 2) are exchanged.

    The sequence of as-seen and exchanged frames in which the landmarks travel least is found by dynamic programming (Viterbi); the
    state of most frames is the right one.
    """
    body = pixels[:, BODY], pixels[:, OTHER_SIDE][:, BODY]
    stay = np.linalg.norm(np.diff(body[0], axis=0), axis=-1).sum(-1)
    change = np.linalg.norm(body[1][1:] - body[0][:-1], axis=-1).sum(-1)
    # Both states cost the same by symmetry, so the best path changes wherever a change is shorter.
    states = np.r_[0, np.cumsum(change < stay)] % 2 == 1
    return states if states.mean() <= 0.5 else ~states


def smoothed(joints: FloatArray, fps: float) -> FloatArray:
    """Joints (F, 33, 3) without noise and without delay."""
    smooth = low_pass(joints.reshape(len(joints), -1), POSITION_HZ, fps).reshape(joints.shape)
    for index, pinky in _HANDS:
        middle = (smooth[:, index] + smooth[:, pinky]) / 2
        half = low_pass(joints[:, index] - joints[:, pinky], TWIST_HZ, fps) / 2
        smooth[:, index], smooth[:, pinky] = middle + half, middle - half
    return smooth


def _held(grid: FloatArray, times: FloatArray, fps: float) -> NDArray[np.bool_]:
    after = np.clip(np.searchsorted(times, grid), 1, len(times) - 1)
    nearest = np.minimum(np.abs(grid - times[after - 1]), np.abs(times[after] - grid))
    held: NDArray[np.bool_] = (times[after] - times[after - 1] <= _HELD / fps) | (nearest < 1e-6)
    return held


def _at(grid: FloatArray, times: FloatArray, values: FloatArray) -> FloatArray:
    after = np.clip(np.searchsorted(times, grid), 1, len(times) - 1)
    share = (grid - times[after - 1]) / (times[after] - times[after - 1])
    share = np.clip(share, 0, 1).reshape(-1, *[1] * (values.ndim - 1))
    at: FloatArray = (1 - share) * values[after - 1] + share * values[after]
    return at


def _place(pixels: FloatArray, metres: FloatArray, visibility: FloatArray, size: tuple[int, int], fps: float) -> FloatArray:
    """Where the body is: what to add to its landmarks about the hips (F, 3), m; weak perspective of a camera that stands still."""
    weight = np.maximum(visibility[:, BODY, None], 1e-3)  # frames without the person have a visibility of 0
    weight = weight / weight.sum(1, keepdims=True)

    def extent(points: FloatArray) -> FloatArray:
        about = points - (weight * points).sum(1, keepdims=True)
        return np.sqrt((weight * about**2).sum((1, 2)))

    metres_per_pixel = extent(metres[:, BODY, :2]) / np.maximum(extent(pixels[:, BODY]), 1e-6)
    metres_per_pixel = low_pass(metres_per_pixel[:, None], DISTANCE_HZ, fps)[:, 0]
    aside = (pixels[:, TRUNK].mean(1) - np.array(size) / 2) * metres_per_pixel[:, None]
    seen = np.stack([aside[:, 0], _FOCAL * max(size) * metres_per_pixel, -aside[:, 1]], axis=1)
    return seen - (metres @ TURN_UP["-y"].T)[:, TRUNK].mean(1)


def _upright(joints: FloatArray, visibility: FloatArray) -> tuple[FloatArray, float]:
    """The rotation about the image's horizontal axis that makes the body upright in the median of the frames, and its angle (deg).

    A body that is not upright at all (somebody who lies) says nothing about the camera, and nothing is turned.
    """
    top = joints[:, TRUNK[:2]].mean(1)
    ankles = [NAMES.index("left_ankle"), NAMES.index("right_ankle")]
    standing = visibility[:, ankles].min(1) > 0.5
    low = np.where(standing[:, None], joints[:, ankles].mean(1), joints[:, TRUNK[2:]].mean(1))
    axis = np.median((top - low) / np.maximum(np.linalg.norm(top - low, axis=-1, keepdims=True), 1e-9), axis=0)
    angle = np.arctan2(axis[1], axis[2])
    if abs(angle) > _MOST_TILT:
        angle = 0.0
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]]), float(np.degrees(-angle))
