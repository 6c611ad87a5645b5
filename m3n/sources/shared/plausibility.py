"""Is this a person who moves? Every pose clip of every source is asked, in one place, before it becomes a row of a table.

A wrong unit, frame rate, axis or file gives numbers that look like any others and an accelerometer signal that no body could
make. The limits are `m3n.body.human_limits` and `m3n.body.broken_frames`. Frames that do not belong to the motion are trimmed,
bridged or cut, and the row is a `RepairedRow`; a clip that is wrong as a whole is `Rejected`, and the reason names the likely
cause."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from m3n.body import human_limits as limits
from m3n.body.broken_frames import FEWEST_FRAMES, Broken, broken_frames
from m3n.body.kinematics import joint_positions
from m3n.body.model import SMPL_JOINTS, standin_body
from m3n.config import Options
from m3n.schema import BODY_JOINTS, FileRow, Repaired, RepairedRow, check_pose_clip, rejected_row, repairs_of
from m3n.sources.shared.gaps import MAX_GAP_FRAMES, bridged, part_id, stretches

FloatArray = NDArray[np.float64]
Up = Literal["z", "y", "-y"]

_NAMES = SMPL_JOINTS[:BODY_JOINTS]
_DEGREES_RAD = 4 * np.pi  # no joint but the root turns twice about itself
_DEGREES_ROOT_RAD = 40.0  # six turns, for people who spin with angles that go on
LARGEST_BETA = 20.0  # a shape coefficient
_LEAST_KEPT = 0.5  # share of a clip's frames that must be sound
_COPIES, _FEWEST_COPIED, _MOST_COPIED = 3, 5, 0.15  # copies of a frame, frames that are copied, and the copies' share of a clip
_UNITS = {"cm": 0.01, "mm": 0.001, "inches": 0.0254}


class PoseOptions(Options):
    """Settings that all sources of poses share."""

    allow_lying: bool = Field(default=False, description="people may lie in a whole clip: the trunk's direction is not checked")
    max_gap_frames: int = Field(
        default=MAX_GAP_FRAMES, ge=0, le=1000, description="missing or broken frames that are bridged; more split a clip"
    )

    def vertical(self) -> str:
        """The file's axis that is taken to point up."""
        return "z"


def plausible(items: Iterable[Any], options: Options, *, whole: bool = False) -> Iterator[Any]:
    """The rows of pose clips among `items` that show a moving person, repaired where single frames do not; the rest is Rejected.

    Items other than rows, and rows that are damaged, pass. `whole`: a clip has a partner of the same length (a recording), so it is
    bridged but neither trimmed nor split. A sound row passes as it is.
    """
    shared = options if isinstance(options, PoseOptions) else PoseOptions()
    for item in items:
        if not isinstance(item, dict) or check_pose_clip(item) is not None:
            yield item
            continue
        yield from _checked(item, shared, whole)


def broken_cause(points: FloatArray, names: Any, fps: float) -> str:
    """Why most frames (F, K, 3) m do not follow from each other: the end of a sentence."""
    centre = _centre(points)
    about = points - centre
    total = len(points)
    if broken_frames(about, names, fps).kept > 0.9 * total:
        unit = _translation_unit(points, names, fps)
        return (
            f"it is the translation that jumps: is it in {unit} (metres are expected), or has the file a scale to divide it by?"
            if unit
            else "it is the translation that jumps: is it that of another person or file?"
        )
    for factor in (2, 3, 4, 8):
        if broken_frames(points, names, fps / factor).kept > 0.95 * total:
            return f"is fps={fps:g} too high?"
    return "are the units of angles and positions right, and is it one person?"


def _checked(row: dict[str, Any], options: PoseOptions, whole: bool) -> Iterator[Any]:
    clip_id, fps = row["clip_id"], float(row["fps"])
    poses = np.asarray(row["poses"], np.float64).reshape(row["n_frames"], -1, 3)
    trans = np.asarray(row["trans"], np.float64).reshape(-1, 3)
    problem = _angles(poses) or _shape(np.asarray(row["betas"], np.float64))
    problem = problem or copied_frames(np.concatenate([poses.reshape(len(poses), -1), trans], axis=1), fps)
    if problem:
        yield rejected_row(row, "clip_id", problem)
        return
    points = joint_positions(standin_body(), poses, trans, BODY_JOINTS)
    broken = broken_frames(points, _NAMES, fps)
    if broken.kept < _LEAST_KEPT * len(points):
        reason = f"{described(broken, _NAMES, points, fps)}; {broken_cause(points, _NAMES, fps)}"
        yield rejected_row(row, "clip_id", reason)
        return
    problem = motion_problem(points[~broken.bad], _NAMES, fps, options)
    if problem:
        yield rejected_row(row, "clip_id", problem)
        return
    if not broken.jumps:
        yield row
        return
    frames = np.flatnonzero(~broken.bad)
    pieces = stretches(frames, options.max_gap_frames, broken.breaks)
    reason = described(broken, _NAMES, points, fps)
    if not pieces or (whole and (len(pieces) > 1 or len(frames) < 2 or frames[0] > 0 or frames[-1] < len(points) - 1)):
        reason = f"{reason}, and the clip belongs to a recording of the same length, so it cannot be cut"
        yield rejected_row(row, "clip_id", reason)
        return
    spans = [(int(frames[piece.start]), int(frames[piece.stop - 1]) + 1) for piece in pieces]
    done = repairs(clip_id, len(points), spans, sum(int(broken.bad[a:b].sum()) for a, b in spans), reason)
    for number, piece in enumerate(pieces):
        new_poses, new_trans = bridged(frames[piece], poses[frames[piece]], trans[frames[piece]])
        made = {
            **row,
            "clip_id": part_id(clip_id, number, len(pieces)),
            "n_frames": len(new_poses),
            "poses": new_poses.astype(np.float32).reshape(len(new_poses), -1),
            "trans": new_trans.astype(np.float32),
        }
        file = row.file if isinstance(row, FileRow) else ""
        yield RepairedRow(made, (*repairs_of(row), *done) if number == 0 else (), file)


def repairs(clip_id: str, frames: int, spans: list[tuple[int, int]], over: int, reason: str) -> tuple[Repaired, ...]:
    """What became of a clip of so many `frames`, of which those of `spans` are kept and `over` among them bridged."""
    trimmed = spans[0][0] + frames - spans[-1][1]
    between = sum(b[0] - a[1] for a, b in pairwise(spans))
    counts = {"trimmed": trimmed, "bridged": over, "cut": between}
    done = [Repaired(clip_id, what, count, reason) for what, count in counts.items() if count]
    return (*done, *([Repaired(clip_id, "split", len(spans), reason)] if len(spans) > 1 else []))


def copied_frames(frames: FloatArray, fps: float) -> str | None:
    """What is wrong with frames (F, numbers) many of which repeat the one before, once or twice, between others that move."""
    same = (frames[1:] == frames[:-1]).all(1)
    edges = np.flatnonzero(np.diff(np.r_[False, same, False].astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    brief = lengths[lengths <= _COPIES]
    copies = int(brief.sum())
    if len(brief) < _FEWEST_COPIED or copies <= _MOST_COPIED * len(frames):
        return None
    return (
        f"{copies} of {len(frames)} frames repeat the frame before: was the motion stretched to another frame rate? Leave the "
        f"copies out and give the rate that is left, about {fps * (1 - copies / len(frames)):.3g} frames per second"
    )


def described(broken: Broken, names: Any, points: FloatArray, fps: float) -> str:
    """The first of a clip's large jumps, in words."""
    if not broken.jumps:
        return "frames are missing"
    sizes = [float(np.nan_to_num(np.linalg.norm(points[f + 1, k] - points[f, k]))) for f, k in broken.jumps]
    first = next(k for k, size in enumerate(sizes) if 2 * size >= max(sizes))
    frame, joint = broken.jumps[first]
    count = f" and in {len(sizes) - 1} more places" if len(sizes) > 1 else ""
    swapped = ", as left and right are exchanged" if broken.exchanged else ""
    return f"{names[joint]} jumps by {sizes[first]:.3g} m ({sizes[first] * fps:.3g} m/s) after frame {frame}{count}{swapped}"


def motion_problem(points: FloatArray, names: Any, fps: float, options: PoseOptions, *, height: bool = True) -> str | None:
    """What no person's movement could be, in a clip of joints (F, K, 3) m, z up, whose frames follow from each other."""
    joints = limits.named(points, names)
    fast = limits.too_fast(joints, fps) if len(points) >= FEWEST_FRAMES else None
    if fast:
        return f"{fast}; {broken_cause(points, names, fps)}"
    fall = limits.falls_too_fast(joints, fps)
    if fall is not None:
        return (
            f"the body comes down with {fall:.2g} g time and again, where gravity gives 1: is fps={fps:g} too high, or the "
            "translation in another unit than metres?"
        )
    high = limits.unit_of_height(joints, _UNITS) if height else None
    if high:
        return f"the ankles are at a height of {high[0]:.3g} m: is the translation in {high[1]}? Metres are expected"
    return stance_problem(points, names, options)


def stance_problem(points: FloatArray, names: Any, options: PoseOptions) -> str | None:
    """The sign of a wrong vertical axis: a trunk that is level, or upside down, in the whole clip and would stand on another
    axis."""
    if options.allow_lying:
        return None
    joints = limits.named(points, names)
    likely, declared = limits.likely_up(joints, options.vertical()), options.vertical()
    if likely is None and limits.upside_down(joints):
        return (
            f"the person is upside down in the whole clip, read with up={declared}: is up right? allow_lying=true lets it pass"
        )
    if likely is None:
        return None
    return (
        f"the trunk lies level or upside down in the whole clip, read with up={declared}; with up={likely} the person stands: give "
        f"up={likely}, or allow_lying=true for somebody who does lie"
    )


def _angles(poses: FloatArray) -> str | None:
    angles = np.sqrt((poses[:, :BODY_JOINTS] ** 2).sum(-1))
    root, turned = angles[:, 0], angles[:, 1:].max(1)
    if (root > _DEGREES_ROOT_RAD).mean() > 0.5:
        return f"the root is turned by up to {root.max():.3g} rad: is it in degrees? Axis-angle in radians is expected"
    if (turned > _DEGREES_RAD).mean() > 0.1:
        return f"joints turn by up to {turned.max():.3g} rad: are the poses in degrees? Axis-angle in radians is expected"
    return None


def _shape(betas: FloatArray) -> str | None:
    largest = float(np.abs(betas).max(initial=0.0))
    return f"betas reach {largest:.3g}, expected shape coefficients of a few units" if largest > LARGEST_BETA else None


def _centre(points: FloatArray) -> FloatArray:
    """Mean (F, 1, 3) of the joints (F, K, 3) that are seen; NaN where none is."""
    seen = np.isfinite(points).all(-1, keepdims=True)
    total = np.where(seen, points, 0.0).sum(1, keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / seen.sum(1, keepdims=True))


def _translation_unit(points: FloatArray, names: Any, fps: float) -> str | None:
    centre = _centre(points)
    found = {}
    for unit, size in _UNITS.items():
        smaller = points - centre + size * centre
        joints = limits.named(smaller, names)
        if broken_frames(smaller, names, fps).kept > 0.95 * len(points) and not limits.too_fast(joints, fps):
            found[unit] = limits.skating(joints)
    return min(found, key=found.__getitem__) if found else None
