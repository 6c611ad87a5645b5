"""Optical markers to the joints that `m3n.body.joint_fit` turns into a body, with the twist of the forearms.

Markers lie on the skin. Joint centres follow from them by the regressions of gait laboratories: the hips from the pelvis
(Harrington et al., J. Biomechanics 40(3), 2007), the shoulder below the acromion (Rab, Petuskey and Bagley, Gait & Posture 15(2),
2002), elbow, knee and ankle half a joint's breadth inwards from the marker at their outer side, at a right angle to the bone above
(the chord function of Davis et al., Human Movement Science 10(5), 1991). The joint's axis, which says where inwards is, is
fixed to the bone above. It is found over a whole clip from the frames in which the joint bends.

**Twist.** Two markers sit on either side of the wrist, at the ends of radius and ulna. The line between them turns with
pronation and supination; the joints of shoulder, elbow and wrist do not show those at all. When the elbow is bent and the
thumb points along the upper arm, the line lies in the plane of the arm: that is m3n's neutral, half-way between palm up and
palm down. So two points on that line go into the joint fit as knuckles, and the wrist sensor's end of the forearm turns with
them.

Markers and joints in metres, in a right-handed world with z up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from m3n.body.joint_fit import LEAST_SEEN
from m3n.body.marker_sets import MarkerSet, landmarks_of
from m3n.body.model import FloatArray
from m3n.body.rotations import cross, dot, two_vector_rotation, unit

# From the marker's base to the joint's centre, m: half the adult breadth of the joint.
_HALF_BREADTH_M = {"elbow": 0.034, "knee": 0.048, "ankle": 0.036}
_ACROMION_SHARE = 0.17  # of the distance between both acromia, downwards along the thorax
_STRAIGHT = 0.02  # weight of a joint's usual axis against sin² of its flexion, in the mean over a clip
_REFINEMENTS = 3  # of the joint's axis, which depends on the centre that it gives


def marker_joints(markers: FloatArray, labels: Sequence[str], known: MarkerSet) -> tuple[FloatArray, list[str]]:
    """Joints (F, K, 3) m and their names (K,), as `fit_joints` takes them, of markers (F, M, 3) m, z up, not seen where NaN.

    Raises InputError where a marker that the fit cannot do without is missing.
    """
    seen = landmarks_of(markers, labels, known)
    joints: dict[str, FloatArray] = _hips(seen)
    if "head" in seen:
        joints["head"] = seen["head"]
    if "c7" in seen and "clavicle" in seen:
        joints["neck"] = 0.5 * (seen["c7"] + seen["clavicle"])
    joints |= _shoulders(seen, joints)
    leftwards = unit(joints["left_hip"] - joints["right_hip"])
    for side, inwards in (("left", -1.0), ("right", 1.0)):

        def at(name: str, side: str = side) -> FloatArray | None:
            return seen.get(f"{side}_{name}")

        radial, ulnar = seen[f"{side}_wrist_radial"], seen[f"{side}_wrist_ulnar"]
        wrist = joints[f"{side}_wrist"] = _wrist(radial, ulnar)
        joints[f"{side}_index1"], joints[f"{side}_pinky1"] = radial, ulnar
        if (hand := at("hand")) is not None:
            joints[f"{side}_hand"] = hand
        # Left: upper arm x forearm points inwards, thigh x shank outwards.
        joints[f"{side}_elbow"] = _centre(
            joints[f"{side}_shoulder"], seen[f"{side}_elbow_lateral"], at("elbow_medial"), wrist, -inwards,
            inwards * leftwards, at("upper_arm"), _HALF_BREADTH_M["elbow"] + known.radius_m,
        )  # fmt: skip
        knee, ankle = at("knee_lateral"), at("ankle_lateral")
        if knee is None or ankle is None:
            continue
        joints[f"{side}_knee"] = _centre(
            joints[f"{side}_hip"], knee, at("knee_medial"), ankle, inwards, inwards * leftwards, at("thigh"),
            _HALF_BREADTH_M["knee"] + known.radius_m,
        )  # fmt: skip
        medial = at("ankle_medial")
        joints[f"{side}_ankle"] = (
            0.5 * (ankle + medial)
            if medial is not None
            else _chord(joints[f"{side}_knee"], ankle, joints[f"{side}_knee"] - knee, _HALF_BREADTH_M["ankle"] + known.radius_m)
        )
        if (toe := at("toe")) is not None:
            joints[f"{side}_foot"] = toe
    return np.stack(list(joints.values()), axis=1), list(joints)


def _wrist(radial: FloatArray, ulnar: FloatArray) -> FloatArray:
    """The middle (F, 3) of both markers; one of them where a clip hardly ever shows the other."""
    middle = 0.5 * (radial + ulnar)
    if np.isfinite(middle).all(1).mean() >= LEAST_SEEN:
        return middle
    return max((radial, ulnar), key=lambda marker: float(np.isfinite(marker).all(1).mean()))


def _hips(seen: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Centres of the hips from both front (ASIS) and back (PSIS) spines of the pelvis; breadth and depth are a clip's medians."""
    front = 0.5 * (seen["left_asis"] + seen["right_asis"])
    back = 0.5 * (seen["left_psis"] + seen["right_psis"])
    across = seen["left_asis"] - seen["right_asis"]
    width, depth = _median_length(across), _median_length(front - back)
    left = unit(across)
    ahead = unit((front - back) - dot(front - back, left)[:, None] * left)
    up = cross(ahead, left)
    middle = front - (0.24 * depth + 0.0099) * ahead - (0.30 * width + 0.0109) * up
    aside = (0.33 * width + 0.0073) * left
    return {"left_hip": middle + aside, "right_hip": middle - aside}


def _shoulders(seen: Mapping[str, FloatArray], joints: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    if "left_shoulder" in seen and "right_shoulder" in seen:
        return {name: seen[name] for name in ("left_shoulder", "right_shoulder")}
    tops = {side: seen[f"{side}_acromion"] for side in ("left", "right")}
    upper = joints.get("neck", 0.5 * (tops["left"] + tops["right"]))
    if "t10" in seen and "sternum" in seen:
        lower = 0.5 * (seen["t10"] + seen["sternum"])
    else:
        lower = 0.5 * (joints["left_hip"] + joints["right_hip"])
    down = _ACROMION_SHARE * _median_length(tops["left"] - tops["right"]) * unit(lower - upper)
    return {f"{side}_shoulder": top + down for side, top in tops.items()}


def _centre(
    above: FloatArray,
    lateral: FloatArray,
    medial: FloatArray | None,
    below: FloatArray,
    bends: float,
    usual: FloatArray,
    on_bone: FloatArray | None,
    inwards_m: float,
) -> FloatArray:
    """Centre (F, 3) of a hinge: half-way between its two markers or, with the outer one alone, `inwards_m` from it.

    `above`, `below`: the next joints. `bends`: +1 where upper x lower bone points inwards when the joint flexes, else -1. `usual`
    (F, 3): where inwards is when somebody stands. `on_bone` (F, 3): a marker on the bone above, away from its axis.
    """
    if medial is not None:
        return 0.5 * (lateral + medial)
    bone = unit(above - lateral)
    beside = usual if on_bone is None else on_bone - lateral
    # The bone's own frame: the axis of the hinge does not move in it.
    frame = two_vector_rotation((bone, np.array([1.0, 0.0, 0.0])), (beside, np.array([0.0, 1.0, 0.0])))
    standing = np.einsum("fji,fj->fi", frame, usual)
    centre = lateral
    for _ in range(_REFINEMENTS):
        normal = bends * cross(unit(centre - above), unit(below - centre))  # as long as the sine of the flexion
        bent = np.einsum("fji,fj->fi", frame, normal) * np.sqrt(dot(normal, normal))[:, None]
        seen = np.isfinite(bent).all(1) & np.isfinite(standing).all(1)
        if not seen.any():
            return np.full_like(lateral, np.nan)
        inwards = bent[seen].mean(0) + _STRAIGHT * np.median(standing[seen], axis=0)
        centre = _chord(above, lateral, frame @ inwards, inwards_m)
    return centre


def _chord(above: FloatArray, lateral: FloatArray, inwards: FloatArray, distance_m: float) -> FloatArray:
    """The point at a distance from the outer marker, towards `inwards`, where that and the bone above form a right angle."""
    bone = above - lateral
    cosine = np.clip(distance_m / np.maximum(np.sqrt(dot(bone, bone)), 1e-9), 0.0, 1.0)[:, None]
    bone = unit(bone)
    aside = unit(inwards - dot(inwards, bone)[:, None] * bone)
    return lateral + distance_m * (cosine * bone + np.sqrt(1.0 - cosine**2) * aside)


def _median_length(vectors: FloatArray) -> float:
    lengths = np.sqrt(dot(vectors, vectors))
    lengths = lengths[np.isfinite(lengths)]
    return float(np.median(lengths)) if len(lengths) else np.nan
