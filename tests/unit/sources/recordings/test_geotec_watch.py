"""GeoTec's watch: people and runs from the files' names, activities in time, m3n's left wrist frame."""

from __future__ import annotations

import numpy as np
import pytest
from fuzz.originals import write_zip
from fuzz.source_files import geotec_files, sample_columns

from m3n.errors import InputError
from m3n.schema import GRAVITY, PLACEMENTS, Rejected, check_imu_recording
from m3n.sources.recordings import geotec_watch


def rows(path):
    return list(geotec_watch.imu_recordings(path, geotec_watch.Options()))


def test_a_run_is_a_recording_of_the_left_wrist_with_activities_in_time(tmp_path):
    write_zip(tmp_path / "geotec.zip", geotec_files("s07", "03"))
    (row,) = rows(tmp_path / "geotec.zip")
    assert check_imu_recording(row, PLACEMENTS) is None
    assert (row["recording_id"], row["source"]) == ("geotec_watch-s07_03-000", "geotec_watch")
    assert (row["subject"], row["session"], row["rate_hz"]) == ("s07", "03", pytest.approx(100))
    columns = sample_columns(np.arange(400) / 100)
    np.testing.assert_allclose(row["imu_left_wrist"][:, 0], GRAVITY * np.array(columns["ax"]), atol=1e-3)
    np.testing.assert_allclose(row["imu_left_wrist"][:, 4], np.radians(columns["gy"]), atol=1e-3)
    assert [(s["label"], s["start_s"], s["stop_s"]) for s in row["segments"]] == [
        ("SEATED", 0.0, 1.5), ("STANDING_UP", 1.5, 4.0),
    ]  # fmt: skip


def test_a_damaged_run_is_left_out_and_named(tmp_path):
    files = geotec_files() | geotec_files("s02")
    files["DATA/s02/s02_01_sw.csv"] = files["DATA/s02/s02_01_sw.csv"].replace("9.8", "x.8", 1)
    write_zip(tmp_path / "geotec.zip", files)
    row, rejected = sorted(rows(tmp_path / "geotec.zip"), key=lambda item: isinstance(item, Rejected))
    assert row["subject"] == "s01"
    assert "s02_01_sw.csv, line" in rejected.reason


def test_another_zip_is_refused(tmp_path):
    write_zip(tmp_path / "other.zip", {"a.csv": "1,2\n"})
    with pytest.raises(InputError, match=r"expected names like DATA/s01/s01_01_sw\.csv"):
        rows(tmp_path / "other.zip")
