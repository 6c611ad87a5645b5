"""What a moving human body can look like: its height, its proportions, how fast it moves, which way it stands and bends.

Each check returns None or the end of a sentence that says what is wrong and what the likely cause is, because a wrong unit, frame
rate or vertical axis gives numbers that pass every other check. Segment lengths are shares of the body's height after Drillis and
Contini (Body Segment Parameters, 1966); masses after Dempster (1955). Joints are metres in a world whose z is up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from m3n.body.model import FloatArray
from m3n.body.rotations import TURN_UP, cross, dot, unit
from m3n.schema import GRAVITY

Joints = Mapping[str, FloatArray]  # SMPL joint name -> (F, 3) m; NaN: not seen

HEIGHTS_M = (0.85, 2.5)  # from two-year-olds to giants, with the errors of skeletons
LIKELY_HEIGHTS_M = (1.2, 2.2)  # of a body that a hint may suggest
_SHARES = (
    ("shoulder", "elbow", 0.186), ("elbow", "wrist", 0.146), ("hip", "knee", 0.245), ("knee", "ankle", 0.246),
)  # fmt: skip
_TRUNK_SHARE = 0.288  # hips to shoulders
_RATIO = 2.5  # by which two segments' heights may differ
_MASSES = (("shoulder", "elbow", 0.028), ("elbow", "wrist", 0.022), ("hip", "knee", 0.1), ("knee", "ankle", 0.061))
_TRUNK_MASS = 0.578  # with the head
FASTEST_PELVIS = 13.0  # m/s: a sprinter
FASTEST_USUAL = 15.0  # m/s: what the fastest joint exceeds in at most half of the frames
_FALL_S = 0.015  # standard deviation of the smoothing before accelerations are looked at
_FALL_BRIEF_S = 0.05  # the same for clips of under 0.7 s, which may be a single jump and its noise
_FALL_G = 1.65  # a body falls with 1 g
_BENT_M, _TOES_M = 0.07, 0.04  # of an adult: knee off the line from hip to ankle, toes before the ankle (0.12)
_FALL_RATE_HZ = 18.0  # below, it is noise that the second differences show
_UPRIGHT, _LEANING, _LEVEL = 0.9, 0.6, 0.5  # cosine of trunk and vertical
_STANDS, _MEAN_STANDING, _MEAN_LYING = 0.75, 0.7, 0.35  # cosine of trunk and legs together and the vertical
FARTHEST_ANKLE_M = 12.0


def lengths_of(joints: Joints) -> dict[str, tuple[float, float, float]]:
    """10th, 50th and 90th percentile (m) of the lengths of arms' and legs' segments, by name of the far joint (`left_elbow`)."""
    pairs = [(f"{s}_{a}", f"{s}_{b}") for a, b, _ in _SHARES for s in ("left", "right")]
    pairs = [(a, b) for a, b in pairs if a in joints and b in joints]
    if not pairs:
        return {}
    every = _norm(np.stack([joints[b] for _, b in pairs]) - np.stack([joints[a] for a, _ in pairs]))
    if np.isfinite(every).all():
        found = np.percentile(every, [10, 50, 90], axis=1).T
        return {b: tuple(row) for (_, b), row in zip(pairs, found.tolist(), strict=True)}
    known = [(b, row[np.isfinite(row)]) for (_, b), row in zip(pairs, every, strict=True)]
    return {name: tuple(np.percentile(row, [10, 50, 90]).tolist()) for name, row in known if len(row)}


def height_of(joints: Joints, lengths: Mapping[str, tuple[float, float, float]]) -> tuple[float, float] | None:
    """Body height (m) after the median lengths of its segments, and the ratio of the largest to the smallest of their estimates."""
    found = []
    for _, end, share in _SHARES:
        known = [lengths[f"{side}_{end}"][1] for side in ("left", "right") if f"{side}_{end}" in lengths]
        if known:
            found.append(float(np.mean(known)) / share)
    middle = _middles(joints)
    if middle is not None:
        found.append(_median(_norm(middle[1] - middle[0])) / _TRUNK_SHARE)
    if not found:
        return None
    return float(np.median(found)), max(found) / max(min(found), 1e-9)


def uneven(lengths: Mapping[str, tuple[float, float, float]], ratio: float) -> str | None:
    """What is wrong with the lengths of a skeleton's segments, whatever its unit; `ratio` is that of `height_of`."""
    for start, end, _ in _SHARES:
        sides = {side: lengths[f"{side}_{end}"] for side in ("left", "right") if f"{side}_{end}" in lengths}
        middles = [length[1] for length in sides.values()]
        if len(sides) == 2 and max(middles) > 2.0 * min(middles):
            return f"{start} to {end} measures {middles[0]:.3g} m on the left and {middles[1]:.3g} m on the right"
        for side, (low, middle, high) in sides.items():
            if middle > 0 and high - low > (0.8 if end in ("elbow", "wrist") else 1.5) * middle:  # cameras lose ankles
                return f"{side} {start} to {end} changes its length between {low:.3g} and {high:.3g} m"
    if ratio > _RATIO:
        return f"its segments do not fit one body: the heights after them differ by a factor of {ratio:.2g}"
    return None


def flat(points: FloatArray) -> bool:
    """True where joints (F, K, 3) lie in one plane in every frame, as image coordinates do."""
    seen = points[np.isfinite(points).all((1, 2))]
    if not len(seen) or points.shape[1] < 4:
        return False
    some = seen[:: max(1, len(seen) // 64)]
    spread = np.linalg.svd(some - some.mean(1, keepdims=True), compute_uv=False)
    wide = spread[:, 0] > 1e-9
    return bool(wide.any() and np.median(spread[wide, 2] / spread[wide, 0]) < 0.012)


def mirrored(joints: Joints) -> str | None:
    """The sign that left and right are exchanged (by names, or by a mirrored world): knees or toes that point backwards."""
    middle = _middles(joints)
    if middle is None:
        return None
    left = _unit(joints["left_hip"] - joints["right_hip"]) + _unit(joints["left_shoulder"] - joints["right_shoulder"])
    ahead = _unit(cross(left, middle[1] - middle[0]))
    across = dot(_unit(joints["left_hip"] - joints["right_hip"]), _unit(joints["left_shoulder"] - joints["right_shoulder"]))
    if _median(across) < -0.3:
        return "the hips' left is the shoulders' right"
    size = (height_of(joints, lengths_of(joints)) or (1.7, 1.0))[0] / 1.7
    toes, knees = [], []
    for side in ("left", "right"):
        hip, knee, ankle, foot = (joints.get(f"{side}_{name}") for name in ("hip", "knee", "ankle", "foot"))
        if ankle is not None and foot is not None:
            toes.append(dot(foot - ankle, ahead) / size)
        if hip is not None and knee is not None and ankle is not None:
            leg = _unit(ankle - hip)
            knees.append(dot(knee - hip - dot(knee - hip, leg)[:, None] * leg, ahead) / size)
    toes_ahead, knees_ahead = (np.concatenate([v[np.isfinite(v)] for v in values] or [np.zeros(0)]) for values in (toes, knees))
    toe = float(toes_ahead.mean()) if len(toes_ahead) else 0.0
    bent = knees_ahead[
        np.abs(knees_ahead) > _BENT_M
    ]  # nearly straight legs say nothing: a skeleton's hips may lie too far forward
    bend = float(np.clip(bent, -0.2, 0.2).mean()) if len(bent) > 0.3 * len(knees_ahead) else 0.0
    if toe < -2 * _TOES_M:
        return f"the toes point backwards by {-toe:.2f} m"
    if abs(toe) <= _TOES_M and bend < -_BENT_M:
        return f"the knees bend backwards by {-bend:.2f} m"
    if not len(toes_ahead) and not bend:  # an upper body, or straight legs: both hands are hardly ever behind the back
        hands = [dot(joints[f"{s}_wrist"] - middle[1], ahead) / size for s in ("left", "right") if f"{s}_wrist" in joints]
        both = np.max(hands, axis=0) if len(hands) == 2 else np.zeros(1)
        if _median(both) < -0.12:
            return f"both hands are behind the back by {-_median(both):.2f} m"
    return None


def likely_up(joints: Joints, declared: str = "z") -> str | None:
    """The axis of a world, named as before it was turned from `declared`, in which a body stands that does not stand as it is.

    None where the trunk is upright in over a tenth of the frames, unless trunk and legs together say otherwise (somebody who stoops
    and straightens), and where no axis makes sense of it: somebody who lies across the axes, or moves along his own length
    (crawling, swimming), lies.
    """
    middle = _middles(joints)
    if middle is None:
        return None
    trunk = _unit(middle[1] - middle[0])
    known: NDArray[np.bool_] = np.asarray(np.isfinite(trunk).all(-1))
    if known.sum() < 2:
        return None
    feet = [joints[f"{side}_{name}"] for side in ("left", "right") for name in ("ankle", "knee") if f"{side}_{name}" in joints]
    trunk, hips, feet = trunk[known], middle[0][known], [foot[known] for foot in feet]
    lies = (trunk[:, 2] > _LEVEL).mean() <= 0.1
    body = _body_axis(joints, trunk, hips, known)
    if body is not None and ((body[:, 2] > _STANDS).mean() > 0.05 or body[:, 2].mean() > _MEAN_LYING):
        body = None
    if not lies and body is None:
        return None
    for name in TURN_UP:
        axis = _world_axis(name, declared)
        if axis[2] > 0.9:
            continue
        upright, height = trunk @ axis, hips @ axis
        below = np.min([foot @ axis - height for foot in feet], axis=0) if feet else np.full(len(height), -1.0)
        standing = lies and np.median(upright) > _UPRIGHT and (upright > _LEANING).mean() > 0.85
        along = np.zeros(1) if body is None else body @ axis
        stooping = np.median(along) > _UPRIGHT and along.mean() > _MEAN_STANDING and (below < -0.25).mean() > 0.9
        if (standing or stooping) and _median(below) < -0.25 and np.ptp(height) < 1.5:
            return name
    return None


def _body_axis(joints: Joints, trunk: FloatArray, hips: FloatArray, known: NDArray[np.bool_]) -> FloatArray | None:
    """Mean (F, 3) of the directions from hips to shoulders and from ankles to hips, where both ankles are seen throughout."""
    if "left_ankle" not in joints or "right_ankle" not in joints:
        return None
    legs = _unit(hips - 0.5 * (joints["left_ankle"] + joints["right_ankle"])[known])
    return 0.5 * (trunk + legs) if np.isfinite(legs).all() else None


def upside_down(joints: Joints) -> bool:
    """True where hips are above shoulders, and ankles above hips, in nearly all frames."""
    middle = _middles(joints)
    if middle is None:
        return False
    trunk = _unit(middle[1] - middle[0])[:, 2]
    trunk = trunk[np.isfinite(trunk)]
    ankles = [joints[f"{side}_ankle"][:, 2] - middle[0][:, 2] for side in ("left", "right") if f"{side}_ankle" in joints]
    return bool((trunk < -_LEANING).mean() > 0.9) and (not ankles or _median(np.array(ankles)) > 0.3)


def too_fast(joints: Joints, fps: float) -> str | None:
    """What moves faster than people do, over the whole clip; None for what some athlete could do."""
    points = np.stack(list(joints.values()), axis=1)
    change = np.diff(points, axis=0)
    steps = np.sqrt(dot(change, change)) * fps
    if not np.isfinite(steps).any():
        return None
    usual = float(np.median(np.where(np.isfinite(steps), steps, 0.0).max(axis=1)))
    middle = _middles(joints)
    pelvis = _median(_norm(np.diff(middle[0], axis=0))) * fps if middle is not None else 0.0
    if pelvis > FASTEST_PELVIS:
        return f"the pelvis moves at {pelvis:.3g} m/s in half of the frames, faster than any runner"
    if usual > FASTEST_USUAL:
        return f"joints move at {usual:.3g} m/s in half of the frames, faster than people do"
    return None


def falls_too_fast(joints: Joints, fps: float) -> float | None:
    """The acceleration (g) at which the body's centre of mass comes down again and again, where it is more than gravity gives."""
    height = _centre_height(joints)
    if height is None or fps < _FALL_RATE_HZ or len(height) < max(12, 0.25 * fps) or not np.isfinite(height).all():
        return None
    width = _FALL_S if len(height) >= 0.7 * fps else _FALL_BRIEF_S
    smooth = gaussian_filter1d(height, width * fps, mode="nearest")
    fall = -np.diff(smooth, 2)[1:-1] * fps**2 / GRAVITY
    strongest = float(np.percentile(fall, 95)) if len(fall) else 0.0
    return strongest if strongest > _FALL_G else None


def unit_of_height(joints: Joints, units: Mapping[str, float]) -> tuple[float, str] | None:
    """The height (m) of the lower ankle and the one of `units` in which the translation may be, where nobody's ankles are so
    high."""
    ankles = [joints[f"{side}_ankle"][:, 2] for side in ("left", "right") if f"{side}_ankle" in joints]
    middle = _middles(joints)
    if not ankles or middle is None:
        return None
    height = _median(np.fmin.reduce(ankles))
    if not abs(height) > FARTHEST_ANKLE_M:
        return None
    hips = _median(middle[0][:, 2])
    floor = {unit: abs(hips * size - (hips - height)) for unit, size in units.items()}
    likely = min(floor, key=floor.__getitem__)
    return (height, likely) if floor[likely] < 0.6 else None


def skating(joints: Joints) -> float:
    """Median step (m) of the ankle that moves less: feet stand still in turn, if the translation belongs to the pose."""
    ankles = [joints[f"{side}_ankle"] for side in ("left", "right") if f"{side}_ankle" in joints]
    steps = [_norm(np.diff(ankle, axis=0)) for ankle in ankles]
    return _median(np.fmin.reduce(steps)) if steps else 0.0


def named(points: FloatArray, names: Sequence[str]) -> dict[str, FloatArray]:
    """Joints (F, K, 3) as name -> (F, 3)."""
    return {name: points[:, k] for k, name in enumerate(names)}


def _world_axis(name: str, declared: str) -> FloatArray:
    """Where the file's axis `name` points in a world turned from `declared` up to z up."""
    return TURN_UP[declared] @ TURN_UP[name][2]


def _middles(joints: Joints) -> tuple[FloatArray, FloatArray] | None:
    if any(f"{side}_{part}" not in joints for side in ("left", "right") for part in ("hip", "shoulder")):
        return None
    hips, shoulders = (0.5 * (joints[f"left_{part}"] + joints[f"right_{part}"]) for part in ("hip", "shoulder"))
    return (hips, shoulders) if (np.isfinite(hips) & np.isfinite(shoulders)).all(1).any() else None


def _centre_height(joints: Joints) -> FloatArray | None:
    middle = _middles(joints)
    if middle is None:
        return None
    total, weight = _TRUNK_MASS * (0.4 * middle[0] + 0.6 * middle[1])[:, 2], _TRUNK_MASS
    for start, end, mass in _MASSES:
        for side in ("left", "right"):
            a, b = joints.get(f"{side}_{start}"), joints.get(f"{side}_{end}")
            if a is not None and b is not None:
                total = total + mass * 0.5 * (a + b)[:, 2]
                weight += mass
    height: FloatArray = total / weight
    return height


def _median(values: FloatArray) -> float:
    """Median of what is known; NaN, which no limit is passed by, where nothing is."""
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan


def _norm(vectors: FloatArray) -> FloatArray:
    length: FloatArray = np.sqrt(dot(vectors, vectors))
    return length


def _unit(vectors: FloatArray) -> FloatArray:
    with np.errstate(invalid="ignore"):
        return unit(vectors)
