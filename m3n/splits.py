"""Who is trained on and who is tested on: splits by subject, drawn from a seed, saved beside the result.

A subject is in one part only. Label budgets are drawn per class, and the same seed draws the same windows for every method.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from m3n.errors import InputError, nearest
from m3n.randomness import generator

Person = tuple[str, str]  # source and subject: two data sets may both have an s1


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


def held_out(
    people: Collection[Person], seen: Mapping[str, Collection[str]], wanted: Sequence[str] | None, allow_seen: bool, where: str
) -> set[Person]:
    """The people of a table to evaluate on: those called `wanted`, or (None) all that were not trained on (`seen`, by source).

    Raises InputError where there is none, and where `wanted` names one that was trained on, unless `allow_seen`.
    """
    if not people:
        raise InputError(f"{where} is empty: expected at least one row with a subject")
    trained = {(source, subject) for source, subject in people if subject in seen.get(source, ())}
    chosen = set(people) - trained if wanted is None else {person for person in people if person[1] in wanted}
    if not chosen and wanted is None:
        raise InputError(
            f"every subject of {where} was trained on: pretrain with exclude_subjects=[…], or name `subjects` with allow_seen=true"
        )
    if not chosen:
        raise InputError(
            f"{where} has none of the subjects {some(wanted or ())}; it has {some(sorted({s for _, s in people}))}: leave it out"
        )
    leaked = sorted(chosen & trained)
    if leaked and not allow_seen:
        raise InputError(
            f"subject '{leaked[0][1]}' of {leaked[0][0]} was trained on: name others, or evaluate all the same with allow_seen=true"
        )
    return chosen


def some(names: Sequence[str]) -> str:
    """The first ten names, for a message."""
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
