"""Windows of pose and IMU cover the same time, do not know where north is, and carry the right label."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from m3n.config import WindowsConfig
from m3n.data.windows import BODY_JOINTS, POSE_FEATURES, Normaliser, check_short, cut_clips, cut_recordings, starts
from m3n.errors import InputError

SHAPE = WindowsConfig(window_s=2.0, hop_s=1.0, pose_fps=15.0, rate_hz=50.0)
ELBOW = 18
STAND_UP = Rotation.from_rotvec([np.pi / 2, 0, 0])


def time_marker(seconds: float, fps: float, rate_hz: float) -> dict:
    """A clip in which pose and IMU both tell the time: the elbow is at 0.1 t rad about z, ax reads t, and gz reads -t."""
    frames = round(seconds * fps) + 1
    samples = int(np.floor((frames - 1) / fps * rate_hz + 1e-6)) + 1
    poses = np.zeros((frames, 24, 3))
    poses[:, ELBOW, 2] = 0.1 * np.arange(frames) / fps
    time = np.arange(samples) / rate_hz
    imu = np.zeros((samples, 6))
    imu[:, 0], imu[:, 5] = time, -time
    return {
        "clip_id": "marker", "source": "test", "subject": None, "text": "", "label": None, "fps": fps, "n_frames": frames,
        "poses": poses.astype(np.float32), "trans": np.zeros((frames, 3), np.float32), "rate_hz": rate_hz, "n_samples": samples,
        "imu_left_wrist": imu.astype(np.float32), "imu_right_wrist": 2 * imu.astype(np.float32),
    }  # fmt: skip


def elbow_time(pose_fd: np.ndarray) -> np.ndarray:
    """The time a marker's pose tells: its elbow's angle about z, from the first column of the rotation matrix."""
    column = pose_fd[..., ELBOW * 6 : ELBOW * 6 + 3]
    return np.arctan2(column[..., 1], column[..., 0]) / 0.1


@pytest.mark.parametrize(
    ("fps", "rate_hz", "shape"),
    [
        (30.0, 60.0, SHAPE),
        (29.97, 60.0, SHAPE),
        (60.0, 100.0, WindowsConfig(window_s=1.5, hop_s=0.5, pose_fps=30, rate_hz=25)),
        (25.0, 33.0, WindowsConfig(window_s=1.0, hop_s=0.7, pose_fps=12, rate_hz=50)),
    ],
)
def test_pose_and_imu_of_a_window_tell_the_same_time(fps, rate_hz, shape):
    found = cut_clips([time_marker(10.0, fps, rate_hz)], shape, ("left_wrist", "right_wrist"))
    count = len(found.clip)
    assert count == 1 + int((10.0 - shape.window_s) / shape.hop_s + 0.01)
    assert found.pose_nfd.shape == (count, round(shape.window_s * shape.pose_fps), POSE_FEATURES)
    assert found.imu_npt6.shape == (count, 2, round(shape.window_s * shape.rate_hz), 6)
    begin = np.arange(count) * shape.hop_s
    frames = begin[:, None] + np.arange(found.pose_nfd.shape[1]) / shape.pose_fps
    samples = begin[:, None] + np.arange(found.imu_npt6.shape[2]) / shape.rate_hz
    half = 0.51 / shape.rate_hz  # windows start at the nearest sample
    np.testing.assert_allclose(elbow_time(found.pose_nfd), frames, atol=2e-3)
    np.testing.assert_allclose(found.imu_npt6[:, 0, :, 0], samples, atol=half)
    np.testing.assert_allclose(found.imu_npt6[:, 0, :, 5], -samples, atol=half)
    np.testing.assert_allclose(found.imu_npt6[:, 1, :, 0], 2 * samples, atol=2 * half)


def test_windows_lie_within_the_clip_and_none_that_fits_is_left_out():
    np.testing.assert_allclose(starts(10.0, 2.0, 1.0), np.arange(9))
    np.testing.assert_allclose(starts(9.999, 2.0, 1.0), np.arange(8))
    np.testing.assert_allclose(starts(2.0, 2.0, 1.0), [0])
    assert len(starts(1.99, 2.0, 1.0)) == 0


def walker(yaw: Rotation, tilt: Rotation = Rotation.identity(), seed: int = 0) -> dict:
    """A restless person who walks 1 m/s straight ahead, looking where `yaw` turns them."""
    rng = np.random.default_rng(seed)
    frames, fps = 121, 30.0
    t = np.arange(frames) / fps
    poses = 0.5 * np.sin(2 * np.pi * rng.uniform(0.2, 1.0, (24, 3)) * t[:, None, None] + rng.uniform(0, 6, (24, 3)))
    poses[:, 0] = (yaw * tilt * STAND_UP).as_rotvec()  # standing, SMPL's front (+z at rest) looks along -y
    trans = yaw.apply(np.stack([0 * t, -t, 0 * t], axis=1)) + np.array([0.3, -0.2, 0.9])
    row = time_marker(4.0, fps, 60.0)
    return {**row, "poses": poses.astype(np.float32), "trans": trans.astype(np.float32), "n_frames": frames}


@pytest.mark.parametrize("degrees", [1, 90, 179, -120])
def test_pose_windows_do_not_know_where_north_is(degrees):
    yaw = Rotation.from_euler("z", degrees, degrees=True)
    here, turned = (cut_clips([walker(y)], SHAPE, ("left_wrist",)).pose_nfd for y in (Rotation.identity(), yaw))
    np.testing.assert_allclose(turned, here, atol=5e-5)  # positions are float32, and 30 frames/s multiply it


def test_pose_windows_do_know_which_way_is_up():
    north, lying = Rotation.identity(), Rotation.from_euler("x", -80, degrees=True)
    here, there = (cut_clips([walker(north, tilt)], SHAPE, ("left_wrist",)).pose_nfd for tilt in (north, lying))
    frames = [pose[..., :-3].reshape(*pose.shape[:2], BODY_JOINTS, 2, 3) for pose in (here, there)]
    assert (np.abs(frames[0] - frames[1]).max(axis=(0, 1, 3, 4)) > 0.5).all()  # every joint's rotation is one to the world
    spread = [np.cross(x[..., 0, :], x[..., 1, :]) for x in frames]
    relative = [np.einsum("wfk,wfjk->wfj", x[:, :, 0], x) for x in spread]
    np.testing.assert_allclose(relative[0], relative[1], atol=1e-5)  # and what it is to the pelvis has not changed


def test_the_velocity_is_forwards_where_a_person_walks_straight_ahead():
    pose = cut_clips([walker(Rotation.from_euler("z", 77, degrees=True))], SHAPE, ("left_wrist",)).pose_nfd
    np.testing.assert_allclose(pose[..., -3:], np.broadcast_to([1.0, 0.0, 0.0], pose[..., -3:].shape), atol=1e-4)


def test_turning_within_a_window_is_seen():
    row = walker(Rotation.identity())
    t = np.arange(row["n_frames"]) / row["fps"]
    row["poses"][:, 0] = (Rotation.from_rotvec(0.5 * t[:, None] * [0, 0, 1]) * STAND_UP).as_rotvec()
    pose = cut_clips([row], SHAPE, ("left_wrist",)).pose_nfd
    front = pose[:, :, 0:6].reshape(*pose.shape[:2], 2, 3)
    z_axis = np.cross(front[:, :, 0], front[:, :, 1])
    yaw = np.unwrap(np.arctan2(z_axis[..., 1], z_axis[..., 0]), axis=1)
    expected = np.broadcast_to(0.5 * np.arange(pose.shape[1]) / SHAPE.pose_fps, yaw.shape)
    np.testing.assert_allclose(yaw, expected, atol=1e-4)  # every window starts at yaw 0 and turns at 0.5 rad/s


def test_rotations_in_a_window_are_rotations():
    six_d = cut_clips([walker(Rotation.identity())], SHAPE, ("left_wrist",)).pose_nfd[..., :-3]
    columns = six_d.reshape(*six_d.shape[:2], BODY_JOINTS, 2, 3)
    np.testing.assert_allclose(np.linalg.norm(columns, axis=-1), 1, atol=1e-5)
    np.testing.assert_allclose(np.sum(columns[..., 0, :] * columns[..., 1, :], axis=-1), 0, atol=1e-5)


def test_clip_text_label_subject_and_source_go_with_the_window(synthetic_clip):
    rows = [
        synthetic_clip("a", text="one", label="x", subject="s1"),
        synthetic_clip("b", text="", label=None, subject=None),
        synthetic_clip("c", text="one", label="y", subject="s2", source="other"),
    ]
    found = cut_clips(rows, SHAPE, ("right_wrist",))
    assert found.clip.tolist() == [0, 0, 1, 1, 2, 2]
    assert found.clip_ids == ["a", "b", "c"]
    assert found.texts == ["one", "one", "", "", "one", "one"]
    assert found.labels == ["x", "x", "", "", "y", "y"]
    assert found.subjects == ["s1", "b", "s2"]  # nobody's clip stands for itself
    assert found.sources == ["test", "test", "other"]
    assert found.placements == ("right_wrist",)


def test_a_window_of_a_clip_takes_text_and_label_of_the_segment_that_covers_most_of_it(synthetic_clip):
    segments = [
        {"start_s": 0.0, "stop_s": 2.5, "label": "walk", "text": "a person walks"},
        {"start_s": 2.5, "stop_s": 4.0, "label": "sit", "text": None},
        {"start_s": 8.0, "stop_s": 8.5, "label": "walk", "text": "a person strides"},
        {"start_s": 8.5, "stop_s": 10.0, "label": "walk", "text": "a person strolls"},
    ]
    clip = synthetic_clip("c", frames=301, text="a person walks and sits", label="all", segments=segments)
    found = cut_clips([clip, synthetic_clip("d", segments=[])], SHAPE, ("left_wrist",))
    # 0-2 and 1-3 walk, 2-4 sit, 3-5 sit for just half, 4-6 to 6-8 nothing, 7-9 walk for just half, 8-10 walk, most of it strolled
    assert found.labels == ["walk", "walk", "sit", "", "", "", "", "", "walk", "bend", "bend"]
    assert found.texts[:9] == ["a person walks"] * 2 + [""] * 6 + ["a person strolls"]
    assert found.clip.tolist() == [0] * 9 + [1] * 2


@pytest.mark.parametrize(("stop_s", "label"), [(0.7, "sit"), (0.4, "")])
def test_the_segment_of_a_held_clip_need_cover_most_of_the_clip_only(synthetic_clip, stop_s, label):
    held = SHAPE.model_copy(update={"pad_short": True})
    segments = [{"start_s": 0.0, "stop_s": stop_s, "label": "sit", "text": "a person sits"}]
    clip = synthetic_clip("c", frames=31, segments=segments)  # 1 s
    assert cut_clips([clip], held, ("left_wrist",)).labels == [label]


def test_a_clip_shorter_than_a_window_is_named_and_can_be_left_out(synthetic_clip):
    found = cut_clips([synthetic_clip("brief", frames=31), synthetic_clip("long")], SHAPE, ("left_wrist",))
    assert found.clip_ids == ["long"]
    assert found.short == ["clip 'brief' lasts 1.00 s"]
    with pytest.raises(InputError, match=r"clip 'brief' lasts 1\.00 s, shorter than a window of 2 s.*windows\.max_short"):
        check_short(found.short, 1, SHAPE)
    with pytest.raises(InputError, match="clip 'brief' lasts"):
        check_short(found.short, 0, WindowsConfig(max_short=0.99))
    check_short(found.short, 1, WindowsConfig(max_short=0.5))
    with pytest.raises(InputError, match="the table is empty"):
        check_short([], 0, SHAPE)


def test_no_clip_gives_no_window():
    found = cut_clips([], SHAPE, ("left_wrist",))
    assert found.imu_npt6.shape == (0, 1, 100, 6)
    assert found.pose_nfd.shape == (0, 30, POSE_FEATURES)


def test_a_window_takes_the_label_of_most_of_its_time_and_unlabelled_ones_are_left_out(recording):
    segments = [
        {"start_s": 0.0, "stop_s": 2.5, "label": "walk"},
        {"start_s": 2.5, "stop_s": 4.0, "label": "sit"},
        {"start_s": 8.0, "stop_s": 10.0, "label": "walk"},
    ]
    row = recording("r", seconds=10.0, label=None, segments=segments)
    row["imu_right_wrist"][:, 0] = np.arange(500) / 50  # ax tells the time
    found = cut_recordings([row], SHAPE, ("right_wrist",))
    # 0-2 walk, 1-3 walk (1.5 s), 2-4 sit (1.5 s), 3-5 sit for just half, 4-6 to 6-8 nothing, 7-9 walk for just half, 8-10 walk
    assert found.classes == ["sit", "walk"]
    assert [found.classes[i] for i in found.label] == ["walk", "walk", "sit", "walk"]
    np.testing.assert_allclose(found.imu_npt6[:, 0, 0, 0], [0, 1, 2, 8], atol=1e-6)


def test_segments_of_one_label_count_together(recording):
    segments = [{"start_s": t, "stop_s": t + 0.4, "label": "knock"} for t in (0.0, 0.6, 1.2)]
    found = cut_recordings([recording("r", seconds=2.0, label=None, segments=segments)], SHAPE, ("right_wrist",))
    assert [found.classes[i] for i in found.label] == ["knock"]  # 1.2 of 2 s


def test_a_short_recording_goes_on_as_if_the_sensor_stood_still(recording):
    row = recording("r", seconds=1.0)
    found = cut_recordings([row], SHAPE, ("right_wrist",))
    samples = row["imu_right_wrist"]
    assert found.imu_npt6.shape == (1, 1, 100, 6)
    np.testing.assert_array_equal(found.imu_npt6[0, 0, :50], samples)
    np.testing.assert_array_equal(found.imu_npt6[0, 0, 50:], np.tile([*samples[-1][:3], 0, 0, 0], (50, 1)))


def test_a_short_clip_is_left_out_or_held(synthetic_clip):
    rows = [synthetic_clip("c", 31, 20.0)]  # 1.5 s
    with pytest.raises(InputError, match="shorter than a window"):
        check_short(cut_clips(rows, SHAPE, ("right_wrist",)).short, 0, SHAPE)
    found = cut_clips(rows, SHAPE.model_copy(update={"pad_short": True}), ("right_wrist",))
    assert not found.short
    assert len(found.imu_npt6) == len(found.pose_nfd) == 1
    still = found.pose_nfd[0, -3:]
    np.testing.assert_array_equal(still, np.tile(still[:1], (3, 1)))


def test_a_placement_that_was_not_worn_is_zero_and_marked(recording):
    rows = [recording("a", worn="left_wrist"), recording("b", worn="right_wrist"), recording("c", worn="head")]
    found = cut_recordings(rows, SHAPE, ("left_wrist", "right_wrist"))
    assert found.recording_ids == ["a", "b"]
    assert found.worn_np.tolist() == [[True, False]] * 3 + [[False, True]] * 3
    assert not found.imu_npt6[:3, 1].any()
    assert not found.imu_npt6[3:, 0].any()
    assert found.imu_npt6[:3, 0].any()


def test_an_accelerometer_alone_reads_zero_angular_rate(recording):
    row = recording("a")
    row["imu_right_wrist"][:, 3:] = np.nan
    found = cut_recordings([row], SHAPE, ("right_wrist",))
    assert not found.imu_npt6[..., 3:].any()
    np.testing.assert_array_equal(found.imu_npt6[0, 0, :, :3], row["imu_right_wrist"][:100, :3])


def test_given_classes_fix_the_order_and_refuse_others(recording):
    rows = [recording("a", label="sit"), recording("b", label="wave")]
    found = cut_recordings(rows, SHAPE, ("right_wrist",), classes=["wave", "jump", "sit"])
    assert found.classes == ["wave", "jump", "sit"]
    assert found.label.tolist() == [2, 2, 2, 0, 0, 0]
    with pytest.raises(InputError, match="label 'sit' is not one of the classifier's 1 classes: wave"):
        cut_recordings(rows, SHAPE, ("right_wrist",), classes=["wave"])


def test_recordings_without_labels_are_no_training_data(recording):
    with pytest.raises(InputError, match="no labelled window of right_wrist"):
        cut_recordings([recording("a", label=None)], SHAPE, ("right_wrist",))


def test_a_subset_keeps_window_label_and_subject_together(recording):
    rows = [recording("a", subject="s1"), recording("b", subject="s2", label="sit")]
    found = cut_recordings(rows, SHAPE, ("right_wrist",))
    second = found.subset(found.subject == "s2")
    assert second.subject.tolist() == ["s2"] * 3
    assert [second.classes[i] for i in second.label] == ["sit"] * 3
    np.testing.assert_array_equal(second.imu_npt6, found.imu_npt6[3:])


def test_normalising_keeps_rotations():
    rng = np.random.default_rng(0)
    imu = rng.normal(size=(5, 2, 30, 6)) * [1, 5, 9, 0.1, 0.2, 0.3]
    normalise = Normaliser.fit(imu)
    R = Rotation.random(random_state=1).as_matrix()
    turn = lambda x: np.concatenate([x[..., :3] @ R.T, x[..., 3:] @ R.T], axis=-1)  # noqa: E731
    np.testing.assert_allclose(normalise(turn(imu)), turn(normalise(imu)), rtol=1e-5, atol=1e-6)
    assert Normaliser.fit(turn(imu)).acc == pytest.approx(normalise.acc)


def test_a_normalised_signal_has_root_mean_square_one():
    imu = np.random.default_rng(0).normal(size=(40, 6)) * [3, 3, 3, 0.5, 0.5, 0.5]
    out = Normaliser.fit(imu)(imu)
    assert out.dtype == np.float32
    assert np.sqrt(np.mean(out[:, :3] ** 2)) == pytest.approx(1, rel=1e-5)
    assert np.sqrt(np.mean(out[:, 3:] ** 2)) == pytest.approx(1, rel=1e-5)


def test_a_silent_gyroscope_is_left_at_zero():
    imu = np.zeros((10, 6))
    imu[:, 2] = 9.80665
    out = Normaliser.fit(imu)(imu)
    assert np.isfinite(out).all()
    assert not out[:, 3:].any()


def test_an_example_is_a_stretch_with_one_label(recording):
    segments = [{"start_s": 0.0, "stop_s": 6.0, "label": "a"}, {"start_s": 6.0, "stop_s": 12.0, "label": "b"},
                {"start_s": 12.0, "stop_s": 18.0, "label": "a"}]  # fmt: skip
    rows = [recording("r0", seconds=18.0, label=None, segments=segments), recording("r1", label="a")]
    found = cut_recordings(rows, WindowsConfig(), ("right_wrist",))
    assert len(np.unique(found.example)) == 4  # a, b and a again in the first, and the second recording
    without = cut_recordings(rows, WindowsConfig(), ("right_wrist",), ignore=["a"])
    assert without.classes == ["b"]
    assert without.start_s.min() >= 5.0
