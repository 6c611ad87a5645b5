"""Sensors with clocks of their own on one, segments in a recording's own time, and rows of the table."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from m3n.schema import check_imu_recording
from m3n.sources.shared.recording_rows import common_clock, recording_row, utc, within


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


def test_segments_are_cut_to_the_recording_and_stand_in_its_own_time():
    assert within([(8.0, 11.0, "a"), (11.0, 14.0, "b"), (30.0, 31.0, "c")], 10.0, 3.0) == [
        {"start_s": 0.0, "stop_s": 1.0, "label": "a"}, {"start_s": 1.0, "stop_s": 3.0, "label": "b"},
    ]  # fmt: skip


def test_a_row_knows_when_it_began_to_the_millisecond():
    row = recording_row("r", "s", "anna", 50.0, {"head": np.ones((5, 6))}, started_s=1_648_531_521.1234)
    assert row["started_at"] == datetime(2022, 3, 29, 5, 25, 21, 123_000, tzinfo=UTC)
    assert check_imu_recording(row, ("head",)) is None
    assert (utc(-1.0), utc(1e13)) == (None, None)
