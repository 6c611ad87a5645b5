"""Joints on top of each other: the fit takes the next joint, or says that nothing is left to take."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from people import INDEX, joints_of, walker

from m3n.body.joint_fit import fit_joints
from m3n.body.kinematics import joint_transforms
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.body.segments import LIMBS, with_length
from m3n.errors import InputError

NAMES = list(SMPL_JOINTS)
PLAIN = [name for name in NAMES if not name.startswith("spine") and "collar" not in name]


def degrees_off(joints: np.ndarray, names: list[str]) -> dict[str, float]:
    """Largest angle between limbs given and fitted, over all frames, by the body's own forward kinematics."""
    fit = fit_joints(joints, names, smooth_frames=0)
    found = joint_transforms(load_body("smpl"), fit.poses, fit.trans, fit.betas)[1]
    off = {}
    for limb, start, end in LIMBS:
        given = joints[:, names.index(end)] - joints[:, names.index(start)]
        bone = found[:, INDEX[end]] - found[:, INDEX[start]]
        length = np.linalg.norm(given, axis=1) * np.linalg.norm(bone, axis=1)
        known = length > 1e-6
        cosine = (given * bone).sum(1)[known] / length[known]
        off[limb] = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).max(initial=0.0))
    return off


@pytest.mark.parametrize(
    "together",
    [
        {"left_collar": "neck", "right_collar": "neck"},
        {"left_collar": "spine3", "right_collar": "spine3"},
        {"left_collar": "left_shoulder", "right_collar": "right_shoulder"},
        {"spine1": "pelvis"}, {"spine1": "spine2"}, {"spine2": "spine3"}, {"spine3": "spine2"}, {"spine3": "neck"},
        {"spine1": "pelvis", "spine2": "pelvis", "spine3": "pelvis"}, {"head": "neck"}, {"neck": "spine3"},
        {"left_hip": "pelvis", "right_hip": "pelvis"}, {"left_hand": "left_wrist", "right_hand": "right_wrist"},
        {"left_foot": "left_ankle"}, {"left_ankle": "left_knee"},
    ],
    ids=str,
)  # fmt: skip
def test_two_joints_at_one_point_leave_every_limb_where_it_was(together: dict[str, str]) -> None:
    joints = joints_of(*walker())
    for moved, onto in together.items():
        joints[:, INDEX[moved]] = joints[:, INDEX[onto]]
    off = degrees_off(joints, NAMES)
    thigh = 15.0 if "left_hip" in together else 1.0  # from a hip in the middle, the knee lies in another direction
    assert all(angle < (thigh if "thigh" in limb else 1.0) for limb, angle in off.items()), off
    assert np.median(turns_apart(joints)) < 10


def turns_apart(joints: np.ndarray) -> np.ndarray:
    """Degrees (F,) between the fitted pelvis and that of the walker."""
    fit = fit_joints(joints, NAMES, smooth_frames=0)
    rotations = [joint_transforms(load_body("smpl"), p, np.zeros((len(p), 3)), joints=[0])[0] for p in (fit.poses, walker()[0])]
    trace = np.einsum("fij,fij->f", rotations[0][:, 0], rotations[1][:, 0])
    return np.degrees(np.arccos(np.clip((trace - 1) / 2, -1, 1)))


def test_any_two_joints_at_one_point_give_a_body_or_one_line() -> None:
    joints = joints_of(*walker(30.0, 1.0))
    for one, other in combinations(NAMES, 2):
        moved = joints.copy()
        moved[:, INDEX[one]] = moved[:, INDEX[other]]
        try:
            fit = fit_joints(moved, NAMES, smooth_frames=0)
        except InputError:
            continue
        assert np.isfinite(fit.poses).all(), (one, other)


def test_joints_with_length_all_stay() -> None:
    points = dict(zip(NAMES, np.moveaxis(joints_of(*walker()), 1, 0), strict=True))
    assert list(with_length(points)) == NAMES


def test_a_trunk_without_length_or_width_is_refused() -> None:
    points = dict(zip(PLAIN, np.moveaxis(joints_of(*walker(), PLAIN), 1, 0), strict=True))
    flat = points | {f"{side}_shoulder": points[f"{side}_hip"] for side in ("left", "right")}
    flat.pop("neck")
    with pytest.raises(InputError, match="the trunk has no length"):
        with_length(flat)
    middle = {
        f"{side}_{part}": points["pelvis" if part == "hip" else "neck"]
        for side in ("left", "right")
        for part in ("hip", "shoulder")
    }
    with pytest.raises(InputError, match="the trunk has no width"):
        with_length(points | middle)


@pytest.mark.parametrize(
    ("moved", "said"),
    [
        ({"left_shoulder": "neck", "right_shoulder": "neck"}, "left_shoulder and right_shoulder at the neck"),
        ({"left_shoulder": "neck"}, "the skeleton has left_shoulder at the neck"),
        ({"left_shoulder": "right_shoulder"}, "both shoulders at one point"),
    ],
)
def test_arms_that_begin_at_the_neck_are_refused(moved: dict[str, str], said: str) -> None:
    points = dict(zip(PLAIN, np.moveaxis(joints_of(*walker(), PLAIN), 1, 0), strict=True))
    with pytest.raises(InputError, match=f"{said}: name the joints at which the upper arms begin"):
        with_length(points | {joint: points[place] for joint, place in moved.items()})
