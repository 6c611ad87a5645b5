"""`m3n finetune`: a classifier of real, labelled recordings, from scratch or from a pretrained checkpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from m3n import report, schema, tables, tracking
from m3n.config import FinetuneConfig, ModelConfig, WindowsConfig
from m3n.errors import InputError
from m3n.progress import bar
from m3n.splits import Split, draw_labels, make_split
from m3n.storage import Location
from m3n.training import checkpoint as checkpoints
from m3n.training import finetune as training
from m3n.training.metrics import classification
from m3n.windows import Normaliser, RecordingWindows, cut_recordings

METRICS = "metrics.json"


def finetune(
    recordings: Location,
    out: Path,
    config: FinetuneConfig = FinetuneConfig(),
    checkpoint: Path | None = None,
    parent_run: str | None = None,
) -> dict[str, Any]:
    """Fine-tune on the training subjects of a table of recordings and score on its held-out subjects; returns the figures.

    `checkpoint` is a folder made by `m3n pretrain`; None starts from random weights. Leaves in `out` the classifier, the split,
    the metrics, every prediction on the test subjects, and a picture of the confusion matrix. Raises InputError for data,
    checkpoint or settings that do not fit; then nothing is left in `out`.
    """
    started = time.perf_counter()
    pretrained = checkpoints.load_pretrained(checkpoint) if checkpoint else None
    shape, architecture = _shape(config, pretrained), _architecture(config, pretrained)
    windows = load_windows(recordings, shape, config.placements, pretrained)
    split = make_split(
        windows.subjects, test=config.test_subjects, val=config.val_subjects, train=config.train_subjects,
        folds=config.folds, fold=config.fold, seed=config.seed,
    )  # fmt: skip
    train = _of(windows, split.train)
    train = train.subset(draw_labels(train.label, train.recording, config.label_fraction, config.seed))
    normaliser = pretrained.normaliser if pretrained else Normaliser.fit(train.imu_npt6[train.worn_np])
    model = training.make_classifier(windows.placements, len(windows.classes), architecture, pretrained, config.seed)
    data_sha = tables.data_sha256(recordings)
    with (
        tables.staged(out, inputs=[recordings, *([checkpoint] if checkpoint else [])]) as staging,
        tracking.track("finetune", out.name, config, out=staging, data_sha=data_sha, parent_id=parent_run) as run,
    ):
        with bar("finetune", 1) as advance:

            def on_step(step: int, steps: int, loss: float) -> None:
                if step % 20 == 0 or step == steps:
                    run.metrics({"train/loss": loss}, step)
                advance(1 / steps, f"loss {loss:.3f}")

            training.finetune(model, train, normaliser, config, shape.rate_hz, on_step)
        figures: dict[str, Any] = {
            "method": "scratch" if not pretrained else {"all": "frozen", "none": "not frozen"}[config.freeze],
            "train_subjects": len(split.train),
            "train_windows": len(train.label),
            "test_subjects": list(split.test),
            "test_subjects_seen_in_pretraining": _seen_in_pretraining(windows, split, pretrained),
        }
        for name, subjects in (("val", split.val), ("test", split.test)):
            if subjects:
                figures |= _score(model, _of(windows, subjects), normaliser, name, staging)
        figures["elapsed_s"] = time.perf_counter() - started
        checkpoints.save(staging, training.classifier_checkpoint(model, windows, normaliser, architecture, shape.model_dump()))
        tables.write_text(staging / "split.json", split.manifest(config.seed))
        tables.write_text(staging / METRICS, json.dumps(figures, indent=2) + "\n")
        inputs = {recordings.name: data_sha} | ({"checkpoint": tables.file_sha256(checkpoint)} if checkpoint else {})
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
    return figures


def load_windows(
    recordings: Location, shape: WindowsConfig, wanted: list[str] | None, pretrained: checkpoints.Checkpoint | None
) -> RecordingWindows:
    """Labelled windows of the placements that are `wanted`, or (None) that the recordings and the checkpoint share."""
    shards = tables.shard_paths(recordings)
    columns = schema.validate_imu_recordings(tables.read_schema(shards[0]), str(shards[0]))
    rows = list(_rows(shards, columns))
    if not rows:
        raise InputError(f"{recordings} is empty: expected at least one recording")
    worn = [p for p in columns if any(row[schema.imu_column(p)] is not None for row in rows)]
    known = pretrained.placements if pretrained else worn
    placements = wanted or [p for p in worn if p in known]
    if not placements:
        raise InputError(f"{recordings} has {', '.join(worn)}; the checkpoint knows {', '.join(known)}: no placement in common")
    for placement in placements:
        if placement not in worn:
            raise InputError(f"no recording in {recordings} has the placement '{placement}'; there are {', '.join(worn)}")
    return cut_recordings(rows, shape, placements)


def _rows(shards: Sequence[Location], placements: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    for shard in shards:
        schema.validate_imu_recordings(tables.read_schema(shard), str(shard))
        yield from tables.recording_rows(shard, placements)


def _shape(config: FinetuneConfig, pretrained: checkpoints.Checkpoint | None) -> WindowsConfig:
    """The checkpoint's window shape, changed by the settings that were given; its sampling rate cannot be."""
    given = config.windows.model_dump(exclude_unset=True) if config.windows else {}
    if pretrained is None:
        return WindowsConfig(**given)
    if given.get("rate_hz", pretrained.windows["rate_hz"]) != pretrained.windows["rate_hz"]:
        raise InputError(
            f"windows.rate_hz is {given['rate_hz']}, but the checkpoint was pretrained at {pretrained.windows['rate_hz']} Hz"
        )
    return WindowsConfig(**{**pretrained.windows, **given})


def _architecture(config: FinetuneConfig, pretrained: checkpoints.Checkpoint | None) -> dict[str, Any]:
    if pretrained is None:
        return (config.model or ModelConfig()).model_dump()
    given = config.model.model_dump(exclude_unset=True) if config.model else {}
    for key, value in given.items():
        if pretrained.architecture.get(key) != value:
            found = pretrained.architecture.get(key)
            raise InputError(f"model.{key} is {value}, but the checkpoint is of another architecture: it has {found}")
    return pretrained.architecture


def _of(windows: RecordingWindows, subjects: tuple[str, ...]) -> RecordingWindows:
    return windows.subset(np.isin(windows.subject, subjects))


def _seen_in_pretraining(windows: RecordingWindows, split: Split, pretrained: checkpoints.Checkpoint | None) -> list[str]:
    """Test subjects whose own poses were in the pretraining corpus."""
    seen = pretrained.subjects if pretrained else {}
    pairs = set(zip(windows.subjects, windows.sources, strict=True))
    return sorted({subject for subject, source in pairs if subject in split.test and subject in seen.get(source, [])})


def _score(model: Any, windows: RecordingWindows, normaliser: Normaliser, part: str, staging: Path) -> dict[str, Any]:
    probabilities = training.predict(model, windows, normaliser)
    scores = classification(windows.label, probabilities.argmax(1), windows.classes)
    means, labels = training.recording_probabilities(probabilities, windows)
    by_recording = classification(labels, means.argmax(1), windows.classes)
    if part == "test":
        title = f"macro F1 {scores['macro_f1']:.3f} over {len(windows.label)} windows of unseen subjects"
        report.confusion_plot(staging / "confusion.png", scores["confusion"], windows.classes, title)
        columns = {
            "recording_id": pa.array([windows.recording_ids[r] for r in windows.recording]),
            "subject": pa.array(windows.subject.tolist()),
            "label": pa.array([windows.classes[i] for i in windows.label]),
            "predicted": pa.array([windows.classes[i] for i in probabilities.argmax(1)]),
            "confidence": pa.array(probabilities.max(1)),
        }
        tables.write_shard(staging / "predictions.parquet", pa.table(columns))
    return {
        f"{part}_macro_f1": scores["macro_f1"],
        f"{part}_accuracy": scores["accuracy"],
        f"{part}_windows": len(windows.label),
        f"{part}_recording_macro_f1": by_recording["macro_f1"],
        f"{part}_recordings": len(labels),
        f"{part}_per_class": scores["per_class"],
        f"{part}_confusion": scores["confusion"],
    }
