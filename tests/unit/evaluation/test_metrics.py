"""Macro F1, accuracy and the confusion matrix, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.evaluation.metrics import classification


def test_macro_f1_is_the_plain_mean_over_classes():
    """By hand: a has 2 of 3 right and one false alarm (F1 2/3), b has 1 of 2 right and one false alarm (F1 1/2)."""
    truth, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 0])
    scores = classification(truth, predicted, ["a", "b"])
    assert scores.macro_f1 == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores.accuracy == pytest.approx(3 / 5)
    assert scores.confusion == [[2, 1], [1, 1]]
    assert scores.per_class["a"] == pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "count": 3})


def test_a_class_that_is_missed_altogether_counts_as_zero_and_an_absent_one_not_at_all():
    scores = classification(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0]), ["a", "b", "never there"])
    assert scores.macro_f1 == pytest.approx((2 / 3 + 0) / 2)  # a: precision 1/2, recall 1
    wrong = classification(np.array([0, 0]), np.array([0, 1]), ["a", "b"])
    assert wrong.macro_f1 == pytest.approx((2 / 3 + 0) / 2)  # predicted, though nobody did it
