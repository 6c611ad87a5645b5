"""Macro F1 of confusion matrices (truth x predicted), and of those of people drawn again: the bootstrap over people."""

from __future__ import annotations

import numpy as np


def macro_f1(confusion_cc: np.ndarray) -> np.ndarray:
    """Macro F1 of confusion matrices (…, truth, predicted); a class that is neither present nor predicted is left out."""
    either = confusion_cc.sum(-1) + confusion_cc.sum(-2)
    hits = np.diagonal(confusion_cc, axis1=-2, axis2=-1)
    f1 = np.divide(2 * hits, either, out=np.full(either.shape, np.nan), where=either > 0)
    return np.nanmean(f1, axis=-1)


def draws_of_people(people: int, draws: int, rng: np.random.Generator) -> np.ndarray:
    """How often each person is drawn, (draws, people): as many as there are, with replacement."""
    drawn = rng.integers(people, size=(draws, people))
    return np.stack([np.bincount(row, minlength=people) for row in drawn]).astype(float)


def redrawn(confusion_scc: np.ndarray, times_ds: np.ndarray) -> np.ndarray:
    """The people's counts (people, truth, predicted) together, (draws, truth, predicted), in each draw of `draws_of_people`."""
    people, classes, _ = confusion_scc.shape
    return (times_ds @ confusion_scc.reshape(people, -1)).reshape(-1, classes, classes)
