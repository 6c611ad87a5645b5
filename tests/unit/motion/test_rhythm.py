"""Random signals of authored motions: bounded, smooth, and the same for the same generator."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.motion.rhythm import Rhythm, minimum_jerk

T = np.arange(0, 20, 1 / 200)


def rhythm(seed: int) -> Rhythm:
    return Rhythm(np.random.default_rng(seed), T)


def test_minimum_jerk_peaks_at_15_eighths_of_the_mean_speed_and_is_at_rest_at_both_ends() -> None:
    t = np.linspace(0, 2, 4001)
    x = minimum_jerk(t, np.array([0.0, 2.0]), np.array([0.0, 0.3]))
    speed = np.gradient(x, t)
    assert x[0] == 0
    assert x[-1] == pytest.approx(0.3)
    assert speed.max() == pytest.approx(15 / 8 * 0.3 / 2, rel=1e-4)  # Flash and Hogan 1985, eq. 1
    assert abs(speed[[0, -1]]).max() < 1e-4
    assert t[np.argmax(speed)] == pytest.approx(1.0, abs=1e-3)


def test_a_normal_draw_is_never_further_off_than_two_and_a_half_deviations() -> None:
    draws = np.array([rhythm(seed).normal(1.0, 0.2) for seed in range(2000)])
    assert abs(draws - 1.0).max() <= 0.5 + 1e-12
    assert draws.mean() == pytest.approx(1.0, abs=0.02)


def test_a_period_is_log_uniform() -> None:
    draws = np.array([rhythm(seed).period(0.5, 8.0) for seed in range(4000)])
    assert draws.min() >= 0.5
    assert draws.max() <= 8.0
    assert np.median(draws) == pytest.approx(2.0, rel=0.06)  # the geometric mean of the ends


def test_a_swing_crosses_zero_twice_a_period() -> None:
    for seed in range(10):
        signal = rhythm(seed).swing(2.0)
        crossings = np.count_nonzero(np.diff(np.sign(signal)))
        assert crossings == pytest.approx(2 * 20 / 2.0, abs=3)
        assert abs(signal).max() < 1.5


def test_sway_has_the_deviation_and_the_band_that_were_asked_for() -> None:
    some = np.stack([rhythm(seed).sway(0.3, highest_hz=0.7) for seed in range(200)])
    assert np.sqrt(np.mean(some**2)) == pytest.approx(0.3, rel=0.05)
    power = np.abs(np.fft.rfft(some * np.hanning(len(T)), axis=1)) ** 2
    frequencies = np.fft.rfftfreq(len(T), 1 / 200)
    assert power[:, frequencies > 0.85].sum() < 1e-3 * power.sum()


@pytest.mark.parametrize("period", [0.6, 2.0, 5.0])
def test_strokes_and_repetitions_stay_near_0_and_1_without_jumps(period: float) -> None:
    for seed in range(20):
        for signal in (rhythm(seed).stroke(period), rhythm(seed).reps(period, 0.3, 0.3)):
            assert signal.min() > -0.5
            assert signal.max() < 1.5
            assert abs(np.diff(signal)).max() < 0.1  # 200 Hz: no step


def test_the_same_generator_gives_the_same_signals() -> None:
    np.testing.assert_array_equal(rhythm(3).stroke(2.0), rhythm(3).stroke(2.0))
    assert not np.array_equal(rhythm(3).stroke(2.0), rhythm(4).stroke(2.0))
