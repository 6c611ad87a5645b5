"""What the sources of recordings share: sensors with clocks of their own brought to one, segments of it, and table rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.errors import InputError
from m3n.schema import imu_column

FloatArray = NDArray[np.float64]
Stream = tuple[FloatArray, FloatArray]  # times (n,) s, increasing, and values (n, channels)
MAX_GAP_S = 0.5  # a longer silence of a sensor is not bridged: it splits the recording
_YEAR_2100 = 4_102_444_800.0
Segment = tuple[float, float, str]  # start and stop, s, and label


def common_clock(streams: Sequence[Stream], rate_hz: float) -> Iterator[tuple[float, list[FloatArray]]]:
    """(start, values of every stream) of the stretches of time in which every stream was running, on one regular grid.

    A stream is times (n,) s, increasing, and values (n, channels), which are interpolated linearly. A stretch ends where a
    stream is silent for over `MAX_GAP_S`; sample k of a stretch is at start + k / rate_hz. Stretches shorter than `MAX_GAP_S`
    are left out.
    """
    running: list[tuple[float, float]] = [(-np.inf, np.inf)]
    for times, _ in streams:
        cuts = np.flatnonzero(np.diff(times) > MAX_GAP_S)
        own = list(zip(times[np.r_[0, cuts + 1]], times[np.r_[cuts, len(times) - 1]], strict=True)) if len(times) else []
        both = [(max(a, c), min(b, d)) for a, b in running for c, d in own if max(a, c) < min(b, d)]
        running = sorted(both)
    for start, stop in running:
        if stop - start >= MAX_GAP_S:
            grid = start + np.arange(int(np.floor((stop - start) * rate_hz + 1e-3)) + 1) / rate_hz
            yield start, [interpolated(times, values, grid) for times, values in streams]


def on_sensor_clock(acc: Stream, gyro: Stream | None, rate_hz: float) -> Iterator[tuple[float, FloatArray]]:
    """(start, samples (n, 6)) of the stretches of `common_clock` in which a sensor's accelerometer and gyroscope were running."""
    for start, values in common_clock([acc] if gyro is None else [acc, gyro], rate_hz):
        yield start, six_channels(*values)


def six_channels(acc: FloatArray, rates: FloatArray | None = None) -> FloatArray:
    """Samples (n, 6) of acceleration and angular rate (n, 3); NaN for the rate of a sensor without a gyroscope."""
    return np.concatenate([acc, np.full_like(acc, np.nan) if rates is None else rates], axis=1)


def ordered(where: str, times_s: FloatArray, values: FloatArray) -> Stream:
    """Times (n,) and values (n, channels) of the `ordered_rows`."""
    rows = ordered_rows(where, times_s, values)
    return times_s[rows], values[rows]


def ordered_rows(where: str, times_s: FloatArray, values: FloatArray) -> NDArray[np.intp]:
    """The numbers of the rows in which nothing is missing and the time does not stand still.

    Raises InputError, which names `where`, for time that goes back, for values over a million and for fewer than two rows.
    """
    rows = np.flatnonzero(np.isfinite(times_s) & np.isfinite(values).all(axis=1))
    steps = np.diff(times_s[rows], prepend=-np.inf)
    if (steps < 0).any():
        raise InputError(
            f"{where}: time goes back by {-float(steps.min()):.6g} s, first at sample {rows[np.argmax(steps < 0)]}, expected "
            "samples in order"
        )
    rows = rows[steps > 0]
    if len(rows) < 2:
        raise InputError(f"{where}: {len(rows)} whole samples, expected at least 2")
    if not np.abs(values[rows]).max() <= 1e6:
        raise InputError(f"{where}: holds values over a million; is the file damaged?")
    return rows


def interpolated(times: FloatArray, values: FloatArray, grid: FloatArray) -> FloatArray:
    """Values (n, channels) at other times, linearly; the ends are held."""
    return np.stack([np.interp(grid, times, values[:, k]) for k in range(values.shape[1])], axis=1)


def within(segments: Iterable[Segment], start_s: float, duration_s: float) -> list[dict[str, Any]]:
    """Segments cut to a recording that starts at `start_s`, in its own time, as the column `segments` holds them."""
    cut = [(max(start - start_s, 0.0), min(stop - start_s, duration_s), label) for start, stop, label in segments]
    return [{"start_s": a, "stop_s": b, "label": label} for a, b, label in cut if b > a]


def utc(unix_s: float) -> datetime | None:
    """A Unix time as a time stamp in whole milliseconds; None outside 1970 to 2100, where it is no clock's."""
    if not 0 <= unix_s < _YEAR_2100:
        return None
    return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=round(1000 * unix_s))


def recording_row(
    recording_id: str,
    source: str,
    subject: str,
    rate_hz: float,
    samples: Mapping[str, NDArray[Any]],
    *,
    session: str | None = None,
    started_s: float | None = None,
    label: str | None = None,
    segments: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """A row of `imu_recordings`; samples: placement -> (n, 6) m/s² and rad/s, all of one length; `started_s`: Unix time, s."""
    return {
        "recording_id": recording_id,
        "source": source,
        "subject": subject,
        "session": session,
        "started_at": None if started_s is None else utc(started_s),
        "label": label,
        "segments": segments,
        "rate_hz": float(rate_hz),
        "n_samples": len(next(iter(samples.values()))),
        **{imu_column(placement): np.asarray(values, np.float32) for placement, values in samples.items()},
    }
