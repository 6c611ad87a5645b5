"""Units of recordings: given by the user or known from the format, never guessed, and checked against gravity.

An accelerometer at rest measures 1 g whichever way it lies, and over seconds it measures 1 g on average whatever its wearer does
(`m3n.data.sensor_physics`). That tells a wrong unit from a right one, and acceleration from which gravity was taken off from an
accelerometer's own readings. A likely unit is named only where gravity shows in the samples: without it, any unit would be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.data.sensor_physics import Gravity, Pieces, rate_problem, turn_problem
from m3n.data.window_physics import stuck_channel
from m3n.errors import InputError, shown
from m3n.schema import GRAVITY

ACC_UNITS = {"m/s2": 1.0, "g": GRAVITY, "mg": GRAVITY / 1000}  # in m/s²
GYRO_UNITS = {"rad/s": 1.0, "deg/s": float(np.pi / 180)}  # in rad/s
GRAVITY_INCLUDED = (  # of the setting `gravity`
    "included: you know that the acceleration has gravity in it, where movement is too vigorous for a check without a gyroscope; "
    "null: the check decides"
)
STUCK = "channels that have one value throughout, kept: are they connected?"  # a note
REST_RAD_S = 0.3
_FASTEST_STD = 30.0  # rad/s
_REST_G = (0.8, 1.2)  # norm at rest: calibration errors of cheap sensors, and of slow motion taken for rest, stay within
_ANY_G = (0.5, 2.0)  # median norm, and mean vector over seconds, where there is no rest to look at
_NEARLY, _LEAST_CALIBRATED = 0.4, 0.8  # g: too much for another unit, too little for a sensor
_MOST_VIGOROUS = 4.0  # g: median norm of the most violent exercise, and more
_QUIETEST = 0.85  # g: root mean square of the quietest seconds, where gravity is included
_OFF = 1e4  # times too small
_STEADY_ENOUGH = 0.8  # share of gravity in a force whose column says that it has none
_FEWEST = 25  # samples at rest that a median needs
_KEPT = 2000  # norms kept of one `add`
_BLOCK = 16  # samples that are at rest together, where there is no gyroscope, if their norm hardly varies
_STEADY = 0.03
_NO_GRAVITY = re.compile(r"linear|lin_?acc|user_?acc|free_?acc|body_?acc|no_?grav|without_?g|gravity", re.IGNORECASE)


def required(where: str, name: str, unit: str | None, known: dict[str, float]) -> float:
    """Factor of a unit that the user must give; InputError, naming `where` and the option, where it is None."""
    if unit is None:
        raise InputError(f"{where}: {name} is not known; give {name}={' or '.join(known)}: units are never guessed")
    return known[unit]


class GravityDoubtError(InputError):
    """Acceleration alone, too vigorous to show gravity: other recordings of the same study may settle it."""


class UnitCheck:
    """Sees samples of one sensor piece by piece, in m/s² and rad/s as the declared units make them, and checks the units."""

    def __init__(self) -> None:
        self._rest: list[NDArray[Any]] = []
        self._norm: list[NDArray[Any]] = []
        self._gyro = np.zeros((3, 3))  # per axis: count, sum, sum of squares
        self._total = np.zeros(4)  # sum of the force, and count
        self._low, self._high = np.full(6, np.inf), np.full(6, -np.inf)  # of each channel
        self._seconds = 0.0
        self._pieces = Pieces()

    def add(self, samples: NDArray[Any], rate_hz: float) -> None:
        """Samples (n, 6) m/s² and rad/s that follow each other at about `rate_hz`; a gyroscope that is not there is NaN."""
        with np.errstate(over="ignore", invalid="ignore"):
            norm = np.linalg.norm(samples[:, :3], axis=1) / GRAVITY
            rates = samples[:, 3:]
            if np.isnan(rates).any():
                blocks = norm[: len(norm) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
                rest = blocks[blocks.std(axis=1) < _STEADY * blocks.mean(axis=1)].reshape(-1)
            else:
                rest = norm[np.linalg.norm(rates, axis=1) < REST_RAD_S]
                self._gyro += np.stack([np.full(3, len(rates)), rates.sum(0), (rates**2).sum(0)])
            self._total += np.r_[samples[:, :3].sum(0), len(samples)]
            self._low = np.fmin(self._low, samples.min(0, initial=np.inf))
            self._high = np.fmax(self._high, samples.max(0, initial=-np.inf))
            self._pieces.add(samples, rate_hz)
        self._seconds += len(samples) / rate_hz
        self._norm.append(_thinned(norm))
        self._rest.append(_thinned(rest))

    def check(
        self,
        where: str,
        acc_unit: str,
        gyro_unit: str | None,
        columns: Sequence[str] = (),
        *,
        stated: bool = False,
        vouched: bool = False,
    ) -> None:
        """InputError, which names `where` and what is likely, where samples cannot be an accelerometer's and a gyroscope's in the
        declared units. `columns`: what the file calls the acceleration, which may say that gravity was taken off. `stated` by the
        user, or `vouched` for by recordings of the same study: gravity is included, where no gyroscope could show it."""
        rest, norm = (np.concatenate([*values, np.zeros(0)]) for values in (self._rest, self._norm))
        if not len(norm):
            return
        named = next((name for name in columns if _NO_GRAVITY.search(name.replace(" ", "_"))), None)
        hint = f" (its column is called '{shown(named)}')" if named else ""
        if self._pieces.norm_is_constant():
            raise InputError(
                f"{where}: the norm of the acceleration is constant to 1 % while the sensor turns: it is a gravity vector, not an "
                f"accelerometer{hint}; give the accelerometer's own readings"
            )
        alone = self._pieces.gravity(turned_back=False)
        if (
            alone is not None and not alone.is_lacking and alone.mean < _ANY_G[1]
        ):  # a wrong gyroscope must not make the accelerometer look wrong
            self._check_rate(where, gyro_unit)
        self._check_acceleration(where, acc_unit, rest, norm, hint, stated or vouched)
        self._check_rate(where, gyro_unit)
        turned = self._pieces.turn_scale() if gyro_unit is not None else None
        if turned is not None:
            raise InputError(
                f"{where}: {turn_problem(*turned)}; correct the rate (rate_hz, time_unit), or the gyroscope by gyro_scale="
            )

        if gyro_unit is not None and (order := self._pieces.order_of_axes()) is not None:
            raise InputError(f"{where}: {_order_problem(order)}")

    def stuck(self) -> str | None:
        """A description of a channel that is constant while others of its sensor move, if there is one."""
        return stuck_channel(self._low, self._high, self._seconds)

    def _check_acceleration(
        self, where: str, unit: str, rest: NDArray[Any], norm: NDArray[Any], named: str, settled: bool
    ) -> None:
        gravity = self._pieces.gravity()
        still = len(rest) >= _FEWEST
        found = float(np.median(rest if still else norm))
        low, high = _REST_G if still else _ANY_G
        if gravity is not None and gravity.is_sure:
            return
        size, doubt = float(np.median(norm)), False
        if gravity is not None and np.isnan(gravity.world) and not named:
            whole = float(np.linalg.norm(self._total[:3])) / max(float(self._total[3]), 1.0) / GRAVITY
            if gravity.steadily_one_g or gravity.is_vigorous(whole, size):
                return
            doubt = gravity.quiet > _QUIETEST and _ANY_G[0] < size < _MOST_VIGOROUS
        if doubt and settled:
            return
        doubtful = bool(named) and gravity is not None and gravity.steady < _STEADY_ENOUGH
        if low <= found <= high and not (gravity is not None and (doubtful or gravity.is_lacking or gravity.mean > _ANY_G[1])):
            return
        advice = self._axes_advice() or _advice(found, (low, high), gravity, unit, named)
        if doubt:
            advice += "; if you know that it includes gravity, state it by gravity=included"
        kind = GravityDoubtError if doubt else InputError
        raise kind(f"{where}: {_measured(found, still, gravity, unit, (low, high))}{advice}")

    def _axes_advice(self) -> str:
        """What speaks for acceleration and angular rate that do not go together; empty where nothing does."""
        if self._pieces.rates_are_forces():
            return "; the columns of angular rate look like an accelerometer's: are the two swapped?"
        if (order := self._pieces.order_of_axes()) is not None:
            return f"; {_order_problem(order)}"
        signs = self._pieces.fitting_signs()
        if signs:
            changed = " and ".join(f"g{axis}" for axis, sign in zip("xyz", signs, strict=True) if sign < 0)
            return (
                f"; the gyroscope's axes are not those of the accelerometer: with the sign of {changed} changed they would be; "
                "correct the columns"
            )
        scale = self._pieces.fitting_scale()
        if scale is not None:
            times, word = (1 / scale, "large") if scale < 1 else (scale, "small")
            return f"; the angular rate looks {times:.3g} times too {word}: with that factor gravity would stay where it is"
        return ""

    def _check_rate(self, where: str, gyro_unit: str | None) -> None:
        count, total, squares = self._gyro
        if gyro_unit is None or not count[0]:
            return
        spread = float(np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0)).max())
        if gyro_unit == "rad/s" and spread > _FASTEST_STD:
            raise InputError(
                f"{where}: the standard deviation of the angular rate is {spread:.3g} when read as rad/s, more than a body "
                "does; as if it were in deg/s"
            )
        factor = self._pieces.rate_factor()
        if factor is not None and factor > _OFF:
            raise InputError(
                f"{where}: the angular rate is zero while gravity turns in the accelerometer's axes: the gyroscope was off; name "
                "the three "
                "columns of acceleration alone"
            )
        if factor is not None:
            raise InputError(f"{where}: {rate_problem(factor)} when read as {gyro_unit}{_rate_hint(factor, gyro_unit)}")


def _rate_hint(factor: float, unit: str) -> str:
    other = {"deg/s": "rad/s", "rad/s": "deg/s"}[unit]
    likely = (factor > 1) == (unit == "deg/s") and 10 < max(factor, 1 / factor) < 600
    return f"; as if it were in {other}" if likely else "; correct it by gyro_scale="


def _measured(found: float, still: bool, gravity: Gravity | None, unit: str, limits: tuple[float, float]) -> str:
    if gravity is not None and not still and gravity.is_lacking and gravity.mean < 0.7:
        return f"acceleration averages {gravity.mean:.3g} g over seconds when read as {unit}, expected about 1 g"
    if limits[0] <= found <= limits[1]:
        return f"acceleration measures {found:.3g} g when read as {unit}, but over seconds no steady gravity shows in it"
    return f"acceleration {'at rest ' if still else ''}measures {found:.3g} g when read as {unit}, expected about 1 g"


def _advice(found: float, limits: tuple[float, float], gravity: Gravity | None, unit: str, named: str) -> str:
    """What is likely: another unit only where the samples show gravity in every second."""
    shows = gravity is not None and gravity.shows and not named
    if not shows and found > _MOST_VIGOROUS:
        return "; no movement measures that: is it in another unit, or in counts of a chip (acc_scale=)?"
    if gravity is not None and shows and _NEARLY < gravity.mean < _LEAST_CALIBRATED:
        return f"; is the sensor calibrated? acc_scale={1 / gravity.mean:.4g} would make it 1 g"
    if shows and not limits[0] <= found <= limits[1]:
        raw = found * GRAVITY / ACC_UNITS[unit]
        likely = [other for other, size in ACC_UNITS.items() if limits[0] <= raw * size / GRAVITY <= limits[1]]
        if likely:
            return f"; as if it were in {likely[0]}"
        if found > limits[1]:
            return f"; is it in counts or in parts of g? acc_scale={1 / found:.4g} would make it 1 g"
    return (
        f"; as if gravity had been taken off (linear acceleration){named}: give the accelerometer's own readings, which include "
        "gravity"
    )


def check_units(where: str, samples: NDArray[Any], rate_hz: float, acc_unit: str, gyro_unit: str | None) -> None:
    """`UnitCheck` of one array (n, 6), m/s² and rad/s as the declared units make them."""
    check = UnitCheck()
    check.add(samples, rate_hz)
    check.check(where, acc_unit, gyro_unit)


def _order_problem(order: str) -> str:
    """In words what `Pieces.order_of_axes` found."""
    return (
        f"gravity turns in the accelerometer's axes only if g{order[0]}, g{order[1]} and g{order[2]} are taken for the gyroscope's "
        "x, y and z: are columns swapped? Give those of both sensors in the order x, y, z"
    )


def _thinned(values: NDArray[Any]) -> NDArray[Any]:
    return values[:: max(1, -(-len(values) // _KEPT))].copy()  # a view would keep all of them
