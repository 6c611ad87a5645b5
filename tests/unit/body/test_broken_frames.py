"""Jumps that no muscle makes are found; movements, noise and short clips are left alone."""

from __future__ import annotations

import numpy as np
import pytest
from people import INDEX, STAND, joints_of, walker

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


T_POSE = np.zeros((1, 24, 3))
T_POSE[0, 0] = STAND.as_rotvec()


@pytest.mark.parametrize("at_end", [False, True])
@pytest.mark.parametrize("blended", [1, 4, 8])
def test_a_t_pose_that_blends_into_fast_arms_is_trimmed_at_either_end(blended: int, at_end: bool) -> None:
    """At 30 fps the blend is no faster than a punch, but nobody starts out of an exact T-pose at such a speed."""
    fps = 30.0
    poses, trans = walker(fps)
    punches = 0.9 * np.sin(2 * np.pi * 2.5 * np.arange(len(poses)) / fps)
    poses[:, INDEX["left_elbow"], 1] += punches
    poses[:, INDEX["right_elbow"], 1] += punches
    joints = joints_of(poses, trans)
    rest = joints_of(T_POSE, trans[:1])[0]
    if at_end:
        joints = joints[::-1]
    share = (np.arange(blended) / blended)[:, None, None]
    joints = np.concatenate([(1 - share) * rest + share * joints[0], joints])
    broken = broken_frames(joints[::-1] if at_end else joints, SMPL_JOINTS, fps)
    bad = np.flatnonzero(broken.bad[::-1] if at_end else broken.bad)
    assert set(range(blended)) <= set(bad.tolist()) <= set(range(blended + 3))


@pytest.mark.parametrize("held", [5, 40])
def test_a_held_t_pose_is_trimmed_however_long(held: int) -> None:
    joints = joints_of(*walker())
    joints = np.concatenate([np.repeat(joints_of(T_POSE, np.zeros((1, 3))), held, axis=0), joints])
    broken = broken_frames(joints, SMPL_JOINTS, 60.0)
    assert np.flatnonzero(broken.bad).tolist() == list(range(held))


def test_copied_frames_within_a_clip_are_no_clip_of_their_own() -> None:
    joints = joints_of(*walker())
    joints[100:140] = joints_of(T_POSE, np.zeros((1, 3)))
    assert np.flatnonzero(broken_frames(joints, SMPL_JOINTS, 60.0).bad).tolist() == list(range(100, 140))


def test_a_pose_that_is_mirrored_for_a_while_is_cut() -> None:
    """As augmentations and estimators mirror: each joint's rotation reflected, the body where it was."""
    poses, trans = walker(30.0)
    poses[40:60, 1:] = (poses[40:60][:, MIRROR] * [1, -1, -1])[:, 1:]
    broken = broken_frames(joints_of(poses, trans), SMPL_JOINTS, 30.0)
    assert np.flatnonzero(broken.bad).tolist() == list(range(40, 60))
    assert broken.exchanged
