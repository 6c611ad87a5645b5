"""The baselines can learn, and compute what they say they compute."""

from __future__ import annotations

import numpy as np
import pytest
from gestures import by_four_people, people

from m3n.evaluation.baselines import MiniRocket, _course, minirocket, random_forest, statistics


@pytest.fixture(scope="module")
def windows(recording):
    return by_four_people(recording)


@pytest.mark.parametrize("baseline", [random_forest, minirocket])
def test_a_baseline_learns_what_can_be_told_apart_and_the_seed_decides(windows, baseline):
    train, test = people(windows, "s0", "s1"), people(windows, "s2", "s3")
    scores = baseline(train, test, 0)
    assert scores.shape == (len(test.label), 2)
    assert np.mean(scores.argmax(1) == test.label) == 1.0
    np.testing.assert_array_equal(scores, baseline(train, test, 0))


def test_a_class_that_was_not_trained_on_scores_nothing(windows):
    train = people(windows, "s0").subset(people(windows, "s0").label == 1)
    assert (random_forest(train, people(windows, "s1"), 0)[:, 0] == 0).all()


def test_statistics_are_finite_even_of_a_watch_that_lies_still():
    assert np.isfinite(statistics(np.zeros((2, 1, 50, 6), np.float32))).all()


def test_the_course_of_a_window_leaves_out_the_stillness_that_fills_it_up():
    full, short = np.random.default_rng(0).normal(size=(2, 1, 48, 6))
    short[:, 24:] = short[:, 23:24]
    means = np.stack(list(_course(np.stack([full, short])))[0::2])
    deviations = np.stack(list(_course(np.stack([full, short])))[1::2])
    for n, values in enumerate((full, short[:, :24])):
        parts = np.split(values[0], 8)
        np.testing.assert_allclose(means[:, n, 0], [part.mean(0) for part in parts], atol=1e-9)
        np.testing.assert_allclose(deviations[:, n, 0], [part.std(0) for part in parts], atol=1e-6)


def test_minirocket_counts_the_share_of_positive_values():
    """One kernel, worked out by hand: a convolution of the summed channels with weights 2 and -1, against a bias."""
    x = np.random.default_rng(0).normal(size=(5, 1, 60, 6)).astype(np.float32)
    rocket = MiniRocket(x, seed=3)
    dilation, weights, biases = rocket.parts[1]
    found = rocket(x)
    assert found.shape[0] == 5
    assert 9000 < found.shape[1] <= 9996
    assert ((found >= 0) & (found <= 1)).all()
    kernel, start = 7, rocket.parts[0][2].numel()
    padded = np.pad(x[2, 0], ((4 * dilation, 4 * dilation), (0, 0)))
    output = np.array(
        [
            sum((weights[kernel, c, j] * padded[t + j * dilation, c]).item() for c in range(6) for j in range(9))
            for t in range(60)
        ]
    )
    assert found[2, start + kernel] == pytest.approx(np.mean(output > biases[kernel, 0].item()), abs=1 / 60 + 1e-6)
