"""The error model of sensors against the quantities it is made from, read back as a laboratory would."""

import numpy as np
import pytest

import m3n
from m3n.imu.sensor import SENSORS, SensorModel, Triad

RATE = 100.0


def allan_deviation(values: np.ndarray, rate_hz: float, tau_s: float) -> float:
    """Overlapping Allan deviation (IEEE Std 952-1997, annex C) at one averaging time, root mean square over channels."""
    n = round(tau_s * rate_hz)
    angle = np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)]) / rate_hz
    second = angle[2 * n :] - 2 * angle[n:-n] + angle[: -2 * n]
    return float(np.sqrt(np.mean(second**2) / (2 * tau_s**2)))


def at_rest(triad: Triad, seconds: float, seed: int = 0) -> np.ndarray:
    return triad.apply(np.zeros((int(seconds * RATE), 3)), RATE, np.random.default_rng(seed))


@pytest.mark.parametrize("tau", [0.1, 1.0, 10.0])
def test_white_noise_falls_with_the_root_of_the_averaging_time(tau):
    found = allan_deviation(at_rest(Triad(noise=0.02), 4000), RATE, tau)
    assert found == pytest.approx(0.02 / np.sqrt(tau), rel=0.1)


@pytest.mark.parametrize("tau", [0.5, 2.0, 8.0])
def test_bias_instability_has_a_flat_floor(tau):
    found = np.mean([allan_deviation(at_rest(Triad(bias_instability=0.003), 2000, seed), RATE, tau) for seed in range(4)])
    assert found == pytest.approx(0.003 * np.sqrt(2 * np.log(2) / np.pi), rel=0.1)


@pytest.mark.parametrize("tau", [1.0, 4.0, 16.0])
def test_random_walk_grows_with_the_root_of_the_averaging_time(tau):
    found = np.mean([allan_deviation(at_rest(Triad(random_walk=0.001), 4000, seed), RATE, tau) for seed in range(4)])
    assert found == pytest.approx(0.001 * np.sqrt(tau / 3), rel=0.1)


def test_bias_scale_and_cross_axis_spread_as_their_standard_deviations_say():
    rng = np.random.default_rng(0)
    biases = [Triad(bias=0.3).apply(np.zeros((1, 3)), RATE, rng)[0] for _ in range(800)]
    assert np.std(biases) == pytest.approx(0.3, rel=0.1)
    unit = np.array([[1.0, 0.0, 0.0]])
    gains = np.array([Triad(scale=0.02, cross_axis=0.01).apply(unit, RATE, rng)[0] for _ in range(1500)])
    assert np.std(gains[:, 0]) == pytest.approx(0.02, rel=0.1)
    assert np.std(gains[:, 1:]) == pytest.approx(0.01, rel=0.1)


def test_misalignment_turns_the_triad_and_keeps_lengths():
    rng = np.random.default_rng(0)
    turned = np.array([Triad(misalignment=0.02).apply(np.array([[3.0, 0, 0]]), RATE, rng)[0] for _ in range(1500)])
    np.testing.assert_allclose(np.linalg.norm(turned, axis=1), 3.0, atol=1e-9)
    assert np.std(turned[:, 1] / 3) == pytest.approx(0.02, rel=0.1)


def test_range_and_resolution():
    ramp = np.linspace(-3, 3, 601)[:, None] * [1.0, 1.0, 1.0]
    values = Triad(range=2.0, resolution=0.25).apply(ramp, RATE, np.random.default_rng(0))
    assert values.max() == 2.0
    assert values.min() == -2.0
    np.testing.assert_allclose(values, np.round(np.clip(ramp, -2, 2) * 4) / 4, atol=1e-12)


def test_bandwidth_takes_three_decibels_at_its_corner():
    t = np.arange(4000) / RATE
    tone = np.sin(2 * np.pi * 10 * t)[:, None] * np.ones(3)
    values = Triad(bandwidth=10.0).apply(tone, RATE, np.random.default_rng(0))[1000:]
    assert np.sqrt(2) * values.std() == pytest.approx(1 / np.sqrt(2), rel=0.01)


def test_a_fast_clock_shortens_the_motion():
    t = np.arange(3000) / RATE
    tone = np.sin(2 * np.pi * 1.0 * t)[:, None] * np.ones(6)
    ratios = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        drift = np.random.default_rng(seed).standard_normal() * 0.01
        values = SensorModel(clock_drift=0.01).apply(tone, RATE, rng)[:, 0]
        expected = np.sin(2 * np.pi * t * (1 + drift))
        inside = t * (1 + drift) < t[-1]
        ratios.append(np.abs(values - expected)[inside].max())
    assert max(ratios) < 1e-3


def test_lost_samples_repeat_the_last_one():
    ramp = np.arange(5000.0)[:, None] * np.ones(6)
    values = SensorModel(drop=0.1).apply(ramp, RATE, np.random.default_rng(0))[:, 0]
    repeated = np.diff(values) == 0
    assert repeated.mean() == pytest.approx(0.1, abs=0.02)
    assert set(values) <= set(ramp[:, 0])


def test_one_errors_strength_does_not_change_anothers_draws():
    quiet, loud = (at_rest(Triad(noise=0.01, bias=bias), 1.0) for bias in (0.0, 1.0))
    np.testing.assert_allclose((loud - quiet) - (loud - quiet)[0], 0, atol=1e-12)


@pytest.mark.parametrize("part", [name for name, model in SENSORS.items() if model is not None])
def test_parts_are_the_same_for_the_same_seed_and_differ_for_another(part):
    poses, trans = np.zeros((300, 24, 3)), np.zeros((300, 3))
    poses[:, 0, 0] = np.pi / 2
    ideal, first, again, other = (
        m3n.simulate(poses, trans, fps=30, rate_hz=100, sensor=sensor, seed=seed)["left_wrist"]
        for sensor, seed in ((None, 1), (part, 1), (part, 1), (part, 2))
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert 0.001 < np.abs(first[:, :3] - ideal[:, :3]).mean() < 1.5
    assert 0.001 < np.abs(first[:, 3:] - ideal[:, 3:]).mean() < 0.5
