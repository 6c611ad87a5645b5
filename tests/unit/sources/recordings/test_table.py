"""CSV and Parquet files of samples: columns, units, clocks, gaps and labels, and what a message says about a mistake."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzz.source_files import sample_columns, sample_csv

from m3n.cli import main
from m3n.config import WindowsConfig
from m3n.data.windows import cut_recordings
from m3n.errors import InputError
from m3n.schema import CHANNELS, GRAVITY, PLACEMENTS, Rejected, check_imu_recording
from m3n.sources.recordings.table import Options, chunks, imu_recordings
from m3n.sources.shared.ingest_notes import Notes

RATE = 50.0
UNITS: dict[str, Any] = {"acc_unit": "g", "gyro_unit": "deg/s"}


def settings(options: dict[str, Any]) -> Options:
    """The settings of a test: anna wears the sensor unless it says otherwise."""
    said = {} if "subject" in options or "path" in options else {"subject": "anna"}
    return Options(**{**UNITS, **said, **options})


def write(file: Path, columns: dict[str, Any]) -> Path:
    file.write_text(sample_csv(columns))
    return file


def rows(file: Path, **options: Any) -> list[dict[str, Any]]:
    found = list(imu_recordings(file, settings(options)))
    assert all(isinstance(row, dict) for row in found), found
    assert [check_imu_recording(row, PLACEMENTS) for row in found if isinstance(row, dict)] == [None] * len(found)
    return found  # type: ignore[return-value]


def message(file: Path, **options: Any) -> str:
    with pytest.raises(InputError) as caught:
        list(imu_recordings(file, settings(options)))
    assert file.name in str(caught.value)
    return str(caught.value)


def test_a_file_in_g_and_degrees_becomes_one_recording_in_si_units(tmp_path):
    columns = sample_columns()
    row = rows(write(tmp_path / "anna.csv", columns))[0]
    assert (row["subject"], row["session"], row["label"], row["segments"]) == ("anna", None, None, None)
    assert row["rate_hz"] == pytest.approx(RATE)
    assert row["n_samples"] == len(columns["ax"])
    np.testing.assert_allclose(row["imu_right_wrist"][:, 0], np.array(columns["ax"]) * GRAVITY, atol=1e-5)
    np.testing.assert_allclose(row["imu_right_wrist"][:, 4], np.radians(columns["gy"]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("unit", "size"), [("m/s2", GRAVITY), ("g", 1.0), ("mg", 1000.0)])
def test_every_unit_of_acceleration_gives_the_same_recording(tmp_path, unit, size):
    columns = sample_columns()
    for name in ("ax", "ay", "az"):
        columns[name] = [value * size for value in columns[name]]
    row = rows(write(tmp_path / "a.csv", columns), acc_unit=unit)[0]
    np.testing.assert_allclose(row["imu_right_wrist"][:, 0], np.array(sample_columns()["ax"]) * GRAVITY, atol=1e-5)


def test_parquet_gives_the_rows_of_csv_and_takes_time_stamps_of_its_own_type(tmp_path):
    columns = sample_columns(label=["walk"] * 200)
    expected = rows(write(tmp_path / "a.csv", columns))[0]
    stamps = pa.array([int(1.6e15) + round(t * 1e6) for t in columns["time"]], pa.timestamp("us"))
    for time in (pa.array(columns["time"]), stamps):
        pq.write_table(pa.table({**columns, "time": time}), tmp_path / "a.parquet")
        row = rows(tmp_path / "a.parquet")[0]
        assert row["label"] == "walk"
        np.testing.assert_allclose(row["imu_right_wrist"], expected["imu_right_wrist"], rtol=1e-4, atol=1e-5)


def test_unix_milliseconds_are_read_as_such_and_named_where_they_were_not(tmp_path):
    columns = sample_columns()
    columns["time"] = [1_648_531_521_000 + round(1000 * t) for t in columns["time"]]
    file = write(tmp_path / "a.csv", columns)
    assert rows(file, time_unit="ms")[0]["rate_hz"] == pytest.approx(RATE)
    assert "median step of 20 s, which is 0.05 Hz; time_unit=ms would make it 50 Hz" in message(file)
    assert "time_unit=s would make it 50 Hz" in message(write(tmp_path / "b.csv", sample_columns()), time_unit="ms")


def test_without_a_time_column_rows_are_one_over_the_rate_apart(tmp_path):
    columns = sample_columns()
    del columns["time"]
    file = write(tmp_path / "a.csv", columns)
    row = rows(file, rate_hz=RATE)[0]
    np.testing.assert_allclose(row["imu_right_wrist"][:, 1], np.array(columns["ay"]) * GRAVITY, rtol=1e-5, atol=1e-6)
    assert "no column 'time' and no rate_hz" in message(file)


def test_irregular_time_stamps_come_onto_a_regular_grid(tmp_path):
    times = np.cumsum(np.random.default_rng(0).uniform(0.012, 0.028, 400))
    columns = sample_columns(times)
    row = rows(write(tmp_path / "a.csv", columns), rate_hz=RATE)[0]
    grid = times[0] + np.arange(row["n_samples"]) / RATE
    assert grid[-1] <= times[-1] + 1e-6 < grid[-1] + 1 / RATE
    exact = GRAVITY * np.array(sample_columns(grid)["ax"])
    assert (
        np.abs(row["imu_right_wrist"][:, 0] - exact).max() < 0.01
    )  # linear between samples at most 28 ms apart, 0.5 Hz motion


def test_a_gap_of_over_half_a_second_splits_and_a_shorter_one_is_bridged(tmp_path):
    times = np.arange(300) / RATE
    times[100:] += 0.4
    times[200:] += 0.7
    columns = sample_columns(times, label=["walk"] * 300)
    found = rows(write(tmp_path / "a.csv", columns))
    assert [row["n_samples"] for row in found] == [220, 100]  # 0.4 s of 50 Hz are bridged by 20 samples
    assert [row["recording_id"] for row in found] == ["recordings-a-000", "recordings-a-001"]
    assert all(row["label"] == "walk" for row in found)


def test_rows_with_a_missing_value_are_left_out_and_bridged(tmp_path):
    columns = sample_columns()
    whole = rows(write(tmp_path / "a.csv", columns))[0]["imu_right_wrist"]
    columns["gz"][50] = ""
    columns["ax"][51] = "nan"
    bridged = rows(write(tmp_path / "a.csv", columns))[0]["imu_right_wrist"]
    assert bridged.shape == whole.shape
    assert np.abs(bridged - whole).max() < 0.1


def test_sensors_logged_in_rows_of_their_own_are_refused_by_name(tmp_path):
    columns = sample_columns()
    for k in range(200):
        for name in CHANNELS[3:] if k % 2 else CHANNELS[:3]:
            columns[name][k] = ""
    assert "0 of 200 rows have a value in every channel, expected at least 2; ax is empty in 100" in message(
        write(tmp_path / "a.csv", columns)
    )


def test_a_change_of_subject_or_session_starts_a_recording_and_one_of_label_a_segment(tmp_path):
    columns = sample_columns(
        np.tile(np.arange(100) / RATE, 3),  # the clock starts again
        subject=["1"] * 200 + ["2"] * 100,
        session=["a"] * 100 + ["b"] * 200,
        label=["walk"] * 40 + [""] * 20 + ["run"] * 40 + ["walk"] * 100 + [""] * 100,
    )
    first, second, third = rows(write(tmp_path / "a.csv", columns))
    assert [(row["subject"], row["session"]) for row in (first, second, third)] == [("1", "a"), ("1", "b"), ("2", "b")]
    assert first["label"] is None
    spans = [(s["start_s"], s["stop_s"], s["label"]) for s in first["segments"]]
    assert spans == [(0.0, pytest.approx(0.8), "walk"), (pytest.approx(1.2), pytest.approx(2.0), "run")]
    assert (second["label"], second["segments"]) == ("walk", None)
    assert (third["label"], third["segments"]) == (None, None)


def test_several_placements_by_prefix_and_any_names_by_option(tmp_path):
    columns = sample_columns()
    both = {"time": columns["time"]} | {f"{side}_{n}": columns[n] for side in ("left_wrist", "right_wrist") for n in CHANNELS}
    row = rows(write(tmp_path / "a.csv", both))[0]
    np.testing.assert_array_equal(row["imu_left_wrist"], row["imu_right_wrist"])
    renamed = {"t": columns["time"]} | {f"c{k}": columns[name] for k, name in enumerate(CHANNELS)}
    own = rows(write(tmp_path / "b.csv", renamed), time="t", columns={"left_wrist": [f"c{k}" for k in range(6)]})[0]
    np.testing.assert_array_equal(own["imu_left_wrist"], row["imu_left_wrist"])
    assert rows(write(tmp_path / "c.csv", columns), placement="left_ankle")[0]["imu_left_ankle"].shape == (200, 6)


def test_acceleration_alone_is_nan_rates_in_the_table_and_zeros_in_windows(tmp_path):
    columns = sample_columns(label=["walk"] * 200)
    for name in CHANNELS[3:]:
        del columns[name]
    row = rows(write(tmp_path / "a.csv", columns), gyro_unit=None)[0]
    assert np.isnan(row["imu_right_wrist"][:, 3:]).all()
    windows = cut_recordings([row], WindowsConfig(window_s=2.0, hop_s=1.0, rate_hz=50.0), ["right_wrist"])
    assert (windows.imu_npt6[..., 3:] == 0).all()
    assert (windows.imu_npt6[..., :3] != 0).any()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"acc_unit": None}, "acc_unit is not known; give acc_unit=m/s2 or g or mg: units are never guessed"),
        ({"gyro_unit": None}, "gyro_unit is not known; give gyro_unit=rad/s or deg/s"),
        ({"acc_unit": "m/s2"}, r"at rest measures 0.10\d* g when read as m/s2, expected about 1 g; as if it were in g"),
        ({"acc_unit": "mg"}, "as if it were in g"),
        ({"columns": {"head": ["ax", "ay", "up"]}}, "column 'up' of head is missing; there are time, ax, ay"),
        ({"rate_hz": 20}, "run at 50 Hz, but rate_hz is 20"),
        ({"time": "clock"}, "no column 'clock' and no rate_hz"),
    ],
)
def test_a_missing_or_wrong_setting_is_named(tmp_path, options, said):
    assert re.search(said, message(write(tmp_path / "a.csv", sample_columns()), **options))


@pytest.mark.parametrize("gyro", [True, False])
def test_acceleration_without_gravity_is_recognised(tmp_path, gyro):
    rng = np.random.default_rng(1)
    columns = sample_columns()
    for name in CHANNELS[:3]:
        columns[name] = (0.02 * rng.normal(size=200)).tolist()
    for name in CHANNELS[3:]:
        columns[name] = rng.normal(size=200).tolist()
        if not gyro:
            del columns[name]
    assert "as if gravity had been taken off" in message(
        write(tmp_path / "a.csv", columns), gyro_unit="deg/s" if gyro else None
    )


def test_degrees_declared_as_radians_are_recognised(tmp_path):
    columns = sample_columns()
    columns["gy"] = [60 * np.sin(t) for t in columns["time"]]
    assert "when read as rad/s, more than a body does; as if it were in deg/s" in message(
        write(tmp_path / "a.csv", columns), gyro_unit="rad/s"
    )


def _ruined(change: Callable[[list[str]], None]) -> str:
    lines = sample_csv(sample_columns()).splitlines()
    change(lines)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda lines: lines.__setitem__(7, lines[7].replace(",", ",x", 1)), "a.csv, line 8: 'x"),
        (lambda lines: lines.__setitem__(slice(3, 3), ["", ""]) or lines.__setitem__(9, "1,two,3,4,5,6,7"), "line 10: 'two'"),
        (lambda lines: lines.__setitem__(20, "0.1,0,0,1,0,0,0"), "a.csv, line 21: time goes back by"),
        (lambda lines: lines.__setitem__(20, "0.38,0,0,9e9,0,0,0"), "a.csv, line 21: az is 9e+09; is the file damaged?"),
        (lambda lines: lines.__setitem__(20, "0.38,0"), "cannot be read as CSV: line 21: Expected 7 columns, got 2"),
        (lambda lines: lines.__delitem__(slice(1, None)), "0 rows of samples, expected at least 2"),
        (lambda lines: lines.__setitem__(0, "time,x,y,z,gx,gy,gz"), "no columns ax ay az or right_wrist_ax"),
        (lambda lines: lines.__setitem__(0, "time,ax,ax,az,gx,gy,gz"), "2 columns are called 'ax'"),
    ],
)
def test_a_message_names_the_line_of_the_file(tmp_path, change, said):
    (tmp_path / "a.csv").write_text(_ruined(change))
    assert said in message(tmp_path / "a.csv")


def test_chunks_join_to_the_recording_however_they_were_cut(tmp_path, monkeypatch):
    times = np.cumsum(np.random.default_rng(2).uniform(0.012, 0.028, 1000))
    pq.write_table(pa.table(sample_columns(times, label=["a", "b"] * 500)), tmp_path / "a.parquet")
    whole = list(chunks(tmp_path / "a.parquet", settings({})))
    monkeypatch.setattr("m3n.sources.recordings.sample_files._BATCH_ROWS", 7)
    parts = list(chunks(tmp_path / "a.parquet", settings({})))
    assert len(whole) == 1
    assert len(parts) > 100
    assert [part.opens for part in parts] == [True] + [False] * (len(parts) - 1)
    joined = np.concatenate([part.samples["right_wrist"] for part in parts])
    assert np.abs(joined[: len(whole[0].samples["right_wrist"])] - whole[0].samples["right_wrist"]).max() < 1e-3
    assert np.concatenate([part.labels for part in parts]).tolist() == whole[0].labels.tolist()
    starts = np.cumsum([0] + [len(part.samples["right_wrist"]) for part in parts[:-1]]) / parts[0].rate_hz
    np.testing.assert_allclose([part.start_s for part in parts], starts, atol=1e-9)


def test_a_folder_gives_every_file_and_rejects_the_bad_one(tmp_path):
    write(tmp_path / "anna.csv", sample_columns())
    (tmp_path / "bad.csv").write_text("time,ax,ay,az\n")
    found = list(imu_recordings(tmp_path, settings({})))
    assert isinstance(found[0], dict)
    assert found[0]["subject"] == "anna"
    assert isinstance(found[1], Rejected)
    assert "bad.csv" in found[1].reason


@pytest.mark.parametrize(("name", "sign"), [(";", ";"), ("tab", "\t")])
def test_other_delimiters_are_found_out_or_given(tmp_path, name, sign):
    (tmp_path / "a.csv").write_text(sample_csv(sample_columns()).replace(",", sign))
    assert rows(tmp_path / "a.csv", delimiter=name)[0]["n_samples"] == 200
    assert rows(tmp_path / "a.csv")[0]["n_samples"] == 200


def test_the_command_takes_names_and_units_as_the_documentation_spells_them(tmp_path, capsys):
    columns = {name.replace("a", "acc_", 1) if name[0] == "a" else name: held for name, held in sample_columns().items()}
    file = write(tmp_path / "a.csv", columns)
    arguments = ["columns.left_wrist=[acc_x,acc_y,acc_z,gx,gy,gz]", "acc_unit=g", "gyro_unit=deg/s", "subject=7"]
    assert main(["ingest", "recordings", str(file), "--out", str(tmp_path / "out"), *arguments]) == 0
    table = pq.read_table(next((tmp_path / "out" / "recordings").glob("*.parquet"))).to_pylist()
    assert (table[0]["subject"], table[0]["n_samples"]) == ("7", 200)
    assert table[0]["imu_right_wrist"] is None
    assert main(["ingest", "recordings", str(file), "--out", str(tmp_path / "none"), *arguments[:1]]) == 2
    assert "a.csv: acc_unit is not known; give acc_unit=m/s2 or g or mg" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_files_that_show_gravity_vouch_for_more_vigorous_ones_of_their_folder(tmp_path):
    """As much of a folder as shows gravity, and at least three files; alone, the vigorous file asks for a statement."""
    clock = np.arange(0, 24, 0.02)
    angle = 2.2 * np.sin(2 * np.pi * 0.6 * clock)
    swing = GRAVITY * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    quiet = np.tile([0.0, 0.0, GRAVITY], (len(clock), 1))
    noise = 0.5 * np.random.default_rng(0).normal(size=swing.shape)
    settings = Options(acc_unit="m/s2", subject="anna")

    def table(name: str, force: np.ndarray) -> None:
        columns = {"time": clock, **dict(zip(("ax", "ay", "az"), (force + noise).T, strict=True))}
        pq.write_table(pa.table(columns), tmp_path / name)

    table("a_swing.parquet", swing)
    assert "gravity=included" in next(item.reason for item in imu_recordings(tmp_path, settings) if isinstance(item, Rejected))
    for name in ("b", "c", "d"):
        table(f"{name}.parquet", quiet)
    found = list(imu_recordings(tmp_path, settings))
    assert [row["recording_id"] for row in found if isinstance(row, dict)][-1] == "recordings-a_swing-000"
    assert len(found) == 4
    (tmp_path / "b.parquet").unlink()
    assert [item.item for item in imu_recordings(tmp_path, settings) if isinstance(item, Rejected)] == ["a_swing.parquet"]
    stated = Options(acc_unit="m/s2", subject="anna", gravity="included")
    assert len([row for row in imu_recordings(tmp_path, stated) if isinstance(row, dict)]) == 3


def test_a_long_recording_becomes_rows_that_follow_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = sample_columns()
    count = 1000
    columns = {name: np.resize(np.asarray(columns[name], float), count) for name in CHANNELS}
    file = tmp_path / "day.parquet"
    pq.write_table(pa.table({"time": 1.7e9 + np.arange(count) / RATE, **columns}), file)
    (whole,) = rows(file)
    monkeypatch.setattr("m3n.sources.recordings.sample_files._BATCH_ROWS", 99)
    monkeypatch.setattr("m3n.sources.recordings.table.LONGEST_S", 9.0)
    notes = Notes()
    parts: list[Any] = list(imu_recordings(file, settings({}), notes))
    assert len(parts) == 2  # the last 10 samples, too few for a row of their own, stay with those before
    assert notes.figures()["cuts of recordings into rows of 0.0025 hours"] == 1
    assert len({part["recording_id"] for part in parts}) == 2
    joined = np.concatenate([part["imu_right_wrist"] for part in parts])
    np.testing.assert_allclose(joined, whole["imu_right_wrist"], rtol=1e-5, atol=1e-5)
    for before, after in pairwise(parts):
        apart = (after["started_at"] - before["started_at"]).total_seconds()
        assert apart == pytest.approx(before["n_samples"] / RATE, abs=2e-3)
