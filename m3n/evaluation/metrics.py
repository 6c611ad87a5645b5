"""Scores of a classifier: macro F1 over all classes of the protocol, and what it is made of.

Macro F1 is the plain mean of the classes' F1, every class counting the same however rare (scikit-learn's `average="macro"` over
the full list of classes; a class that is neither present nor predicted counts 0 there, and is left out here).
"""

from __future__ import annotations

from typing import Any

import numpy as np


def classification(truth: np.ndarray, predicted: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """`macro_f1`, `accuracy`, `per_class` (precision, recall, f1, count) and the confusion matrix (truth x predicted)."""
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support  # see `m3n.data.windows`

    labels = np.arange(len(classes))
    precision, recall, f1, count = precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
    seen = (count > 0) | np.isin(labels, predicted)
    return {
        "macro_f1": float(f1[seen].mean()),
        "accuracy": float(np.mean(truth == predicted)),
        "per_class": {
            name: {"precision": float(precision[i]), "recall": float(recall[i]), "f1": float(f1[i]), "count": int(count[i])}
            for i, name in enumerate(classes)
        },
        "confusion": confusion_matrix(truth, predicted, labels=labels).tolist(),
    }
