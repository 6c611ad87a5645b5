"""Units of recordings: given by the user or known from the format, never guessed, and checked against gravity.

An accelerometer at rest measures 1 g whichever way it lies, so its median norm there tells a wrong unit from a right one, and
acceleration from which gravity was taken off from an accelerometer's own readings. Gyroscopes are checked for degrees only: a
wrist does not turn at 30 rad/s (1,700 °/s) for long.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.errors import InputError
from m3n.schema import GRAVITY

ACC_UNITS = {"m/s2": 1.0, "g": GRAVITY, "mg": GRAVITY / 1000}  # in m/s²
GYRO_UNITS = {"rad/s": 1.0, "deg/s": float(np.pi / 180)}  # in rad/s
REST_RAD_S = 0.3
_FASTEST_STD = 30.0  # rad/s
_REST_G = (0.8, 1.2)  # norm at rest: calibration errors of cheap sensors, and of slow motion taken for rest, stay within
_ANY_G = (0.5, 2.0)  # median norm where there is no rest to look at
_FEWEST = 25  # samples at rest that a median needs
_KEPT = 2000  # norms kept of one `add`
_BLOCK = 16  # samples that are at rest together, where there is no gyroscope, if their norm hardly varies
_STEADY = 0.03


def required(where: str, name: str, unit: str | None, known: dict[str, float]) -> float:
    """Factor of a unit that the user must give; InputError, naming `where` and the option, where it is None."""
    if unit is None:
        raise InputError(f"{where}: {name} is not known; give {name}={' or '.join(known)}: units are never guessed")
    return known[unit]


class UnitCheck:
    """Sees samples of one sensor piece by piece, in m/s² and rad/s as the declared units make them, and judges the units."""

    def __init__(self) -> None:
        self._rest: list[NDArray[Any]] = []
        self._norm: list[NDArray[Any]] = []
        self._gyro = np.zeros((3, 3))  # per axis: count, sum, sum of squares

    def add(self, samples: NDArray[Any]) -> None:
        """Samples (n, 6) m/s² and rad/s in their order of time; a gyroscope that is not there is NaN."""
        with np.errstate(over="ignore", invalid="ignore"):
            norm = np.linalg.norm(samples[:, :3], axis=1) / GRAVITY
            rates = samples[:, 3:]
            if np.isnan(rates).any():
                blocks = norm[: len(norm) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
                rest = blocks[blocks.std(axis=1) < _STEADY * blocks.mean(axis=1)].reshape(-1)
            else:
                rest = norm[np.linalg.norm(rates, axis=1) < REST_RAD_S]
                self._gyro += np.stack([np.full(3, len(rates)), rates.sum(0), (rates**2).sum(0)])
        self._norm.append(_thinned(norm))
        self._rest.append(_thinned(rest))

    def judge(self, where: str, acc_unit: str, gyro_unit: str | None) -> None:
        """InputError, which names `where` and the likely unit, where the declared ones cannot be right."""
        rest, norm = (np.concatenate([*values, np.zeros(0)]) for values in (self._rest, self._norm))
        if not len(norm):
            return
        still = len(rest) >= _FEWEST
        found = float(np.median(rest if still else norm))
        low, high = _REST_G if still else _ANY_G
        if not low <= found <= high:
            raw = found * GRAVITY / ACC_UNITS[acc_unit]
            likely = [unit for unit, size in ACC_UNITS.items() if low <= raw * size / GRAVITY <= high]
            if likely:
                hint = f"as if it were in {likely[0]}"
            elif found < low:
                hint = "as if gravity had been taken off (linear acceleration): give the accelerometer's own readings"
            else:
                hint = "is the unit right?"
            raise InputError(
                f"{where}: acceleration {'at rest ' if still else ''}measures {found:.3g} g when read as {acc_unit}, "
                f"expected about 1 g; {hint}"
            )
        count, total, squares = self._gyro
        if gyro_unit == "rad/s" and count[0]:
            spread = float(np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0)).max())
            if spread > _FASTEST_STD:
                raise InputError(
                    f"{where}: the standard deviation of the angular rate is {spread:.3g} when read as rad/s, more than a body "
                    "does; as if it were in deg/s"
                )


def check_units(where: str, samples: NDArray[Any], acc_unit: str, gyro_unit: str | None) -> None:
    """`UnitCheck` of one array (n, 6), m/s² and rad/s as the declared units make them."""
    check = UnitCheck()
    check.add(samples)
    check.judge(where, acc_unit, gyro_unit)


def _thinned(values: NDArray[Any]) -> NDArray[Any]:
    return values[:: max(1, -(-len(values) // _KEPT))]
