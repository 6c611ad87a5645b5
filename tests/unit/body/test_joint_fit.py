"""Fitting 3-D joints: motions made from known SMPL poses come back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from m3n.body.joint_fit import FitResult, fit_joints
from m3n.body.kinematics import joint_transforms
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.body.steady_arms import steady_arms
from m3n.errors import InputError

KINECT = [name for name in SMPL_JOINTS if not name.startswith("spine") and "collar" not in name]
INDEX = {name: k for k, name in enumerate(SMPL_JOINTS)}
FRAMES = 120


def motion(frames: int = FRAMES) -> tuple[np.ndarray, np.ndarray]:
    """Poses (F, 24, 3) and trans (F, 3) of somebody who turns, and bends and raises both arms; hinges bend about their axes."""
    time = np.linspace(0, 2 * np.pi, frames)
    poses = np.zeros((frames, 24, 3))
    upright = Rotation.from_euler("x", 90, degrees=True)  # y up to z up
    poses[:, 0] = (Rotation.from_euler("z", 0.6 * np.sin(time)[:, None]) * upright).as_rotvec()
    for side, sign in (("left", 1.0), ("right", -1.0)):
        raised, swept, twisted = sign * (-0.6 + 0.5 * np.sin(time)), -0.8 * sign * np.cos(time), 0.4 * np.sin(2 * time)
        arm = Rotation.from_euler("ZYX", np.stack([raised, swept, twisted], axis=1))
        poses[:, INDEX[f"{side}_shoulder"]] = arm.as_rotvec()
        poses[:, INDEX[f"{side}_elbow"], 1] = -sign * (1.1 + 0.6 * np.sin(time + 1))
        poses[:, INDEX[f"{side}_hip"], 0] = -0.5 - 0.4 * np.sin(time)
        poses[:, INDEX[f"{side}_knee"], 0] = 0.9 + 0.5 * np.sin(time)
    return poses, np.stack([0.3 * np.sin(time), 0.1 * time, np.full(frames, 0.95)], axis=1)


def positions(poses: np.ndarray, trans: np.ndarray, names: list[str]) -> np.ndarray:
    return joint_transforms(load_body("smpl"), poses, trans)[1][:, [INDEX[name] for name in names]]


def turns_apart(fit: FitResult, poses: np.ndarray, joint: str) -> np.ndarray:
    """Angle in degrees between the fitted and the true global rotation of a joint, per frame."""
    found, true = (joint_transforms(load_body("smpl"), p, np.zeros((len(p), 3)), joints=[INDEX[joint]])[0][:, 0]
                   for p in (fit.poses, poses))  # fmt: skip
    apart: np.ndarray = np.degrees((Rotation.from_matrix(found) * Rotation.from_matrix(true).inv()).magnitude())
    return apart


@pytest.mark.parametrize("names", [KINECT, list(SMPL_JOINTS)], ids=["kinect", "all"])
def test_hinged_limbs_come_back_with_their_twist(names: list[str]) -> None:
    poses, trans = motion()
    fit = fit_joints(positions(poses, trans, names), names, smooth_frames=0)
    assert fit.poses.shape == (FRAMES, 24, 3)
    assert fit.poses.dtype == fit.trans.dtype == fit.betas.dtype == np.float32
    assert fit.mean_joint_error_m < 0.005
    for joint in ("pelvis", "left_elbow", "right_elbow", "left_shoulder", "right_shoulder", "left_hip", "right_knee"):
        assert np.median(turns_apart(fit, poses, joint)) < 4, joint
        assert turns_apart(fit, poses, joint).max() < 10, joint
    np.testing.assert_allclose(fit.trans, trans, atol=0.01)


def test_bone_directions_are_exact() -> None:
    poses, trans = motion()
    given = positions(poses, trans, KINECT)
    fit = fit_joints(given, KINECT, smooth_frames=0)
    found = joint_transforms(load_body("smpl"), fit.poses, fit.trans, fit.betas)[1]
    for start, end in (("left_elbow", "left_wrist"), ("right_shoulder", "right_elbow"), ("left_hip", "left_knee")):
        expected = given[:, KINECT.index(end)] - given[:, KINECT.index(start)]
        bone = found[:, INDEX[end]] - found[:, INDEX[start]]
        cosine = (expected * bone).sum(1) / np.linalg.norm(expected, axis=1) / np.linalg.norm(bone, axis=1)
        assert cosine.min() > 1 - 1e-8


def test_straight_arm_keeps_the_twist_it_had_while_bent() -> None:
    frames = np.arange(100)
    poses = np.zeros((100, 24, 3))
    poses[:, 0] = [np.pi / 2, 0, 0]
    turned_out = Rotation.from_euler("z", 1.2) * Rotation.from_euler("x", 0.7)
    poses[:, INDEX["right_shoulder"]] = turned_out.as_rotvec()
    flexion = 1.2 * np.clip(np.abs(frames - 50) - 8, 0, 20) / 20  # straight for frames 42-58
    poses[:, INDEX["right_elbow"], 1] = flexion
    given = positions(poses, np.zeros((100, 3)), KINECT) + 0.002 * np.random.default_rng(0).normal(size=(100, len(KINECT), 3))
    fit = fit_joints(given, KINECT)
    assert turns_apart(fit, poses, "right_shoulder")[42:59].max() < 20


def test_rotations_do_not_jump_when_somebody_turns_round_and_round() -> None:
    poses, trans = motion(200)
    spin = Rotation.from_euler("z", np.linspace(0, 5 * np.pi, 200)[:, None]) * Rotation.from_euler("x", 90, degrees=True)
    poses[:, 0] = spin.as_rotvec()
    fit = fit_joints(positions(poses, trans, KINECT), KINECT, smooth_frames=0)
    assert turns_apart(fit, poses, "pelvis").max() < 1
    assert np.linalg.norm(np.diff(fit.poses[:, 0], axis=0), axis=-1).max() < 0.5


def test_joints_not_seen_are_interpolated_and_no_body_lies_at_the_origin() -> None:
    poses, trans = motion()
    given = positions(poses, trans, KINECT)
    whole = fit_joints(given, KINECT)
    holes = given.copy()
    holes[30:33, KINECT.index("right_wrist")] = np.nan
    holes[60:62] = 0.0
    mended = fit_joints(holes, KINECT)
    assert np.isfinite(mended.poses).all()
    np.testing.assert_allclose(mended.trans, whole.trans, atol=0.01)
    assert turns_apart(mended, whole.poses, "right_elbow").max() < 3


def test_shape_follows_the_bones() -> None:
    poses, trans = motion()
    body = load_body("smpl")
    betas = np.array([1.0, -0.5, 0, 0, 0, 0, 0, 0, 0, 0])
    given = joint_transforms(body, poses, trans, betas)[1]
    fit = fit_joints(given, SMPL_JOINTS, smooth_frames=0)
    found = joint_transforms(body, fit.poses, fit.trans, fit.betas)[1]
    for start, end in (("right_elbow", "right_wrist"), ("left_shoulder", "left_elbow"), ("left_hip", "left_knee")):
        expected = np.linalg.norm(given[0, INDEX[end]] - given[0, INDEX[start]])
        assert np.linalg.norm(found[0, INDEX[end]] - found[0, INDEX[start]]) == pytest.approx(expected, abs=0.01)


def test_one_arm_is_enough_and_the_rest_is_at_rest() -> None:
    poses, trans = motion()
    names = ["left_hip", "right_hip", "left_shoulder", "right_shoulder", "right_elbow", "right_wrist"]
    fit = fit_joints(positions(poses, trans, names), names, smooth_frames=0)
    assert np.median(turns_apart(fit, poses, "right_elbow")) < 4
    assert not fit.poses[:, [INDEX["left_knee"], INDEX["left_elbow"], INDEX["head"]]].any()


def test_too_few_joints_and_wrong_shapes_are_named() -> None:
    names = ["left_hip", "right_hip", "left_shoulder", "right_shoulder"]
    with pytest.raises(InputError, match="elbow and wrist of one arm"):
        fit_joints(np.ones((5, 4, 3)), names)
    with pytest.raises(InputError, match="left_hip missing"):
        fit_joints(np.ones((5, 5, 3)), [*names[1:], "left_elbow", "left_wrist"])
    with pytest.raises(InputError, match="nose"):
        fit_joints(np.ones((5, 1, 3)), ["nose"])
    with pytest.raises(InputError, match="expected"):
        fit_joints(np.ones((5, 3)), names)
    with pytest.raises(InputError, match="too few are left"):
        fit_joints(np.zeros((5, len(KINECT), 3)), KINECT)


def test_a_body_of_another_shape_comes_back_from_all_its_joints() -> None:
    poses, trans = motion()
    spine = [INDEX[name] for name in ("spine1", "spine2", "spine3", "neck", "left_collar", "right_collar")]
    poses[:, spine] += 0.15 * np.sin(np.arange(FRAMES) / 20 + np.arange(6)[:, None]).T[:, :, None]
    body, betas = load_body("smpl"), np.array([0.8, 0.5, -0.5, 0.3, 0, 0, 0, 0, 0, 0])
    given = joint_transforms(body, poses, trans, betas)[1]
    fit = fit_joints(given, SMPL_JOINTS, smooth_frames=0)
    found = joint_transforms(body, fit.poses, fit.trans, fit.betas)[1]
    assert np.linalg.norm(found - given, axis=-1).mean() < 0.005
    assert fit.mean_joint_error_m == pytest.approx(np.linalg.norm(found - given, axis=-1).mean(), abs=1e-4)


def test_joints_defined_elsewhere_count_once_calibrated() -> None:
    poses, trans = motion()
    rotations, given = joint_transforms(load_body("smpl"), poses, trans)
    moved = given.copy()
    moved[:, INDEX["pelvis"]] += (
        0.08 * rotations[:, INDEX["pelvis"], :, 1]
    )  # a hip centre 8 cm above SMPL's, as a Kinect has it
    moved[:, INDEX["head"]] += 0.05 * rotations[:, INDEX["neck"], :, 2]
    names = [INDEX[name] for name in KINECT]
    plain, shifted = (fit_joints(joints[:, names], KINECT, smooth_frames=0) for joints in (given, moved))
    assert shifted.mean_joint_error_m > plain.mean_joint_error_m + 0.004
    assert shifted.calibrated_joint_error_m < plain.calibrated_joint_error_m + 0.002


def test_arms_of_constant_length_are_left_as_they_are() -> None:
    poses, trans = motion()
    given = dict(zip(KINECT, np.moveaxis(positions(poses, trans, KINECT), 1, 0), strict=True))
    steady = steady_arms(given)
    for name, points in given.items():
        np.testing.assert_allclose(steady[name], points, atol=1e-6, err_msg=name)


def test_noisy_arms_get_constant_lengths_and_a_better_wrist() -> None:
    poses, trans = motion(400)
    truth = dict(zip(KINECT, np.moveaxis(positions(poses, trans, KINECT), 1, 0), strict=True))
    rng = np.random.default_rng(1)
    spread = {"elbow": 0.03, "wrist": 0.015, "hand": 0.015}
    noisy = {
        name: points + spread.get(name.split("_")[-1], 0.0) * rng.normal(size=points.shape) for name, points in truth.items()
    }
    steady = steady_arms(noisy)
    for side in ("left", "right"):
        shoulder, elbow, wrist = (steady[f"{side}_{name}"] for name in ("shoulder", "elbow", "wrist"))
        for bone in (elbow - shoulder, wrist - elbow):
            assert np.ptp(np.linalg.norm(bone, axis=-1)) < 1e-9
        before, after = (np.linalg.norm(j[f"{side}_wrist"] - truth[f"{side}_wrist"], axis=-1).mean() for j in (noisy, steady))
        assert after < before
        before, after = (np.linalg.norm(j[f"{side}_elbow"] - truth[f"{side}_elbow"], axis=-1).mean() for j in (noisy, steady))
        assert after < before


def test_two_frames_are_enough_and_stay_finite() -> None:
    poses, trans = motion(2)
    fit = fit_joints(positions(poses, trans, KINECT), KINECT)
    assert fit.poses.shape == (2, 24, 3)
    assert np.isfinite(fit.poses).all()
    assert np.isfinite([fit.mean_joint_error_m, fit.calibrated_joint_error_m]).all()


def test_an_arm_folded_flat_or_of_no_length_stays_finite() -> None:
    poses, trans = motion()
    given = positions(poses, trans, KINECT)
    given[:40, KINECT.index("right_wrist")] = given[:40, KINECT.index("right_shoulder")]
    given[40:, KINECT.index("left_wrist")] = given[40:, KINECT.index("left_elbow")]
    fit = fit_joints(given, KINECT)
    assert np.isfinite(fit.poses).all()
    assert np.isfinite(fit.trans).all()


def test_forearm_twist_is_read_off_the_knuckles() -> None:
    poses, trans = motion()
    pronation = 0.8 * np.sin(np.linspace(0, 3, FRAMES))
    bent = Rotation.from_rotvec(poses[:, INDEX["left_elbow"]])
    poses[:, INDEX["left_elbow"]] = (bent * Rotation.from_rotvec(pronation[:, None] * [1.0, 0, 0])).as_rotvec()
    rotations, places = joint_transforms(load_body("smpl"), poses, trans)
    knuckles = [places[:, INDEX["left_wrist"]] + rotations[:, INDEX["left_elbow"]] @ [0.09, 0, z] for z in (0.03, -0.03)]
    given = np.concatenate([places[:, [INDEX[name] for name in KINECT]], np.stack(knuckles, axis=1)], axis=1)
    fit = fit_joints(given, [*KINECT, "left_index1", "left_pinky1"], smooth_frames=0)
    assert turns_apart(fit, poses, "left_elbow").max() < 1
    without = fit_joints(given[:, :-2], KINECT, smooth_frames=0)
    assert turns_apart(without, poses, "left_elbow").max() > 30
