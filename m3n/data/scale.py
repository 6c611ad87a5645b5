"""Whether recordings are in the units that a model was trained on, told by their size and by physics.

The classic mistake is a recording in g, or in degrees per second, before a model of m/s² and rad/s: nothing fails, and every answer
is wrong. A model's normaliser knows how large its training samples were; gravity keeps specific force near that size whatever
somebody does, and no wrist turns at 10 rad/s on end. Without a model, gravity itself says how large a force is, and how fast it
turns in the sensor's axes says how large an angular rate is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import numpy as np

from m3n.data.sensor_physics import Pieces, rate_problem, turn_problem
from m3n.data.window_physics import copied, normalisation, numbered, repeated, stuck_channel, window_problems
from m3n.data.windows import Normaliser
from m3n.errors import InputError
from m3n.schema import GRAVITY

log = logging.getLogger(__name__)

# (how much larger than the training samples, what the unit probably is); nearer than a factor of 2.5 counts
ACCELERATION = (
    (1 / GRAVITY, "in g (or gravity was taken off)"),
    (GRAVITY, "multiplied by 9.81 twice"),
    (1000 / GRAVITY, "in thousandths of g"),
)
NEAR = 2.5
DEGREES = np.degrees(1.0)
FASTEST = 10.0  # rad/s, root mean square per axis over a recording; a vigorous one has 3, and a resting one anything near 0
_PIECE = 1 << 18  # samples squared at a time
_MOST_WINDOWS, _MOST_SAMPLES = 512, 1 << 17  # that physics is asked about, evenly spaced
_TELLING_S = 0.4  # of a window
_ALIKE = 0.5  # of the force: what is called angular rate differs less from it than any gyroscope's readings
_ANY_G = (0.4, 2.5)  # median norm over all windows, g; also the least mean vector over seconds


def check_scale(normaliser: Normaliser, imu: Iterable[np.ndarray], where: str) -> None:
    """InputError, with the likely unit, if samples (…, 6) are off by a factor that suggests the wrong unit.

    `imu`: arrays that are checked together, such as the placements of one recording; NaN and all-zero signals are passed over.
    """
    squares, count = np.zeros(2), np.zeros(2)
    for array in imu:
        flat = array.reshape(-1, 6)
        for start in range(0, len(flat), _PIECE):
            piece = flat[start : start + _PIECE].astype(np.float64)
            for kind, signal in enumerate((piece[:, :3], piece[:, 3:])):
                finite = np.isfinite(signal)
                squares[kind] += np.sum(np.square(signal, where=finite, out=np.zeros_like(signal)))
                count[kind] += finite.sum()
    acc, gyro = np.sqrt(squares / np.maximum(count, 1))
    for factor, unit in ACCELERATION:
        if factor / NEAR < acc / normaliser.acc < factor * NEAR:
            raise InputError(
                f"{where}: acceleration is {acc:.3g} (root mean square), the model was trained on {normaliser.acc:.3g} m/s²: it is "
                f"probably {unit}; expected specific force in m/s², so give the source its unit and ingest it again"
            )
    if gyro > FASTEST and DEGREES / NEAR < gyro / normaliser.gyro < DEGREES * NEAR:
        raise InputError(
            f"{where}: angular rate is {gyro:.3g} (root mean square), the model was trained on {normaliser.gyro:.3g} rad/s: it is "
            "probably in degrees per second; expected rad/s, so give the source its unit and ingest it again"
        )


def check_rate_scale(samples: np.ndarray, rate_hz: float, where: str) -> None:
    """InputError where the angular rate is many times too small or too large for how gravity turns: radians taken for degrees, say.

    `samples`: one recording (n, 6) or windows (windows, n, 6) in m/s² and rad/s; a gyroscope that is not there is NaN or zero.
    """
    _refuse_rate(_pieces(samples, rate_hz), where)


def check_physics(samples: np.ndarray, rate_hz: float, where: str) -> None:
    """InputError where windows (windows, n, 6) cannot be specific force in m/s² and angular rate in rad/s.

    Windows too short to tell, under 0.4 s, pass. At most `_MOST_WINDOWS` windows are looked at, however many there are.
    """
    pieces = _pieces(samples, rate_hz)
    gravity = pieces.gravity()
    if gravity is None:
        return
    if not samples[..., :3].any():
        raise InputError(f"{where} is zero throughout: the sensor was off, or the array was never filled")
    some = _some_windows(samples).reshape(-1, 6)
    some = some[:: max(1, -(-len(some) // _MOST_SAMPLES))].astype(np.float64)
    force, rate = some[:, :3], some[:, 3:]
    size = float(np.sqrt(np.median((force**2).sum(-1)))) / GRAVITY
    if not _ANY_G[0] < size < _ANY_G[1]:
        near = [unit for factor, unit in ACCELERATION if factor / NEAR < size < factor * NEAR] if gravity.shows else []
        hint = f"it is probably {near[0]}" if near else "is it in another unit, in counts, or without gravity?"
        raise InputError(
            f"{where}: acceleration measures {size:.3g} g when read as m/s², expected about 1 g: {hint}; give specific force in "
            "m/s²"
        )
    if gravity.mean < _ANY_G[0]:
        raise InputError(
            f"{where}: acceleration averages {gravity.mean:.2g} g over seconds, expected about 1 g: gravity has probably been "
            "taken off "
            "(linear acceleration); give the accelerometer's own readings"
        )
    apart = np.linalg.norm(rate - force, axis=-1)
    if float(np.median(apart)) < _ALIKE * float(np.median(np.linalg.norm(force, axis=-1))):
        raise InputError(
            f"{where}: the angular rate is nearly the acceleration: are these samples of three channels, flattened? Give windows "
            "(windows, samples, 3), or NaN for the angular rate"
        )
    _refuse_rate(pieces, where)
    turned = pieces.turn_scale()
    if turned is not None:
        raise InputError(f"{where}: {turn_problem(*turned)}; correct rate_hz, or the angular rate, expected in rad/s")


def check_windows(samples: np.ndarray, placements: Sequence[str], rate_hz: float, where: str) -> None:
    """InputError where windows (windows, n, placements, 6) are not what sensors at these placements measured, in m/s² and rad/s:
    normalised ones, one sensor's samples for two placements, and all that `check_physics` and `window_problems` find."""
    tells = samples.shape[1] >= _TELLING_S * rate_hz
    if tells and (normalised := normalisation(samples.reshape(len(samples), samples.shape[1], -1))):
        raise InputError(f"{where} {normalised}; give the samples as the sensors measured them, in m/s² and rad/s")
    if pair := copied([samples[:, :, number] for number in range(len(placements))]):
        one, two = (placements[number] for number in pair)
        raise InputError(f"{where}: {one} and {two} hold the same samples: is one a copy?")
    if again := repeated(samples):
        log.warning("%s, %s of %d: the same samples as an earlier window", where, numbered(again), len(samples))
    for number, placement in enumerate(placements):
        named = where if len(placements) == 1 else f"{where}, {placement}"
        sensor = samples[:, :, number]
        check_physics(sensor, rate_hz, named)
        stuck = stuck_channel(sensor.min((0, 1)), sensor.max((0, 1)), sensor.shape[0] * sensor.shape[1] / rate_hz)
        if stuck:
            log.warning("%s: %s: is it connected?", named, stuck)
        for problem, indices in window_problems(sensor, rate_hz):
            raise InputError(
                f"{named}, {numbered(indices)} of {len(samples)}: {problem}; expected specific force in m/s², about 1 g at rest, "
                "and angular rate in rad/s: correct these windows or leave them out"
            )


def _pieces(samples: np.ndarray, rate_hz: float) -> Pieces:
    pieces = Pieces()
    for window in _some_windows(samples if samples.ndim == 3 else samples[None]):
        rates = window[:, 3:]
        pieces.add(window if rates.any() else np.concatenate([window[:, :3], np.full_like(rates, np.nan)], axis=1), rate_hz)
    return pieces


def _some_windows(windows: np.ndarray) -> np.ndarray:
    return windows[:: max(1, -(-len(windows) // _MOST_WINDOWS))]


def _refuse_rate(pieces: Pieces, where: str) -> None:
    factor = pieces.rate_factor()
    if factor is None:
        return
    likely = (
        "; it is probably in degrees per second" if factor < 1 else "; radians were probably converted as if they were degrees"
    )
    raise InputError(f"{where}: {rate_problem(factor)}{likely if 10 < max(factor, 1 / factor) < 600 else ''}; expected rad/s")
