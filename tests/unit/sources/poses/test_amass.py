"""AMASS files become pose clips; files without motion are rejected with a reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import clip
from fuzz.source_files import amass_arrays

from m3n.errors import InputError
from m3n.schema import POSE_CLIPS, Rejected, check_pose_clip
from m3n.sources.poses.amass import Options, pose_clips
from m3n.sources.shared.ingest_notes import Notes


def write(file: Path, width: int = 156, frames: int = 5, rate_key: str = "mocap_framerate", **more: Any) -> dict[str, Any]:
    data = amass_arrays(width, frames, rate_key, **more)
    file.parent.mkdir(parents=True, exist_ok=True)
    np.savez(file, **data)
    return data


@pytest.mark.parametrize(
    ("width", "rate_key", "body_model"),
    [(156, "mocap_framerate", "smplh"), (165, "mocap_frame_rate", "smplx"), (72, "mocap_framerate", "smpl")],
)
def test_file_becomes_a_valid_row_of_its_body_model(tmp_path: Path, width: int, rate_key: str, body_model: str) -> None:
    data = write(tmp_path / "walk.npz", width, rate_key=rate_key)
    (row,) = pose_clips(tmp_path / "walk.npz", Options())
    assert isinstance(row, dict)
    assert list(row) == POSE_CLIPS.names
    assert check_pose_clip(row) is None
    assert (row["body_model"], row["fps"], row["n_frames"], row["gender"]) == (body_model, 120.0, 5, "neutral")
    np.testing.assert_array_equal(row["poses"], data["poses"].astype(np.float32))
    np.testing.assert_array_equal(row["trans"], data["trans"].astype(np.float32))
    assert row["betas"].shape == (16,)
    assert row["poses"].dtype == np.float32


def test_body_only_poses_get_hands_at_rest(tmp_path: Path) -> None:
    data = write(tmp_path / "a.npz", 66)
    (row,) = pose_clips(tmp_path / "a.npz", Options())
    assert isinstance(row, dict)
    assert row["body_model"] == "smpl"
    np.testing.assert_array_equal(row["poses"][:, :66], data["poses"].astype(np.float32))
    assert not row["poses"][:, 66:].any()


@pytest.mark.parametrize("gender", [np.array("female"), np.array(b"female"), np.array("b'female'"), np.array(["Female"])])
def test_gender_is_understood_in_every_spelling(tmp_path: Path, gender: np.ndarray) -> None:
    write(tmp_path / "a.npz", gender=gender)
    (row,) = pose_clips(tmp_path / "a.npz", Options())
    assert isinstance(row, dict)
    assert row["gender"] == "female"


def test_folder_is_read_recursively_and_shape_files_are_passed_over_and_counted(tmp_path: Path) -> None:
    write(tmp_path / "CMU" / "01" / "01_02_poses.npz")
    write(tmp_path / "CMU" / "02" / "Walk_turnLeft01_poses.npz")
    np.savez(tmp_path / "CMU" / "02" / "shape.npz", betas=np.zeros(16), gender="male")
    notes = Notes()
    first, second = pose_clips(tmp_path, Options(), notes)
    assert isinstance(first, dict)
    assert first["clip_id"] == "amass-CMU/01/01_02_poses"
    assert first["subject"] == "01"
    assert first["text"] == ""
    assert isinstance(second, dict)
    assert second["text"] == "walk turn left"
    assert notes.figures() == {"files of a person's shape, passed over": 1}
    with pytest.raises(InputError, match="holds no motion: poses, trans"):
        list(pose_clips(tmp_path / "CMU" / "02" / "shape.npz", Options()))


def test_text_option_speaks_for_every_clip(tmp_path: Path) -> None:
    write(tmp_path / "x.npz")
    (row,) = pose_clips(tmp_path, Options(text="a person walks", label="walk"))
    assert isinstance(row, dict)
    assert (row["text"], row["label"]) == ("a person walks", "walk")


def test_damaged_odd_and_pickled_files_are_rejected_one_by_one(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"not a zip")
    write(tmp_path / "b.npz", width=100)
    write(tmp_path / "c.npz", trans=np.zeros((4, 3)))
    write(tmp_path / "d.npz", poses=np.array([{"pickled": 1}], dtype=object))
    write(tmp_path / "e.npz")
    rows = list(pose_clips(tmp_path, Options()))
    reasons = [row.reason for row in rows if isinstance(row, Rejected)]
    assert len(reasons) == 4
    assert isinstance(rows[4], dict)
    for reason, part in zip(reasons, ("cannot be read", "(5, 100)", "(4, 3)", "cannot be read"), strict=True):
        assert part in reason


def test_folder_without_files_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no \.npz file"):
        list(pose_clips(tmp_path, Options()))


def test_two_frame_rates_that_differ_are_refused_and_the_same_one_twice_is_not(tmp_path: Path) -> None:
    for other, taken in ((120.0, True), (60.0, False)):
        np.savez(tmp_path / "a.npz", **amass_arrays(mocap_frame_rate=np.array(other)))
        (row,) = pose_clips(tmp_path, Options())
        assert isinstance(row, Rejected) != taken
    assert isinstance(row, Rejected)
    assert "holds two frame rates, mocap_framerate=120.0 and mocap_frame_rate=60.0" in row.reason


def test_a_shape_that_is_repeated_for_every_frame_is_one_shape(tmp_path: Path) -> None:
    shape = np.arange(16) / 10
    np.savez(tmp_path / "a.npz", **amass_arrays(betas=np.tile(shape, (5, 1))))
    (row,) = pose_clips(tmp_path / "a.npz", Options())
    assert isinstance(row, dict)
    np.testing.assert_allclose(row["betas"], shape, rtol=1e-6)


def test_stageii_files_keep_poses_in_parts_and_beat2_is_y_up(tmp_path: Path) -> None:
    data = amass_arrays(165, rate_key="mocap_frame_rate")
    poses = data.pop("poses")
    bounds = {"root_orient": (0, 3), "pose_body": (3, 66), "pose_jaw": (66, 69), "pose_eye": (69, 75), "pose_hand": (75, 165)}
    np.savez(tmp_path / "a_stageii.npz", **data, **{key: poses[:, a:b] for key, (a, b) in bounds.items()})
    row = clip(*pose_clips(tmp_path / "a_stageii.npz", Options()))
    np.testing.assert_array_equal(row["poses"], poses.astype(np.float32))
    beat = amass_arrays(
        165, rate_key="mocap_frame_rate", betas=np.zeros(300), model="smplx2020", expressions=np.zeros((5, 100))
    )
    np.savez(tmp_path / "2_scott_0_1_1.npz", **beat)
    row = clip(*pose_clips(tmp_path / "2_scott_0_1_1.npz", Options(up="y", path="*_{subject}_*.npz")))
    assert (row["subject"], row["body_model"]) == ("scott", "smplx")
    np.testing.assert_allclose(np.diff(row["trans"], axis=0)[:, 2], np.diff(beat["trans"], axis=0)[:, 1], rtol=1e-4)
