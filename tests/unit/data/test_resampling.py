"""Signals at another rate keep their frequencies and phases, and lose only what the new rate cannot hold."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.data.resampling import resample, resample_part


@pytest.mark.parametrize(("from_hz", "to_hz"), [(60.0, 50.0), (33.3, 50.0), (100.0, 20.0), (25.0, 60.0)])
def test_resampling_keeps_frequency_and_phase_of_a_sine(from_hz, to_hz):
    signal = lambda t: np.stack([np.sin(2 * np.pi * 3 * t + 0.4), np.cos(2 * np.pi * 1.3 * t)], axis=1)  # noqa: E731
    out = resample(signal(np.arange(int(8 * from_hz)) / from_hz), from_hz, to_hz)
    expected = signal(np.arange(len(out)) / to_hz)
    inner = slice(int(to_hz), int(6 * to_hz))
    # 33.3 to 50 Hz is taken as 299/199, 0.07 % off: after 6 s that is 4 ms, 0.08 rad at 3 Hz
    np.testing.assert_allclose(out[inner], expected[inner], atol=0.1 if from_hz == 33.3 else 0.02)
    assert abs(len(out) / to_hz - 8.0) < 2 / to_hz + 0.01


def test_resampling_takes_out_what_the_new_rate_cannot_hold():
    t = np.arange(1600) / 200
    out = resample(np.sin(2 * np.pi * 40 * t)[:, None], 200.0, 50.0)
    assert np.abs(out[20:-20]).max() < 0.05  # folded, it would be a 10 Hz sine of full amplitude


def test_resampling_to_the_same_rate_changes_nothing():
    x = np.random.default_rng(0).normal(size=(50, 6))
    np.testing.assert_array_equal(resample(x, 50.0, 50.0), x)


@pytest.mark.parametrize(("from_hz", "to_hz"), [(64.0, 50.0), (20.0, 50.0), (33.3, 50.0), (200.0, 50.0), (50.0, 50.0)])
def test_a_part_of_a_resampled_signal_is_that_part_of_the_whole(from_hz, to_hz):
    rng = np.random.default_rng(0)
    samples = (np.cumsum(rng.normal(size=(1700, 6)), axis=0) + 9.8).astype(np.float32)
    whole = resample(samples, from_hz, to_hz)
    for start, stop in ((0, 7), (0, len(whole)), (123, 345), (len(whole) - 20, len(whole))):
        np.testing.assert_allclose(resample_part(samples, from_hz, to_hz, start, stop), whole[start:stop], atol=1e-3)
