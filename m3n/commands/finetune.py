"""`m3n finetune`: train a classifier on labelled recordings, from scratch or from a pretrained checkpoint."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from m3n import schema, tracking
from m3n.commands.finetune_windows import clip_windows, unlabelled_windows
from m3n.commands.sketched_clips import sketched_clips
from m3n.config import FinetuneConfig, WindowsConfig
from m3n.config.names import AS_SET, AUTO
from m3n.data.splits import check_classes, check_leakage, draw_labels, make_split, people, warn_of_labels_seen
from m3n.data.windows import RecordingWindows, cut_recordings
from m3n.errors import InputError
from m3n.evaluation.intervals import pooled_interval
from m3n.evaluation.metrics import classification
from m3n.io import tables
from m3n.io.staging import staged
from m3n.io.storage import Location
from m3n.progress import bar
from m3n.reports import classification_plots
from m3n.sources.shared.sentences import class_sentences
from m3n.training import checkpoint as checkpoints
from m3n.training.classifier import recording_probabilities
from m3n.training.fit import Fitted, architecture_of, window_shape
from m3n.training.starting_point import (
    REHEARSE,
    WITH_CHECKPOINT,
    WITH_CLIPS,
    Choice,
    choose_start,
    fit_from,
    start_as_set,
)

log = logging.getLogger(__name__)
METRICS = "metrics.json"


def finetune(
    recordings: Location,
    out: Path,
    config: FinetuneConfig = FinetuneConfig(),
    checkpoint: Location | None = None,
    parent_run: str | None = None,
    clips: Location | None = None,
    sketches: str | None = None,
) -> dict[str, Any]:
    """Fine-tune on the training subjects of a table of recordings and score on its held-out subjects; returns the figures.

    `checkpoint`: a folder made by `m3n pretrain`, or the name of weights that come with m3n; without it, weights are random.
    `clips`: a table of synthetic clips to rehearse; `sketches`: instead, clips are made of sketches (`sketched_clips`). Whether
    they are used is for `config.start` to say. Leaves in `out` the classifier, the split, the metrics, every prediction on the test
    subjects and a plot of the confusion matrix. Raises InputError for unsuitable data, checkpoint or settings; then nothing is left
    in `out`.
    """
    started = time.perf_counter()
    checkpoint = checkpoints.named(checkpoint) if checkpoint else None
    pretrained = checkpoints.load_pretrained(checkpoint) if checkpoint else None
    shape = window_shape(config, pretrained)
    if not architecture_of(config, pretrained).mounting_embedding and pretrained and config.mounting_unknown:
        log.warning("mounting_unknown: the checkpoint was pretrained without mounting.unknown, so only the windows are turned")
    windows = load_windows(recordings, shape, config.placements, pretrained, config.ignore_labels)
    if sketches is None and config.match is not None:
        raise InputError(
            f"match={config.match} says which sketches show the labels: give --sketches too, auto or your own file"
        )
    if sketches is not None:
        if clips is not None:
            raise InputError("--sketches makes the clips that --clips would give: leave one of them out")
        clips = sketched_clips(sketches, windows, config, out)
        if config.start == AS_SET:
            config = config.model_copy(update={"rehearse": config.rehearse or REHEARSE})
    split = make_split(
        windows.subjects, test=config.test_subjects, val=config.val_subjects, train=config.train_subjects,
        folds=config.folds, fold=config.fold, seed=config.seed,
    )  # fmt: skip
    train, held_out = _of(windows, split.train), _of(windows, (*split.val, *split.test))
    seen = check_leakage(train, held_out, pretrained.subjects if pretrained else {}, config.allow_seen)
    labels_known = warn_of_labels_seen(people(held_out), pretrained.labelled_subjects) if pretrained else []
    for label in check_classes(train, held_out):
        log.warning("label '%s' has a single example among the training subjects: expect poor results for it", label)
    drawn = draw_labels(train.label, train.example, config.label_fraction, config.seed, config.labels_per_class)
    train = train.subset(drawn)
    sentences = head_sentences(config, windows, pretrained)
    rehearsed = clip_windows(clips, shape, config, windows, pretrained, people(held_out))
    without_label = None
    if config.unlabelled:
        rows = [row for row in _rows(tables.shard_paths(recordings), train.placements) if row["subject"] in split.train]
        without_label = unlabelled_windows(rows, shape, train, config.ignore_labels)
    data_sha = tables.data_sha256(recordings)
    with (
        staged(out, inputs=[place for place in (recordings, checkpoint, clips) if place]) as staging,
        tracking.track("finetune", out.name, config, out=out, data=recordings, data_sha=data_sha, parent_id=parent_run) as run,
    ):
        choice = _choice(train, shape, config, pretrained, rehearsed, sentences)
        uses_checkpoint = choice.start in WITH_CHECKPOINT
        rehearsed = rehearsed if choice.start in WITH_CLIPS else None
        run.metrics({f"start/{name}": score for name, score in choice.evidence.get("macro_f1", {}).items()})
        with bar("finetune", 1) as advance:

            def on_step(step: int, steps: int, loss: float) -> None:
                if step % 20 == 0 or step == steps:
                    run.metrics({"train/loss": loss}, step)
                advance(1 / steps, f"loss {loss:.3f}")

            how = {"on_step": on_step, "unlabelled": without_label}
            fitted = fit_from(choice.start, train, shape, choice.settings(config), pretrained, rehearsed, sentences, **how)
        figures: dict[str, Any] = {
            "method": method_name(choice.start, config),
            "start": choice.start,
            "start_decided_by": choice.decided_by,
            "start_reason": choice.reason,
            "start_evidence": choice.evidence,
            "train_subjects": len(split.train),
            "train_windows": len(train.label),
            "train_examples": len(np.unique(train.example)),
            "rehearsed_windows": len(rehearsed.label) if rehearsed else 0,
            "unlabelled_windows": len(without_label.label) if without_label else 0,
            "test_subjects": list(split.test),
            "test_subjects_seen_in_pretraining": seen,
            "test_subjects_whose_labels_were_pretrained_on": labels_known,
            "sources": sorted(set(windows.sources)),
            "pretraining_sources": sorted(
                pretrained.subjects if pretrained and uses_checkpoint else set(rehearsed.sources) if rehearsed else ()
            ),
        }
        for name, subjects in (("val", split.val), ("test", split.test)):
            if subjects:
                figures |= _score(fitted, _of(windows, subjects), name, staging)
        figures["elapsed_s"] = time.perf_counter() - started
        checkpoints.save(staging, fitted.checkpoint())
        tables.write_text(staging / "split.json", split.manifest(config.seed))
        tables.write_text(staging / METRICS, json.dumps(figures, indent=2) + "\n")
        inputs = {recordings.name: data_sha} | ({"checkpoint": tables.file_sha256(checkpoint)} if checkpoint else {})
        inputs |= {"clips": tables.data_sha256(clips)} if clips and rehearsed else {}
        tables.write_manifest(
            staging,
            table="classifier",
            totals={"windows": len(windows.label)},
            inputs=inputs,
            config=config.model_dump(mode="json"),
        )
        run.metrics(
            {k.replace("_", "/", 1): v for k, v in figures.items() if k.startswith(("val_", "test_")) and isinstance(v, float)}
        )
        for artifact in (METRICS, "split.json", "confusion.png", tables.MANIFEST):
            run.artifact(staging / artifact)
        if parent_run is None:  # of a sweep's models, only the best is kept
            for part in (checkpoints.WEIGHTS, checkpoints.DESCRIPTION):
                run.artifact(staging / part, "classifier")
    return figures


def method_name(start: str, config: FinetuneConfig) -> str:
    """How a classifier was trained, in a word."""
    return config.freeze if start in WITH_CHECKPOINT else start


def _choice(
    train: RecordingWindows,
    shape: WindowsConfig,
    config: FinetuneConfig,
    pretrained: checkpoints.Checkpoint | None,
    clips: RecordingWindows | None,
    sentences: dict[str, list[str]] | None,
) -> Choice:
    """The start that was asked for, or the one that the labelled training people decide on."""
    if config.start == AS_SET:
        return Choice(start_as_set(config, pretrained), "asked", "freeze or rehearse was given")
    if config.start != AUTO:
        return Choice(config.start, "asked", f"start={config.start}")
    with bar("choose start", 1) as advance:

        def on_training(done: int, total: int, start: str) -> None:
            advance(1 / total if done else 0, start)

        choice = choose_start(train, shape, config, pretrained, clips, sentences, on_training)
    return choice


def head_sentences(
    config: FinetuneConfig, windows: RecordingWindows, pretrained: checkpoints.Checkpoint | None
) -> dict[str, list[str]] | None:
    """The classes' sentences, if the head starts from them."""
    if config.head != "text" or pretrained is None:
        return None
    return class_sentences(config.sentences, sorted(set(windows.sources)), windows.classes, "choose another head")


def load_windows(
    recordings: Location,
    shape: WindowsConfig,
    wanted: list[str] | None,
    pretrained: checkpoints.Checkpoint | None,
    ignore: Sequence[str] = (),
) -> RecordingWindows:
    """Labelled windows of the `wanted` placements, or (None) of those that the recordings and the checkpoint have in common."""
    shards = tables.shard_paths(recordings)
    columns = schema.validate_imu_recordings(tables.read_schema(shards[0]), str(shards[0]))
    rows = list(_rows(shards, columns))
    if not rows:
        raise InputError(f"{recordings} is empty: expected at least one recording")
    worn = [p for p in columns if any(row[schema.imu_column(p)] is not None for row in rows)]
    known = pretrained.placements if pretrained else worn
    placements = wanted or [p for p in worn if p in known]
    if not placements:
        raise InputError(
            f"{recordings} has {', '.join(worn)}, but the checkpoint was trained with {', '.join(known)}: no placement in common"
        )
    for placement in placements:
        if placement not in worn:
            raise InputError(
                f"no recording in {recordings} has the placement '{placement}': expected some of {', '.join(worn)}"
            )
    return cut_recordings(rows, shape, placements, ignore=ignore)


def _rows(shards: Sequence[Location], placements: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for shard in shards:
        schema.validate_imu_recordings(tables.read_schema(shard), str(shard))
        yield from tables.recording_rows(shard, placements)


def _of(windows: RecordingWindows, subjects: tuple[str, ...]) -> RecordingWindows:
    return windows.subset(np.isin(windows.subject, subjects))


def _score(fitted: Fitted, windows: RecordingWindows, part: str, staging: Path) -> dict[str, Any]:
    probabilities = fitted.predict(windows)
    scores = classification(windows.label, probabilities.argmax(1), windows.classes)
    means, labels = recording_probabilities(probabilities, windows)
    by_recording = classification(labels, means.argmax(1), windows.classes)
    if part == "test":
        title = f"macro F1 {scores.macro_f1:.3f} over {len(windows.label)} windows of unseen subjects"
        classification_plots.confusion_plot(staging / "confusion.png", scores.confusion, windows.classes, title)
        columns = {
            "recording_id": pa.array([windows.recording_ids[r] for r in windows.recording]),
            "subject": pa.array(windows.subject.tolist()),
            "label": pa.array([windows.classes[i] for i in windows.label]),
            "predicted": pa.array([windows.classes[i] for i in probabilities.argmax(1)]),
            "confidence": pa.array(probabilities.max(1)),
        }
        tables.write_shard(staging / "predictions.parquet", pa.table(columns))
    subjects = sorted(set(windows.subject.tolist()))
    own = [windows.subject == subject for subject in subjects]
    confusions = [classification(windows.label[i], probabilities[i].argmax(1), windows.classes).confusion for i in own]
    return {
        f"{part}_macro_f1": scores.macro_f1,
        **({f"{part}_macro_f1_ci95": pooled_interval(np.array(confusions))} if len(subjects) > 1 else {}),
        f"{part}_accuracy": scores.accuracy,
        f"{part}_windows": len(windows.label),
        f"{part}_recording_macro_f1": by_recording.macro_f1,
        f"{part}_recordings": len(labels),
        f"{part}_per_class": scores.per_class,
        f"{part}_confusion": scores.confusion,
    }
