"""Windows that somebody has already cut: the npz of X, y and subject in which most public benchmarks are passed around.

Every window becomes a recording of its own, with its label and its subject, so that the rest of m3n needs to know nothing about it.
Where windows overlap, neighbours share samples: split them by subject (as m3n does), never at random.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from m3n.config import Options as BaseOptions
from m3n.config import Positive
from m3n.data.window_physics import copied, normalisation, numbered, repeated, window_problems
from m3n.errors import InputError, shown
from m3n.schema import Rejected, check_placements
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.pose_rows import read_npz
from m3n.sources.shared.recording_rows import recording_row
from m3n.sources.shared.unit_checks import ACC_UNITS, GRAVITY_INCLUDED, GYRO_UNITS, STUCK, UnitCheck, required

SOURCE = "windows"
_KEYS = ("X", "y", "subject", "session", "label_names")
_SHORTEST_S = 0.1
_MANY = 20  # windows
_TOGETHER = 1000  # windows that are looked at together
_RATES_HZ = (1.0, 10_000.0)


class Options(BaseOptions):
    """Settings of `m3n ingest windows`."""

    rate_hz: Positive | None = Field(default=None, description="sampling rate of the windows [Hz]; must be given")
    acc_unit: Literal["m/s2", "g", "mg"] | None = Field(
        default=None, description="unit of acceleration: m/s2, g or mg; must be given"
    )
    gyro_unit: Literal["rad/s", "deg/s"] | None = Field(
        default=None, description="unit of angular rate: rad/s or deg/s; must be given where X has it"
    )
    gravity: Literal["included"] | None = Field(default=None, description=GRAVITY_INCLUDED)
    placements: list[str] = Field(
        default=["right_wrist"], description="where the sensors were worn, in the order of X's channels, 6 (or 3) each"
    )

    @field_validator("placements")
    @classmethod
    def _known_placements(cls, value: list[str]) -> list[str]:
        check_placements(value)
        return value


def imu_recordings(path: Path, options: Options, notes: Notes | None = None) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings`, one per window of the npz file.

    `X` (windows, samples, 6 a placement: ax ay az gx gy gz, or 3 where there is no gyroscope), `y` (windows,) numbers or text,
    `subject` (windows,); `session` (windows,) and `label_names`, the name of each number in `y`, may follow. The angular rate of a
    window may be NaN throughout, where there was no gyroscope. A window with any other value that is not finite, or with rows of
    zeros, which no sensor reads, is Rejected; `notes` counts windows given again and channels that stand still. Raises InputError
    for a file of another form, and for units that cannot be right.
    """
    where = Path(path).name
    if not Path(path).is_file():
        raise InputError(f"{path}: expected one npz file with X, y and subject")
    data = read_npz(Path(path), _KEYS, needed=("X", "y", "subject"))
    if options.rate_hz is None:
        raise InputError(f"{where}: rate_hz is not known; give rate_hz=<Hz>")
    if not _RATES_HZ[0] <= options.rate_hz <= _RATES_HZ[1]:
        raise InputError(f"{where}: rate_hz is {options.rate_hz:g}, expected {_RATES_HZ[0]:g} to {_RATES_HZ[1]:,g} Hz")
    windows, width = _windows(where, data["X"], options.placements, options.rate_hz, gyro=options.gyro_unit is not None)
    acc = required(where, "acc_unit", options.acc_unit, ACC_UNITS)
    gyro = required(where, "gyro_unit", options.gyro_unit, GYRO_UNITS) if width == 6 else 1.0
    factors = np.array([acc] * 3 + [gyro] * (width - 3))
    if normalised := normalisation(windows):
        raise InputError(f"{where}: X {normalised}; give the samples as the sensors measured them")
    labels = _labels(where, data, len(windows))
    subjects = _names(where, "subject", data["subject"], len(windows))
    _check_subjects(where, subjects)
    _check_copies(where, windows, options.placements, width)
    sessions = _names(where, "session", data["session"], len(windows)) if "session" in data else None
    faults: dict[int, str] = {}
    for number, placement in enumerate(options.placements):
        check = UnitCheck()
        held = windows[..., number * width : (number + 1) * width]
        broken = _broken(held)
        faulty = _faulty(held, broken, factors, options.rate_hz)
        left_out = broken | faulty if 2 * len(faulty) < len(held) else broken  # most of them: then it is the file that is wrong
        for index, window in enumerate(held):
            if index not in left_out:
                check.add(_samples(window, factors).astype(float), options.rate_hz)
        gyro_unit = options.gyro_unit if width == 6 else None
        named = where if len(options.placements) == 1 else f"{where}, {placement}"
        check.check(named, str(options.acc_unit), gyro_unit, stated=options.gravity == "included")
        if notes is not None and (stuck := check.stuck()):
            notes.count(STUCK, 1, f"{named}: {stuck}")
        faults = faulty | broken | faults
    if notes is not None:
        again = repeated(windows)
        if again:
            notes.count("windows with the samples of an earlier window, kept", len(again), f"{where}: {numbered(again)}")
    for index, window in enumerate(windows):
        if index in faults:
            yield Rejected(f"window {index}", f"{where}: X of window {index}: {faults[index]}")
            continue
        sensors = np.split(window, len(options.placements), axis=1)
        yield recording_row(
            f"{SOURCE}-{Path(path).stem}-{index:06d}", SOURCE, subjects[index], options.rate_hz,
            {placement: _samples(held, factors) for placement, held in zip(options.placements, sensors, strict=True)},
            session=None if sessions is None else sessions[index] or None, label=labels[index] or None,
        )  # fmt: skip


def _windows(where: str, held: NDArray[Any], placements: list[str], rate_hz: float, *, gyro: bool) -> tuple[NDArray[Any], int]:
    """X and the number of channels of a placement: 6 where a unit of angular rate was given."""
    if held.ndim != 3 or held.dtype.kind not in "fiu":
        raise InputError(f"{where}: X holds {held.dtype} of shape {held.shape}, expected numbers (windows, samples, channels)")
    count, length, channels = held.shape
    width = next((w for w in ((6,) if gyro else (6, 3)) if channels == w * len(placements)), None)
    if width is not None and count and 0 < length < _SHORTEST_S * rate_hz:
        raise InputError(
            f"{where}: X has windows of {length} samples, {length / rate_hz:.2g} s at {rate_hz:g} Hz, expected {_SHORTEST_S} s or "
            "more: is X (windows, samples, channels), and is rate_hz right?"
        )
    if width is None or not count or not length:
        turned = length in (6 * len(placements), 3 * len(placements))
        hint = "; it looks like (windows, channels, samples): save X.transpose(0, 2, 1)" if turned else ""
        raise InputError(
            f"{where}: X has shape {held.shape}, expected (windows, samples, {6 * len(placements)}) for "
            f"placements=[{','.join(placements)}], or {3 * len(placements)} without gyroscopes and gyro_unit{hint}"
        )
    return held, width


def _broken(windows: NDArray[Any]) -> dict[int, str]:
    """Windows (n, samples, channels of a placement) that hold no numbers, and what is wrong with them."""
    reason = "not finite, or over a million (an angular rate that is not known is NaN in all of a window)"
    found = {}
    for index, window in enumerate(windows):
        known = window[:, :3] if window.shape[1] == 6 and np.isnan(window[:, 3:]).all() else window
        if not np.isfinite(known).all() or np.abs(known).max() > 1e6:
            found[index] = reason
    return found


def _faulty(windows: NDArray[Any], broken: Mapping[int, str], factors: NDArray[np.float64], rate_hz: float) -> dict[int, str]:
    """The other windows that no sensor measures, and what is wrong with them."""
    found: dict[int, str] = {}
    for start in range(0, len(windows), _TOGETHER):
        kept = [index for index in range(start, min(start + _TOGETHER, len(windows))) if index not in broken]
        samples = np.stack([_samples(windows[index], factors) for index in kept]) if kept else np.zeros((0, 1, 6))
        found |= {kept[k]: problem for problem, indices in window_problems(samples, rate_hz) for k in indices}
    return found


def _check_subjects(where: str, subjects: list[str]) -> None:
    """InputError where nobody is named, or everybody once."""
    blank = next((index for index, name in enumerate(subjects) if not name.strip()), None)
    if blank is not None:
        raise InputError(f"{where}: subject of window {blank} is empty, expected who wore the sensor: splits by person need it")
    if len(subjects) >= _MANY and len(set(subjects)) == len(subjects):
        raise InputError(
            f"{where}: subject names another person for each of the {len(subjects)} windows: is it the number of the window? "
            "Splits by person need to know which windows are of one person"
        )


def _check_copies(where: str, windows: NDArray[Any], placements: list[str], width: int) -> None:
    """InputError where two placements hold the same samples."""
    if pair := copied([windows[..., k * width : (k + 1) * width] for k in range(len(placements))]):
        one, two = (placements[k] for k in pair)
        raise InputError(f"{where}: {one} and {two} hold the same samples: was one sensor's data copied to the other?")


def _samples(values: NDArray[Any], factors: NDArray[np.float64]) -> NDArray[np.float32]:
    made = np.full((len(values), 6), np.nan, np.float32)
    with np.errstate(over="ignore"):
        made[:, : values.shape[1]] = values * factors
    return made


def _labels(where: str, data: dict[str, NDArray[Any]], count: int) -> list[str]:
    labels = _names(where, "y", data["y"], count)
    if "label_names" not in data:
        return labels
    names = data["label_names"]
    if names.ndim != 1 or names.dtype.kind not in "US":
        raise InputError(f"{where}: label_names holds {names.dtype} of shape {names.shape}, expected one text each")
    places = data["y"]
    if places.dtype.kind not in "iu" or places.min(initial=0) < 0 or places.max(initial=0) >= len(names):
        raise InputError(f"{where}: y must hold the places 0 to {len(names) - 1} in label_names")
    spelled = _names(where, "label_names", names, len(names))
    twice = next((name for number, name in enumerate(spelled) if name in spelled[:number]), None)
    if twice is not None:
        raise InputError(f"{where}: label_names holds '{shown(twice)}' twice: one of the classes would be lost")
    return [spelled[int(place)] for place in places]


def _names(where: str, key: str, held: NDArray[Any], count: int) -> list[str]:
    """One text for each window; numbers that are whole are written without a point."""
    if held.shape != (count,) or held.dtype.kind not in "iufUSb":
        raise InputError(
            f"{where}: {key} holds {held.dtype} of shape {held.shape}, expected one number or text for {count} windows"
        )
    if held.dtype.kind == "f":
        whole = np.isfinite(held) & (held == np.round(held))
        if not whole.all():
            raise InputError(f"{where}: {key} holds {held[np.argmin(whole)]}, expected whole numbers or text")
        return [f"{value:.0f}" for value in held.tolist()]
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in held.tolist()]
