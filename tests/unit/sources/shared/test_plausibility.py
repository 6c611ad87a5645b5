"""What no person's movement could be does not come in, or comes in without the frames that are wrong, and is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from people import INDEX, STAND, came_in, joints_of, repaired, walker, write_amass, write_skeleton
from scipy.spatial.transform import Rotation

from m3n.errors import InputError
from m3n.schema import RepairedRow
from m3n.sources.poses import amass
from m3n.sources.shared.plausibility import PoseOptions, copied_frames, plausible

MIRROR = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22]


def y_up(poses: np.ndarray, trans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    turned = poses.copy()
    turned[:, 0] = (STAND.inv() * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
    return turned, STAND.inv().apply(trans)


def test_a_walk_comes_in_as_it_is(tmp_path: Path) -> None:
    poses, trans = walker()
    (row,), manifest = came_in("amass", write_amass(tmp_path / "a.npz", poses, trans), tmp_path / "out")
    np.testing.assert_array_equal(row["poses"], poses.reshape(-1).astype(np.float32))
    assert repaired(manifest) == {}


def test_a_sound_row_passes_as_the_same_object(tmp_path: Path) -> None:
    (row,) = amass.pose_clips(write_amass(tmp_path / "a.npz", *walker()), amass.Options())
    assert [item is row for item in plausible([row], amass.Options())] == [True]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p, t: (np.degrees(p), t), "in degrees"),
        (lambda p, t: (np.concatenate([np.degrees(p[:, :1]), p[:, 1:]], axis=1), t), "root .* in degrees"),
        (lambda p, t: (p, 1000 * t), "in mm"),
        (lambda p, t: (p, 100 * t), "in cm"),
        (lambda p, t: (p, t / 0.0254), "inches"),
        (lambda p, t: (p, 93.6 * t), "a scale to divide it by|in cm"),  # AIST++: smpl_scaling
        (lambda p, t: (p, np.random.default_rng(0).normal(size=t.shape)), "translation"),
    ],
    ids=["degrees", "root in degrees", "mm", "cm", "inches", "aist", "noise"],
)
def test_a_wrong_unit_is_refused_with_its_name(tmp_path: Path, change: Any, message: str) -> None:
    file = write_amass(tmp_path / "a.npz", *change(*walker()))
    with pytest.raises(InputError, match=message):
        came_in("amass", file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_standing_person_in_centimetres_is_refused_by_the_height_of_the_ankles(tmp_path: Path) -> None:
    poses, trans = walker()
    still = np.repeat(poses[:1], len(poses), axis=0)
    still[:, INDEX["left_elbow"]] = poses[:, INDEX["left_elbow"]]
    file = write_amass(tmp_path / "a.npz", still, np.repeat(100 * trans[:1], len(trans), axis=0))
    with pytest.raises(InputError, match="in cm"):
        came_in("amass", file, tmp_path / "out")


@pytest.mark.parametrize("factor", [3, 4])
def test_a_frame_rate_that_is_too_high_is_refused(tmp_path: Path, factor: int) -> None:
    poses, trans = walker(20.0, 6.0)
    file = write_skeleton(tmp_path / "a.npz", joints_of(poses, trans), fps=20.0 * factor)
    with pytest.raises(InputError, match=rf"fps={20 * factor} too high"):
        came_in("joints", file, tmp_path / "out", smooth_frames=0.0)
    came_in("joints", write_skeleton(tmp_path / "a.npz", joints_of(poses, trans), fps=20.0), tmp_path / "out")


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("what", ["zero", "turned"])
def test_single_broken_frames_are_bridged_and_counted(tmp_path: Path, frames: int, what: str) -> None:
    poses, trans = walker()
    bad, moved = poses.copy(), trans.copy()
    place = slice(100, 100 + frames)
    if what == "zero":
        moved[place] = 0
    else:
        bad[place, 0] = (Rotation.from_euler("z", 2.5) * Rotation.from_rotvec(poses[place, 0])).as_rotvec()
    (row,), manifest = came_in("amass", write_amass(tmp_path / "a.npz", bad, moved), tmp_path / "out")
    assert repaired(manifest) == {"bridged_frames": frames}
    np.testing.assert_allclose(row["trans"].reshape(-1, 3), trans, atol=2e-3)
    np.testing.assert_allclose(row["poses"].reshape(poses.shape), poses, atol=0.02)
    assert "after frame 99" in manifest["notes"]["bridged_frames"]["first"][0]


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("fps", [20.0, 30.0, 120.0])
def test_a_t_pose_before_the_motion_is_trimmed(tmp_path: Path, count: int, fps: float) -> None:
    poses, trans = walker(fps)
    rest = np.zeros((count, 24, 3))
    rest[:, 0] = STAND.as_rotvec()
    for k in range(1, count):  # it blends into the motion
        rest[k] = rest[0] + (poses[0] - rest[0]) * k / (count + 3)
    file = write_amass(tmp_path / "a.npz", np.concatenate([rest, poses]), np.concatenate([trans[:1]] * count + [trans]), fps)
    (row,), manifest = came_in("amass", file, tmp_path / "out")
    trimmed = repaired(manifest)["trimmed_frames"]
    assert repaired(manifest) == {"trimmed_frames": trimmed}
    assert 1 <= trimmed <= count
    assert row["n_frames"] == count + len(poses) - trimmed


def test_another_person_starts_another_clip(tmp_path: Path) -> None:
    poses, trans = walker()
    moved = trans.copy()
    moved[150:] += [1.5, 2.0, 0.0]
    rows, manifest = came_in("amass", write_amass(tmp_path / "a.npz", poses, moved), tmp_path / "out")
    assert [(row["clip_id"], row["n_frames"]) for row in rows] == [("amass-a-part1", 150), ("amass-a-part2", 90)]
    assert repaired(manifest) == {"split_clips": 1}


@pytest.mark.parametrize("fps", [20.0, 30.0, 60.0])
def test_frames_with_left_and_right_exchanged_are_cut_out(tmp_path: Path, fps: float) -> None:
    joints = joints_of(*walker(fps))
    swapped = joints.copy()
    swapped[40:55] = joints[40:55][:, MIRROR]
    file = write_skeleton(tmp_path / "a.npz", swapped, fps=fps)
    rows, manifest = came_in("joints", file, tmp_path / "out")
    assert [row["n_frames"] for row in rows] == [40, len(joints) - 55]
    assert repaired(manifest) == {"cut_frames": 15, "split_clips": 1}
    assert "left and right are exchanged" in manifest["notes"]["cut_frames"]["first"][0]


def test_a_world_with_y_up_is_named_and_up_turns_it(tmp_path: Path) -> None:
    poses, trans = walker()
    turned, moved = y_up(poses, trans)
    file = write_amass(tmp_path / "a.npz", turned, moved)
    with pytest.raises(InputError, match=r"give up=y, or allow_lying=true"):
        came_in("amass", file, tmp_path / "out")
    (row,), _ = came_in("amass", file, tmp_path / "out", up="y")
    stood_up = joints_of(row["poses"].reshape(poses.shape), row["trans"].reshape(-1, 3))
    np.testing.assert_allclose(stood_up, joints_of(poses, trans), atol=0.3)  # a pelvis at rest turns with the world
    np.testing.assert_allclose(np.ptp(stood_up - joints_of(poses, trans), axis=0), 0, atol=1e-4)
    (row,), _ = came_in("amass", file, tmp_path / "lying", allow_lying=True)
    np.testing.assert_array_equal(row["poses"], turned.reshape(-1).astype(np.float32))


@pytest.mark.parametrize("yaw", [0.7, 1.57, 2.4])
def test_somebody_who_lies_across_the_axes_or_swims_comes_in(tmp_path: Path, yaw: float) -> None:
    poses, trans = walker()
    lying = poses.copy()
    down = Rotation.from_euler("z", yaw) * Rotation.from_euler("x", -90, degrees=True)
    lying[:, 0] = (down * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
    came_in("amass", write_amass(tmp_path / "a.npz", lying, 0 * trans), tmp_path / "out")
    lying[:, 0] = (Rotation.from_euler("z", -yaw) * Rotation.from_rotvec(lying[:, 0])).as_rotvec()
    ahead = np.zeros_like(trans)
    ahead[:, 1] = np.linspace(0, 4, len(trans))  # along the body
    came_in("amass", write_amass(tmp_path / "a.npz", lying, ahead), tmp_path / "out")


def test_fast_sport_is_no_fault() -> None:
    """A punch of 10 m/s and a jump of half a metre."""
    poses, trans = walker(60.0, 4.0)
    t = np.arange(len(poses)) / 60.0
    punch = np.exp(-(((t - 2.0) / 0.05) ** 2))
    poses[:, INDEX["right_elbow"], 1] += 1.2 * (1 - punch) - 0.6
    trans[:, 2] += 0.5 * np.clip(1 - ((t - 1.0) / 0.32) ** 2, 0, None)
    row = {
        "clip_id": "a", "source": "x", "fps": 60.0, "body_model": "smpl", "gender": "neutral", "betas": np.zeros(10),
        "n_frames": len(poses), "poses": poses.astype(np.float32), "trans": trans.astype(np.float32),
    }  # fmt: skip
    (item,) = plausible([row], PoseOptions())
    assert isinstance(item, dict)
    assert not isinstance(item, RepairedRow)


def test_a_clip_with_a_recording_beside_it_is_bridged_but_never_shortened(tmp_path: Path) -> None:
    poses, trans = walker()
    bridged, broken = trans.copy(), trans.copy()
    bridged[100] = 0
    broken[150:] += [1.5, 2.0, 0.0]
    for moved, kept in ((bridged, True), (broken, False)):
        rows = amass.pose_clips(write_amass(tmp_path / "a.npz", poses, moved), amass.Options())
        (item,) = plausible(rows, amass.Options(), whole=True)
        assert isinstance(item, dict) == kept
        assert not kept or item["n_frames"] == len(poses)


@pytest.mark.parametrize("times", [2, 3])
def test_frames_that_were_copied_to_reach_a_frame_rate_are_told(times: int) -> None:
    moving = np.random.default_rng(0).normal(size=(40, 75))
    said = copied_frames(np.repeat(moving, times, axis=0), 30.0 * times)
    assert said is not None
    assert "repeat the frame before" in said
    assert said.endswith("about 30 frames per second")
    pulled = np.repeat(moving, np.where(np.arange(40) % 4 == 0, 2, 1), axis=0)  # film at 24 frames per second, shown at 30
    assert (copied_frames(pulled, 30.0) or "").endswith("about 24 frames per second")


def test_a_body_that_holds_still_repeats_its_frames() -> None:
    moving = np.random.default_rng(0).normal(size=(40, 75))
    held = np.concatenate([moving, np.repeat(moving[-1:], 60, axis=0)])
    assert copied_frames(held, 30.0) is None
    assert copied_frames(np.repeat(moving[:1], 60, axis=0), 30.0) is None
    assert copied_frames(moving, 30.0) is None
