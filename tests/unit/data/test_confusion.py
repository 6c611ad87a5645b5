"""Macro F1 from counts agrees with scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from m3n.data.confusion import macro_f1


def test_macro_f1_of_a_confusion_matrix_is_that_of_scikit_learn():
    truth, predicted = np.random.default_rng(0).integers(0, 3, (2, 50))
    counts = np.zeros((4, 4))
    np.add.at(counts, (truth, predicted), 1)  # the fourth class never occurs
    assert macro_f1(counts) == pytest.approx(f1_score(truth, predicted, average="macro"))
