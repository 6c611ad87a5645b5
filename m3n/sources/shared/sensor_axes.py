"""Recordings turned into m3n's sensor frame, where somebody knows how the sensor was worn.

`axes.right_wrist=[-x,-y,z]` says which of the recording's axes m3n's x, y and z are, for everybody; `axes_from=mounting.json`,
which `m3n report mounting` writes, turns each person's recordings by their own rotation. Only rotations are taken: a mirrored
sensor would keep its gravity and turn the wrong way round.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.errors import InputError, shown
from m3n.schema import PLACEMENTS, imu_column
from m3n.sources.shared.ingest_notes import Notes

FloatArray = NDArray[np.float64]
_LARGEST = 16 << 20  # bytes of a mounting report
_OFF = 1e-3  # a rotation's rows may be off from unit length and right angles by this much


def signed_axes(placement: str, axes: Sequence[str]) -> FloatArray:
    """The rotation (3, 3) that `[-x,-y,z]` means: m3n's x is the recording's -x, and so on. InputError for anything else."""
    made = np.zeros((3, 3))
    said = f"axes.{placement}=[{','.join(map(str, axes))}]"
    names = [str(axis).strip().lower().removeprefix("+") for axis in axes]
    if sorted(name.removeprefix("-") for name in names) != ["x", "y", "z"]:
        raise InputError(f"{said}: expected each of x, y, z once, with or without a minus, as [-x,-y,z]")
    for row, name in enumerate(names):
        made[row, "xyz".index(name[-1])] = -1.0 if name.startswith("-") else 1.0
    if np.linalg.det(made) < 0:
        raise InputError(
            f"{said} is a mirror image, no rotation: a sensor cannot be worn so; change one sign or swap two axes (where a phone "
            "reads "
            "-1 g along the axis that points up, give acc_scale=-1 instead)"
        )
    return made


class SensorAxes:
    """Rotations of recordings into m3n's frame, by placement and, where a report says so, by person."""

    def __init__(self, axes: Mapping[str, Sequence[str]], report: Path | None) -> None:
        self._everybody = {placement: signed_axes(placement, names) for placement, names in axes.items()}
        self._report = {} if report is None else _read_report(report)
        both = sorted(set(self._everybody) & set(self._report))
        if both:
            raise InputError(f"axes.{both[0]} and axes_from={report} both turn {both[0]}; leave one out")
        self._name = "" if report is None else report.name

    def __bool__(self) -> bool:
        return bool(self._everybody or self._report)

    def turned(self, row: dict[str, Any], notes: Notes) -> dict[str, Any]:
        """A row of `imu_recordings` with its samples in m3n's frame; people not called turned stay as they are."""
        changed = dict(row)
        for placement in (*self._everybody, *self._report):
            samples = row.get(imu_column(placement))
            if samples is None:
                continue
            turn = self._everybody.get(placement)
            if turn is None:
                turn = self._turn_of(placement, str(row["subject"]), notes)
            if turn is not None:
                both = np.asarray(samples, np.float64).reshape(-1, 2, 3) @ turn.T
                changed[imu_column(placement)] = both.reshape(-1, 6).astype(np.float32)
        return changed

    def _turn_of(self, placement: str, subject: str, notes: Notes) -> FloatArray | None:
        found = self._report[placement].get(subject)
        if found is None:
            notes.count(f"recordings not turned: {self._name} does not name the person", 1, f"{placement} {subject}")
            return None
        turn, verdict = found
        if verdict != "turned":  # an aligned sensor is nearer to m3n's axes than an estimate of its rotation is
            about = "is unsure about the person" if verdict == "unsure" else "finds the person aligned already"
            notes.count(f"recordings not turned: {self._name} {about}", 1, f"{placement} {subject}")
            return None
        return turn


def _read_report(report: Path) -> dict[str, dict[str, tuple[FloatArray, str]]]:
    """placement -> subject -> (rotation, verdict)."""
    expected = 'expected {placement: {subject: {"rotation": 3 x 3, "verdict": "aligned", "turned" or "unsure"}}}'
    try:
        if report.stat().st_size > _LARGEST:
            raise InputError(f"{report}: over {_LARGEST >> 20} MiB; {expected}")
        held = json.loads(report.read_text(encoding="utf-8"), object_pairs_hook=partial(_once, report))
    except OSError as error:
        raise InputError(f"axes_from={report}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"axes_from={report}: is no JSON; {expected}") from error
    if not isinstance(held, dict) or not all(isinstance(people, dict) for people in held.values()):
        raise InputError(f"axes_from={report}: {expected}")
    unknown = [name for name in held if name not in PLACEMENTS]
    if unknown or not held:
        raise InputError(f"axes_from={report}: '{shown(unknown[0]) if unknown else ''}' is no placement; {expected}")
    made: dict[str, dict[str, tuple[FloatArray, str]]] = {}
    for placement, people in held.items():
        where = f"axes_from={report}, {placement}"
        made[placement] = {str(name): _entry(f"{where}, {shown(name)}", entry) for name, entry in people.items()}
    return made


def _once(report: Path, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object, in which JSON itself would keep the last of two values."""
    names = [name for name, _ in pairs]
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise InputError(f"axes_from={report}: '{shown(twice)}' is given twice; remove one of the two")
    return dict(pairs)


def _entry(where: str, entry: Any) -> tuple[FloatArray, str]:
    if not isinstance(entry, dict) or "rotation" not in entry or entry.get("verdict") not in ("aligned", "turned", "unsure"):
        raise InputError(f'{where}: expected "rotation" and "verdict": "aligned", "turned" or "unsure"')
    if entry["verdict"] == "unsure" and entry["rotation"] is None:
        return np.eye(3), "unsure"
    try:
        turn = np.array(entry["rotation"], np.float64)
    except (TypeError, ValueError):
        turn = np.zeros(0)
    if turn.shape != (3, 3) or not np.isfinite(turn).all() or np.abs(turn @ turn.T - np.eye(3)).max() > _OFF:
        raise InputError(f"{where}: the rotation is no 3 x 3 matrix of unit rows at right angles")
    if np.linalg.det(turn) < 0:
        raise InputError(f"{where}: the rotation is a mirror image (determinant -1), which no sensor is worn in")
    return turn, str(entry["verdict"])
