"""Public datasets by their published layouts: placements, units, labels and people, on files written as their makers write them."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz import public_sets
from fuzz.originals import write_zip
from fuzz.source_files import sample_columns

from m3n.commands.reproduce.command import protocol_file
from m3n.config import ReproduceConfig, resolve
from m3n.errors import InputError
from m3n.schema import PLACEMENTS, Rejected, check_imu_recording
from m3n.sources import load

FILES = {
    "pamap2": public_sets.pamap2_files, "mhealth": public_sets.mhealth_files, "dsads": public_sets.dsads_files,
    "hhar": public_sets.hhar_files, "realworld": public_sets.realworld_files,
    "opportunity": public_sets.opportunity_files, "wear": public_sets.wear_files, "wisdm_watch": public_sets.wisdm_files,
}  # fmt: skip


def rows(source: str, tmp_path: Path, **options: Any) -> list[dict[str, Any]]:
    write_zip(tmp_path / "set.zip", FILES[source]())
    module = load(source)
    found = list(module.imu_recordings(tmp_path / "set.zip", module.Options(**options)))
    assert all(isinstance(row, dict) and check_imu_recording(row, PLACEMENTS) is None for row in found), found
    return found


def check_samples(row: dict[str, Any], placement: str, start_s: float = 0.0, gyro: bool = True) -> None:
    """m/s² and rad/s of the sensor that swings, in its own axes."""
    values = np.asarray(row[f"imu_{placement}"], float)
    held = sample_columns(start_s + np.arange(len(values)) / row["rate_hz"])
    assert np.abs(values[:, 0] - 9.80665 * np.asarray(held["ax"])).max() < 0.05
    assert np.abs(values[:, 2] - 9.80665 * np.asarray(held["az"])).max() < 0.05
    if gyro:
        assert np.abs(values[:, 4] - np.radians(held["gy"])).max() < 0.02
    else:
        assert np.isnan(values[:, 3:]).all()


def test_pamap2_has_the_dominant_wrist_and_bridges_lost_rows(tmp_path: Path) -> None:
    first, left = rows("pamap2", tmp_path)
    assert (first["subject"], left["subject"], first["session"], first["rate_hz"]) == ("101", "108", "Protocol", 100)
    check_samples(first, "right_wrist")
    check_samples(left, "left_wrist")  # the left-handed one
    assert first["segments"] == [
        {"start_s": 1.0, "stop_s": 3.0, "label": "ironing"}, {"start_s": 3.0, "stop_s": 6.0, "label": "walking"}
    ]  # fmt: skip


def test_mhealth_has_acceleration_of_wrist_and_ankle_and_no_gyroscope(tmp_path: Path) -> None:
    (row,) = rows("mhealth", tmp_path)
    check_samples(row, "right_wrist", gyro=False)
    assert row["imu_left_ankle"] is not None
    assert row["segments"] == [{"start_s": 2.0, "stop_s": 6.0, "label": "walking"}]


def test_dsads_joins_the_segments_of_an_activity(tmp_path: Path) -> None:
    (row,) = rows("dsads", tmp_path)
    assert (row["subject"], row["label"], row["n_samples"], row["rate_hz"]) == ("3", "walking_on_treadmill_flat", 250, 25)
    check_samples(row, "right_wrist")
    check_samples(row, "left_wrist")


@pytest.mark.parametrize(
    ("labels", "expected"), [("gestures", ["open_door_1", "close_fridge"]), ("locomotion", ["stand", "walk"])]
)
def test_opportunity_is_in_milli_g_and_thousandths_of_rad_s(tmp_path: Path, labels: str, expected: list[str]) -> None:
    (row,) = rows("opportunity", tmp_path, labels=labels)
    check_samples(row, "right_wrist")
    check_samples(row, "left_wrist")
    assert [segment["label"] for segment in row["segments"]] == expected
    assert (row["subject"], row["session"]) == ("1", "ADL1")


def test_wear_has_four_accelerometers(tmp_path: Path) -> None:
    (row,) = rows("wear", tmp_path)
    for placement in ("right_wrist", "left_wrist", "right_ankle", "left_ankle"):
        check_samples(row, placement, gyro=False)
    assert row["segments"] == [{"start_s": 2.0, "stop_s": 6.0, "label": "burpees"}]
    assert (row["subject"], row["source"]) == ("3", "wear")


def test_wisdm_brings_both_sensors_of_the_watch_to_one_clock(tmp_path: Path) -> None:
    walking, writing = rows("wisdm_watch", tmp_path, placement="left_wrist")
    assert (walking["label"], writing["label"], walking["subject"], walking["rate_hz"]) == ("walking", "writing", "1600", 20)
    values = np.asarray(walking["imu_left_wrist"], float)
    clock = 0.03 + np.arange(len(values)) / 20  # the gyroscope, whose stamps are 30 ms later, begins the stretch
    assert np.abs(values[:, 0] - 9.80665 * np.asarray(sample_columns(clock)["ax"])).max() < 0.1
    assert np.abs(values[1:, 4]).max() > 0.5


def check_late_gyroscope(row: dict[str, Any], placement: str) -> None:
    """The gyroscope's stamps are 30 ms later, so it begins the stretch."""
    values = np.asarray(row[f"imu_{placement}"], float)
    held = sample_columns(0.03 + np.arange(len(values)) / row["rate_hz"])
    assert np.abs(values[:, 0] - 9.80665 * np.asarray(held["ax"])).max() < 0.1
    late = sample_columns(np.arange(len(values)) / row["rate_hz"])
    assert np.abs(values[:, 4] - np.radians(late["gy"])).max() < 0.05


def test_hhar_parts_the_watches_whose_rows_a_file_mixes(tmp_path: Path) -> None:
    lg, gear = rows("hhar", tmp_path, placement="left_wrist")
    assert (lg["subject"], lg["session"], lg["rate_hz"]) == ("a", "lgwatch_1", 200)
    assert (gear["subject"], gear["session"], gear["rate_hz"]) == ("b", "gear_1", 100)
    for row in (lg, gear):
        check_late_gyroscope(row, "left_wrist")
        assert [segment["label"] for segment in row["segments"]] == ["stairs_up", "biking"]
        assert row["segments"][0]["start_s"] == pytest.approx(1.97, abs=0.01)


def test_hhar_keeps_each_activity_with_its_samples_where_lost_rows_share_their_times(tmp_path: Path) -> None:
    files = public_sets.hhar_files()
    name = next(name for name in files if name.endswith("Watch_accelerometer.csv"))
    header, *lines = files[name].splitlines()
    lost = [",".join([*line.split(",")[:3], "NaN", "NaN", "NaN", *line.split(",")[6:]]) for line in lines]
    both = [line for pair in zip(lost, lines, strict=True) for line in pair]
    write_zip(tmp_path / "lost.zip", files | {name: "\n".join([header, *both]) + "\n"})
    module = load("hhar")
    found = list(module.imu_recordings(tmp_path / "lost.zip", module.Options(placement="left_wrist")))
    for row, whole in zip(found, rows("hhar", tmp_path, placement="left_wrist"), strict=True):
        assert row["segments"] == whole["segments"]
        assert row["n_samples"] == whole["n_samples"]


def test_hhar_rejects_two_recordings_of_one_clock_reading_and_nothing_else(tmp_path: Path) -> None:
    files = public_sets.hhar_files()
    name = next(iter(files))
    again = [line for line in files[name].splitlines() if ",gear_1," in line]
    moved = [line.replace(line.split(",")[1], str(int(line.split(",")[1]) + 3_600_000), 1) for line in again]
    write_zip(tmp_path / "mixed.zip", files | {name: files[name] + "\n".join(moved) + "\n"})
    module = load("hhar")
    kept, mixed = module.imu_recordings(tmp_path / "mixed.zip", module.Options())
    assert kept["session"] == "lgwatch_1"
    assert "two recordings share one clock reading" in mixed.reason


def test_realworld_reads_zips_in_zips_and_their_parts(tmp_path: Path) -> None:
    first, second, walking = rows("realworld", tmp_path)
    assert [row["label"] for row in (first, second, walking)] == ["climbing_up", "climbing_up", "walking"]
    assert [row["session"] for row in (first, second, walking)] == ["climbingup-1", "climbingup-2", "walking-1"]
    check_late_gyroscope(walking, "right_wrist")
    assert (walking["subject"], walking["rate_hz"]) == ("3", 50)
    assert walking["started_at"].isoformat() == "2015-07-04T07:44:33.030000+00:00"
    with zipfile.ZipFile(tmp_path / "set.zip") as archive:  # unpacked, both outer and inner zips
        archive.extractall(tmp_path / "folder")
    for inner in (tmp_path / "folder").rglob("*walking_csv.zip"):
        with zipfile.ZipFile(inner) as archive:
            archive.extractall(inner.with_suffix(""))
        inner.unlink()
    module = load("realworld")
    again = list(module.imu_recordings(tmp_path / "folder", module.Options()))
    assert [row["recording_id"] for row in again] == [row["recording_id"] for row in (first, second, walking)]


@pytest.mark.parametrize("source", FILES)
def test_each_has_a_protocol_and_refuses_foreign_and_damaged_files(source: str, tmp_path: Path) -> None:
    config = resolve(ReproduceConfig, "reproduce", protocol_file(source), [])
    assert config.protocol.source == source
    held = rows(source, tmp_path)[0]
    assert all(held.get(f"imu_{placement}") is not None for placement in config.protocol.placements)
    (tmp_path / "empty").mkdir()
    module = load(source)
    with pytest.raises(InputError, match="expected names like"):
        list(module.imu_recordings(tmp_path / "empty", module.Options()))
    name, text = next(iter(FILES[source]().items()))
    if isinstance(text, bytes):
        damaged: str | bytes = text[:-40]
    else:
        lines = text.splitlines()
        lines[3] = re.sub(r"\.\d" if source == "hhar" else r"\d(?=\D*$)", "x", lines[3], count=1)
        damaged = "\n".join(lines)
    write_zip(tmp_path / "bad.zip", {name: damaged})
    read = module.imu_recordings(tmp_path / "bad.zip", module.Options())
    if source == "hhar":  # one table of all people
        with pytest.raises(InputError, match=r"Watch_accelerometer\.csv: cannot be read \(.*Row #4"):
            list(read)
        return
    assert all(isinstance(row, Rejected) for row in read)
