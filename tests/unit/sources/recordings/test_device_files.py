"""Every logger that m3n knows: rate, units, signs and joins, on files written as the logger writes them."""

from __future__ import annotations

import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import device_files
import numpy as np
import pytest
import sensors
from logger_files import ingested, write

from m3n.errors import InputError
from m3n.sources.recordings.devices import DEVICES
from m3n.sources.recordings.table import Options, imu_recordings
from m3n.sources.shared.ingest_notes import Notes

KNOWN: dict[str, Any] = {"acc_unit": None, "gyro_unit": None}


def misses(row: dict[str, Any], start_s: float = 0.0) -> tuple[float, float]:
    """Largest of the medians over channels of what acceleration and angular rate are off, m/s² and rad/s."""
    values = np.asarray(row["imu_right_wrist"], float)
    force, turned = sensors.worn_sensor(start_s + np.arange(len(values)) / row["rate_hz"], noise=0.0)
    off = [float(np.abs(values[:, k : k + 3] - known).mean(axis=0).max()) for k, known in ((0, force), (3, turned))]
    return off[0], off[1]


@pytest.mark.parametrize("device", DEVICES)
def test_the_samples_of_each_device_come_out_in_m3ns_units_and_signs(tmp_path: Path, device: str) -> None:
    path = device_files.WRITERS[device](tmp_path / "monday")
    rows = ingested(path, **KNOWN, device=device, **device_files.EXTRA.get(device, {}))
    rate, has_clock, has_gyro = device_files.EXPECTED[device]
    assert rows[0]["rate_hz"] == pytest.approx(rate, rel=1e-3)
    force, turned = misses(rows[0])
    assert force < 0.25  # m/s²: the sensor's noise, and steps of 1/64 g
    assert turned < 0.1 if has_gyro else np.isnan(turned)
    started = rows[0]["started_at"]
    assert started == (datetime.fromtimestamp(device_files.START, UTC) if has_clock else None)


def test_packets_that_are_lost_leave_a_gap_that_is_bridged_or_splits(tmp_path: Path) -> None:
    first, second = ingested(device_files.xsens(tmp_path), **KNOWN, device="xsens")
    assert (first["n_samples"], second["n_samples"]) == (1500, 399)
    assert misses(second, start_s=16.0)[0] < 0.25


@pytest.mark.parametrize(("platform", "standardised"), [("ios", "false"), ("ios", "true"), ("android", "false")])
def test_a_phone_of_sensor_logger_gets_its_gravity_and_its_sign(tmp_path: Path, platform: str, standardised: str) -> None:
    folder = device_files.sensor_logger_phone(tmp_path / "run", platform, standardised)
    (row,) = ingested(folder, **KNOWN, device="sensor_logger")
    assert max(misses(row)) < 0.25
    (folder / "Metadata.csv").unlink()
    with pytest.raises(InputError, match=r"Metadata\.csv is not beside it"):
        list(imu_recordings(folder, Options(device="sensor_logger", subject="anna")))
    sign = -1.0 if platform == "ios" and standardised == "false" else 1.0
    (row,) = ingested(folder, **KNOWN, device="sensor_logger", acc_scale=sign)
    assert misses(row)[0] < 0.25
    (folder / "Gyroscope.csv").unlink()
    notes = Notes()
    (row,) = ingested(folder, notes, **KNOWN, device="sensor_logger", acc_scale=sign)
    assert np.isnan(row["imu_right_wrist"][:, 3:]).all()
    assert notes.figures()["recordings without a file of the gyroscope: acceleration alone"] == 1
    (folder / "Gravity.csv").unlink()
    with pytest.raises(InputError, match="without gravity"):
        list(imu_recordings(folder, Options(device="sensor_logger", subject="anna")))


def test_a_study_of_folders_and_zips_says_who_by_their_names(tmp_path: Path) -> None:
    for who in ("anna", "ben"):
        device_files.sensor_logger_watch(tmp_path / "study" / who / "monday")
    rows = ingested(tmp_path / "study", **KNOWN, device="sensor_logger", subject=None, path="{subject}/{session}")
    assert [(row["subject"], row["session"]) for row in rows] == [("anna", "monday"), ("ben", "monday")]
    by_file = ingested(tmp_path / "study", **KNOWN, device="sensor_logger", subject=None, path="{subject}/{session}/*.csv")
    assert [row["subject"] for row in by_file] == ["anna", "ben"]
    with zipfile.ZipFile(tmp_path / "monday.zip", "w") as archive:
        for file in (tmp_path / "study" / "anna" / "monday").iterdir():
            archive.write(file, file.name)
    (row,) = ingested(tmp_path / "monday.zip", **KNOWN, device="sensor_logger")
    np.testing.assert_array_equal(row["imu_right_wrist"], rows[0]["imu_right_wrist"])


@pytest.mark.parametrize(
    ("device", "options", "message"),
    [
        ("arduino", {}, "give acc_range=2, 4, 8 or 16"),
        ("arduino", {"acc_range": 4, "acc_scale": 0.1}, "both say how counts become units"),
        ("dot", {"gyro_unit": "deg/s"}, "knows its gyro_unit"),
        ("axivity", {"acc_range": 4}, "are of device=arduino"),
    ],
)
def test_what_a_device_does_not_need_or_lacks_is_said(
    tmp_path: Path, device: str, options: dict[str, Any], message: str
) -> None:
    path = device_files.WRITERS[device](tmp_path)
    with pytest.raises((InputError, ValueError), match=message):
        list(imu_recordings(path, Options.model_validate({"device": device, "subject": "anna", **options})))


def test_files_of_another_device_are_refused_by_what_they_lack(tmp_path: Path) -> None:
    file = device_files.axivity(tmp_path)
    with pytest.raises(InputError, match=r"cwa\.csv: no columns Acc_X, Acc_Y, Acc_Z of device=dot; there are Time"):
        list(imu_recordings(file, Options(device="dot", subject="anna")))
    with pytest.raises(InputError, match=r"no file of device=empatica; expected ACC\.csv"):
        list(imu_recordings(tmp_path, Options(device="empatica", subject="anna")))
    write(tmp_path / "ACC.csv", "a,b\n1,2\n")
    with pytest.raises(InputError, match=r"ACC\.csv: is no ACC\.csv of an E4"):
        list(imu_recordings(tmp_path / "ACC.csv", Options(device="empatica", subject="anna")))


def test_a_phone_beside_a_watch_is_left_out_and_counted(tmp_path: Path) -> None:
    device_files.sensor_logger_phone(tmp_path / "run")
    device_files.sensor_logger_watch(tmp_path / "run")
    notes = Notes()
    (row,) = ingested(tmp_path / "run", notes, **KNOWN, device="sensor_logger")
    assert max(misses(row)) < 0.25
    assert notes.figures()["files beside WristMotion.csv, left out"] == 1
