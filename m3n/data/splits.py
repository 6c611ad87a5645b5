"""Training, validation and test subjects: drawn from a seed, checked for leakage, saved beside the result.

A subject is in one part only. Label budgets are drawn per class, and the same seed draws the same windows for every method.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from m3n.data.windows import RecordingWindows
from m3n.errors import InputError, nearest
from m3n.randomness import generator

log = logging.getLogger(__name__)
STILL = 1e-3  # m/s² and rad/s; windows that vary less look alike wherever they come from
Person = tuple[str, str]  # source and subject: two datasets may both have an s1


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
    """Folds of nearly equal numbers of subjects, dealt in an order drawn from the seed."""
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
    """Split the subjects of a dataset.

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
            raise InputError(
                f"no recording of subject '{subject}'{nearest(subject, known)}; expected some of {', '.join(known)}"
            )
    if not split.train or not split.test:
        raise InputError(f"no subject is left to {'train' if not split.train else 'test'} on, of {', '.join(known)}")
    return split


def draw_labels(label: np.ndarray, example: np.ndarray, fraction: float, seed: int, per_class: int | None = None) -> np.ndarray:
    """Sorted positions of the windows within a label budget: a share of every class, at least one example of each.

    label (n,), example (n,): windows of one example are drawn together, because they are labelled together. `per_class`: this many
    examples of every class instead of a share. With the same seed, a smaller draw is part of a larger one.
    """
    if fraction >= 1 and per_class is None:
        return np.arange(len(label))
    chosen = []
    for c in np.unique(label):
        examples = np.unique(example[label == c])
        order = generator(seed, "labels", int(c)).permutation(examples)
        kept = order[: max(1, round(fraction * len(examples))) if per_class is None else per_class]
        chosen.append(np.flatnonzero((label == c) & np.isin(example, kept)))
    return np.sort(np.concatenate(chosen))


def check_classes(train: RecordingWindows, test: RecordingWindows) -> list[str]:
    """Labels with a single training example; InputError for a tested label that has none."""
    untrained = sorted(set(test.label.tolist()) - set(train.label.tolist()))
    if untrained:
        name, who = test.classes[untrained[0]], sorted(set(test.subject[test.label == untrained[0]].tolist()))
        raise InputError(
            f"label '{name}' of test subject {some(who)} has no example among the training subjects: add recordings of it, or "
            f"leave it out with ignore_labels=[{name}]"
        )
    examples = np.unique(train.example, return_index=True)[1]
    counts = np.bincount(train.label[examples], minlength=len(train.classes))
    return [train.classes[i] for i in np.flatnonzero(counts == 1)]


def check_leakage(
    train: RecordingWindows, test: RecordingWindows, seen: Mapping[str, Collection[str]], allow_seen: bool
) -> list[str]:
    """Raise InputError if part of the test set is trained on; runs before every fit.

    Checks for a subject (and so a session) or a recording in both sets, for windows with the same samples under another name and,
    unless `allow_seen`, for test subjects in the pretraining corpus (`seen`: source -> subjects). Returns the latter.
    """
    for what, of in (("subject", people), ("recording", lambda windows: set(_ids(windows)))):
        shared = sorted(of(train) & of(test))
        if shared:
            raise InputError(f"leakage: {what} '{shared[0][-1]}' is in both the training and the test set: split by subject")
    tested = _digests(test)
    copies = set(_digests(train)) & set(tested) - {b""}
    if copies:
        at = next(i for i, digest in enumerate(tested) if digest in copies)
        name, start = test.recording_ids[test.recording[at]], test.start_s[at]
        raise InputError(
            f"leakage: the window of test recording '{name}' at {start:g} s is also in the training set, sample for sample, under "
            "another name: remove one of the copies"
        )
    known = sorted(person for person in people(test) if person[1] in seen.get(person[0], ()))
    if known and not allow_seen:
        names = ",".join(sorted({subject for _, subject in known}))
        raise InputError(
            f"leakage: poses or recordings of test subject '{known[0][1]}' of {known[0][0]} were in the pretraining corpus: "
            f"pretrain with exclude_subjects=[{names}], or allow it with allow_seen=true"
        )
    return [subject for _, subject in known]


def warn_of_labels_seen(scored: Collection[Person], labelled: Mapping[str, Collection[str]]) -> list[str]:
    """The subjects to score whose labelled recordings were pretrained on (`labelled`: source -> subjects); logs who they are."""
    known = sorted(subject for source, subject in scored if subject in labelled.get(source, ()))
    if known:
        log.warning(
            "allow_seen=true, and the checkpoint learned from labelled recordings of %s: their scores say nothing about people "
            "never seen",
            some(known),
        )
    return known


def people(windows: RecordingWindows) -> set[Person]:
    """(source, subject) of everybody in the windows."""
    return {(windows.sources[r], windows.subjects[r]) for r in np.unique(windows.recording)}


def _ids(windows: RecordingWindows) -> list[Person]:
    return [(windows.sources[r], windows.recording_ids[r]) for r in np.unique(windows.recording)]


def _digests(windows: RecordingWindows) -> list[bytes]:
    """A digest of every window's samples; empty for windows that do not move, which are all alike (a watch on a table)."""
    moving = np.ptp(windows.imu_npt6, axis=2).max((1, 2)) > STILL
    return [hashlib.sha1(x.tobytes()).digest() if moves else b"" for x, moves in zip(windows.imu_npt6, moving, strict=True)]


def held_out(
    people: Collection[Person], seen: Mapping[str, Collection[str]], wanted: Sequence[str] | None, allow_seen: bool, where: str
) -> set[Person]:
    """The people of a table to evaluate on: those called `wanted`, or (None) all that were not trained on (`seen`, by source).

    Raises InputError if there is nobody, and, unless `allow_seen`, if `wanted` names a subject that was trained on.
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
            f"{where} has none of the subjects {some(wanted or ())}: leave it out, or name some of "
            f"{some(sorted({s for _, s in people}))}"
        )
    leaked = sorted(chosen & trained)
    if leaked and not allow_seen:
        raise InputError(
            f"subject '{leaked[0][1]}' of {leaked[0][0]} was trained on: name other subjects, or allow it with allow_seen=true"
        )
    return chosen


def some(names: Sequence[str]) -> str:
    """The first ten names, for a message."""
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")
