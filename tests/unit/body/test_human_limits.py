"""Sizes, speeds and stances of people, from numbers that are known."""

from __future__ import annotations

import numpy as np
import pytest
from people import INDEX, STAND, joints_of, walker
from scipy.spatial.transform import Rotation

from m3n.body import human_limits as limits
from m3n.body.kinematics import joint_positions, joint_transforms
from m3n.body.model import SMPL_JOINTS, standin_body


def joints(fps: float = 60.0, turn: Rotation | None = None) -> dict[str, np.ndarray]:
    points = joints_of(*walker(fps))
    return limits.named(points if turn is None else turn.apply(points.reshape(-1, 3)).reshape(points.shape), SMPL_JOINTS)


def test_the_walker_is_as_tall_as_the_body_that_walks() -> None:
    rest = standin_body().v_template
    tall = float(np.ptp(rest[:, 1]))
    found = limits.height_of(joints(), limits.lengths_of(joints()))
    assert found is not None
    assert found[0] == pytest.approx(tall, rel=0.12)
    assert found[1] < 1.4
    assert limits.uneven(limits.lengths_of(joints()), found[1]) is None


def test_a_limb_that_is_too_long_or_changes_is_named() -> None:
    long = joints()
    long["left_elbow"] = long["left_shoulder"] + 3 * (long["left_elbow"] - long["left_shoulder"])
    assert "shoulder to elbow measures" in str(limits.uneven(limits.lengths_of(long), 1.0))
    loose = joints()
    loose["right_wrist"] = (
        loose["right_elbow"] + (loose["right_wrist"] - loose["right_elbow"]) * np.linspace(0.2, 2, 240)[:, None]
    )
    assert "right elbow to wrist changes its length" in str(limits.uneven(limits.lengths_of(loose), 1.0))


def test_toes_and_knees_tell_left_from_right() -> None:
    assert limits.mirrored(joints()) is None
    mirror = {name: points * [-1, 1, 1] for name, points in joints().items()}
    assert "toes point backwards" in str(limits.mirrored(mirror))
    for name in ("left_foot", "right_foot"):
        mirror.pop(name)
    for name in ("left_knee", "right_knee"):  # deep bends
        hip, ankle = mirror[name.replace("knee", "hip")], mirror[name.replace("knee", "ankle")]
        mirror[name] = mirror[name] + 1.0 * (mirror[name] - 0.5 * (hip + ankle))
    assert "knees bend backwards" in str(limits.mirrored(mirror))


@pytest.mark.parametrize(("up", "turn"), [("y", STAND.inv()), ("-y", STAND)])
def test_the_axis_on_which_a_person_stands_is_found(up: str, turn: Rotation) -> None:
    assert limits.likely_up(joints()) is None
    assert limits.likely_up(joints(turn=turn)) == up
    assert limits.upside_down(joints(turn=Rotation.from_euler("x", 180, degrees=True)))
    assert not limits.upside_down(joints())


def test_an_axis_is_named_as_the_file_has_it() -> None:
    """Read with up=-y where y is right, a person is upside down."""
    assert limits.likely_up(joints(turn=Rotation.from_euler("x", 180, degrees=True)), "-y") == "y"


def test_a_fall_of_free_flight_is_one_g() -> None:
    fps, t = 120.0, np.arange(240) / 120.0
    points = np.repeat(joints_of(*walker(fps))[:1], len(t), axis=0)
    points[:, :, 2] -= 4.903325 * (t**2)[:, None]
    assert limits.falls_too_fast(limits.named(points, SMPL_JOINTS), fps) is None
    fall = limits.falls_too_fast(limits.named(points, SMPL_JOINTS), 2 * fps)
    assert fall == pytest.approx(4.0, rel=0.05)


def test_speeds_of_sprinters_pass_and_faster_ones_do_not() -> None:
    for speed, passes in ((11.0, True), (20.0, False)):
        points = np.repeat(joints_of(*walker())[:1], 120, axis=0)
        points[:, :, 0] += speed * np.arange(120)[:, None] / 60.0
        assert (limits.too_fast(limits.named(points, SMPL_JOINTS), 60.0) is None) == passes


def test_flat_joints_are_images() -> None:
    points = joints_of(*walker())
    assert not limits.flat(points)
    assert limits.flat(points * [1, 0, 1])
    assert not limits.flat(np.ones((5, 24, 3)))


def test_joint_positions_are_those_of_the_whole_kinematics() -> None:
    rng = np.random.default_rng(0)
    poses, trans = rng.normal(size=(20, 24, 3)), rng.normal(size=(20, 3))
    poses[0] = 0
    expected = joint_transforms(standin_body(), poses, trans)[1][:, :22]
    np.testing.assert_allclose(joint_positions(standin_body(), poses, trans, 22), expected, atol=1e-12)
    assert INDEX["right_wrist"] == 21


@pytest.mark.parametrize(("up", "turn"), [("y", STAND.inv()), ("-y", STAND)])
def test_the_axis_of_somebody_who_stoops_again_and_again_is_found(up: str, turn: Rotation) -> None:
    poses, trans = walker()
    poses[:, INDEX["spine1"], 0] = 1.5 * np.clip(2 * np.sin(np.arange(len(poses)) / 20.0), 0, 1)  # level in a third of the time
    points = joints_of(poses, trans)
    level = limits.named(points, SMPL_JOINTS)
    trunk = level["left_shoulder"] + level["right_shoulder"] - level["left_hip"] - level["right_hip"]
    assert (trunk[:, 2] < 0.5 * np.linalg.norm(trunk, axis=1)).mean() > 0.3
    assert limits.likely_up(level) is None
    turned = turn.apply(points.reshape(-1, 3)).reshape(points.shape)
    assert limits.likely_up(limits.named(turned, SMPL_JOINTS)) == up


def test_frames_in_which_nothing_is_seen_are_no_numbers(recwarn: pytest.WarningsRecorder) -> None:
    points = joints_of(*walker())
    points[50] = np.nan
    points[:, :, 2] += 100.0
    blank = limits.named(points, SMPL_JOINTS)
    found = limits.unit_of_height(blank, {"cm": 0.01})
    assert found is not None
    assert found[0] == pytest.approx(100.0, abs=1.0)
    assert np.isfinite(limits.skating(blank))
    assert limits.too_fast(blank, 60.0) is None
    nothing = limits.named(np.full_like(points, np.nan), SMPL_JOINTS)
    assert limits.too_fast(nothing, 60.0) is None
    assert limits.skating(nothing) != limits.skating(nothing)
    assert not recwarn.list


def test_a_fall_is_seen_in_half_a_second() -> None:
    """A clip of 2 s at 20 fps, said to have 80."""
    points = np.repeat(joints_of(*walker(20.0))[:1], 40, axis=0)
    points[:, :, 2] += 0.15 * np.sin(2 * np.pi * np.arange(40) / 20.0)[:, None]  # 0.6 g at the top
    joints_ = limits.named(points, SMPL_JOINTS)
    assert limits.falls_too_fast(joints_, 20.0) is None
    assert limits.falls_too_fast(joints_, 80.0) is not None
