"""Errors of a real sensor, added to ideal signals: white noise, a bias for the whole clip, and the measuring range.

Densities and offsets are a data sheet's own quantities. White noise of one-sided density n sampled at rate r has standard
deviation n √(r / 2) (IEEE Std 952, annex C).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from m3n.errors import InputError, nearest
from m3n.schema import GRAVITY

DEGREE = np.pi / 180


@dataclass(frozen=True)
class SensorModel:
    """One part's errors; accelerometer in m/s², gyroscope in rad/s."""

    acc_noise: float  # m/s²/√Hz
    gyro_noise: float  # rad/s/√Hz
    acc_bias: float  # m/s², standard deviation over parts
    gyro_bias: float  # rad/s, standard deviation over parts
    acc_range: float  # m/s²
    gyro_range: float  # rad/s

    def apply(self, ideal: np.ndarray, rate_hz: float, rng: np.random.Generator) -> np.ndarray:
        """A measured version of `ideal` (samples, 6); draws from `rng` alone."""
        bias = rng.standard_normal(6) * np.repeat([self.acc_bias, self.gyro_bias], 3)
        noise = rng.standard_normal(ideal.shape) * np.repeat([self.acc_noise, self.gyro_noise], 3) * np.sqrt(rate_hz / 2)
        limit = np.repeat([self.acc_range, self.gyro_range], 3)
        return np.clip(ideal + bias + noise, -limit, limit)


# Bosch BMI160, data sheet BST-BMI160-DS000: 180 µg/√Hz, 0.007 °/s/√Hz, zero-g offset ±40 mg and zero-rate offset ±3 °/s after
# soldering (taken as two standard deviations), ranges ±16 g and ±2000 °/s.
SMARTWATCH = SensorModel(
    acc_noise=180e-6 * GRAVITY,
    gyro_noise=0.007 * DEGREE,
    acc_bias=0.020 * GRAVITY,
    gyro_bias=1.5 * DEGREE,
    acc_range=16 * GRAVITY,
    gyro_range=2000 * DEGREE,
)
SENSORS: dict[str, SensorModel | None] = {"ideal": None, "smartwatch": SMARTWATCH}


def find_sensor(sensor: str | SensorModel | None) -> SensorModel | None:
    """The model of that name; None and "ideal" add no error."""
    if sensor is None or isinstance(sensor, SensorModel):
        return sensor
    if sensor not in SENSORS:
        raise InputError(f"unknown sensor '{sensor}'{nearest(sensor, SENSORS)}; expected one of {', '.join(SENSORS)}")
    return SENSORS[sensor]
