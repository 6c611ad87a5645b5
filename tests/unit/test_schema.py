"""What is wrong with a row is said, so that it can be quarantined, and what is right passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from m3n import schema
from m3n.errors import InputError


def sit(start_s: float, stop_s: float, **changes: str | None) -> dict[str, Any]:
    """A segment of a clip."""
    return {"start_s": start_s, "stop_s": stop_s, "label": "sit", "text": "a person sits"} | changes


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fps": 0.0}, "fps is 0"),
        ({"fps": float("nan")}, "fps is nan"),
        ({"fps": None}, "fps is null"),
        ({"body_model": "ghum"}, "body_model is 'ghum', expected smpl, smplh, smplx"),
        ({"gender": "x"}, "gender is 'x'"),
        ({"n_frames": 1}, "n_frames is 1, expected at least 2"),
        ({"n_frames": 119}, "poses has 8640 values, expected 119 x 72 = 8568"),
        ({"body_model": "smplx"}, "poses has 8640 values, expected 120 x 165"),
        ({"poses": None}, "poses is null"),
        ({"poses": np.array(["a", "b"])}, "poses does not hold numbers"),
        ({"trans": np.zeros((120, 2))}, "trans has 240 values, expected 120 x 3"),
        ({"betas": None}, "betas is null"),
        ({"betas": np.array([0.0, np.inf])}, "betas is inf at value 1"),
        ({"segments": [sit(2.0, 1.0)]}, "segment 'sit' runs from 2.0 s to 1.0 s"),
        ({"segments": [sit(0.0, 1.0, label=None)]}, "segment 0 has no label"),
        ({"segments": [None]}, "segment 0 is null"),
        ({"segments": [sit(0.0, 1.0, text="\ud800")]}, "text of segment 0 is not text that can be written as UTF-8"),
        ({"segments": [sit(0.0, 2.0), sit(1.5, 3.0)]}, "segment 'sit' starts at 1.5 s, before segment 'sit' ends at 2 s"),
        ({"segments": [sit(2.0, 4.1)]}, "segment 'sit' ends at 4.1 s, but the clip lasts 4 s"),
    ],
)
def test_what_is_wrong_with_a_pose_clip_is_said(pose_clip, changes, reason):
    assert schema.check_pose_clip(pose_clip()) is None
    assert reason in str(schema.check_pose_clip(pose_clip() | changes))


def test_the_first_number_that_is_not_finite_is_found(pose_clip):
    row = pose_clip()
    row["poses"][7, 5, 1] = np.nan  # joint 5, y: column 16
    assert schema.check_pose_clip(row) == "poses is nan at frame 7, column 16, expected finite numbers"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"rate_hz": 0.0}, "rate_hz is 0"),
        ({"rate_hz": None}, "rate_hz is None"),
        ({"n_samples": 0}, "n_samples is 0"),
        ({"n_samples": 150}, "imu_right_wrist has 1200 values, expected 150 x 6 = 900"),
        ({"subject": None}, "subject is null"),
        ({"imu_right_wrist": None}, "no placement was worn"),
        ({"segments": [{"start_s": 2.0, "stop_s": 1.0, "label": "sit"}]}, "segment 'sit' runs from 2.0 s to 1.0 s"),
        ({"segments": [{"start_s": 0.0, "stop_s": None, "label": "sit"}]}, "segment 'sit' runs from 0.0 s to None"),
        ({"segments": [{"start_s": 0.0, "stop_s": 1.0, "label": None}]}, "segment 0 has no label"),
        ({"segments": [None]}, "segment 0 is null"),
    ],
)
def test_what_is_wrong_with_a_recording_is_said(recording, changes, reason):
    assert schema.check_imu_recording(recording(), ("right_wrist",)) is None
    assert reason in str(schema.check_imu_recording(recording() | changes, ("right_wrist",)))


def test_an_accelerometer_alone_is_accepted_and_a_hole_in_it_is_not(recording):
    row = recording()
    row["imu_right_wrist"][:, 3:] = np.nan
    assert schema.check_imu_recording(row, ("right_wrist",)) is None
    row["imu_right_wrist"][10, 4] = 0.0  # a gyroscope that works for one sample is a damaged one
    assert "imu_right_wrist is nan at frame 0, column 3" in str(schema.check_imu_recording(row, ("right_wrist",)))
    row = recording()
    row["imu_right_wrist"][:, 3:] = np.nan
    row["imu_right_wrist"][3, 2] = np.nan
    assert "imu_right_wrist is nan at frame 3, column 2" in str(schema.check_imu_recording(row, ("right_wrist",)))


def test_segments_may_cover_a_clip_to_the_end_of_its_last_frame(pose_clip):
    assert schema.check_pose_clip(pose_clip() | {"segments": [sit(0.5, 2.0), sit(2.0, 4.0)]}) is None


@pytest.mark.parametrize("name", [column.name for column in schema.POSE_CLIPS if column not in schema.ADDED_LATER])
def test_a_missing_column_is_named_with_the_type_it_should_have(name):
    columns = schema.POSE_CLIPS.remove(schema.POSE_CLIPS.get_field_index(name))
    with pytest.raises(InputError, match=rf"here: column '{name}' is missing.*{schema.POSE_CLIPS.field(name).type}"):
        schema.validate_pose_clips(columns, "here")


def test_a_column_of_another_type_is_named():
    index = schema.POSE_CLIPS.get_field_index("fps")
    with pytest.raises(InputError, match=r"column 'fps' is string.*float"):
        schema.validate_pose_clips(schema.POSE_CLIPS.set(index, pa.field("fps", pa.string())), "here")
