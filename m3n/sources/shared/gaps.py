"""Missing frames: one rule for every source. Up to `MAX_GAP_FRAMES` are bridged, more end the clip, and another one starts after
them.

Whatever is bridged was not measured, so it must stay short. Rotations are bridged by turning each joint evenly (slerp), positions
on straight lines."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

FloatArray = NDArray[np.float64]
MAX_GAP_FRAMES = 5


def stretches(frames: NDArray[np.int64], max_gap: int, breaks: Collection[int] = ()) -> list[slice]:
    """Slices of the increasing frame numbers (F,) between which over `max_gap` frames are missing, or one of `breaks` starts a
    clip.

    Stretches of a single frame are left out.
    """
    if not len(frames):
        return []
    starts = np.diff(frames, prepend=frames[:1] - 10**9) > max_gap + 1
    starts |= np.isin(frames, [int(frames[np.searchsorted(frames, f)]) for f in breaks if f <= frames[-1]])
    first = np.flatnonzero(starts)
    pieces = [slice(int(a), int(b)) for a, b in zip(first, [*first[1:], len(frames)], strict=True)]
    return [piece for piece in pieces if piece.stop - piece.start >= 2]


def long_gaps(seen: NDArray[np.bool_], max_gap: int) -> NDArray[np.bool_]:
    """True (F, K) in the frames of every gap of over `max_gap` frames in a joint's `seen` (F, K)."""
    found = np.zeros_like(seen)
    for k in np.flatnonzero(~seen.all(0)):
        edges = np.flatnonzero(np.diff(np.r_[False, ~seen[:, k], False].astype(np.int8)))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            found[start:stop, k] = stop - start > max_gap
    return found


def bridged(frames: NDArray[np.int64], poses: FloatArray, place: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Poses (F, J, 3) rad and positions (F, 3) m of increasing frame numbers, and of those that are missing between them."""
    every = np.arange(frames[0], frames[-1] + 1)
    if len(every) == len(frames):
        return poses.copy(), place
    before = np.clip(np.searchsorted(frames, every, side="right") - 1, 0, len(frames) - 2)
    share = (every - frames[before]) / (frames[before + 1] - frames[before])
    start = Rotation.from_rotvec(poses[before].reshape(-1, 3))
    step = (start.inv() * Rotation.from_rotvec(poses[before + 1].reshape(-1, 3))).as_rotvec()
    turned = (start * Rotation.from_rotvec(np.repeat(share, poses.shape[1])[:, None] * step)).as_rotvec()
    moved = place[before] + share[:, None] * (place[before + 1] - place[before])
    return turned.reshape(len(every), -1, 3), moved


def part_id(clip_id: str, number: int, parts: int) -> str:
    """Id of part `number` (from 0) of a clip."""
    return clip_id if parts == 1 else f"{clip_id}-part{number + 1}"
