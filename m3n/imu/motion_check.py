"""Could a person move like this? The quick checks of `m3n.simulate`.

`m3n ingest` checks every joint in every frame. To stay fast, these checks use only the sensors' paths and a few frames of the
poses, with the limits of `m3n.body.broken_frames`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
from numba import njit

from m3n.body.broken_frames import START_FRAMES, START_SPEED, broken_frames, farthest_bend
from m3n.body.human_limits import FASTEST_USUAL
from m3n.errors import InputError
from m3n.schema import BODY_JOINTS, GRAVITY

_SOME = 32  # frames whose postures are checked
_SLOW = 3.0  # m/s: a path that stays below this has no jump
_LEAST_STEP_M = 0.05
_DEGREES_RAD = 4 * math.pi
_FALL_G = 2.0  # a pelvis falls at 1 g, or slightly more while the legs are drawn up
_LEAVE = "; pass check=False to simulate it anyway"


def check_motion(poses: np.ndarray, trans: np.ndarray, paths: np.ndarray, names: Sequence[str], fps: float) -> None:
    """Raise InputError, with the likely cause, for impossible motion; warn about a body that lies level or falls too fast.

    poses (F, J, 3) rad, trans (F, 3) m; paths (F, n, 3) m of the sensors called `names`, z up.
    """
    every = max(1, len(poses) // _SOME)
    turned, in_degrees, level = _postures(_plain(poses[::every]), _plain(trans[::every]), _DEGREES_RAD)
    if in_degrees > 0.1:
        raise InputError(f"poses hold joint angles up to {turned:.3g} rad: are they in degrees? Expected radians{_LEAVE}")
    if level:
        warnings.warn(
            "m3n.simulate: the body lies level throughout the clip, but would be upright if y pointed up; unless it does lie, "
            "pass up='y'",
            stacklevel=4,
        )
    step, bend, at_ends, fall = _extremes(paths, _plain(trans), START_FRAMES)
    if step < _LEAST_STEP_M or step * fps < _SLOW:
        return
    if bend > min((farthest_bend(name, fps) for name in names), default=0.0) or at_ends * fps > START_SPEED:
        broken = broken_frames(paths, names, fps)
        if broken.jumps:
            sizes = [float(np.linalg.norm(paths[f + 1, k] - paths[f, k])) for f, k in broken.jumps]
            size = max(sizes)
            frame, k = broken.jumps[sizes.index(size)]
            raise InputError(
                f"the {names[k]} moves {size:.3g} m from frame {frame} to the next ({size * fps:.3g} m/s), faster than a person can"
                f"{_cause(paths, trans, names, fps, frame, len(broken.jumps))}{_LEAVE}"
            )
    if step * fps > FASTEST_USUAL:
        usual = float(np.median(np.linalg.norm(np.diff(paths, axis=0), axis=-1).max(1))) * fps
        if usual > FASTEST_USUAL:
            own = float(np.median(np.linalg.norm(np.diff(trans.astype(float), axis=0), axis=1))) * fps
            cause = "is trans in mm, cm or scaled? Expected metres" if own > 0.5 * usual else f"is fps={fps:g} too high?"
            raise InputError(f"the sensors' median speed is {usual:.3g} m/s: {cause}{_LEAVE}")
    if fall * fps**2 > _FALL_G * GRAVITY and len(trans) > max(12, 0.7 * fps) and fps >= 18:
        strongest = float(np.percentile(-np.diff(trans[:, 2].astype(float), 2), 95)) * fps**2 / GRAVITY
        if strongest > _FALL_G:
            warnings.warn(
                f"m3n.simulate: the body repeatedly falls at {strongest:.2g} g, although gravity is 1 g: is fps={fps:g} too high, "
                "or trans not in metres?",
                stacklevel=4,
            )


def _plain(values: np.ndarray) -> np.ndarray:
    """A copy of one type and layout: each other one would be compiled anew."""
    return np.array(values, dtype=float, order="C")


@njit(cache=True, nogil=True)
def _postures(poses: np.ndarray, trans: np.ndarray, most: float) -> tuple[float, float, bool]:
    """Over all frames: the largest joint angle (rad), root excluded; the share of frames with an angle above `most`;
    and whether y looks like up: the body's own up is along y in nearly all frames, its root turns, and it hardly moves along y."""
    largest, over, lying, moved = 0.0, 0, 0, False
    low = high = trans[0, 1]
    for f in range(len(poses)):
        in_frame = 0.0
        for j in range(1, BODY_JOINTS):
            in_frame = max(in_frame, poses[f, j, 0] ** 2 + poses[f, j, 1] ** 2 + poses[f, j, 2] ** 2)
        largest = max(largest, in_frame)
        over += in_frame > most**2
        x, y, z = poses[f, 0, 0], poses[f, 0, 1], poses[f, 0, 2]
        moved = moved or x != poses[0, 0, 0] or y != poses[0, 0, 1] or z != poses[0, 0, 2]
        angle = math.sqrt(x * x + y * y + z * z)
        about = (1.0 - math.cos(angle)) / (angle * angle) if angle > 1e-6 else 0.5
        along = math.sin(angle) / angle if angle > 1e-6 else 1.0
        up_y, up_z = 1.0 - about * (x * x + z * z), about * y * z + along * x
        lying += up_y > 0.75 and up_z < 0.5
        low, high = min(low, trans[f, 1]), max(high, trans[f, 1])
    return math.sqrt(largest), over / len(poses), moved and lying > 0.9 * len(poses) and high - low < 1.5


@njit(cache=True, nogil=True)
def _extremes(paths: np.ndarray, trans: np.ndarray, ends: int) -> tuple[float, float, float, float]:
    """Largest step, second difference, and step within `ends` frames of an end (m) of paths (F, n, 3), and the strongest fall (m
    per frame²) of trans (F, 3)."""
    step = bend = at_ends = fall = 0.0
    frames = len(paths)
    for f in range(1, frames):
        if f < frames - 1:
            fall = max(fall, 2 * trans[f, 2] - trans[f - 1, 2] - trans[f + 1, 2])
        for k in range(paths.shape[1]):
            moved = bent = 0.0
            for i in range(3):
                change = paths[f, k, i] - paths[f - 1, k, i]
                moved += change * change
                if f < frames - 1:
                    bent += (paths[f + 1, k, i] - paths[f, k, i] - change) ** 2
            step, bend = max(step, moved), max(bend, bent)
            if f <= ends or f >= frames - ends:
                at_ends = max(at_ends, moved)
    return math.sqrt(step), math.sqrt(bend), math.sqrt(at_ends), fall


def _cause(paths: np.ndarray, trans: np.ndarray, names: Sequence[str], fps: float, frame: int, jumps: int) -> str:
    place = trans.astype(float)
    own = np.linalg.norm(place[frame + 1] - place[frame])
    if jumps <= 2 + 0.02 * len(paths):
        if frame < 10:
            return ": is the first frame a T-pose? Remove the frames before the motion"
        zero = ", where trans is zero" if not place[frame + 1].any() or not place[frame].any() else ""
        return f"{zero}: is a frame broken, or are these two clips?"
    if own * fps > 8 and not broken_frames(paths - place[:, None], names, fps).jumps:
        return ": is trans in mm, cm or scaled? Expected metres"
    if any(not broken_frames(paths, names, fps / factor).jumps for factor in (2, 3, 4)):
        return f": is fps={fps:g} too high?"
    return ": are poses in radians, trans in metres, and is it one person?"
