"""Who is trained on and who is tested on: splits by subject, drawn from a seed, saved beside the result.

A subject is in one part only. Label budgets are drawn per class, and the same seed draws the same windows for every method.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np

from m3n.errors import InputError, nearest
from m3n.randomness import generator


@dataclass(frozen=True)
class Split:
    """Subjects of every part."""

    train: tuple[str, ...]
    val: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        parts = (("train", self.train), ("val", self.val), ("test", self.test))
        for i, (name, subjects) in enumerate(parts):
            for other, others in parts[i + 1 :]:
                shared = sorted(set(subjects) & set(others))
                if shared:
                    raise InputError(f"subject '{shared[0]}' is in both {name} and {other}: a subject may be in one part only")

    def manifest(self, seed: int) -> str:
        """JSON with the subjects, the seed and a hash of them."""
        content = {**asdict(self), "seed": seed}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        return json.dumps({**content, "sha256": digest}, indent=2) + "\n"


def subject_folds(subjects: Sequence[str], folds: int, seed: int) -> list[tuple[str, ...]]:
    """Subjects dealt into folds of nearly equal size, in an order drawn from the seed."""
    unique = sorted(set(subjects))
    if len(unique) < folds:
        raise InputError(f"{len(unique)} subjects cannot fill {folds} folds: lower `folds`, or name test_subjects")
    order = generator(seed, "folds").permutation(unique).tolist()
    return [tuple(sorted(order[k::folds])) for k in range(folds)]


def make_split(
    subjects: Sequence[str],
    *,
    test: Sequence[str] | None,
    val: Sequence[str],
    train: Sequence[str] | int | None,
    folds: int,
    fold: int,
    seed: int,
) -> Split:
    """Split the subjects of a data set.

    `test` names the held-out subjects, or is None for fold number `fold` (the folds do not depend on `seed`, so that repeats
    with other seeds test on the same subjects). `train` names the subjects with labels, says how many to draw, or is None for
    all the others. Raises InputError for an unknown subject, one in two parts, or an empty part.
    """
    known = sorted(set(subjects))
    held_out = tuple(sorted(test)) if test is not None else subject_folds(known, folds, 0)[fold]
    rest = [s for s in known if s not in held_out and s not in val]
    if train is None:
        chosen = tuple(rest)
    elif isinstance(train, int):
        if train > len(rest):
            raise InputError(f"train_subjects is {train}, but only {len(rest)} subjects are not held out")
        chosen = tuple(sorted(generator(seed, "subjects", *held_out).permutation(rest)[:train].tolist()))
    else:
        chosen = tuple(sorted(train))
    split = Split(chosen, tuple(sorted(val)), held_out)
    for subject in (*split.train, *split.val, *split.test):
        if subject not in known:
            raise InputError(f"no recording of subject '{subject}'{nearest(subject, known)}; there are {', '.join(known)}")
    if not split.train or not split.test:
        raise InputError(f"no subject is left to {'train' if not split.train else 'test'} on, of {', '.join(known)}")
    return split


def draw_labels(label: np.ndarray, group: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Positions (sorted) of the examples whose labels are used: a share of every class, at least one of each.

    label (n,), group (n,): windows of one recording (group) are drawn together, because they are labelled together.
    """
    if fraction >= 1:
        return np.arange(len(label))
    chosen = []
    for c in np.unique(label):
        groups = np.unique(group[label == c])
        order = generator(seed, "labels", int(c)).permutation(groups)
        kept = order[: max(1, round(fraction * len(groups)))]
        chosen.append(np.flatnonzero((label == c) & np.isin(group, kept)))
    return np.sort(np.concatenate(chosen))
