"""The rate is that of the rows, not of the steps between stamps, and stamps of arrival become even."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sensors
from logger_files import CLOCK, error_of, ingested, lines, refused, write

from m3n.sources.recordings.arrival_times import EvenStamps, StepCounts, step_of
from m3n.sources.shared.ingest_notes import Notes


def packets(rate_hz: float, size: int, seconds: float = 30.0) -> tuple[np.ndarray, np.ndarray]:
    """(when samples were taken, when they arrived: a packet's a millisecond apart), s."""
    taken = np.arange(0, seconds, 1 / rate_hz)
    number = np.arange(len(taken))
    sent = np.minimum((number // size + 1) * size - 1, len(taken) - 1)
    return taken, np.floor(1000 * taken[sent]) / 1000 + 0.001 * (number % size) + 0.12


@pytest.mark.parametrize(("rate_hz", "size"), [(83.3, 10), (83.3, 2), (50.0, 3), (100.0, 25)])
def test_packets_are_samples_at_the_rate_that_the_sensor_had(tmp_path: Path, rate_hz: float, size: int) -> None:
    taken, arrived = packets(rate_hz, size)
    notes = Notes()
    (row,) = ingested(write(tmp_path / "a.csv", lines(arrived.tolist(), *sensors.worn_sensor(taken))), notes)
    assert row["rate_hz"] == pytest.approx(rate_hz, rel=1e-3)
    assert row["n_samples"] == pytest.approx(len(taken), abs=4)
    assert error_of(row) < 0.04
    (first,) = notes.facts()["notes"]["files with stamps of arrival, made even"]["first"]
    assert "Hz, jitter" in first


@pytest.mark.parametrize("ticks_per_s", [1000, 100])
def test_eighty_hertz_in_whole_ticks_is_eighty_hertz(tmp_path: Path, ticks_per_s: int) -> None:
    clock = np.arange(0, 30, 1 / 80)
    stamps = np.floor(np.round(clock * ticks_per_s, 6)) / ticks_per_s
    (row,) = ingested(write(tmp_path / "a.csv", lines(stamps.tolist(), *sensors.worn_sensor(clock))))
    assert row["rate_hz"] == 80.0
    assert error_of(row) < 0.04


def test_stamps_of_whole_seconds_are_spread_over_them(tmp_path: Path) -> None:
    clock = np.arange(0, 60, 0.02)
    (row,) = ingested(write(tmp_path / "a.csv", lines(np.floor(clock).astype(int).tolist(), *sensors.worn_sensor(clock))))
    assert row["rate_hz"] == pytest.approx(50, rel=5e-3)
    assert row["n_samples"] == pytest.approx(3000, rel=5e-3)


def test_lost_samples_do_not_change_the_rate(tmp_path: Path) -> None:
    kept = np.random.default_rng(0).random(len(CLOCK)) > 0.15
    force, rate = sensors.worn_sensor(CLOCK)
    (row,) = ingested(write(tmp_path / "a.csv", lines(CLOCK[kept].tolist(), force[kept], rate[kept])))
    assert row["rate_hz"] == 50.0


def test_rows_written_twice_are_left_out_and_counted(tmp_path: Path) -> None:
    head, *rest = lines()
    notes = Notes()
    (row,) = ingested(write(tmp_path / "a.csv", [head, *(line for line in rest for _ in range(2))]), notes)
    assert (row["n_samples"], row["rate_hz"]) == (1000, 50.0)
    assert notes.figures()["rows written twice, left out"] == 1000


def test_doubled_stamps_of_unlike_samples_keep_both(tmp_path: Path) -> None:
    stamps = CLOCK.copy()
    stamps[[100, 200, 300]] = stamps[[99, 199, 299]]
    notes = Notes()
    (row,) = ingested(write(tmp_path / "a.csv", lines(stamps.tolist())), notes)
    assert error_of(row) < 0.04
    assert notes.figures()["rows with the stamp of the row before, moved on by half a step"] == 3


def test_a_gap_between_packets_still_parts_the_recording(tmp_path: Path) -> None:
    taken, arrived = packets(50.0, 10)
    late = np.where(taken >= 15, 5.0, 0.0)
    first, second = ingested(write(tmp_path / "a.csv", lines((arrived + late).tolist(), *sensors.worn_sensor(taken))))
    assert first["n_samples"] == pytest.approx(750, abs=2)
    assert second["n_samples"] == pytest.approx(750, abs=2)


def test_a_grid_that_is_coarser_than_the_rows_is_refused(tmp_path: Path) -> None:
    assert "run at 50 Hz, but rate_hz is 20" in refused(write(tmp_path / "a.csv", lines()), rate_hz=20)


def test_the_clock_of_arrivals_may_drift() -> None:
    number = np.arange(6000)
    true = 0.02 * number * (1 + 1e-4 * number / 6000)
    arrived = true[np.minimum((number // 10 + 1) * 10 - 1, 5999)] + 0.001 * (number % 10)
    steps = StepCounts()
    steps.add(arrived, None)
    step = step_of(steps, 0.5)
    assert (step.follows_s, step.lost) == (0.5, 0)
    even = EvenStamps(step.step_s, 0.5)
    for part in np.split(arrived, 7 * np.arange(1, 800)):
        if len(part):
            even.add(part)
    even.finish()
    made = even.at(number)
    assert (np.diff(made) > 0).all()
    late = made - true
    assert np.ptp(late) < 0.02  # the packets' delay is the same throughout


@pytest.mark.parametrize("share", [0.02, 0.05, 0.15])
def test_samples_lost_here_and_there_do_not_slow_the_clock(tmp_path: Path, share: float) -> None:
    text = lines()
    kept = np.random.default_rng(1).random(len(CLOCK)) > share
    (row,) = ingested(write(tmp_path / "a.csv", [text[0], *(line for line, keep in zip(text[1:], kept, strict=True) if keep)]))
    assert row["rate_hz"] == 50.0
    assert error_of(row) < 0.06


def kept_packets(count: int, size: int, share: float, seed: int = 0) -> np.ndarray:
    """Which of `count` samples arrive (bool), where a share of the packets of so many is lost, never two in a row."""
    lost = np.random.default_rng(seed).random(-(-count // size)) < share
    lost[1:] &= ~lost[:-1]
    return ~np.repeat(lost, size)[:count]


@pytest.mark.parametrize(("size", "jitter_ms"), [(2, 3.0), (10, 0.0), (20, 1.0)])
def test_lost_packets_do_not_slow_the_clock(tmp_path: Path, size: int, jitter_ms: float) -> None:
    taken = np.arange(0, 40, 0.02)
    kept = kept_packets(len(taken), size, 0.05, seed=size)
    stamps = taken + np.repeat(np.random.default_rng(1).normal(0, jitter_ms / 1000, len(taken) // size), size)
    force, rate = sensors.worn_sensor(taken)
    notes = Notes()
    (row,) = ingested(write(tmp_path / "a.csv", lines(stamps[kept].tolist(), force[kept], rate[kept])), notes)
    gaps = int((np.diff(np.flatnonzero(kept)) > 1).sum())
    assert notes.figures()["gaps of up to 0.5 s where samples were lost, bridged"] == pytest.approx(gaps, abs=3)
    assert row["rate_hz"] == pytest.approx(50.0, rel=2e-3)
    assert row["n_samples"] == pytest.approx(2000, abs=2 * size)


@pytest.mark.parametrize(("rate_hz", "size"), [(83.3, 10), (50.0, 10)])
def test_packets_of_arrival_that_were_lost_do_not_slow_the_clock(tmp_path: Path, rate_hz: float, size: int) -> None:
    taken, arrived = packets(rate_hz, size, 40.0)
    kept = kept_packets(len(taken), size, 0.05)
    force, rate = sensors.worn_sensor(taken)
    (row,) = ingested(write(tmp_path / "a.csv", lines(arrived[kept].tolist(), force[kept], rate[kept])))
    assert row["rate_hz"] == pytest.approx(rate_hz, rel=3e-3)
    assert row["n_samples"] == pytest.approx(len(taken), rel=3e-3)


def test_samples_that_are_late_are_not_lost(tmp_path: Path) -> None:
    late = np.random.default_rng(3).random(len(CLOCK)) < 0.03
    late[1:] &= ~late[:-1]
    late[-1] = False
    (row,) = ingested(write(tmp_path / "a.csv", lines((CLOCK + 0.0165 * late).tolist())))
    assert row["rate_hz"] == 50.0
    assert row["n_samples"] == len(CLOCK)
