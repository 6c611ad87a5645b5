"""Errors of predicted sensor signals, against independent computations."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.evaluation.signal_error import signal_errors

RNG = np.random.default_rng(0)


def signals(windows: int = 12) -> np.ndarray:
    """Samples (windows, 2, 50, 6) with gravity on one axis."""
    x = RNG.standard_normal((windows, 2, 50, 6))
    x[..., 2] += 9.8
    return x


def test_a_perfect_prediction_has_no_error_and_full_correlation():
    true = signals()
    found = signal_errors(true, true)
    for kind in ("acc", "gyro"):
        assert found[f"r_{kind}"] == pytest.approx(1)
        assert found[f"r_all_{kind}"] == pytest.approx(1)
        assert found[f"rmse_{kind}"] == found[f"rmse_median_{kind}"] == 0


def test_errors_and_correlations_are_those_of_each_channel():
    true, predicted = signals(), signals()
    predicted[..., 3:] = 0.5 * true[..., 3:] + predicted[..., 3:]
    found = signal_errors(predicted, true)
    for kind, channels in (("acc", (0, 1, 2)), ("gyro", (3, 4, 5))):
        pairs = [(predicted[i, p, :, c], true[i, p, :, c]) for i in range(12) for p in range(2) for c in channels]
        assert found[f"r_{kind}"] == pytest.approx(np.median([np.corrcoef(a, b)[0, 1] for a, b in pairs]))
        flat = [(predicted[:, p, :, c].ravel(), true[:, p, :, c].ravel()) for p in range(2) for c in channels]
        assert found[f"r_all_{kind}"] == pytest.approx(np.mean([np.corrcoef(a, b)[0, 1] for a, b in flat]))
        assert found[f"rmse_{kind}"] == pytest.approx(np.sqrt(np.mean([np.mean((a - b) ** 2) for a, b in pairs])))
        assert found[f"rmse_mean_{kind}"] == pytest.approx(np.sqrt(np.mean([b.var() for _, b in flat])))


def test_gravity_alone_earns_no_correlation():
    true = signals(200)
    guess = true.mean(axis=(0, 2), keepdims=True) + 0.1 * RNG.standard_normal(true.shape)
    found = signal_errors(guess, true)
    assert abs(found["r_acc"]) < 0.02
    assert abs(found["r_all_acc"]) < 0.02
    assert found["rmse_acc"] == pytest.approx(found["rmse_mean_acc"], rel=0.02)


def test_a_flat_prediction_counts_nothing_and_a_still_sensor_is_left_out():
    true = signals()
    assert signal_errors(np.zeros_like(true), true)["r_acc"] == 0
    true[:6] = 9.8
    assert signal_errors(true, true)["r_acc"] == pytest.approx(1)
    assert np.isnan(signal_errors(true, np.ones_like(true))["r_acc"])
