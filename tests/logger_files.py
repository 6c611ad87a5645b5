"""Files as loggers write them, of the sensor of `sensors`, and what `m3n ingest recordings` makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sensors

from m3n.errors import InputError
from m3n.schema import PLACEMENTS, check_imu_recording
from m3n.sources.recordings.table import Options, imu_recordings
from m3n.sources.shared.ingest_notes import Notes

HEADER = "time,ax,ay,az,gx,gy,gz"
UNITS: dict[str, Any] = {"acc_unit": "m/s2", "gyro_unit": "rad/s", "subject": "anna"}
CLOCK = np.arange(0, 20, 0.02)  # 50 Hz


def lines(times: Sequence[Any] | np.ndarray = CLOCK, force: Any = None, rate: Any = None, header: str = HEADER) -> list[str]:
    """Lines of a CSV: a header, then time stamps as they are and samples of the sensor at CLOCK."""
    known, turned = sensors.worn_sensor(CLOCK[: len(times)] if len(times) <= len(CLOCK) else np.arange(len(times)) / 50)
    force, rate = known if force is None else force, turned if rate is None else rate
    values = [",".join(f"{value:.5f}" for value in row) for row in np.concatenate([force, rate], axis=1)]
    stamps = [f"{t:.6f}".rstrip("0").rstrip(".") if isinstance(t, float) else str(t) for t in times]
    return [header, *(f"{stamp},{value}" for stamp, value in zip(stamps, values, strict=True))]


def write(file: Path, text: Sequence[str] | str, encoding: str = "utf-8") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes((text if isinstance(text, str) else "\n".join(text) + "\n").encode(encoding))
    return file


def ingested(path: Path, notes: Notes | None = None, /, **options: Any) -> list[dict[str, Any]]:
    """The recordings, all of which must be valid."""
    found = list(imu_recordings(path, Options(**{**UNITS, **options}), notes))
    rows = [row for row in found if isinstance(row, dict)]
    assert len(rows) == len(found), found
    assert [check_imu_recording(row, PLACEMENTS) for row in rows] == [None] * len(rows)
    return rows


def refused(path: Path, /, **options: Any) -> str:
    """The line that says why a file was refused, which names it."""
    with pytest.raises(InputError) as caught:
        list(imu_recordings(path, Options(**{**UNITS, **options})))
    assert path.name in str(caught.value)
    return str(caught.value)


def error_of(row: dict[str, Any], start_s: float = 0.0) -> float:
    """Root mean square of what the acceleration is off from the sensor's own, over the sensor's deviation."""
    samples = np.asarray(row["imu_right_wrist"], float)
    force, _ = sensors.worn_sensor(start_s + np.arange(len(samples)) / row["rate_hz"], noise=0.0)
    return float(np.sqrt(((samples[:, :3] - force) ** 2).mean()) / force.std())
