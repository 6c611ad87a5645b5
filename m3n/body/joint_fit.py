"""3-D joints to SMPL: bone directions give rotations in closed form, for all frames at once.

Depth cameras, BVH players and video pose estimators give joint positions; the simulator needs rotations. Directions of bones
fix a bone's swing but not its twist, so twist comes from anatomy: elbows and knees are hinges, and the plane of upper and
lower bone holds the hinge's axis at a right angle. A limb that is nearly straight has no such plane; there the twist is
carried over from neighbouring frames, in a frame transported along the limb's own path (Bishop, Am. Math. Monthly 82(3), 1975),
which neither jumps nor has poles. Forearm twist (pronation) is read off the knuckles of index and little finger where they are
given: the sensor's end of the forearm turns with the hand. Without them it is not visible in joint positions and stays neutral,
the hand half-way between palm up and palm down.

Joints in metres, in a right-handed world with z up; names are SMPL's (`m3n.body.model.SMPL_JOINTS`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d

from m3n.body.kinematics import rest_joints, rotation_matrices
from m3n.body.model import SMPL_JOINTS, SMPL_PARENTS, Body, FloatArray, load_body
from m3n.body.rotations import chained, cross, dot, swing, transported, two_vector_rotation, unit
from m3n.body.segments import hips_tell, limbs_off, shoulders_tell, with_length
from m3n.body.shape import fitted_shape, with_middles
from m3n.body.steady_arms import steady_arms
from m3n.errors import InputError

REQUIRED = ("left_hip", "right_hip", "left_shoulder", "right_shoulder")
ARM = ("elbow", "wrist")
KNUCKLES = tuple(f"{side}_{finger}1" for side in ("left", "right") for finger in ("index", "pinky"))  # SMPL-H's names
FITTED = (*SMPL_JOINTS, *KNUCKLES)
_THUMB_SIDE = np.array([0.0, 0.0, 1.0])  # from little finger to index, in the rest pose: palms down, thumbs forward
LEAST_SEEN = 0.2  # share of frames in which a joint must have been seen to be used

_PARENTS = np.array(SMPL_PARENTS)
_CARRY_FRAMES = 15.0  # reach of the carry-over of twist (standard deviation, frames)
_CARRY_SHARE = 0.2
_ARM_PRIOR, _LEG_PRIOR = 0.005, 0.5  # weight of the neutral twist against sin²(flexion) of the hinge
_COLLAR_SHARE = 0.75  # how far an unseen collar bone follows the shoulder


@dataclass(frozen=True)
class FitResult:
    """SMPL parameters of F frames: axis-angle `poses` (F, 24, 3) rad, continuous in time, `trans` (F, 3) m, `betas` (B,), all
    float32.

    Errors are mean distances (m) between the joints given (gaps mended, not smoothed) and the body's own. Skeletons define their
    joints each in its own way (a Kinect's hips lie 8 cm above SMPL's), so the calibrated error is the one that is left when every
    joint may sit at one constant place in the frame of the bone that carries it. `limbs_off_deg`: limb -> median angle between its
    direction given and fitted."""

    poses: NDArray[np.float32]
    trans: NDArray[np.float32]
    betas: NDArray[np.float32]
    mean_joint_error_m: float
    calibrated_joint_error_m: float
    limbs_off_deg: dict[str, float]


def fit_joints(joints: ArrayLike, names: Sequence[str], body: Body | None = None, smooth_frames: float = 1.0) -> FitResult:
    """SMPL poses whose joints follow `joints` (F, K, 3), metres, z up.

    `names` (K,) are SMPL joint names: both hips, both shoulders, and elbow and wrist of at least one arm are needed; neck, head,
    hands, knees, ankles, feet, pelvis, collars, spine1, spine3 and `KNUCKLES` are used where they are given. Positions that are
    not finite or exactly zero count as not seen and are interpolated in time. Joints that lie on top of another one are left out
    (`m3n.body.segments`). `smooth_frames` is the standard deviation, in frames, of a Gaussian over the positions; 0 leaves them
    as they are. `body` (24 joints) is the neutral SMPL body or its stand-in where None.

    Raises InputError for shapes and names that do not fit, missing joints, joints hardly ever seen, and fewer than 2 frames.
    """
    body = load_body("smpl") if body is None else body
    if body.joints != len(SMPL_JOINTS):
        raise InputError(f"joints are fitted to a 24-joint smpl body, got {body.name} with {body.joints} joints")
    given = with_length(_complete(_checked(joints, names), list(names)))
    seen = with_middles(_smoothed(steady_arms(given), smooth_frames))
    betas = fitted_shape(body, seen)
    rest = with_middles(dict(zip(SMPL_JOINTS, rest_joints(body, betas), strict=True)))
    world = _global_rotations(seen, rest)
    at_rest = np.stack([rest[name] for name in SMPL_JOINTS])
    steps = at_rest - at_rest[np.maximum(_PARENTS, 0)]
    poses, places = chained(np.stack([world[name] for name in SMPL_JOINTS]), _PARENTS, steps)
    placed = dict(zip(SMPL_JOINTS, np.moveaxis(places + rest["pelvis"], 1, 0), strict=True))
    trans = np.mean([seen[name] - placed[name] for name in REQUIRED], axis=0)  # other skeletons' pelvis is not SMPL's
    missed = {name: points - placed[name] - trans for name, points in given.items() if name in placed}
    error = np.mean([np.linalg.norm(miss, axis=-1).mean() for miss in missed.values()])
    calibrated = np.mean([_spread(miss, world[_carrier(name)]) for name, miss in missed.items()])
    return FitResult(
        poses.astype(np.float32), trans.astype(np.float32), betas.astype(np.float32), float(error), float(calibrated),
        limbs_off(given, placed),
    )  # fmt: skip


def _smoothed(points: Mapping[str, FloatArray], frames: float) -> dict[str, FloatArray]:
    if frames <= 0:
        return dict(points)
    smooth = gaussian_filter1d(np.stack(list(points.values()), axis=1), frames, axis=0, mode="nearest")
    return {name: smooth[:, k] for k, name in enumerate(points)}


def _carrier(name: str) -> str:
    return SMPL_JOINTS[max(SMPL_PARENTS[SMPL_JOINTS.index(name)], 0)]


def _spread(missed: FloatArray, frame: FloatArray) -> float:
    """Mean distance (m) from the mean of `missed` (F, 3), both seen from the moving `frame` (F, 3, 3)."""
    local = np.einsum("fji,fj->fi", frame, missed)
    return float(np.linalg.norm(local - local.mean(0), axis=-1).mean())


def _checked(joints: ArrayLike, names: Sequence[str]) -> FloatArray:
    points = np.array(joints, dtype=np.float64)
    if points.ndim != 3 or points.shape[2] != 3 or points.shape[1] != len(names):
        raise InputError(f"joints have shape {points.shape}, expected (frames, {len(names)}, 3) for {len(names)} joint names")
    if len(points) < 2:
        raise InputError(f"joints have {len(points)} frame, expected at least 2")
    unknown = [name for name in names if name not in FITTED]
    if unknown or len(set(names)) != len(names):
        raise InputError(f"joint names {', '.join(unknown) or 'repeat'}: expected SMPL's, each once: {', '.join(FITTED)}")
    _require(names, "too few joints for a body")
    return points


def _require(names: Sequence[str], problem: str) -> None:
    missing = [name for name in REQUIRED if name not in names]
    if not any(all(f"{side}_{name}" in names for name in ARM) for side in ("left", "right")):
        missing.append("elbow and wrist of one arm")
    if missing:
        raise InputError(f"{problem}: {', '.join(missing)} missing; got {', '.join(names) or 'none'}")


def _complete(points: FloatArray, names: list[str]) -> dict[str, FloatArray]:
    """Name -> (F, 3), gaps filled; joints hardly ever seen left out."""
    visible = np.isfinite(points).all(-1) & (points != 0).any(-1)
    kept = [k for k in range(len(names)) if visible[:, k].mean() >= LEAST_SEEN]
    _require([names[k] for k in kept], f"joints seen in under {LEAST_SEEN:.0%} of the frames do not count, too few are left")
    frames = np.arange(len(points))
    for k in kept:
        gaps = ~visible[:, k]
        if gaps.any():
            for axis in range(3):
                points[gaps, k, axis] = np.interp(frames[gaps], frames[~gaps], points[~gaps, k, axis])
    return {names[k]: points[:, k] for k in kept}


def _global_rotations(seen: Mapping[str, FloatArray], rest: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """SMPL joint name -> rotation (F, 3, 3) from the rest frame (y up) to the world."""

    def bone(start: str, end: str) -> tuple[FloatArray, FloatArray]:
        return seen[end] - seen[start], rest[end] - rest[start]

    top = "neck" if "neck" in seen else "middle_shoulder"
    pelvis_up = ("pelvis", "spine1") if "pelvis" in seen and "spine1" in seen else ("middle_hip", top)
    chest_up = ("spine3", "neck") if "spine3" in seen and "neck" in seen else ("middle_hip", top)
    across = ("right_collar", "left_collar") if "right_collar" in seen and "left_collar" in seen else (REQUIRED[3], REQUIRED[2])
    hips = ("right_hip", "left_hip")
    if not shoulders_tell(seen):
        across = hips
    world = {"pelvis": two_vector_rotation(bone(*pelvis_up), bone(*(hips if hips_tell(seen) else across)))}
    world["spine3"] = two_vector_rotation(bone(*chest_up), bone(*across))
    both = np.stack([world["pelvis"], world["spine3"]])
    bend = chained(both, np.array([-1, 0]), np.zeros((2, 3)))[0][:, 1]
    for share, name in ((1 / 3, "spine1"), (2 / 3, "spine2")):
        world[name] = world["pelvis"] @ rotation_matrices(share * bend)
    for start, end in (("spine1", "spine2"), ("spine2", "spine3")):
        if start in seen and end in seen:
            world[start] = swing(world[start], *bone(start, end))

    world["neck"] = swing(world["spine3"], *bone("neck", "head")) if "neck" in seen and "head" in seen else world["spine3"]
    world["head"] = world["neck"]
    for side in ("left", "right"):
        shoulder, elbow, wrist, hand, collar, hip, knee, ankle, foot = (
            f"{side}_{name}" for name in ("shoulder", "elbow", "wrist", "hand", "collar", "hip", "knee", "ankle", "foot")
        )
        world[collar] = _collar(seen, rest, world["spine3"], top, collar, shoulder)
        for upper, middle, lower, end, parent, hinge, prior, one_way in (
            (shoulder, elbow, wrist, hand, world[collar], (0.0, -1.0 if side == "left" else 1.0, 0.0), _ARM_PRIOR, False),
            (hip, knee, ankle, foot, world["pelvis"], (1.0, 0.0, 0.0), _LEG_PRIOR, True),
        ):
            if middle in seen and lower in seen:
                first, second = bone(upper, middle), bone(middle, lower)
                world[upper] = _hinged(parent, first, second[0], np.array(hinge), prior, one_way)
                world[middle] = swing(world[upper], *second)
                if lower == wrist and f"{side}_index1" in seen and f"{side}_pinky1" in seen:
                    thumb_side = seen[f"{side}_index1"] - seen[f"{side}_pinky1"]
                    world[middle] = two_vector_rotation(second, (thumb_side, _THUMB_SIDE))
            else:
                next_seen = next((name for name in (middle, lower) if name in seen and (one_way or name == middle)), None)
                world[upper] = swing(parent, *bone(upper, next_seen)) if next_seen else parent
                world[middle] = world[upper]
            world[lower] = swing(world[middle], *bone(lower, end)) if lower in seen and end in seen else world[middle]
            world[end] = world[lower]
    return world


def _collar(
    seen: Mapping[str, FloatArray], rest: Mapping[str, FloatArray], chest: FloatArray, top: str, collar: str, shoulder: str
) -> FloatArray:
    at_rest = rest[shoulder] - rest[collar]
    if collar in seen:
        return swing(chest, seen[shoulder] - seen[collar], at_rest)
    origin = seen[top] + chest @ (rest[collar] - rest[top])
    unmoved = chest @ at_rest
    towards = _COLLAR_SHARE * unit(seen[shoulder] - origin) + (1 - _COLLAR_SHARE) * unit(unmoved)
    return swing(chest, towards, at_rest)


def _hinged(
    parent: FloatArray,
    bone: tuple[FloatArray, FloatArray],
    lower: FloatArray,
    hinge: FloatArray,
    prior: float,
    one_way: bool,
) -> FloatArray:
    """Rotation (F, 3, 3) of an upper arm or thigh: swing from its own direction, twist from the plane it forms with `lower`.

    `bone` is its direction seen (F, 3) and at rest (3,); `hinge` the axis of flexion at rest, upper x flexed lower. The twist
    is an angle about the bone, kept as a complex number whose size is its certainty: sin² of the flexion for what is seen,
    `prior` for the neutral twist. `one_way` distrusts planes that the joint could only form by bending backwards.
    """
    along, at_rest = unit(bone[0]), unit(bone[1])
    hinge = unit(hinge - (hinge @ at_rest) * at_rest)
    axis = cross(along, unit(lower))  # length: sin of the flexion
    first = transported(along)
    second = cross(along, first)
    neutral = swing(parent, bone[0], bone[1]) @ hinge
    expected = dot(neutral, first) + 1j * dot(neutral, second)
    observed = dot(axis, first) + 1j * dot(axis, second)
    observed = observed * np.abs(observed)
    if one_way:
        size = np.maximum(np.abs(observed), 1e-12)
        observed = observed * (0.5 + 0.5 * (observed * expected.conj()).real / size) ** 2
    # The shortest arc says nothing about twist where the bone points against its rest direction.
    trust = prior * (0.5 + 0.5 * dot(along, parent @ at_rest))
    carried = gaussian_filter1d(observed.real, _CARRY_FRAMES) + 1j * gaussian_filter1d(observed.imag, _CARRY_FRAMES)
    twist = observed + _CARRY_SHARE * carried + trust * expected
    twist = twist / np.maximum(np.abs(twist), 1e-12)
    turned = twist.real[:, None] * first + twist.imag[:, None] * second
    columns = np.stack([along, turned, cross(along, turned)], axis=-1)
    return columns @ np.stack([at_rest, hinge, cross(at_rest, hinge)])
