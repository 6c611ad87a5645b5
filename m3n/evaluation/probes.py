"""Predict labels from frozen features: nearest neighbours, a linear probe, and zero-shot from sentences.

Every probe returns scores (windows, classes); their mean over a recording's windows is the recording's score.
"""

from __future__ import annotations

import numpy as np


def nearest_neighbours(
    train_nw: np.ndarray, label_n: np.ndarray, test_mw: np.ndarray, classes: int, neighbours: int
) -> np.ndarray:
    """Shares of the classes among the `neighbours` training windows of largest cosine, (m, classes)."""
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(min(neighbours, len(train_nw)), metric="cosine", algorithm="brute").fit(train_nw, label_n)
    return _all_classes(model.predict_proba(test_mw), model.classes_, classes)


def linear_probe(train_nw: np.ndarray, label_n: np.ndarray, test_mw: np.ndarray, classes: int, c: float) -> np.ndarray:
    """Probabilities of a logistic regression on standardised features, with balanced class weights and inverse L2 penalty `c`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(label_n)) < 2:  # nothing to tell apart
        return _all_classes(np.ones((len(test_mw), 1)), np.unique(label_n), classes)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=1000, class_weight="balanced"))
    model.fit(train_nw, label_n)
    return _all_classes(model.predict_proba(test_mw), model.classes_, classes)


def zero_shot(imu_ne: np.ndarray, sentences_se: np.ndarray, class_s: np.ndarray, classes: int) -> np.ndarray:
    """Cosines (n, classes) of windows with the classes' sentences, no label read.

    A class is the mean of its sentences' unit vectors, at unit length again (as CLIP ensembles its prompts, Radford et al. 2021);
    class_s (s,): the class of each sentence; every class has at least one.
    """
    means = np.stack([sentences_se[class_s == c].mean(axis=0) for c in range(classes)])
    return imu_ne @ (means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)).T


def guessing_macro_f1(label: np.ndarray, classes: int) -> float:
    """Macro F1 of guessing each of the classes equally often, for many examples: mean of 2 p q / (p + q), q = 1 / classes."""
    share = np.bincount(label, minlength=classes) / len(label)
    return float((2 * share / classes / (share + 1 / classes)).mean())


def _all_classes(found: np.ndarray, which: np.ndarray, classes: int) -> np.ndarray:
    """Scores with a column for every class; 0 for classes that were not trained on."""
    scores = np.zeros((len(found), classes))
    scores[:, which] = found
    return scores
