"""OpenPack: both wrists on one clock, which wrist is which, operations in time."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.originals import write_zip
from fuzz.source_files import OPENPACK_START_MS, openpack_files, openpack_seconds, sample_columns

from m3n.errors import InputError
from m3n.schema import GRAVITY, PLACEMENTS, Rejected, check_imu_recording
from m3n.sources.recordings import openpack


def zipped(folder: Path, files: dict[str, Any]) -> Path:
    write_zip(folder / "data.zip", files)
    return folder / "data.zip"


def openpack_rows(path: Path, **options: Any) -> list[Any]:
    return list(openpack.imu_recordings(path, openpack.Options(**options)))


def test_a_packing_session_has_both_wrists_in_si_units_and_operations_in_its_own_time(tmp_path):
    (row,) = openpack_rows(zipped(tmp_path, openpack_files()))
    assert check_imu_recording(row, PLACEMENTS) is None
    assert (row["subject"], row["session"], row["n_samples"]) == ("U0209", "S0500", 200)
    assert row["started_at"] == datetime.fromtimestamp(OPENPACK_START_MS / 1000, UTC)
    columns = sample_columns(np.arange(200) * 0.03)
    np.testing.assert_allclose(row["imu_right_wrist"][:, 0], GRAVITY * np.array(columns["ax"]), atol=1e-3)
    np.testing.assert_allclose(row["imu_right_wrist"][:, 4], np.radians(columns["gy"]), atol=1e-3)
    np.testing.assert_array_equal(row["imu_left_wrist"], -row["imu_right_wrist"])
    spans = [(s["label"], round(s["start_s"], 3), round(s["stop_s"], 3)) for s in row["segments"]]
    assert spans == [("Picking", 1.143, 3.0), ("Assemble Box", 3.0, 4.5), ("null", 4.5, 6.0)]  # the last is cut by the end


def test_an_older_release_labels_every_second(tmp_path):
    (row,) = openpack_rows(zipped(tmp_path, openpack_seconds()))
    spans = [(s["label"], round(s["start_s"], 3), round(s["stop_s"], 3)) for s in row["segments"]]
    assert spans == [("Picking", 0.0, 2.0), ("Assemble Box", 2.0, 4.0), ("null", 4.0, 5.0)]


def test_a_second_with_an_unknown_operation_is_named(tmp_path):
    files = {name: text.replace(",300,", ",350,", 1) for name, text in openpack_seconds().items()}
    (rejected,) = openpack_rows(zipped(tmp_path, files))
    assert isinstance(rejected, Rejected)
    assert "activity-1s/S0500.csv, line 4" in rejected.reason
    assert "operation '350'" in rejected.reason


def test_which_sensor_is_on_the_left_is_a_setting(tmp_path):
    path = zipped(tmp_path, openpack_files())
    (row,), (swapped,) = openpack_rows(path), openpack_rows(path, left="atr01")
    np.testing.assert_array_equal(row["imu_left_wrist"], swapped["imu_right_wrist"])


def test_users_and_sessions_can_be_chosen_and_a_folder_does_as_well(tmp_path):
    path = zipped(tmp_path, {**openpack_files(), **openpack_files(user="U0101"), **openpack_files(session="S0100")})
    assert [row["recording_id"] for row in openpack_rows(path)] == [
        "openpack-U0101-S0500-0", "openpack-U0209-S0100-0", "openpack-U0209-S0500-0",
    ]  # fmt: skip
    assert [row["session"] for row in openpack_rows(path, users=["U0209"], sessions=["S0100"])] == ["S0100"]
    with zipfile.ZipFile(path) as archive:
        archive.extractall(tmp_path / "folder")
    assert len(openpack_rows(tmp_path / "folder")) == 3
    with pytest.raises(InputError, match="there are U0101 S0500"):
        openpack_rows(path, users=["U1"])


def test_a_damaged_session_is_rejected_and_a_session_without_operations_has_no_labels(tmp_path):
    files = {**openpack_files(), **openpack_files(user="U0101"), **openpack_files(user="U0102")}
    name = "openpack/v1.0.0/U0209/atr/atr02/S0500.csv"
    files[name] = files[name].replace("0.0000", "x", 1)
    del files["openpack/v1.0.0/U0101/annotation/openpack-operations/S0500.csv"]
    unlabelled, _, damaged = openpack_rows(zipped(tmp_path, files))
    assert (unlabelled["label"], unlabelled["segments"]) == (None, None)
    assert isinstance(damaged, Rejected)
    assert "atr02/S0500.csv: 'x' stands where a number belongs" in damaged.reason


def test_another_archive_is_named(tmp_path):
    with pytest.raises(InputError, match=r"data\.zip: no OpenPack files in it; expected names like"):
        openpack_rows(zipped(tmp_path, {"readme.txt": "x"}))
