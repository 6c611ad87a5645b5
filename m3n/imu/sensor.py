"""Errors of a real inertial sensor, added to ideal signals; each can be switched off.

A triad (accelerometer or gyroscope) has a random bias at power-on, white noise, bias instability (flicker noise), a random walk of
its bias, errors of scale factor and cross-axis sensitivity, a misaligned die, limited bandwidth and range, and quantisation. The
chip's clock drifts and jitters, and its bus drops samples.

Noise terms are those of IEEE Std 952-1997, annex C, by their Allan deviation: white noise of density N has σ(τ) = N / √τ; bias
instability B has the floor σ = B √(2 ln 2 / π); a random walk K has σ(τ) = K √(τ / 3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from m3n.body.model import FloatArray
from m3n.errors import InputError, nearest
from m3n.schema import GRAVITY

DEGREE = np.pi / 180


@dataclass(frozen=True)
class Triad:
    """Three axes of one kind; `unit` is m/s² for an accelerometer, rad/s for a gyroscope.

    Zero (for `bandwidth` and `range`, infinity) means no error.
    """

    noise: float = 0.0  # N, unit/√Hz: the one-sided density in data sheets is √2 N
    bias_instability: float = 0.0  # B, unit
    random_walk: float = 0.0  # K, unit √Hz
    bias: float = 0.0  # unit, standard deviation at power-on
    scale: float = 0.0  # standard deviation of the scale factor
    cross_axis: float = 0.0  # standard deviation of each cross-axis sensitivity
    misalignment: float = 0.0  # rad, standard deviation about each axis
    bandwidth: float = np.inf  # Hz, -3 dB of a second-order Butterworth filter
    range: float = np.inf  # unit
    resolution: float = 0.0  # unit per count

    def apply(self, ideal: FloatArray, rate_hz: float, rng: np.random.Generator) -> FloatArray:
        """The triad's output for `ideal` (samples, 3)."""
        # all random numbers are drawn even if an error is off, so that no error's strength changes the draws of another
        bias, gain = rng.standard_normal(3), rng.standard_normal((3, 3))
        tilt = rng.standard_normal(3)
        white, walk = rng.standard_normal(ideal.shape), rng.standard_normal(ideal.shape)
        flicker = rng.standard_normal((2 * len(ideal), 3))
        distortion = np.eye(3) + gain * np.where(np.eye(3, dtype=bool), self.scale, self.cross_axis)
        values = ideal @ (distortion @ Rotation.from_rotvec(self.misalignment * tilt).as_matrix()).T
        if self.bandwidth < rate_hz / 2:
            from scipy.signal import butter, lfilter, lfilter_zi  # see `m3n.data.windows`

            b, a = butter(2, self.bandwidth, fs=rate_hz)
            values, _ = lfilter(b, a, values, axis=0, zi=lfilter_zi(b, a)[:, None] * values[:1])
        values = values + self.bias * bias + self.noise * np.sqrt(rate_hz) * white
        values += self.random_walk / np.sqrt(rate_hz) * np.cumsum(walk, axis=0)
        if self.bias_instability:
            values += self.bias_instability * flicker_noise(flicker, rate_hz)
        if np.isfinite(self.range):
            values = np.clip(values, -self.range, self.range)
        return np.round(values / self.resolution) * self.resolution if self.resolution else values


@dataclass(frozen=True)
class SensorModel:
    """An inertial measurement unit."""

    acc: Triad = Triad()
    gyro: Triad = Triad()
    clock_drift: float = 0.0  # ratio, standard deviation over parts
    jitter_s: float = 0.0  # s, standard deviation of every sample's time
    drop: float = 0.0  # probability that a sample is lost; the driver then repeats the previous one

    def apply(self, ideal: FloatArray, rate_hz: float, rng: np.random.Generator) -> FloatArray:
        """`ideal` (samples, 6) as this sensor measures it; all randomness comes from `rng`."""
        drift, jitter = rng.standard_normal(), rng.standard_normal(len(ideal))
        lost = rng.random(len(ideal)) < self.drop
        if self.clock_drift or self.jitter_s:
            position = np.arange(len(ideal)) * (1 + self.clock_drift * drift) + self.jitter_s * rate_hz * jitter
            ideal = _at(ideal, np.clip(position, 0, len(ideal) - 1))
        values = np.concatenate(
            [self.acc.apply(ideal[:, :3], rate_hz, rng), self.gyro.apply(ideal[:, 3:], rate_hz, rng)], axis=1
        )
        if self.drop:
            lost[0] = False
            values = values[np.maximum.accumulate(np.where(lost, 0, np.arange(len(values))))]
        return values


def flicker_noise(white: FloatArray, rate_hz: float) -> FloatArray:
    """Noise with the one-sided power spectral density 1 / (π f), from white noise (2 * samples, channels) of unit variance.

    Its Allan deviation is √(2 ln 2 / π) = 0.664 at every averaging time well within the record. The spectrum is shaped over
    twice the record and half of the result is discarded, so that the end is independent of the beginning.
    """
    spectrum = np.fft.rfft(white, axis=0)
    frequency = np.fft.rfftfreq(len(white), 1 / rate_hz)
    frequency[0] = np.inf  # no constant part: that is the bias
    shaped = spectrum * np.sqrt(rate_hz / (2 * np.pi * frequency))[:, None]
    return np.fft.irfft(shaped, n=len(white), axis=0)[: len(white) // 2]


def _at(values: FloatArray, position: FloatArray) -> FloatArray:
    low = np.minimum(position.astype(int), max(len(values) - 2, 0))
    share = (position - low)[:, None]
    return values[low] * (1 - share) + values[np.minimum(low + 1, len(values) - 1)] * share


def _part(
    *,
    acc_noise_ug: float,
    acc_offset_mg: float,
    acc_range_g: float,
    acc_lsb_per_g: float,
    gyro_noise_mdps: float,
    gyro_offset_dps: float,
    gyro_range_dps: float,
    gyro_lsb_per_dps: float,
    acc_scale: float,
    gyro_scale: float,
    cross_axis: float,
) -> SensorModel:
    """A sensor model from the values of its data sheet (µg/√Hz, mg, g, LSB/g, mdps/√Hz, °/s, LSB/°/s, ratios).

    Offsets and tolerances are taken as two standard deviations. Consumer data sheets omit bias instability
    and random walk; both are set to typical values of the class: 40 µg and 10 °/h, and a hundredth of that per √Hz.
    """
    return SensorModel(
        acc=Triad(
            noise=acc_noise_ug * 1e-6 * GRAVITY / np.sqrt(2),
            bias_instability=40e-6 * GRAVITY,
            random_walk=4e-7 * GRAVITY,
            bias=acc_offset_mg / 2 * 1e-3 * GRAVITY,
            scale=acc_scale / 2,
            cross_axis=cross_axis / 2,
            misalignment=0.5 * DEGREE,
            range=acc_range_g * GRAVITY,
            resolution=GRAVITY / acc_lsb_per_g,
        ),
        gyro=Triad(
            noise=gyro_noise_mdps * 1e-3 * DEGREE / np.sqrt(2),
            bias_instability=10 / 3600 * DEGREE,
            random_walk=0.1 / 3600 * DEGREE,
            bias=gyro_offset_dps / 2 * DEGREE,
            scale=gyro_scale / 2,
            cross_axis=cross_axis / 2,
            misalignment=0.5 * DEGREE,
            range=gyro_range_dps * DEGREE,
            resolution=DEGREE / gyro_lsb_per_dps,
        ),
        clock_drift=0.5e-2,
        jitter_s=0.3e-3,
        drop=1e-3,
    )


# InvenSense PS-MPU-9250A-01 (rev. 1.1), tables 1 and 2
MPU9250 = _part(
    acc_noise_ug=300, acc_offset_mg=80, acc_range_g=8, acc_lsb_per_g=4096, gyro_noise_mdps=10, gyro_offset_dps=5,
    gyro_range_dps=2000, gyro_lsb_per_dps=16.4, acc_scale=0.03, gyro_scale=0.03, cross_axis=0.02,
)  # fmt: skip
# Bosch BST-BMI160-DS000, tables 2 and 3
BMI160 = _part(
    acc_noise_ug=180, acc_offset_mg=40, acc_range_g=8, acc_lsb_per_g=4096, gyro_noise_mdps=7, gyro_offset_dps=3,
    gyro_range_dps=2000, gyro_lsb_per_dps=16.4, acc_scale=0.01, gyro_scale=0.03, cross_axis=0.02,
)  # fmt: skip
# STMicroelectronics LSM6DSO, DS12140, table 2
LSM6DSO = _part(
    acc_noise_ug=110, acc_offset_mg=20, acc_range_g=8, acc_lsb_per_g=1 / 0.244e-3, gyro_noise_mdps=3.8, gyro_offset_dps=1,
    gyro_range_dps=2000, gyro_lsb_per_dps=1 / 70e-3, acc_scale=0.01, gyro_scale=0.01, cross_axis=0.01,
)  # fmt: skip
# ATR-Promotions TSND151 carries an InvenSense MPU-6050 (PS-MPU-6000A, rev. 3.4, sections 6.1 and 6.2)
TSND151 = _part(
    acc_noise_ug=400, acc_offset_mg=50, acc_range_g=8, acc_lsb_per_g=4096, gyro_noise_mdps=5, gyro_offset_dps=20,
    gyro_range_dps=1000, gyro_lsb_per_dps=32.8, acc_scale=0.03, gyro_scale=0.03, cross_axis=0.02,
)  # fmt: skip

SENSORS: dict[str, SensorModel | None] = {
    "ideal": None,
    "mpu9250": MPU9250,
    "bmi160": BMI160,
    "lsm6dso": LSM6DSO,
    "tsnd151": TSND151,
}


def find_sensor(sensor: str | SensorModel | None) -> SensorModel | None:
    """The sensor model of that name; None and "ideal" add no error."""
    if sensor is None or isinstance(sensor, SensorModel):
        return sensor
    if sensor not in SENSORS:
        raise InputError(f"unknown sensor '{sensor}'{nearest(sensor, SENSORS)}; expected one of {', '.join(SENSORS)}")
    return SENSORS[sensor]
