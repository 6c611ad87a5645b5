"""Quintic splines: what they must reproduce exactly, and SciPy's spline through the same points."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.interpolate import make_interp_spline

from m3n.imu.spline import SHORTEST, coefficients, weights


def read(spline: np.ndarray, at: np.ndarray, derivative: int = 0) -> np.ndarray:
    """The spline of `coefficients` at times in frames, (times, channels)."""
    table, found = np.empty((3, 6)), []
    frames = len(spline) - 4
    for time in at:
        frame = min(int(time), frames - 2)
        weights(time - frame, table)
        found.append(table[derivative] @ spline[frame : frame + 6])
    return np.array(found)


@pytest.mark.parametrize("frames", [6, 20, SHORTEST - 1, SHORTEST, 300])
def test_a_polynomial_of_fifth_degree_comes_back_with_its_derivatives(frames: int) -> None:
    polynomial = np.polynomial.Polynomial([0.3, -1.0, 0.5, 0.2, -0.1, 0.04], domain=[0, frames - 1], window=[-1, 1])
    spline = coefficients(polynomial(np.arange(frames))[:, None])
    at = np.linspace(0, frames - 1, 97)
    for derivative in range(3):
        expected = polynomial.deriv(derivative)(at) if derivative else polynomial(at)
        np.testing.assert_allclose(read(spline, at, derivative)[:, 0], expected, atol=1e-8)


@pytest.mark.parametrize("frames", [2, 3, 4, 5])
def test_few_frames_are_continued_along_the_polynomial_through_them(frames: int) -> None:
    values = np.array([0.1, 0.4, -0.2, 0.7, 0.3])[:frames]
    polynomial = np.polynomial.Polynomial.fit(np.arange(frames), values, frames - 1)
    at = np.linspace(0, frames - 1, 31)
    np.testing.assert_allclose(read(coefficients(values[:, None]), at)[:, 0], polynomial(at), atol=1e-9)


@pytest.mark.parametrize("frames", [30, 200])
def test_it_is_the_not_a_knot_spline_of_scipy(frames: int) -> None:
    values = np.random.default_rng(frames).normal(size=(frames, 3))
    reference = make_interp_spline(np.arange(frames), values, k=5)
    at = np.linspace(0, frames - 1, 211)
    spline = coefficients(values)
    for derivative in range(3):
        np.testing.assert_allclose(read(spline, at, derivative), reference(at, nu=derivative), atol=1e-8)


def test_the_weights_of_one_place_sum_to_one_and_their_derivatives_to_nothing() -> None:
    table = np.empty((3, 6))
    for u in np.linspace(0, 0.999, 7):
        weights(u, table)
        np.testing.assert_allclose(table.sum(axis=1), [1, 0, 0], atol=1e-12)
