"""Where a recording ends, and what is no data: empty lines, gaps, zeros, values that stand still, stray samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import sensors
from logger_files import CLOCK, HEADER, error_of, ingested, lines, refused, write

from m3n.cli import main
from m3n.schema import Rejected
from m3n.sources.recordings.table import Options, imu_recordings
from m3n.sources.shared.ingest_notes import Notes

FORCE, RATE = sensors.worn_sensor(CLOCK)


@pytest.mark.parametrize("blank", ["", "   ", ",,,,,,", ", , ,,,,"])
def test_an_empty_line_ends_a_recording(tmp_path: Path, blank: str) -> None:
    text = lines()
    notes = Notes()
    first, second = ingested(write(tmp_path / "a.csv", [*text[:401], blank, *text[401:]]), notes)
    assert (first["n_samples"], second["n_samples"]) == (400, 600)
    assert error_of(second, 8.0) < 0.03
    assert notes.figures()["empty lines that end a recording"] == 1


def test_an_empty_line_ends_a_recording_without_time_stamps(tmp_path: Path) -> None:
    text = [line.split(",", 1)[1] for line in lines()]
    rows = ingested(write(tmp_path / "a.csv", [*text[:401], "", *text[401:701], "", "", *text[701:]]), rate_hz=50)
    assert [row["n_samples"] for row in rows] == [400, 300, 300]


def test_zeros_are_gaps(tmp_path: Path) -> None:
    force, rate = FORCE.copy(), RATE.copy()
    force[300:310], rate[300:310], force[600:650], rate[600:650] = 0, 0, 0, 0
    notes = Notes()
    first, second = ingested(write(tmp_path / "a.csv", lines(force=force, rate=rate)), notes)
    assert (first["n_samples"], second["n_samples"]) == (600, 350)  # 0.2 s are bridged, 1 s is not
    assert np.linalg.norm(first["imu_right_wrist"][:, :3], axis=1).min() > 3
    assert notes.figures()["rows of 0, 0, 0, left out"] == 60


@pytest.mark.parametrize("which", ["both", "force", "rate"])
def test_values_that_stand_still_are_gaps(tmp_path: Path, which: str) -> None:
    force, rate = FORCE.copy(), RATE.copy()
    if which != "rate":
        force[300:360] = force[300]
    if which != "force":
        rate[300:360] = rate[300]
    notes = Notes()
    first, second = ingested(write(tmp_path / "a.csv", lines(force=force, rate=rate)), notes)
    assert (first["n_samples"], second["n_samples"]) == (301, 640)
    assert notes.figures()["rows whose values stand still, left out"] == 59


def test_a_coarse_sensor_at_rest_repeats_itself_and_is_kept(tmp_path: Path) -> None:
    still = np.where(CLOCK[:, None] > 5, FORCE, [0.0, 0.0, 9.8]) + 0.02 * np.random.default_rng(0).normal(size=FORCE.shape)
    coarse = np.round(still / 9.80665 * 64) / 64 * 9.80665
    text = [line.rsplit(",", 3)[0] for line in lines(force=coarse)]
    (row,) = ingested(write(tmp_path / "a.csv", text), gyro_unit=None)
    assert row["n_samples"] == 1000


def test_a_sensor_that_never_moved_is_refused(tmp_path: Path) -> None:
    said = refused(write(tmp_path / "a.csv", lines(force=np.tile(FORCE[:1], (1000, 1)), rate=np.tile(RATE[:1], (1000, 1)))))
    assert "the values stand still in 999 of 1000 rows of ax, ay, az: the sensor was off" in said


def test_stray_samples_cost_their_share_of_the_time_and_not_the_file(tmp_path: Path) -> None:
    stamps = CLOCK.copy()
    stamps[500:] += 1
    stamps[503:] += 1
    file = write(tmp_path / "a.csv", lines(stamps.tolist()))
    found = list(imu_recordings(file, Options(acc_unit="m/s2", gyro_unit="rad/s", subject="anna")))
    (piece,) = [row for row in found if isinstance(row, Rejected)]
    assert piece.seconds == pytest.approx(0.06)
    arguments = [
        "ingest",
        "recordings",
        str(file),
        "--out",
        str(tmp_path / "out"),
        "acc_unit=m/s2",
        "gyro_unit=rad/s",
        "subject=anna",
    ]
    assert main(arguments) == 0
    assert pq.read_table(tmp_path / "out" / "recordings" / "part-00000.parquet").num_rows == 2


def test_a_file_of_nothing_but_stray_samples_is_refused(tmp_path: Path, capsys) -> None:
    stamps = CLOCK + np.arange(1000) // 10
    file = write(tmp_path / "a.csv", lines(stamps.tolist()))
    arguments = [
        "ingest",
        "recordings",
        str(file),
        "--out",
        str(tmp_path / "out"),
        "acc_unit=m/s2",
        "gyro_unit=rad/s",
        "subject=anna",
    ]
    assert main(arguments) == 2
    assert "a.csv: 10 samples between gaps, empty lines or changes of person: under 0.5 s" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["None", "none", "null", "NA"])
def test_a_class_called_none_is_a_class_and_an_empty_cell_is_not(tmp_path: Path, word: str) -> None:
    head, *rest = lines()
    labels = [word] * 400 + ["walk"] * 300 + [""] * 300
    text = [f"{head},label", *(f"{line},{label}" for line, label in zip(rest, labels, strict=True))]
    (row,) = ingested(write(tmp_path / "a.csv", text))
    assert [(s["label"], round(s["start_s"], 2), round(s["stop_s"], 2)) for s in row["segments"]] == [
        (word, 0, 8),
        ("walk", 8, 14),
    ]


@pytest.mark.parametrize(("acc", "size"), [("acc_scale", 64), ("acc_scale", 2048)])
def test_counts_of_a_chip_are_read_with_their_scale(tmp_path: Path, acc: str, size: int) -> None:
    counts, turns = np.round(FORCE / 9.80665 * size), np.round(np.degrees(RATE) * 16.4)
    file = write(tmp_path / "a.csv", lines(force=counts, rate=turns))
    (row,) = ingested(file, acc_unit="g", gyro_unit="deg/s", gyro_scale=1 / 16.4, **{acc: 1 / size})
    assert error_of(row) < 0.05
    np.testing.assert_allclose(row["imu_right_wrist"][:, 3:], RATE, atol=0.002)
    assert "acc_scale=" in refused(file, acc_unit="g", gyro_unit="deg/s", gyro_scale=1 / 16.4)


def test_a_phones_sign_is_turned_by_a_scale(tmp_path: Path) -> None:
    (row,) = ingested(write(tmp_path / "a.csv", lines(force=-FORCE)), acc_scale=-1)
    assert error_of(row) < 0.03


def test_a_header_alone_says_which_columns_there_are(tmp_path: Path) -> None:
    assert "0 rows of samples" in refused(write(tmp_path / "a.csv", HEADER))


@pytest.mark.parametrize("stand_in", [-9999, 999])
def test_what_no_sensor_measures_is_a_gap_and_counted(tmp_path: Path, stand_in: float) -> None:
    force, rate = FORCE.copy(), RATE.copy()
    force[300:310], rate[300:310] = stand_in, stand_in
    notes = Notes()
    (row,) = ingested(write(tmp_path / "a.csv", lines(force=force, rate=rate)), notes)
    assert np.abs(row["imu_right_wrist"]).max() < 60
    assert notes.figures()["rows beyond what a worn sensor measures, left out"] == 10


def test_a_gyroscope_that_was_off_is_named(tmp_path: Path) -> None:
    said = refused(write(tmp_path / "a.csv", lines(rate=np.zeros_like(RATE))))
    assert "of gx, gy, gz: the sensor was off; without a gyroscope, name the three columns of acceleration alone" in said
