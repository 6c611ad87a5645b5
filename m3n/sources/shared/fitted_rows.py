"""From joints of any skeleton to fitted bodies: what every source of joint positions does before and after the fit.

Before it, the joints must be those of a person: three-dimensional, of a human size and proportions, upright at some time, left on
the left. Missing and broken frames are bridged or cut by the rules of `gaps` and `plausibility`, because the fit would spread
them over their neighbours. After it, the body's limbs must point where the joints' do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from m3n.body import human_limits as limits
from m3n.body.broken_frames import Broken, broken_frames
from m3n.body.joint_fit import ARM, LEAST_SEEN, REQUIRED, FitResult, fit_joints
from m3n.errors import InputError
from m3n.schema import Rejected, Repaired
from m3n.sources.shared.gaps import long_gaps, part_id, stretches
from m3n.sources.shared.plausibility import (
    LARGEST_BETA,
    PoseOptions,
    broken_cause,
    copied_frames,
    described,
    motion_problem,
    repairs,
)
from m3n.sources.shared.pose_rows import METRES, FloatArray

_ESSENTIAL = {*REQUIRED, *(f"{side}_{name}" for side in ("left", "right") for name in ARM)}
_LARGEST_LIMB_DEG = 20.0  # between a limb given and fitted, in the median of the frames; a Kinect's stay below 13
_USUAL_HEIGHT_M = 1.7
_SOME = 200  # frames
_TRUNK_MOVES_M = 0.05


@dataclass(frozen=True)
class FittedClip:
    """A fitted body, its clip's id, which of the given frames it covers, which of them (F,) were bridged, and all that was
    repaired."""

    clip_id: str
    frames: slice
    bridged: NDArray[np.bool_]
    fit: FitResult
    repairs: tuple[Repaired, ...] = ()


def fitted_clips(
    where: str,
    clip_id: str,
    joints_m: FloatArray,
    names: Sequence[str],
    fps: float,
    options: PoseOptions,
    smooth_frames: float,
    *,
    declared: str = "",
    repair: bool = True,
) -> Iterator[FittedClip | Rejected]:
    """Bodies fitted to joints (F, K, 3) m, z up, of SMPL's `names`: one, or several where frames had to be cut out.

    `declared`: how a user gave the unit, for messages; empty for formats that have one. `repair`: look for broken frames too, and
    not for missing ones alone. Raises InputError naming `where` for joints that are no person's."""
    if not len(joints_m):
        raise InputError(f"{where}: holds no frames")
    seen = np.isfinite(joints_m).all(-1) & (joints_m != 0).any(-1)
    points = joints_m if seen.all() else np.where(seen[..., None], joints_m, np.nan)
    problem = _skeleton_problem(_thinned(points), names, declared) or _held_arm(points, names)
    if problem is None and repair:
        problem = copied_frames(points.reshape(len(points), -1), fps)
    if problem:
        raise InputError(f"{where}: {problem}")
    broken = (
        broken_frames(points, names, fps) if repair and len(points) > 2 else Broken(np.zeros(len(points), bool), 0, len(points))
    )
    if 2 * broken.kept < len(points):
        raise InputError(f"{where}: {described(broken, names, points, fps)}; {broken_cause(points, names, fps)}")
    sound = points[~broken.bad]
    if repair:
        sides = limits.mirrored(limits.named(_thinned(sound), names))
        problem = motion_problem(sound, names, fps, options, height=bool(declared)) or (
            sides and f"{sides}: are left and right exchanged in the names, or is the world mirrored (left-handed)?"
        )
        if problem:
            raise InputError(f"{where}: {problem}")
    cut, over = _missing(seen & ~broken.bad[:, None], names, options.max_gap_frames)
    cut[: broken.start] = cut[broken.stop :] = True
    over &= ~cut
    frames = np.flatnonzero(~cut)
    pieces = stretches(frames, 0, broken.breaks)
    if not pieces:
        pieces = [slice(0, len(joints_m))] if len(frames) == len(joints_m) else []
    if not pieces:
        raise InputError(f"{where}: in no two frames that follow each other are all joints seen; joints not seen are NaN")
    spans = [(int(frames[p.start]), int(frames[p.stop - 1]) + 1) for p in pieces] if len(frames) else [(0, len(joints_m))]
    reason = f"{where}: {described(broken, names, points, fps) if broken.jumps else 'joints were not seen'}"
    done = repairs(clip_id, len(joints_m), spans, sum(int(over[a:b].sum()) for a, b in spans), reason)
    for number, (start, stop) in enumerate(spans):
        part = joints_m[start:stop]
        if broken.bad[start:stop].any():
            part = np.where(broken.bad[start:stop, None, None], np.nan, part)
        name = part_id(clip_id, number, len(spans))
        try:
            fitted = _fitted(where, part, names, smooth_frames)
            yield FittedClip(name, slice(start, stop), over[start:stop], fitted, done)
            done = ()
        except InputError as error:
            if len(spans) == 1:
                raise
            yield Rejected(name, str(error))


def _held_arm(points: FloatArray, names: Sequence[str]) -> str | None:
    """What is wrong with joints (F, K, 3) if an arm's stays where it was while the body moves."""
    joints = limits.named(points, names)
    trunk = joints.get("left_shoulder", np.zeros((0, 3)))
    trunk = trunk[np.isfinite(trunk).all(1)]
    if len(trunk) and np.ptp(trunk, axis=0).max() > _TRUNK_MOVES_M:
        for name in (f"{side}_{joint}" for side in ("left", "right") for joint in ARM):
            held = joints.get(name)
            if held is not None and len(held) > 2 and (held == held[0]).all():
                return f"{name} is at the same point in every frame while the trunk moves: is it the joint's own motion?"
    return None


def _thinned(points: FloatArray) -> FloatArray:
    """Some of the frames: enough for medians over a clip."""
    return points[:: max(1, len(points) // _SOME)]


def _skeleton_problem(points: FloatArray, names: Sequence[str], declared: str) -> str | None:
    """What is wrong with the joints as a skeleton: no depth, no human size or proportions."""
    if limits.flat(points):
        return "the joints lie in one plane in every frame, as 2-D image coordinates do; 3-D joints are expected"
    joints = limits.named(points, names)
    lengths = limits.lengths_of(joints)
    found = limits.height_of(joints, lengths)
    if found is None:
        return None
    height, ratio = found
    uneven = limits.uneven(lengths, ratio)
    if limits.HEIGHTS_M[0] <= height <= limits.HEIGHTS_M[1]:
        return f"{uneven}; are the names those of the joints?" if uneven else None
    forearms = [
        joints[f"{s}_wrist"] - joints[f"{s}_elbow"]
        for s in ("left", "right")
        if f"{s}_wrist" in joints and f"{s}_elbow" in joints
    ]
    lengths_m = np.linalg.norm(np.concatenate(forearms), axis=-1) if forearms else np.zeros(0)
    length = float(np.median(lengths_m[np.isfinite(lengths_m)])) if np.isfinite(lengths_m).any() else np.nan
    said = f"the forearm measures {length:.3g} m and the whole body about {height:.3g} m, expected 0.25 m and 1.2 to 2.2 m"
    if _image_like(points):
        return f"{said}; x and y look like pixels and the third column like a visibility: 3-D joints are expected, not 2-D ones"
    if uneven or not declared or height <= 0:
        return f"{said}; {uneven or 'is the unit right?'}"
    likely = [
        unit for unit, size in METRES.items() if limits.LIKELY_HEIGHTS_M[0] <= height * size <= limits.LIKELY_HEIGHTS_M[1]
    ]
    if declared == "m" and likely:
        return f"{said}; unit={likely[0]} would fit"
    unit = METRES.get(declared, 1.0)
    backwards = [
        name
        for name, size in METRES.items()
        if limits.LIKELY_HEIGHTS_M[0] <= height / unit * size <= limits.LIKELY_HEIGHTS_M[1]
    ]
    if backwards:
        return f"{said}; unit={backwards[0]} would fit"
    return (
        f"{said}; none of {', '.join(METRES)} fits: give scale=<number> beside unit={declared} (positions are multiplied by it; "
        f"{_USUAL_HEIGHT_M / height:.2g} makes an adult of {_USUAL_HEIGHT_M} m)"
    )


def _image_like(points: FloatArray) -> bool:
    low, high = (np.nanmin(points, axis=(0, 1)), np.nanmax(points, axis=(0, 1)))
    spans = high - low
    order = np.argsort(spans)
    flat = order[0]
    return bool(spans[flat] < 0.05 * spans[order[1]] or (low.min() >= 0 and high.max() <= 1.0))


def _missing(seen: NDArray[np.bool_], names: Sequence[str], max_gap: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Frames (F,) to cut out, because a joint that the fit uses is missing for longer than is bridged, and frames to bridge."""
    if seen.all():
        return np.zeros(len(seen), bool), np.zeros(len(seen), bool)
    used = seen.mean(0) >= LEAST_SEEN
    long = long_gaps(seen, max_gap)
    for k, name in enumerate(names):
        if name not in _ESSENTIAL and long[:, k].mean() > 0.5:
            used[k] = False
    if any(name in names and not used[list(names).index(name)] for name in REQUIRED):
        return np.zeros(len(seen), bool), np.zeros(len(seen), bool)  # the fit says which joint is missing
    cut: NDArray[np.bool_] = np.asarray(long[:, used].any(1))
    return cut, np.asarray(~cut & ~seen[:, used].all(1))


def _fitted(where: str, joints_m: FloatArray, names: Sequence[str], smooth_frames: float) -> FitResult:
    try:
        fitted = fit_joints(joints_m, names, smooth_frames=smooth_frames)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    except np.linalg.LinAlgError as error:
        raise InputError(f"{where}: no body fits these joints ({error})") from error
    if not (np.isfinite(fitted.poses).all() and np.isfinite(fitted.trans).all() and np.isfinite(fitted.betas).all()):
        raise InputError(f"{where}: no body fits these joints (the fit is not finite)")
    limb, off = max(fitted.limbs_off_deg.items(), key=lambda item: item[1])
    if not off <= _LARGEST_LIMB_DEG:
        raise InputError(
            f"{where}: no body fits these joints: the fitted {limb} points {off:.0f} degrees away from the one given; are "
            "the names those of the joints?"
        )
    largest = float(np.abs(fitted.betas).max(initial=0.0))
    if largest > LARGEST_BETA:
        raise InputError(
            f"{where}: no human body has these proportions (a shape coefficient of {largest:.3g}): are the names those of the "
            "joints?"
        )
    return fitted
