"""OpenPack and MM-Fit: sensors with clocks of their own on one, which wrist is which, and labels in time."""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.originals import write_zip
from fuzz.source_files import mmfit_files, openpack_files, sample_columns

from m3n.errors import InputError
from m3n.schema import GRAVITY, PLACEMENTS, Rejected, check_imu_recording
from m3n.sources.recordings import mmfit, openpack
from m3n.sources.shared.recording_rows import common_clock


def zipped(folder: Path, files: dict[str, Any]) -> Path:
    write_zip(folder / "data.zip", files)
    return folder / "data.zip"


def openpack_rows(path: Path, **options: Any) -> list[Any]:
    return list(openpack.imu_recordings(path, openpack.Options(**options)))


def mmfit_rows(path: Path, **options: Any) -> list[Any]:
    return list(mmfit.imu_recordings(path, mmfit.Options(**options)))


def test_sensors_share_the_time_in_which_all_of_them_ran():
    slow, quick = np.arange(0, 10, 0.1), np.arange(2, 7, 0.01)
    streams = [(slow, np.stack([slow, -slow], axis=1)), (quick, quick[:, None])]
    ((start, (a, b)),) = common_clock(streams, 50.0)
    grid = start + np.arange(len(a)) / 50
    assert (grid[0], grid[-1]) == (2.0, pytest.approx(6.98))
    np.testing.assert_allclose(a, np.stack([grid, -grid], axis=1), atol=1e-9)  # straight lines are what interpolation keeps
    np.testing.assert_allclose(b[:, 0], grid, atol=1e-9)


def test_silence_of_one_sensor_parts_the_recording_of_all():
    steady = np.arange(0, 10, 0.1)
    broken = np.concatenate([np.arange(0, 4, 0.1), np.arange(6, 10, 0.1)])
    starts = [start for start, _ in common_clock([(steady, steady[:, None]), (broken, broken[:, None])], 10.0)]
    assert starts == [0.0, 6.0]


def test_a_packing_session_has_both_wrists_in_si_units_and_operations_in_its_own_time(tmp_path):
    (row,) = openpack_rows(zipped(tmp_path, openpack_files()))
    assert check_imu_recording(row, PLACEMENTS) is None
    assert (row["subject"], row["session"], row["n_samples"]) == ("U0209", "S0500", 200)
    columns = sample_columns(np.arange(200) * 0.03)
    np.testing.assert_allclose(row["imu_right_wrist"][:, 0], GRAVITY * np.array(columns["ax"]), atol=1e-3)
    np.testing.assert_allclose(row["imu_right_wrist"][:, 4], np.radians(columns["gy"]), atol=1e-3)
    np.testing.assert_array_equal(row["imu_left_wrist"], -row["imu_right_wrist"])
    spans = [(s["label"], round(s["start_s"], 3), round(s["stop_s"], 3)) for s in row["segments"]]
    assert spans == [("Picking", 1.143, 3.0), ("Assemble Box", 3.0, 4.5), ("null", 4.5, 6.0)]  # the last is cut by the end


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


def test_a_workout_has_four_sensors_on_one_clock_and_rests_between_sets(tmp_path):
    (row,) = mmfit_rows(zipped(tmp_path, mmfit_files()))
    assert check_imu_recording(row, PLACEMENTS) is None
    assert (row["subject"], row["rate_hz"]) == ("w00", 100.0)
    clock = 0.039 + np.arange(row["n_samples"]) / 100  # from the start of the last sensor to start, the right gyroscope
    columns = sample_columns(clock)
    for placement in ("left_wrist", "right_wrist"):
        samples = row[f"imu_{placement}"]
        np.testing.assert_allclose(samples[:, 0], GRAVITY * np.array(columns["ax"]), atol=2e-3)
        np.testing.assert_allclose(samples[:, 4], np.radians(columns["gy"]), atol=2e-3)
    # frames 130 to 189 and 220 to 249 of a video that is at frame 100 when the first sensor starts
    expected = [("non_activity", 0, 1), ("squats", 1, 3), ("non_activity", 3, 4), ("lunges", 4, 5), ("non_activity", 5, 6)]
    assert [s["label"] for s in row["segments"]] == [label for label, _, _ in expected]
    for segment, (_, start, stop) in zip(row["segments"], expected, strict=True):
        assert segment["start_s"] == pytest.approx(max(start - 0.039, 0), abs=0.011)
        assert segment["stop_s"] == pytest.approx(stop - 0.039, abs=0.06)


def test_persons_can_be_named_for_workouts_and_a_watch_or_gyroscope_may_be_missing(tmp_path):
    files = {**mmfit_files(), **mmfit_files("w01")}
    del files["mm-fit/w00/w00_sw_l_acc.npy"], files["mm-fit/w01/w01_sw_r_gyr.npy"]
    first, second = mmfit_rows(zipped(tmp_path, files), subjects={"w00": "anna", "w01": "anna"})
    assert first["subject"] == second["subject"] == "anna"
    assert "imu_left_wrist" not in first
    assert np.isnan(second["imu_right_wrist"][:, 3:]).all()
    assert check_imu_recording(second, PLACEMENTS) is None


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("sw_l_acc.npy", lambda a: a / [1, 1, 9.8, 9.8, 9.8], "w00_sw_l_acc.npy: .*as if it were in g"),
        ("sw_l_acc.npy", lambda a: a[:, :4], r"shape \(600, 4\), expected numbers \(samples, 5\)"),
        ("sw_r_gyr.npy", lambda a: a[::-1], "w00_sw_r_gyr.npy: time goes back"),
        ("labels.csv", lambda text: text + "a,b,c,d\n", "w00_labels.csv, line 3: 'a,b,c,d'"),
        ("labels.csv", lambda text: text + "200,100,3,x\n", "line 3: the set ends at frame 100, before it starts"),
    ],
)
def test_what_is_wrong_with_a_workout_is_said(tmp_path, name, change, said):
    files = mmfit_files()
    key = f"mm-fit/w00/w00_{name}"
    files[key] = change(files[key])
    (row,) = mmfit_rows(zipped(tmp_path, files))
    assert isinstance(row, Rejected)
    assert re.search(said, row.reason), row.reason


@pytest.mark.parametrize("rows", [openpack_rows, mmfit_rows])
def test_another_archive_is_named(tmp_path, rows):
    with pytest.raises(InputError, match=r"data\.zip: no (OpenPack|MM-Fit) files in it; expected names like"):
        rows(zipped(tmp_path, {"readme.txt": "x"}))


def test_the_fixture_is_written_as_numpy_writes_it():
    held = io.BytesIO()
    np.save(held, mmfit_files()["mm-fit/w00/w00_sw_l_acc.npy"])
    held.seek(0)
    array = np.load(held)
    assert (array.dtype, array.shape[1]) == (np.float64, 5)
