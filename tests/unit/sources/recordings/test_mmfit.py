"""MM-Fit: four sensors on one clock, exercise sets and what lies between them, people by name."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.originals import write_zip
from fuzz.source_files import mmfit_files, sample_columns

from m3n.errors import InputError
from m3n.schema import GRAVITY, PLACEMENTS, Rejected, check_imu_recording
from m3n.sources.recordings import mmfit


def zipped(folder: Path, files: dict[str, Any]) -> Path:
    write_zip(folder / "data.zip", files)
    return folder / "data.zip"


def mmfit_rows(path: Path, **options: Any) -> list[Any]:
    return list(mmfit.imu_recordings(path, mmfit.Options(**options)))


def test_a_workout_has_four_sensors_on_one_clock_and_rests_between_sets(tmp_path):
    (row,) = mmfit_rows(zipped(tmp_path, mmfit_files()))
    assert check_imu_recording(row, PLACEMENTS) is None
    assert (row["subject"], row["rate_hz"]) == ("w00", 100.0)
    first = mmfit_files()["mm-fit/w00/w00_sw_r_gyr.npy"][0, 1] / 1000  # the last of the four sensors to start
    assert row["started_at"].timestamp() == pytest.approx(first, abs=1e-3)
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


def test_another_archive_is_named(tmp_path):
    with pytest.raises(InputError, match=r"data\.zip: no MM-Fit files in it; expected names like"):
        mmfit_rows(zipped(tmp_path, {"readme.txt": "x"}))


def test_the_fixture_is_written_as_numpy_writes_it():
    held = io.BytesIO()
    np.save(held, mmfit_files()["mm-fit/w00/w00_sw_l_acc.npy"])
    held.seek(0)
    array = np.load(held)
    assert (array.dtype, array.shape[1]) == (np.float64, 5)
