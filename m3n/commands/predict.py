"""`m3n predict`: a timeline of activities, with confidence, for every recording of a table.

Recordings are read one at a time, their windows a batch at a time, and results are written at once. So memory is that of the
longest recording (100 MB for a day of one sensor at 50 Hz), however many recordings there are.
"""

from __future__ import annotations

import csv
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from m3n import schema
from m3n.config import PredictConfig, WindowsConfig
from m3n.data.scale import check_rate_scale, check_scale
from m3n.data.timeline import CellMeans, check_hop, cut_lazily, lay_out, stretches
from m3n.errors import InputError
from m3n.io import storage, tables
from m3n.io.staging import staged
from m3n.io.storage import Location
from m3n.models import Classifier
from m3n.progress import bar
from m3n.reports import classification_plots
from m3n.schema import Rejected
from m3n.training.checkpoint import Checkpoint, named
from m3n.training.classifier import load_classifier
from m3n.training.classifier import predict as classify

UNKNOWN = "unknown"
SHOWN = 12  # recordings in the picture
ROWS = 1 << 14  # of a row group
CELLS = pa.schema(
    [("recording_id", pa.string()), ("start_s", pa.float64()), ("label", pa.string()), ("confidence", pa.float32()),
     ("probabilities", schema.FLOATS)]
)  # fmt: skip


def predict(recordings: Location, checkpoint: Path, out: Path, config: PredictConfig = PredictConfig()) -> dict[str, Any]:
    """Label every moment of the recordings in a table, or in one of its shards, with a classifier; returns the figures.

    `checkpoint` is a folder made by `m3n finetune` or `M3NClassifier.save`. Leaves in `out` the timeline (`timeline.csv` and
    `timeline.parquet`, with clock time in UTC where a recording knows when it began; `timeline.png`) and the class probabilities of
    every cell (`cells.parquet`; its metadata has the order of the classes). Placements that were not worn are masked; recordings
    without any of the classifier's placements are left out and named in `quarantine/`. Raises InputError for unsuitable data,
    units, checkpoint or settings; then nothing is left in `out`.
    """
    started = time.perf_counter()
    checkpoint = named(checkpoint)
    model, found = load_classifier(checkpoint)
    if config.mounting_unknown and not model.imu.assume_unknown_mounting():
        raise InputError(
            "mounting_unknown: the classifier's encoder was pretrained without mounting.unknown, so it cannot be told: leave it out"
        )
    shape = found.windows
    hop_s = config.hop_s or shape.window_s / 2
    check_hop(hop_s, shape)
    shards = tables.shard_paths(recordings)
    total = sum(len(tables.read_column(shard, "recording_id")) for shard in _checked(shards))
    data_sha = tables.data_sha256(recordings)
    rejected: list[Rejected] = []
    with staged(out, inputs=[recordings, checkpoint]) as staging:
        with storage.writing(staging), bar("predict", total) as advance, _Output(staging, found.classes) as output:
            for row, placements, where in _usable_rows(shards, found.placements, rejected):
                check_scale(found.normaliser, [row[schema.imu_column(p)] for p in placements], where)
                for placement in placements:
                    samples = row[schema.imu_column(placement)].reshape(-1, 6)
                    check_rate_scale(samples, float(row["rate_hz"]), f"{where}, {placement}")

                def on_share(share: float, name: str = row["recording_id"]) -> None:
                    advance(share, name)

                output.add(row, _classified(row, placements, model, found, shape, hop_s, config, on_share))
        if not output.recordings:
            reason = rejected[0].reason if rejected else "expected at least one recording"
            raise InputError(f"{recordings} holds no recording that can be classified: {reason}")
        classification_plots.timeline_plot(staging / "timeline.png", output.shown, found.classes, UNKNOWN, output.recordings)
        tables.write_quarantine(staging, rejected)
        figures = output.figures() | {"left_out": len(rejected)}
        tables.write_manifest(
            staging, table="timeline", totals=output.figures(), rejected=rejected, config=config.model_dump(mode="json"),
            inputs={recordings.name: data_sha, "checkpoint": tables.file_sha256(checkpoint)},
            facts={"classes": found.classes, "hop_s": hop_s},
        )  # fmt: skip
    return figures | {"hop_s": hop_s, "seconds_of": dict(output.seconds_of), "elapsed_s": time.perf_counter() - started}


@dataclass
class _Answer:
    """Labels of a recording's cells: an index into the classes, or the number of classes if no class is likely enough."""

    edges_s: np.ndarray
    label: np.ndarray
    confidence: np.ndarray
    probability: np.ndarray


def _checked(shards: Sequence[Location]) -> Sequence[Location]:
    for shard in shards:
        schema.validate_imu_recordings(tables.read_schema(shard), str(shard))
    return shards


def _usable_rows(
    shards: Sequence[Location], known: Sequence[str], rejected: list[Rejected]
) -> Iterator[tuple[dict[str, Any], list[str], str]]:
    """(checked row, the classifier's placements that were worn, file and row); unusable rows are added to `rejected`."""
    for shard in shards:
        columns = schema.validate_imu_recordings(tables.read_schema(shard), str(shard))
        there = [p for p in known if p in columns]
        for number, row in enumerate(tables.rows_in_turn(shard, schema.imu_recordings(there))):
            worn = [p for p in there if row[schema.imu_column(p)] is not None]
            where = f"{shard} row {number} (recording '{row['recording_id']}')"
            if not worn:
                reason = f"none of the classifier's placements ({', '.join(known)}) was worn"
                rejected.append(Rejected(str(row["recording_id"]), reason))
                continue
            problem = schema.check_imu_recording(row, tuple(there))
            if problem:
                raise InputError(f"{where}: {problem}")
            yield row, worn, where


def _classified(
    row: dict[str, Any],
    placements: Sequence[str],
    model: Classifier,
    found: Checkpoint,
    shape: WindowsConfig,
    hop_s: float,
    config: PredictConfig,
    on_share: Callable[[float], None],
) -> _Answer:
    layout = lay_out(row["n_samples"] / row["rate_hz"], shape.window_s, hop_s)
    means = CellMeans(layout, len(found.classes))
    for windows in cut_lazily(row, layout, shape, placements, config.batch_size):
        means.add(classify(model, windows, found.normaliser, config.batch_size))
        on_share(len(windows.label) / len(layout.begin_s))
    probability = means.means()
    confidence = probability.max(1)
    label = np.where(confidence < config.min_confidence, len(found.classes), probability.argmax(1))
    return _Answer(layout.edges_s, label, confidence, probability)


class _Output:
    """The files of a timeline, written recording by recording, and the counts of what is in them."""

    def __init__(self, folder: Path, classes: list[str]) -> None:
        self.folder = folder
        self.names = np.array([*classes, UNKNOWN], dtype=object)
        self.facts = {"classes": json.dumps(classes)}
        self.recordings = self.cells = self.stretches = 0
        self.seconds_of: dict[str, float] = defaultdict(float)
        self.certain_s = 0.0
        self.shown: list[tuple[str, list[tuple[float, float, str, float]]]] = []
        self._files = ExitStack()

    def __enter__(self) -> _Output:
        sheet = self._files.enter_context((self.folder / "timeline.csv").open("w", newline="", encoding="utf-8"))
        self._sheet = csv.writer(sheet)
        self._sheet.writerow(schema.TIMELINE.names)
        self._timeline = self._files.enter_context(_Appended(self.folder / schema.TIMELINE_FILE, schema.TIMELINE))
        self._cells = self._files.enter_context(_Appended(self.folder / "cells.parquet", CELLS.with_metadata(self.facts)))
        return self

    def __exit__(self, *error: Any) -> None:
        self._files.__exit__(*error)

    def add(self, row: dict[str, Any], answer: _Answer) -> None:
        name, subject = row["recording_id"], row["subject"]
        runs = [(a, b, str(self.names[i]), c) for a, b, i, c in stretches(answer.label, answer.confidence, answer.edges_s)]
        start, stop, label, confidence = zip(*runs, strict=True)
        began = row["started_at"]
        clock = [(None, None) if began is None else (_at(began, a), _at(began, b)) for a, b, _, _ in runs]
        start_time, stop_time = zip(*clock, strict=True)
        self._timeline.add([[name] * len(runs), [subject] * len(runs), start, stop, label, confidence, start_time, stop_time])
        probabilities = tables.sequence_column(list(answer.probability))
        cells = len(answer.label)
        self._cells.add([[name] * cells, answer.edges_s[:-1], self.names[answer.label], answer.confidence, probabilities])
        for (begin, end, activity, share), times in zip(runs, clock, strict=True):
            self._sheet.writerow([name, subject, f"{begin:.3f}", f"{end:.3f}", activity, f"{share:.3f}", *map(_written, times)])
            self.seconds_of[activity] += end - begin
        if len(self.shown) < SHOWN:
            self.shown.append((name, runs))
        self.recordings += 1
        self.cells += cells
        self.stretches += len(runs)
        self.certain_s += float(answer.confidence @ np.diff(answer.edges_s))

    def figures(self) -> dict[str, float]:
        seconds = sum(self.seconds_of.values())
        figures: dict[str, float] = {
            "recordings": self.recordings,
            "seconds": seconds,
            "cells": self.cells,
            "stretches": self.stretches,
            "mean_confidence": self.certain_s / max(seconds, 1e-9),
        }
        return figures


def _at(began: datetime, seconds: float) -> datetime:
    return began + timedelta(milliseconds=round(1000 * seconds))


def _written(moment: datetime | None) -> str:
    """Clock time in UTC, to the millisecond; empty where the recording does not know it."""
    return "" if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Appended:
    """A Parquet file to which rows are appended, in row groups of about `ROWS`."""

    def __init__(self, path: Path, columns: pa.Schema) -> None:
        self._columns = columns
        self._writer = pq.ParquetWriter(path, columns, compression="zstd")
        self._waiting: list[pa.Table] = []

    def __enter__(self) -> _Appended:
        return self

    def __exit__(self, *error: Any) -> None:
        try:
            self._write()
        finally:
            self._writer.close()

    def add(self, values: Sequence[Any]) -> None:
        arrays = [v if isinstance(v, pa.Array) else pa.array(v, f.type) for v, f in zip(values, self._columns, strict=True)]
        self._waiting.append(pa.table(arrays, schema=self._columns))
        if sum(table.num_rows for table in self._waiting) >= ROWS:
            self._write()

    def _write(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.concat_tables(self._waiting).combine_chunks(), row_group_size=ROWS)
            self._waiting = []
