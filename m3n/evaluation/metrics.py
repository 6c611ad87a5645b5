"""Scores of a classifier: accuracy, macro F1, and the figures per class that it is the mean of.

Macro F1 is the plain mean of the F1 of all classes, rare and frequent ones counting alike: scikit-learn's `average="macro"` over
the full list of classes, except that a class which is neither present nor predicted is left out instead of counting 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np


class ClassScores(TypedDict):
    """Figures of one class; `count`: true examples."""

    precision: float
    recall: float
    f1: float
    count: int


@dataclass(frozen=True)
class Scores:
    """Figures of one set of predictions."""

    macro_f1: float
    accuracy: float
    per_class: dict[str, ClassScores]
    confusion: list[list[int]]  # truth x predicted


def classification(truth: np.ndarray, predicted: np.ndarray, classes: list[str]) -> Scores:
    """Scores of predicted against true class numbers, both (n,)."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support  # slow to import

    labels = np.arange(len(classes))
    precision, recall, f1, count = precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
    seen = (count > 0) | np.isin(labels, predicted)
    return Scores(
        macro_f1=float(f1[seen].mean()),
        accuracy=float(np.mean(truth == predicted)),
        per_class={
            name: {"precision": float(precision[i]), "recall": float(recall[i]), "f1": float(f1[i]), "count": int(count[i])}
            for i, name in enumerate(classes)
        },
        confusion=confusion_matrix(truth, predicted, labels=labels).tolist(),
    )
