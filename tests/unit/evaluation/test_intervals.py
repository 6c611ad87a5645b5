"""Confidence intervals are over subjects, and cover the truth as often as they say."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.evaluation.intervals import estimate, paired_difference, pooled_interval


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says():
    """500 studies of 10 people drawn from a known distribution; the percentile bootstrap is a little narrow for so few."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(500):
        found = estimate({f"s{i}": [score] for i, score in enumerate(rng.normal(0.7, 0.1, 10))})
        covered += found.low <= 0.7 <= found.high
    assert 0.86 <= covered / 500 <= 0.97


def test_seeds_of_a_person_are_averaged_first():
    found = estimate({"a": [0.2, 0.4], "b": [0.7]})
    assert found.mean == pytest.approx((0.3 + 0.7) / 2)
    assert found.sd == pytest.approx(np.std([0.3, 0.7], ddof=1))
    assert (found.low, found.high) == pytest.approx((0.3, 0.7))


def test_a_paired_difference_takes_the_person_out():
    """Everybody gains 0.05, though people differ by far more than that."""
    base = {f"s{i}": {0: 0.1 * i, 1: 0.1 * i + 0.01} for i in range(8)}
    ours = {subject: {seed: score + 0.05 for seed, score in by_seed.items()} for subject, by_seed in base.items()}
    found = paired_difference(ours, base)
    assert (found.mean, found.low, found.high) == pytest.approx((0.05, 0.05, 0.05))
    assert paired_difference({"s0": {7: 1.0}}, base) is None  # no seed in common


def test_a_pooled_interval_is_that_of_resampled_people():
    """By hand for two people: one all right (F1 1), one all wrong (F1 0), both together F1 1/2."""
    right, wrong = np.array([[5, 0], [0, 5]]), np.array([[0, 5], [5, 0]])
    assert pooled_interval(np.array([right, wrong])) == [0.0, 1.0]  # both draws of the same person are likelier than 2.5 %
    assert pooled_interval(np.array([right, right])) == [1.0, 1.0]
    half = np.array([[5, 5], [5, 5]])
    assert pooled_interval(np.array([half] * 3)) == pytest.approx([0.5, 0.5])
