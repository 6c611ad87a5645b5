"""Which joints of a skeleton tell a direction, and how far a fitted body's limbs point away from those that were given.

Rigs put joints on top of each other: both collars at the neck (as in the BVH conversion of CMU's motion capture), the first spine
joint at the pelvis, hips at one point. A segment without length has no direction, and a body fitted to one is wrong without any
sign of it. Such joints are left out, so that the fit takes the next one; what remains is compared with the fitted body.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from m3n.body.model import FloatArray
from m3n.body.rotations import dot, unit
from m3n.errors import InputError

SHORTEST_M = 0.02  # median distance of two joints that are taken to be at one point
_SHORTEST_LIMB_M = 0.005  # the same for a limb and what follows it: a camera's hand may lie next to the wrist
_SPINE = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
_DISPENSABLE = ("spine2", "spine1", "spine3", "head", "pelvis")  # left out first, where two lie at one point
_LIMB_PAIRS = (("hip", "knee"), ("knee", "ankle"), ("hip", "ankle"), ("ankle", "foot"), ("wrist", "hand"), ("index1", "pinky1"))
_ALONG_TRUNK = 0.3  # least cosine of a spine segment and the whole trunk
LIMBS = tuple(
    (f"{side} {name}", f"{side}_{start}", f"{side}_{end}")
    for side in ("left", "right")
    for name, start, end in (
        ("upper arm", "shoulder", "elbow"), ("forearm", "elbow", "wrist"), ("thigh", "hip", "knee"), ("shin", "knee", "ankle"),
    )
)  # fmt: skip


def with_length(points: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """The joints, name -> (F, 3) m, without those that lie on top of another one; hips and shoulders stay.

    Raises InputError where hips and shoulders leave the trunk without a length or a width, and for a shoulder at the neck.
    """
    kept, apart = dict(points), _distances(points)
    while pair := _at_one_point(kept, apart):
        kept.pop(next(name for name in _DISPENSABLE if name in pair))
        if pair == ("spine1", "spine2"):  # which of the two it is nobody knows
            kept.pop("spine1")
    collars = [f"{side}_collar" for side in ("left", "right")]
    if any(name in kept for name in collars) and not _collars_tell(kept, apart):
        for name in collars:
            kept.pop(name, None)
    for side in ("left", "right"):
        for start, end in _LIMB_PAIRS:
            if (
                f"{side}_{start}" in kept
                and f"{side}_{end}" in kept
                and apart[f"{side}_{start}", f"{side}_{end}"] < _SHORTEST_LIMB_M
            ):
                kept.pop(f"{side}_{end}")
                if start == "index1":
                    kept.pop(f"{side}_{start}")
    trunk = _trunk(kept)
    if np.median(np.linalg.norm(trunk, axis=-1)) < 2 * SHORTEST_M:
        raise InputError("the trunk has no length: hips and shoulders lie at one point; are these joints?")
    if max(apart["left_hip", "right_hip"], apart["left_shoulder", "right_shoulder"]) < SHORTEST_M:
        raise InputError("the trunk has no width: both hips lie at one point, and so do both shoulders; are these joints?")
    at_neck = [name for name in ("left_shoulder", "right_shoulder") if apart.get((name, "neck"), np.inf) < SHORTEST_M]
    if at_neck or apart["left_shoulder", "right_shoulder"] < SHORTEST_M:
        where = f"{' and '.join(at_neck)} at the neck" if at_neck else "both shoulders at one point"
        raise InputError(f"the skeleton has {where}: name the joints at which the upper arms begin")
    for start, end in (("pelvis", "spine1"), ("spine3", "neck")):
        if start in kept and end in kept and _cosine(kept[end] - kept[start], trunk) < _ALONG_TRUNK:
            kept.pop("spine1" if end == "spine1" else "spine3")
    return kept


def hips_tell(points: Mapping[str, FloatArray]) -> bool:
    """True where the line through both hips has a direction."""
    return _apart(points, "left_hip", "right_hip") >= SHORTEST_M


def shoulders_tell(points: Mapping[str, FloatArray]) -> bool:
    """True where the line through both shoulders has a direction."""
    return _apart(points, "left_shoulder", "right_shoulder") >= SHORTEST_M


def limbs_off(given: Mapping[str, FloatArray], fitted: Mapping[str, FloatArray]) -> dict[str, float]:
    """Limb -> median angle, degrees, between its direction given and fitted; joints are name -> (F, 3) m in one world."""
    limbs = [(limb, start, end) for limb, start, end in LIMBS if start in given and end in given]
    directions = [[joints[end] - joints[start] for _, start, end in limbs] for joints in (given, fitted)]
    directions[0].append(_trunk(given))
    directions[1].append(_trunk(fitted, "neck" in given))
    first, second = (unit(np.stack(some)) for some in directions)
    cosines = np.median(dot(first, second), axis=1)
    degrees = np.degrees(np.arccos(np.clip(cosines, -1, 1))).tolist()
    return dict(zip([*(limb for limb, _, _ in limbs), "trunk"], degrees, strict=True))


def _distances(points: Mapping[str, FloatArray]) -> dict[tuple[str, str], float]:
    """Median distance (m) of every two joints that may lie on top of each other."""
    pairs = [(a, b) for k, a in enumerate(_SPINE) for b in _SPINE[k + 1 :]]
    pairs += [("left_hip", "right_hip"), ("left_shoulder", "right_shoulder"), ("left_collar", "right_collar")]
    for side in ("left", "right"):
        pairs += [(f"{side}_{name}", "neck") for name in ("collar", "shoulder")]
        pairs += [(f"{side}_collar", f"{side}_shoulder")]
        pairs += [(f"{side}_{a}", f"{side}_{b}") for a, b in _LIMB_PAIRS]
    pairs = [(a, b) for a, b in pairs if a in points and b in points]
    between = np.stack([points[a] for a, _ in pairs]) - np.stack([points[b] for _, b in pairs])
    return dict(zip(pairs, np.median(np.sqrt(dot(between, between)), axis=1).tolist(), strict=True))


def _at_one_point(points: Mapping[str, FloatArray], apart: Mapping[tuple[str, str], float]) -> tuple[str, str] | None:
    spine = [name for name in _SPINE if name in points]
    pairs = [(a, b) for k, a in enumerate(spine) for b in spine[k + 1 :]]
    return next((pair for pair in pairs if apart[pair] < SHORTEST_M), None)


def _collars_tell(points: Mapping[str, FloatArray], apart: Mapping[tuple[str, str], float]) -> bool:
    if apart.get(("left_collar", "right_collar"), np.inf) < SHORTEST_M:
        return False
    for side in ("left", "right"):
        if any(apart.get((f"{side}_collar", other), np.inf) < SHORTEST_M for other in ("neck", f"{side}_shoulder")):
            return False
    if "left_collar" in points and "right_collar" in points and shoulders_tell(points):
        across = points["left_shoulder"] - points["right_shoulder"]
        return _cosine(points["left_collar"] - points["right_collar"], across) > 0.5
    return True


def _trunk(points: Mapping[str, FloatArray], to_neck: bool = True) -> FloatArray:
    hips = 0.5 * (points["left_hip"] + points["right_hip"])
    if to_neck and "neck" in points:
        return points["neck"] - hips
    return 0.5 * (points["left_shoulder"] + points["right_shoulder"]) - hips


def _apart(points: Mapping[str, FloatArray], first: str, second: str) -> float:
    """Median distance (m); infinite where one of the two is not there."""
    if first not in points or second not in points:
        return np.inf
    return float(np.median(np.linalg.norm(points[first] - points[second], axis=-1)))


def _cosine(first: FloatArray, second: FloatArray) -> float:
    return float(np.median(dot(unit(first), unit(second))))
