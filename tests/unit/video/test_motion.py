"""What one camera saw becomes a motion: steady in time, left and right kept apart, upright, without hidden arms."""

from __future__ import annotations

import numpy as np
import pytest
from video_people import standing

from m3n.body.rotations import TURN_UP
from m3n.video.landmarks import NAMES, OTHER_SIDE
from m3n.video.motion import exchanged, in_sight, joints_of, motion_of, steady_rate
from m3n.video.tracking import Stretch, Track

FPS, FRAMES, SIZE = 30.0, 60, (1080, 1920)
PER_METRE = 500.0  # pixels


def seen(moved: np.ndarray, visibility: np.ndarray | None = None, times: np.ndarray | None = None, tilt_deg: float = 0.0):
    """Track and stretch of a person at `moved` (F, 3) m, by a camera that is tilted down and stands still."""
    c, s = np.cos(np.radians(tilt_deg)), np.sin(np.radians(tilt_deg))
    metres = np.repeat(standing()[None], len(moved), 0) @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    pixels = PER_METRE * (metres[..., :2] + moved[:, None, :2]) + np.array(SIZE) / 2
    shown = np.ones((len(moved), 33)) if visibility is None else visibility
    track = Track(np.arange(len(moved)), pixels, metres, shown, np.ones(len(moved)))
    return track, Stretch(np.arange(len(moved)) / FPS if times is None else times, SIZE, (track,))


def test_time_stamps_decide_the_rate_whatever_single_steps_say():
    even = np.arange(100) / 29.97
    assert steady_rate(even) == pytest.approx(29.97)
    uneven = np.delete(even, [20, 21, 50])
    assert steady_rate(uneven) == pytest.approx(29.97)


def test_frames_that_the_camera_dropped_do_not_speed_the_motion_up():
    times = np.delete(np.arange(FRAMES) / FPS, [10, 11, 12])
    moved = np.stack([0.3 * times, 0 * times, 0 * times], axis=1)
    motion = motion_of(*seen(moved, times=times))
    assert motion.fps == pytest.approx(FPS)
    assert len(motion.joints) == FRAMES
    assert (motion.visibility[10:13] == 0).all()
    speed = np.diff(motion.joints[14:-5, 11, 0]) * FPS
    assert speed == pytest.approx(0.3, abs=0.02)


def test_exchanged_sides_are_found_and_put_right():
    track, _ = seen(np.zeros((FRAMES, 3)))
    wrong = track.pixels.copy()
    wrong[20:29] = wrong[20:29][:, OTHER_SIDE]
    assert np.flatnonzero(exchanged(wrong)).tolist() == list(range(20, 29))
    assert not exchanged(track.pixels).any()


def test_a_body_that_sinks_in_the_image_sinks_in_the_world():
    moved = np.zeros((FRAMES, 3))
    moved[:, 1] = 0.3 * np.sin(np.linspace(0, 2 * np.pi, FRAMES)) ** 2  # down in the image
    motion = motion_of(*seen(moved))
    hips = motion.joints[:, [23, 24], 2].mean(1)
    assert np.ptp(hips) == pytest.approx(0.3, rel=0.1)


@pytest.mark.parametrize("tilt_deg", [0.0, 20.0])
def test_the_person_stands_upright_however_the_camera_is_tilted(tilt_deg):
    motion = motion_of(*seen(np.zeros((FRAMES, 3)), tilt_deg=tilt_deg))
    up = motion.joints[0, [11, 12]].mean(0) - motion.joints[0, [27, 28]].mean(0)
    assert up / np.linalg.norm(up) == pytest.approx([0, 0, 1], abs=0.01)
    level = motion_of(*seen(np.zeros((FRAMES, 3)))).joints @ TURN_UP["z"]
    about_hips = motion.joints - motion.joints[:, [23, 24]].mean(1, keepdims=True)
    assert about_hips == pytest.approx(level - level[:, [23, 24]].mean(1, keepdims=True), abs=0.02)


def test_frames_in_which_a_needed_arm_is_hidden_are_left_out_with_the_reason():
    visibility = np.ones((FRAMES, 33))
    visibility[25:50, NAMES.index("right_wrist")] = 0.02
    motion = motion_of(*seen(np.zeros((FRAMES, 3)), visibility))
    kept, hidden = in_sight(motion, ("left", "right"))
    assert [gap.reason for gap in hidden] == ["the right wrist is hidden (visibility 0.02)"]
    assert abs(hidden[0].start - 25) <= 4
    assert abs(hidden[0].stop - 50) <= 4
    assert kept == [slice(0, hidden[0].start), slice(hidden[0].stop, FRAMES)]
    assert in_sight(motion, ("left",)) == ([slice(0, FRAMES)], [])


def test_legs_outside_the_picture_are_not_made_up():
    visibility = np.ones((FRAMES, 33))
    visibility[:, 25:] = 0.05
    joints = joints_of(motion_of(*seen(np.zeros((FRAMES, 3)), visibility)), slice(0, FRAMES))
    assert np.isnan(joints[:, 25:]).all()
    assert np.isfinite(joints[:, :25]).all()
