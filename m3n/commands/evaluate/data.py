"""Data for `m3n evaluate`: held-out subjects, windows of their clips and recordings, and sentences for the classes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from m3n import schema
from m3n.commands.finetune import load_windows
from m3n.config import EvaluateConfig, WindowsConfig
from m3n.data.splits import Person, held_out, some, subject_folds, warn_of_labels_seen
from m3n.data.windows import ClipWindows, RecordingWindows, check_short, cut_clips
from m3n.errors import InputError, nearest
from m3n.io import tables
from m3n.sources.shared.sentences import class_sentences
from m3n.training.checkpoint import Checkpoint

FOLDS = 5  # of the held-out subjects, if nobody else can train the probes


@dataclass
class Real:
    """Windows of recordings: of the held-out subjects (`test`) and of the subjects that train the probes."""

    windows: RecordingWindows
    test: np.ndarray  # (n,) bool
    parts: list[tuple[np.ndarray, np.ndarray]]  # (train, test) masks of the probes; empty without training data
    probes_by: str  # who trains the probes, in words
    sentences: list[str]
    class_of_sentence: np.ndarray


def check_subjects(config: EvaluateConfig, people: Collection[Person]) -> None:
    """InputError for a subject that is in no table."""
    known = sorted({subject for _, subject in people})
    for subject in config.subjects or ():
        if subject not in known:
            raise InputError(f"unknown subject '{subject}'{nearest(subject, known)}; expected some of {some(known)}")
    if config.subjects == []:
        raise InputError("subjects is empty: name at least one, or leave it out")


def clip_people(folder: Path) -> set[Person]:
    """People in a table of synthetic clips; a clip without a subject counts as a person, as in pretraining."""
    schema.validate_synthetic_clips(tables.read_schema(tables.shard_paths(folder)[0]), str(folder))
    rows = _columns(folder, ("source", "subject", "clip_id"))
    return {(row["source"], row["subject"] or row["clip_id"]) for row in rows if row["subject"] or row["clip_id"]}


def recording_people(folder: Path) -> set[Person]:
    """People in a table of recordings."""
    schema.validate_imu_recordings(tables.read_schema(tables.shard_paths(folder)[0]), str(folder))
    return {(row["source"], row["subject"]) for row in _columns(folder, ("source", "subject")) if row["subject"]}


def _columns(folder: Path, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for shard in tables.shard_paths(folder):
        yield from tables.rows(tables.read_shard(shard, pa.schema([(name, pa.string()) for name in names])))


def load_clips(folder: Path, shape: WindowsConfig, checkpoint: Checkpoint, config: EvaluateConfig) -> ClipWindows:
    """Windows of the held-out subjects' clips, of the checkpoint's placements."""
    people = held_out(clip_people(folder), checkpoint.subjects, config.subjects, config.allow_seen, str(folder))

    def rows() -> Iterator[dict[str, Any]]:
        for shard in tables.shard_paths(folder):
            there = schema.validate_synthetic_clips(tables.read_schema(shard), str(shard))
            for placement in checkpoint.placements:
                if placement not in there:
                    raise InputError(
                        f"{shard} has no {schema.imu_column(placement)}, which the checkpoint needs: simulate this placement too"
                    )
            for row in tables.synthetic_rows(shard, checkpoint.placements):
                if (row["source"], row["subject"] or row["clip_id"]) in people:
                    yield row

    windows = cut_clips(rows(), shape, checkpoint.placements)
    check_short(windows.short, len(windows.clip_ids), shape)
    return windows


def load_recordings(folder: Path, shape: WindowsConfig, checkpoint: Checkpoint, config: EvaluateConfig) -> Real:
    """Labelled windows of the held-out subjects and of the subjects that train the probes, and the classes' sentences."""
    windows = load_windows(folder, shape, config.placements, checkpoint)
    people = held_out(recording_people(folder), checkpoint.subjects, config.subjects, config.allow_seen, str(folder))
    warn_of_labels_seen(people, checkpoint.labelled_subjects)
    owners = list(zip(windows.sources, windows.subjects, strict=True))
    test = np.array([owner in people for owner in owners])[windows.recording]
    if not test.any():
        raise InputError(
            f"{folder} has no labelled window of {some(sorted({s for _, s in people}))}: label some, or choose other subjects"
        )
    others = sorted({subject for owner, subject in zip(owners, windows.subjects, strict=True) if owner not in people})
    probing = others if config.probe_subjects is None else config.probe_subjects
    for subject in probing:
        if subject not in others:
            raise InputError(
                f"probe_subjects names '{subject}'{nearest(subject, others)}; expected some of {some(others) or 'nobody'}"
            )
    train = np.isin(windows.subject, probing) & ~test
    held = sorted(set(windows.subject[test].tolist()))
    if train.any():
        parts, by = [(train, test)], f"{len(probing)} other subjects"
    elif len(held) >= 2:
        folds = subject_folds(held, min(FOLDS, len(held)), config.seed)
        masks = [test & np.isin(windows.subject, fold) for fold in folds]
        parts, by = [(test & ~mask, mask) for mask in masks], f"the other {len(folds) - 1} of {len(folds)} folds of subjects"
    else:
        parts, by = [], "nobody: no other subject has recordings"
    described = {}
    if config.sentences != "none":
        described = class_sentences(
            config.sentences, sorted(set(windows.sources)), windows.classes, "sentences=none to leave zero-shot out"
        )
    classes = [c for c, name in enumerate(windows.classes) for _ in described.get(name, ())]
    flat = [sentence for name in windows.classes for sentence in described.get(name, ())]
    keep = test | train
    parts = [(a[keep], b[keep]) for a, b in parts]
    return Real(windows.subset(keep), test[keep], parts, by, flat, np.array(classes, int))
