"""Means over subjects with bootstrap confidence intervals.

Subjects are resampled, not windows, because windows of one person are not independent of each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from m3n.data.confusion import draws_of_people, macro_f1, redrawn
from m3n.randomness import generator

DRAWS = 10_000


@dataclass(frozen=True)
class Estimate:
    """A mean over subjects, the standard deviation over subjects, and a 95 % confidence interval."""

    mean: float
    sd: float
    low: float
    high: float


def estimate(scores: Mapping[str, Sequence[float]], seed: int = 0) -> Estimate:
    """Subject (or fold of subjects) -> scores of every seed; the percentile bootstrap (Efron 1979) resamples the subjects.

    A subject's score is the mean over its seeds. With one subject there is nothing to resample, and the interval is its score.
    """
    means = np.array([np.mean(values) for _, values in sorted(scores.items())])
    drawn = generator(seed, "bootstrap", len(means)).integers(len(means), size=(DRAWS, len(means)))
    low, high = np.percentile(means[drawn].mean(1), [2.5, 97.5])
    return Estimate(float(means.mean()), float(means.std(ddof=1)) if len(means) > 1 else 0.0, float(low), float(high))


def paired_difference(ours: Mapping[str, Mapping[int, float]], base: Mapping[str, Mapping[int, float]]) -> Estimate | None:
    """`estimate` of ours less base, subject by subject and seed by seed; None if there is no pair."""
    pairs = {
        subject: [by_seed[seed] - base[subject][seed] for seed in by_seed if seed in base[subject]]
        for subject, by_seed in ours.items()
        if subject in base
    }
    pairs = {subject: values for subject, values in pairs.items() if values}
    return estimate(pairs) if pairs else None


def pooled_interval(confusion_scc: np.ndarray, seed: int = 0, draws: int = 2000) -> list[float]:
    """95 % confidence interval of the macro F1 over all subjects' examples together, the subjects resampled.

    confusion_scc: (subjects, truth, predicted) counts. A class that a draw neither has nor predicts is left out of its mean.
    """
    times = draws_of_people(len(confusion_scc), draws, generator(seed, "bootstrap", len(confusion_scc)))
    scores = macro_f1(redrawn(confusion_scc, times))
    return [float(bound) for bound in np.percentile(scores, [2.5, 97.5])]
