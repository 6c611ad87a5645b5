"""Comparing signals: lags, mountings and errors that were put in are found, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from m3n import schema
from m3n.imu import fidelity

RATE_HZ = 50.0


MOUNTING = Rotation.from_rotvec([0.3, -0.5, 0.2]).as_matrix()


Row = dict[str, Any]


def movement(seconds: float = 6.0, seed: int = 0) -> np.ndarray:
    """Samples (n, 6) of something that moves below 3 Hz about 1 g."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    waves = [a * np.sin(2 * np.pi * f * time + p) for a, f, p in rng.uniform([1, 0.3, 0], [3, 3, 6], (18, 3))]
    samples: np.ndarray = np.reshape(waves, (6, 3, -1)).sum(1).T
    samples[:, 2] += schema.GRAVITY
    return samples


def test_a_known_lag_and_mounting_are_found() -> None:
    samples = movement()
    real = fidelity.turned(samples[:-7], MOUNTING.T)  # the real clock shows everything 7 samples earlier
    pair = fidelity.align(real[7:], samples[:-14], RATE_HZ)
    assert pair is not None
    assert pair.lag_s == pytest.approx(-7 / RATE_HZ)
    rotation = fidelity.mounting_rotation(fidelity.moment(pair))
    np.testing.assert_allclose(rotation, MOUNTING, atol=0.02)  # the low pass differs near the ends only
    found = fidelity.scores(pair, rotation)
    assert min(value for name, value in found.items() if name.startswith("r_")) > 0.99
    assert found["gain_acc_norm"] == pytest.approx(1, abs=0.05)


def test_a_lag_beyond_the_bound_is_not_searched() -> None:
    samples = movement()
    pair = fidelity.align(samples[30:], samples[:-30], RATE_HZ, max_lag_s=0.25)
    assert pair is not None
    assert abs(pair.lag_s) <= 0.25


def test_unrelated_movements_do_not_correlate() -> None:
    scores = []
    for seed in range(20):
        pair = fidelity.align(movement(seed=seed), movement(seed=100 + seed), RATE_HZ)
        assert pair is not None
        scores.append(fidelity.scores(pair, np.eye(3))["r_acc_norm"])
    assert abs(np.median(scores)) < 0.5


def test_a_mounting_is_a_rotation_even_where_a_reflection_would_fit_better() -> None:
    samples = movement()
    pair = fidelity.align(samples * [1, 1, -1, 1, 1, -1], samples, RATE_HZ)
    assert pair is not None
    assert np.linalg.det(fidelity.mounting_rotation(fidelity.moment(pair))) == pytest.approx(1)


def test_less_than_a_second_is_not_compared() -> None:
    assert fidelity.align(movement(0.9), movement(6.0), RATE_HZ) is None
    assert fidelity.align(movement(0.02), movement(0.02), RATE_HZ) is None


def test_a_recording_without_gyroscope_is_compared_by_its_acceleration() -> None:
    samples = movement()
    real = samples[4:].copy()
    real[:, 3:] = np.nan
    pair = fidelity.align(real, samples[:-4], RATE_HZ)
    assert pair is not None
    assert pair.lag_s == pytest.approx(-4 / RATE_HZ)
    found = fidelity.scores(pair, fidelity.mounting_rotation(fidelity.moment(pair)))
    assert found["r_acc_norm"] > 0.99
    assert np.isnan(found["r_gyro_norm"])


def test_a_sensor_at_rest_has_no_correlation_rather_than_a_wrong_one() -> None:
    still = np.tile([0, 0, schema.GRAVITY, 0, 0, 0], (200, 1)).astype(float)
    pair = fidelity.align(still, movement(4.0), RATE_HZ)
    assert pair is not None
    assert abs(fidelity.scores(pair, np.eye(3))["r_gyro_norm"]) < 1e-6


def test_the_spectrum_of_a_sine_peaks_at_its_frequency_with_its_power() -> None:
    time = np.arange(1000) / RATE_HZ
    samples = np.zeros((1000, 6))
    samples[:, 2] = schema.GRAVITY + 2 * np.sin(2 * np.pi * 4 * time)
    pair = fidelity.align(samples, samples, RATE_HZ)
    assert pair is not None
    frequencies = np.arange(0.5, 25.01, 0.5)
    real, simulated = fidelity.spectra(pair, frequencies)["acc"]
    assert frequencies[np.argmax(real)] == 4
    assert real.sum() * 0.5 == pytest.approx(2.0, rel=0.02)  # a sine of amplitude 2 has the power 2² / 2
    np.testing.assert_array_equal(real, simulated)
