"""Nearest neighbours, linear probe, zero-shot and the score of a guess, against independent computations."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from m3n.evaluation.probes import guessing_macro_f1, linear_probe, nearest_neighbours, zero_shot
from m3n.sources.recordings.seglearn_watch import LABELS
from m3n.sources.shared.sentences import sentences

# signal errors

RNG = np.random.default_rng(0)


# probes


def test_neighbours_are_those_of_largest_cosine_whatever_their_length():
    train, test = RNG.standard_normal((40, 8)) * RNG.uniform(0.1, 10, (40, 1)), RNG.standard_normal((9, 8))
    label = RNG.permutation(np.repeat([0, 1, 3], [14, 13, 13]))
    found = nearest_neighbours(train, label, test, classes=4, neighbours=5)
    for scores, x in zip(found, test, strict=True):
        cosine = train @ x / np.linalg.norm(train, axis=1)
        expected = np.bincount(label[np.argsort(-cosine)[:5]], minlength=4) / 5
        assert scores == pytest.approx(expected)


def test_a_linear_probe_tells_linear_classes_apart_in_any_unit():
    label = np.repeat([0, 2], 60)
    features = RNG.standard_normal((120, 4)) + 4 * label[:, None]
    scaled = features * [1e-3, 1, 1e3, 1]
    for x in (features, scaled):
        scores = linear_probe(x[::2], label[::2], x[1::2], classes=3, c=1.0)
        assert (scores.argmax(1) == label[1::2]).mean() > 0.95
        assert scores.sum(1) == pytest.approx(1)
        assert not scores[:, 1].any()
    assert linear_probe(features[:10], label[:10], features, 3, 1.0).argmax(1).tolist() == [0] * 120  # one class is known


def test_zero_shot_is_the_cosine_with_the_mean_of_a_class_sentences():
    imu, words = np.eye(3), np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], float)
    scores = zero_shot(imu, words, np.array([0, 0, 1]), classes=2)
    assert scores == pytest.approx(np.array([[0.5**0.5, 0], [0.5**0.5, 0], [0, 1]]))


def test_the_score_of_a_guess_is_what_guessing_gets():
    label = np.repeat([0, 1, 2], [6000, 3000, 1000])
    guesses = [f1_score(label, RNG.integers(0, 3, len(label)), average="macro") for _ in range(20)]
    assert guessing_macro_f1(label, 3) == pytest.approx(np.mean(guesses), abs=0.003)
    assert guessing_macro_f1(np.arange(8).repeat(3), 8) == pytest.approx(1 / 8)


# sentences


def test_sources_with_recordings_describe_their_classes_in_several_sentences():
    watch = sentences("seglearn_watch")
    assert set(watch) == set(LABELS.values())
    assert len(sentences("utd_mhad")) == 27
    for described in (watch, sentences("utd_mhad")):
        assert all(len(set(lines)) >= 4 for lines in described.values())
    assert sentences("recordings") == sentences("../secrets") == {}
