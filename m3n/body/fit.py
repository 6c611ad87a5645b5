"""3-D joints to SMPL: bone directions give rotations in closed form, for all frames at once.

Depth cameras, BVH players and video pose estimators give joint positions; the simulator needs rotations. Directions of bones
fix a bone's swing but not its twist, so twist comes from anatomy: elbows and knees are hinges, and the plane of upper and
lower bone holds the hinge's axis at a right angle. A limb that is nearly straight has no such plane; there the twist is
carried over from neighbouring frames, in a frame transported along the limb's own path (Bishop, Am. Math. Monthly 82(3), 1975),
which neither jumps nor has poles. Forearm twist (pronation) is not visible in joint positions at all and stays neutral, the
hand half-way between palm up and palm down.

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
from m3n.errors import InputError

REQUIRED = ("left_hip", "right_hip", "left_shoulder", "right_shoulder")
ARM = ("elbow", "wrist")
LEAST_SEEN = 0.2  # share of frames in which a joint must have been seen to be used

# Bones whose lengths tell the person's shape, and how far (m, standard deviation) they may miss: other skeletons put hips and
# shoulders elsewhere than SMPL does, so widths count for less than limbs.
_BONES = (
    ("left_shoulder", "left_elbow", 0.015), ("right_shoulder", "right_elbow", 0.015),
    ("left_elbow", "left_wrist", 0.015), ("right_elbow", "right_wrist", 0.015),
    ("left_hip", "left_knee", 0.03), ("right_hip", "right_knee", 0.03),
    ("left_knee", "left_ankle", 0.03), ("right_knee", "right_ankle", 0.03),
    ("left_shoulder", "right_shoulder", 0.04), ("left_hip", "right_hip", 0.06), ("middle_hip", "middle_shoulder", 0.03),
)  # fmt: skip
_CARRY_FRAMES = 15.0  # reach of the carry-over of twist (standard deviation, frames)
_CARRY_SHARE = 0.2
_ARM_PRIOR, _LEG_PRIOR = 0.005, 0.5  # weight of the neutral twist against sin²(flexion) of the hinge
_COLLAR_SHARE = 0.5  # how far an unseen collar bone follows the shoulder


@dataclass(frozen=True)
class FitResult:
    """SMPL parameters of F frames: axis-angle `poses` (F, 24, 3) rad, continuous in time, `trans` (F, 3) m, `betas` (B,), all
    float32, and the mean distance (m) between the joints given and the body's own."""

    poses: NDArray[np.float32]
    trans: NDArray[np.float32]
    betas: NDArray[np.float32]
    mean_joint_error_m: float


def fit_joints(joints: ArrayLike, names: Sequence[str], body: Body | None = None, smooth_frames: float = 1.0) -> FitResult:
    """SMPL poses whose joints follow `joints` (F, K, 3), metres, z up.

    `names` (K,) are SMPL joint names: both hips, both shoulders, and elbow and wrist of at least one arm are needed; neck,
    head, hands, knees, ankles, feet, pelvis, collars, spine1 and spine3 are used where they are given. Positions that are not
    finite or exactly zero count as not seen and are interpolated in time. `smooth_frames` is the standard deviation, in
    frames, of a Gaussian over the positions; 0 leaves them as they are. `body` (24 joints) is the neutral SMPL body or its
    stand-in where None.

    Raises InputError for shapes and names that do not fit, missing joints, joints hardly ever seen, and fewer than 2 frames.
    """
    body = load_body("smpl") if body is None else body
    if body.joints != len(SMPL_JOINTS):
        raise InputError(f"joints are fitted to a 24-joint smpl body, got {body.name} with {body.joints} joints")
    seen = _complete(_checked(joints, names), list(names))
    if smooth_frames > 0:
        seen = {name: gaussian_filter1d(points, smooth_frames, axis=0, mode="nearest") for name, points in seen.items()}
    seen = _with_middles(seen)
    betas = _shape(body, seen)
    rest = _with_middles(dict(zip(SMPL_JOINTS, rest_joints(body, betas), strict=True)))
    world = _global_rotations(seen, rest)
    local, placed = [world["pelvis"]], {"pelvis": rest["pelvis"]}
    for name, parent in zip(SMPL_JOINTS[1:], SMPL_PARENTS[1:], strict=True):
        above = SMPL_JOINTS[parent]
        local.append(np.swapaxes(world[above], -1, -2) @ world[name])
        placed[name] = placed[above] + world[above] @ (rest[name] - rest[above])
    poses = _continuous_rotvecs(np.stack(local, axis=1))
    offsets = {name: seen[name] - placed[name] for name in names if name in seen}
    trans = np.mean([offsets[name] for name in REQUIRED], axis=0)  # other skeletons' hip centres are not SMPL's pelvis
    error = np.mean([np.linalg.norm(offset - trans, axis=-1).mean() for offset in offsets.values()])
    return FitResult(poses.astype(np.float32), trans.astype(np.float32), betas.astype(np.float32), float(error))


def _checked(joints: ArrayLike, names: Sequence[str]) -> FloatArray:
    points = np.array(joints, dtype=np.float64)
    if points.ndim != 3 or points.shape[2] != 3 or points.shape[1] != len(names):
        raise InputError(f"joints have shape {points.shape}, expected (frames, {len(names)}, 3) for {len(names)} joint names")
    if len(points) < 2:
        raise InputError(f"joints have {len(points)} frame, expected at least 2")
    unknown = [name for name in names if name not in SMPL_JOINTS]
    if unknown or len(set(names)) != len(names):
        raise InputError(f"joint names {', '.join(unknown) or 'repeat'}: expected SMPL's, each once: {', '.join(SMPL_JOINTS)}")
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


def _with_middles(points: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    hips = 0.5 * (points["left_hip"] + points["right_hip"])
    shoulders = 0.5 * (points["left_shoulder"] + points["right_shoulder"])
    return {**points, "middle_hip": hips, "middle_shoulder": shoulders}


def _shape(body: Body, seen: Mapping[str, FloatArray]) -> FloatArray:
    """Betas (B,): regularised Gauss-Newton on the median bone lengths, prior N(0, 1), SMPL's own."""
    bones = [bone for bone in _BONES if bone[0] in seen and bone[1] in seen]
    target = np.array([np.median(np.linalg.norm(seen[child] - seen[parent], axis=-1)) for parent, child, _ in bones])
    scale = np.array([deviation for _, _, deviation in bones])
    mean = _with_middles(dict(zip(SMPL_JOINTS, body.rest_joint_template, strict=True)))
    slope = _with_middles(dict(zip(SMPL_JOINTS, body.rest_joint_shapedirs, strict=True)))
    start = np.stack([mean[child] - mean[parent] for parent, child, _ in bones])
    change = np.stack([slope[child] - slope[parent] for parent, child, _ in bones])
    betas = np.zeros(body.shapedirs.shape[2])
    for _ in range(4):
        vectors = start + change @ betas
        lengths = np.linalg.norm(vectors, axis=-1)
        jacobian = np.einsum("nc,ncb->nb", vectors / lengths[:, None], change) / scale[:, None]
        residual = (target - lengths) / scale + jacobian @ betas
        betas = np.linalg.solve(jacobian.T @ jacobian + np.eye(len(betas)), jacobian.T @ residual)
    return betas


def _global_rotations(seen: Mapping[str, FloatArray], rest: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """SMPL joint name -> rotation (F, 3, 3) from the rest frame (y up) to the world."""

    def bone(start: str, end: str) -> tuple[FloatArray, FloatArray]:
        return seen[end] - seen[start], rest[end] - rest[start]

    top = "neck" if "neck" in seen else "middle_shoulder"
    pelvis_up = ("pelvis", "spine1") if "pelvis" in seen and "spine1" in seen else ("middle_hip", top)
    chest_up = ("spine3", "neck") if "spine3" in seen and "neck" in seen else ("middle_hip", top)
    across = ("right_collar", "left_collar") if "right_collar" in seen and "left_collar" in seen else (REQUIRED[3], REQUIRED[2])
    world = {"pelvis": _two_vector_rotation(bone(*pelvis_up), bone("right_hip", "left_hip"))}
    world["spine3"] = _two_vector_rotation(bone(*chest_up), bone(*across))
    bend = _continuous_rotvecs((np.swapaxes(world["pelvis"], -1, -2) @ world["spine3"])[:, None])[:, 0]
    for share, name in ((1 / 3, "spine1"), (2 / 3, "spine2")):
        world[name] = world["pelvis"] @ rotation_matrices(share * bend)

    world["neck"] = _swing(world["spine3"], *bone("neck", "head")) if "neck" in seen and "head" in seen else world["spine3"]
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
                world[middle] = _swing(world[upper], *second)
            else:
                world[upper] = _swing(parent, *bone(upper, middle)) if middle in seen else parent
                world[middle] = world[upper]
            world[lower] = _swing(world[middle], *bone(lower, end)) if lower in seen and end in seen else world[middle]
            world[end] = world[lower]
    return world


def _collar(
    seen: Mapping[str, FloatArray], rest: Mapping[str, FloatArray], chest: FloatArray, top: str, collar: str, shoulder: str
) -> FloatArray:
    at_rest = rest[shoulder] - rest[collar]
    if collar in seen:
        return _swing(chest, seen[shoulder] - seen[collar], at_rest)
    origin = seen[top] + chest @ (rest[collar] - rest[top])
    unmoved = chest @ at_rest
    towards = _COLLAR_SHARE * _unit(seen[shoulder] - origin) + (1 - _COLLAR_SHARE) * _unit(unmoved)
    return _swing(chest, towards, at_rest)


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
    along, at_rest = _unit(bone[0]), _unit(bone[1])
    hinge = _unit(hinge - (hinge @ at_rest) * at_rest)
    axis = _cross(along, _unit(lower))  # length: sin of the flexion
    first = _transported(along)
    second = _cross(along, first)
    neutral = _swing(parent, bone[0], bone[1]) @ hinge
    expected = _dot(neutral, first) + 1j * _dot(neutral, second)
    observed = _dot(axis, first) + 1j * _dot(axis, second)
    observed = observed * np.abs(observed)
    if one_way:
        size = np.maximum(np.abs(observed), 1e-12)
        observed = observed * (0.5 + 0.5 * (observed * expected.conj()).real / size) ** 2
    # The shortest arc says nothing about twist where the bone points against its rest direction.
    trust = prior * (0.5 + 0.5 * _dot(along, parent @ at_rest))
    carried = gaussian_filter1d(observed.real, _CARRY_FRAMES) + 1j * gaussian_filter1d(observed.imag, _CARRY_FRAMES)
    twist = observed + _CARRY_SHARE * carried + trust * expected
    twist = twist / np.maximum(np.abs(twist), 1e-12)
    turned = twist.real[:, None] * first + twist.imag[:, None] * second
    columns = np.stack([along, turned, _cross(along, turned)], axis=-1)
    return columns @ np.stack([at_rest, hinge, _cross(at_rest, hinge)])


def _transported(along: FloatArray) -> FloatArray:
    """Unit vectors (F, 3) at right angles to `along` that turn about it as little as possible from frame to frame."""
    steps = np.empty((len(along), 4))
    steps[0] = (1, 0, 0, 0)
    steps[1:, 0] = 1 + _dot(along[:-1], along[1:])
    steps[1:, 1:] = _cross(along[:-1], along[1:])
    steps[np.linalg.norm(steps, axis=-1) < 1e-9] = (1, 0, 0, 0)  # a half turn in one frame: any axis will do
    steps = _unit(steps)
    reach = 1
    while reach < len(steps):  # running product in log2(F) steps (Hillis and Steele, CACM 29(12), 1986)
        steps[reach:] = _unit(_quaternion_product(steps[reach:], steps[:-reach].copy()))
        reach *= 2
    start = np.eye(3)[np.abs(along[0]).argmin()]
    vector = np.broadcast_to(start - (start @ along[0]) * along[0], along.shape)
    turned = vector + 2 * _cross(steps[:, 1:], _cross(steps[:, 1:], vector) + steps[:, :1] * vector)
    return _unit(turned - _dot(turned, along)[:, None] * along)


def _quaternion_product(left: FloatArray, right: FloatArray) -> FloatArray:
    """Scalar first; the right one is applied first."""
    scalar = left[:, :1] * right[:, :1] - _dot(left[:, 1:], right[:, 1:])[:, None]
    vector = left[:, :1] * right[:, 1:] + right[:, :1] * left[:, 1:] + _cross(left[:, 1:], right[:, 1:])
    return np.concatenate([scalar, vector], axis=1)


def _two_vector_rotation(main: tuple[FloatArray, FloatArray], minor: tuple[FloatArray, FloatArray]) -> FloatArray:
    """Rotation that takes the resting main direction to the seen one, and the minor one as near as that allows (TRIAD)."""

    def frame(first: FloatArray, second: FloatArray) -> FloatArray:
        x = _unit(first)
        z = _unit(_cross(x, second))
        return np.stack([x, _cross(z, x), z], axis=-1)

    return frame(main[0], minor[0]) @ frame(main[1], minor[1]).T


def _swing(parent: FloatArray, seen: FloatArray, at_rest: FloatArray) -> FloatArray:
    """`parent` followed by the shortest arc that points the bone where it is seen."""
    start, end = _unit(parent @ at_rest), _unit(seen)
    cross = _cross(start, end)
    scale = 1 / np.maximum(1 + _dot(start, end), 1e-9)
    # 1 + K + s K² with K = [cross]x, and K² = cross crossT - |cross|² 1
    arc = scale[:, None, None] * cross[:, :, None] * cross[:, None, :]
    arc[:, range(3), range(3)] += (1 - scale * _dot(cross, cross))[:, None]
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        arc[:, j, i] += cross[:, k]
        arc[:, i, j] -= cross[:, k]
    return arc @ parent


def _continuous_rotvecs(matrices: FloatArray) -> FloatArray:
    """Axis-angle (F, n, 3) of rotations (F, n, 3, 3); where the principal angle would jump at half a turn, it goes on."""
    quaternion = _quaternions(matrices)
    sine = np.linalg.norm(quaternion[..., 1:], axis=-1)
    axis = quaternion[..., 1:] / np.maximum(sine, 1e-12)[..., None]
    turns = np.ones(sine.shape)
    turns[1:] = np.cumprod(np.where(_dot(axis[1:], axis[:-1]) < 0, -1.0, 1.0), axis=0)
    angle = np.unwrap(turns * 2 * np.arctan2(sine, quaternion[..., 0]), axis=0)
    angle = angle - 2 * np.pi * np.round(np.median(angle, axis=0) / (2 * np.pi))
    rotvecs: FloatArray = (turns * angle)[..., None] * axis
    return rotvecs


def _quaternions(matrices: FloatArray) -> FloatArray:
    """Unit quaternions (..., 4), scalar first and not negative, by the best-conditioned of four formulas (Shepperd, 1978)."""
    trace = np.trace(matrices, axis1=-2, axis2=-1)
    diagonal = np.diagonal(matrices, axis1=-2, axis2=-1)
    squares = np.concatenate([1 + trace[..., None], 1 + 2 * diagonal - trace[..., None]], axis=-1)  # 4 w², 4 x², 4 y², 4 z²
    products = np.empty((*trace.shape, 4, 4))  # 4 q qT
    products[..., range(4), range(4)] = squares
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        products[..., 0, k + 1] = products[..., k + 1, 0] = matrices[..., j, i] - matrices[..., i, j]
        products[..., i + 1, j + 1] = products[..., j + 1, i + 1] = matrices[..., j, i] + matrices[..., i, j]
    best = squares.argmax(-1)[..., None, None]
    quaternion = _unit(np.take_along_axis(products, best, axis=-2)[..., 0, :])
    return np.where(quaternion[..., :1] < 0, -quaternion, quaternion)


def _unit(vectors: FloatArray) -> FloatArray:
    return vectors / np.maximum(np.sqrt(_dot(vectors, vectors)), 1e-12)[..., None]


def _cross(left: FloatArray, right: FloatArray) -> FloatArray:
    """numpy.cross for (..., 3), several times faster on short arrays."""
    a, b, c = left[..., 0], left[..., 1], left[..., 2]
    d, e, f = right[..., 0], right[..., 1], right[..., 2]
    return np.stack([b * f - c * e, c * d - a * f, a * e - b * d], axis=-1)


def _dot(left: FloatArray, right: FloatArray) -> FloatArray:
    product: FloatArray = np.einsum("...i,...i->...", left, right)
    return product
