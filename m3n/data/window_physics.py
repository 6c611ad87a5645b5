"""Which of many windows cannot be a worn accelerometer's, each looked at by itself.

The checks of a whole dataset (`m3n.data.scale`, `m3n.sources.shared.unit_checks`) speak of medians, among which a few windows of no
data, of filling or in another unit go unseen. These limits hold for every single window, whatever its wearer does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.schema import GRAVITY

_MOST_ZERO_S = 0.1  # of samples that are exactly zero
_HELD_S = 0.5  # of samples that repeat the last one
_COARSE, _REPEATS = 0.01, 0.05  # smallest change (m/s²) and share of repeated samples of a sensor that repeats itself anyway
_STILL_S = 0.4  # a force that stays the same for longer is the sensor's own at rest, or no sensor's
_STILL_G = (0.7, 1.3)  # at rest, with the calibration errors of cheap sensors
_STILL_RAD_S = 0.5
_FALL_S = 1.0  # nobody's wrist falls freely for as long
_LEAST_G, _MOST_G = 0.3, 40.0  # root mean square over a window: the least over `_FALL_S`, the most of any impact
_MOST_RAD_S = 120.0  # root mean square over a window; gyroscopes end at 35 to 70
_NORMALISED = 0.005
_BLOCK = 1 << 20  # samples looked at together
_STUCK_S = 5.0  # a channel with one value for as long, while another one of its sensor moves by so much, is stuck
_MOVES = {"accelerometer": 2.0, "gyroscope": 1.0}  # m/s², rad/s: what a noisy axis shows of it is never nothing


def window_problems(windows: NDArray[Any], rate_hz: float) -> Iterator[tuple[str, list[int]]]:
    """(what is wrong, which windows) for windows (n, samples, 3 or 6) in m/s² and rad/s of one sensor; a window is named once.

    An angular rate that is not there is NaN or zero. Values must be finite where they are there.
    """
    found: dict[str, list[int]] = {}
    count, length = windows.shape[:2]
    step = max(1, _BLOCK // max(length, 1))
    for start in range(0, count, step):
        problems = _problems(np.asarray(windows[start : start + step], np.float64), rate_hz)
        for index, problem in sorted(problems.items()):
            found.setdefault(problem, []).append(start + index)
    yield from found.items()


def normalisation(windows: NDArray[Any]) -> str | None:
    """How windows (n, samples, channels) were normalised, by the sign that all of their channels have; None where they were not."""
    if windows.dtype.kind != "f" or not windows.size:
        return None
    low, high = windows.min((0, 1)), windows.max((0, 1))
    if (low.min(), high.max()) == (0.0, 1.0) and (low >= 0).all():
        return "lies between 0 and 1: it was normalised (min-max)"
    with np.errstate(invalid="ignore", over="ignore"):
        mean, spread = windows.mean((0, 1), dtype=np.float64), windows.std((0, 1), dtype=np.float64)
    known = spread > 0  # a gyroscope that is not there is zero
    if known.any() and (np.abs(mean[known]) < _NORMALISED).all() and (np.abs(spread[known] - 1) < _NORMALISED).all():
        return "has mean 0 and standard deviation 1 in every channel: it was normalised (z-score)"
    return None


def copied(sensors: Sequence[NDArray[Any]]) -> tuple[int, int] | None:
    """The first two sensors that hold the same samples; None where no two do."""
    pairs = combinations(range(len(sensors)), 2)
    return next(((a, b) for a, b in pairs if np.array_equal(sensors[a], sensors[b])), None)


def repeated(windows: NDArray[Any]) -> list[int]:
    """Numbers of the windows that equal an earlier one in every sample; those without any movement aside."""
    seen: set[bytes] = set()
    found = []
    for number, window in enumerate(windows):
        told = sha256(np.ascontiguousarray(window).tobytes()).digest()
        if told in seen and (window != window[:1]).any():
            found.append(number)
        seen.add(told)
    return found


def stuck_channel(low: NDArray[Any], high: NDArray[Any], seconds: float) -> str | None:
    """A description of the first channel that is constant while others of its sensor move; None if there is no such channel.

    `low`, `high`: least and largest value of each channel (3 or 6) in m/s² and rad/s over all `seconds`; NaN or zero
    if there is no gyroscope.
    """
    span = high - low
    for number, (sensor, moves) in enumerate(_MOVES.items() if seconds >= _STUCK_S else ()):
        own = slice(3 * number, 3 * number + 3)
        still = np.flatnonzero(span[own] == 0)
        if len(still) and np.max(span[own], initial=0) > moves:
            return (
                f"the {sensor}'s {'xyz'[still[0]]} channel is {low[own][still[0]]:.3g} in every sample, while the others move"
            )
    return None


def numbered(indices: list[int]) -> str:
    """Windows by their numbers: "window 3", "windows 3, 17 and 40", "windows 0, 1, 2, 3, 4 and 91 more"."""
    if len(indices) == 1:
        return f"window {indices[0]}"
    shown, rest = (indices[:-1], f"{indices[-1]}") if len(indices) <= 6 else (indices[:5], f"{len(indices) - 5} more")
    return f"windows {', '.join(map(str, shown))} and {rest}"


def _problems(windows: NDArray[np.float64], rate_hz: float) -> dict[int, str]:
    force, seconds = windows[..., :3], windows.shape[1] / rate_hz
    squares = (force**2).sum(-1)
    size = np.sqrt(squares.mean(1)) / GRAVITY
    zeros = (force == 0).all(-1).sum(1)
    turning = np.sqrt((windows[..., 3:] ** 2).sum(-1).mean(1))  # NaN without a gyroscope, which no limit is passed by
    is_rest = (size > _STILL_G[0]) & (size < _STILL_G[1]) & ~(turning > _STILL_RAD_S)
    still = (force == force[:, :1]).all((1, 2)) & ~is_rest
    checks = (
        (zeros == windows.shape[1], "no sensor data, every sample of acceleration is 0, 0, 0"),
        (
            zeros >= max(_MOST_ZERO_S * rate_hz, 1),
            "samples of 0, 0, 0, which no accelerometer reads: was it filled up to a common length?",
        ),
        (
            _held_at_an_end(windows, rate_hz),
            "the same sample again and again at one end: was it filled up to a common length?",
        ),
        (still & (seconds >= _STILL_S), "the same acceleration in every sample, though not that of rest: no data?"),
        ((size < _LEAST_G) & (seconds >= _FALL_S), "acceleration far below 1 g: in g, or with gravity taken off?"),
        (size > _MOST_G, "acceleration that no worn sensor measures: in counts, or in thousandths of g?"),
        (turning > _MOST_RAD_S, "an angular rate that no worn sensor measures: in degrees per second?"),
    )
    made: dict[int, str] = {}
    for wrong, problem in checks:
        for index in np.flatnonzero(wrong):
            made.setdefault(int(index), problem)
    return made


def _held_at_an_end(windows: NDArray[np.float64], rate_hz: float) -> NDArray[np.bool_]:
    """True for windows (n, samples, channels) that end, or begin, with one sample repeated, and are fine and lively otherwise."""
    known = np.nan_to_num(windows)
    steps = np.abs(np.diff(known[..., :3], axis=1))
    smallest = np.min(steps, axis=(1, 2), where=steps > 1e-9, initial=np.inf)
    same = (known[:, 1:] == known[:, :-1]).all(-1)
    ends = np.maximum(*(np.cumprod(way, axis=1).sum(1) for way in (same, same[:, ::-1])))
    elsewhere = (same.sum(1) - ends) / np.maximum(same.shape[1] - ends, 1)
    found: NDArray[np.bool_] = (ends >= _HELD_S * rate_hz) & (smallest < _COARSE) & (elsewhere < _REPEATS)
    return found
