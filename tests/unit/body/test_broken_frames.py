"""Jumps that no muscle makes are found; movements, noise and short clips are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from people import joints_of, walker

from m3n.body.broken_frames import broken_frames, rest_pose
from m3n.body.model import SMPL_JOINTS

MIRROR = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22]


@pytest.mark.parametrize("fps", [15.0, 30.0, 120.0])
def test_a_walk_has_no_jumps(fps: float) -> None:
    broken = broken_frames(joints_of(*walker(fps)), SMPL_JOINTS, fps)
    assert (broken.kept, broken.jumps) == (round(4 * fps), ())


@pytest.mark.parametrize(("fps", "noise_m"), [(15.0, 0.05), (30.0, 0.02), (120.0, 0.01)])
def test_a_cameras_noise_is_no_jump(fps: float, noise_m: float) -> None:
    joints = joints_of(*walker(fps))
    joints += noise_m * np.random.default_rng(0).normal(size=joints.shape)
    assert broken_frames(joints, SMPL_JOINTS, fps).jumps == ()


@pytest.mark.parametrize("fps", [30.0, 60.0, 120.0])
def test_a_flash_of_three_frames_is_bad_and_the_motion_goes_on(fps: float) -> None:
    joints = joints_of(*walker(fps))
    joints[50:53] += [0.0, 0.0, 1.0]
    broken = broken_frames(joints, SMPL_JOINTS, fps)
    assert np.flatnonzero(broken.bad).tolist() == [50, 51, 52]
    assert broken.breaks == ()


def test_two_flashes_close_together_leave_the_frames_between_them() -> None:
    joints = joints_of(*walker())
    joints[[100, 108]] += [0.0, 0.0, 1.0]
    assert np.flatnonzero(broken_frames(joints, SMPL_JOINTS, 60.0).bad).tolist() == [100, 108]


def test_what_never_comes_back_is_a_break() -> None:
    joints = joints_of(*walker())
    joints[100:] += [3.0, 0.0, 0.0]
    broken = broken_frames(joints, SMPL_JOINTS, 60.0)
    assert (broken.kept, broken.breaks) == (240, (100,))


def test_the_side_of_most_frames_is_kept() -> None:
    joints = joints_of(*walker())
    joints[:150] = joints[:150][:, MIRROR]
    broken = broken_frames(joints, SMPL_JOINTS, 60.0)
    assert broken.exchanged
    assert np.flatnonzero(broken.bad).tolist() == list(range(150, 240))


def test_gaps_are_no_jumps() -> None:
    joints = joints_of(*walker())
    joints[100:110] = np.nan
    joints[150, 20] = np.nan
    assert broken_frames(joints, SMPL_JOINTS, 60.0).jumps == ()


def test_a_t_pose_is_known_from_a_walk_and_needs_both_arms() -> None:
    poses, trans = walker()
    assert not rest_pose(joints_of(poses, trans)[0], SMPL_JOINTS)
    poses[0, 1:] = 0
    assert rest_pose(joints_of(poses, trans)[0], SMPL_JOINTS)
    assert not rest_pose(joints_of(poses, trans)[0][:18], SMPL_JOINTS[:18])
