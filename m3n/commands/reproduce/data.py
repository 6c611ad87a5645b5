"""The data and pretrained checkpoints behind the grid of `m3n reproduce`.

Tables are ingested and simulated once. Subjects are split into folds, and each fold gets a pretraining without the poses of its
test subjects.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from m3n import schema
from m3n.cluster.grid import run_cells
from m3n.cluster.start import connect, named_cluster
from m3n.commands.ingest import KINDS, ingest, needs_file, options_of
from m3n.commands.pretrain import pretrain
from m3n.commands.reproduce.cells import CROSS_CORPUS, NO_PRETRAINING, Cell, paper_pretraining
from m3n.commands.simulate.command import simulate_clips
from m3n.commands.sketched_clips import sketched_poses
from m3n.config import PretrainConfig, ReproduceConfig, check
from m3n.config.names import BASELINES, CO_TRAINED
from m3n.data.splits import subject_folds
from m3n.errors import InputError
from m3n.io import tables
from m3n.io.staging import staged
from m3n.progress import bar
from m3n.tracking import absolute_uri

DRIVER_CPUS = 0.01  # a pretraining's driver waits for Ray Train workers, which reserve CPUs, or is alone on this machine
Fold = tuple[list[str], list[str]]  # training subjects, test subjects


@dataclass(frozen=True)
class Start:
    """What a cell starts from: a pretrained checkpoint, and the clips it was pretrained on (or is co-trained with)."""

    checkpoint: Path | None = None
    clips: Path | None = None

    def given_to(self, cell: Cell) -> Cell:
        return replace(cell, checkpoint=self.checkpoint, clips=self.clips)


@dataclass(frozen=True)
class _PretrainingJob:
    clips: Path
    recordings: tuple[Path, ...]
    out: Path
    config: PretrainConfig
    tracking: str
    cluster: str | None


Files = tuple[Path, ...]  # of one dataset; none for a source that needs no file


def corpus_files(data: Files, config: ReproduceConfig, corpora: Mapping[str, Files]) -> dict[str, Files]:
    """Source -> files of every other dataset that is pretrained on; InputError if one is missing."""
    if set(config.settings) <= {"same_corpus"} or not set(config.methods) - set(BASELINES):
        return {}
    found: dict[str, Files] = {}
    for key, wanted in (("corpora", config.corpora), ("recordings", config.recordings)):
        for source in wanted:
            if source == config.protocol.source:
                raise InputError(f"{key} names '{source}', the dataset itself: expected other sources only")
            files = corpora.get(source) or beside(data, source)
            if not files and needs_file(source):
                setting = next(setting for setting in config.settings if setting != "same_corpus")
                raise InputError(
                    f"{setting} needs the {'poses' if key == 'corpora' else 'recordings'} of '{source}': give "
                    f"--corpus {source}=FILE, or choose other {key}"
                )
            found[source] = files
    return found


def beside(data: Files, source: str) -> Files:
    """The file of a source that lies in the folder of one of the files, if any."""
    return tuple(found for file in data if (found := file.parent / f"{source}.zip").exists())[:1]


def ingested(source: str, files: Files, out: Path, settings: dict[str, Any]) -> Path:
    """The folder with a dataset's tables, which are made if they are missing; several files become one table."""
    if any((out / kind / tables.MANIFEST).is_file() for kind in KINDS):
        return out
    options = check(options_of(source), settings)
    if len(files) < 2:
        ingest(source, files[0] if files else None, out, options)
        return out
    parts = [out / "parts" / file.stem for file in files]
    for file, part in zip(files, parts, strict=True):
        if not part.is_dir():
            ingest(source, file, part, options)
    for kind in KINDS:
        if (parts[0] / kind).is_dir():
            _joined(out / kind, [part / kind for part in parts])
    return out


def subject_parts(recordings: Path, config: ReproduceConfig) -> Iterator[Fold]:
    """(training subjects, test subjects) of every fold."""
    subjects: set[str] = set()
    for shard in tables.shard_paths(recordings):
        for row in tables.rows(tables.read_shard(shard, schema.imu_recordings(config.protocol.placements))):
            if any(row[schema.imu_column(placement)] is not None for placement in config.protocol.placements):
                subjects.add(row["subject"])
    protocol, known = config.protocol, sorted(subjects)
    for subject in (
        *(protocol.train_subjects or ()),
        *protocol.val_subjects,
        *protocol.test_subjects,
        *protocol.unseen_subjects,
    ):
        if subject not in subjects:
            raise InputError(f"no recording of subject '{subject}' in {recordings}; expected some of {', '.join(known)}")
    if protocol.split == "official":
        test = [part for part in (protocol.test_subjects, protocol.unseen_subjects) if part]
    elif protocol.split == "k_fold":
        test = [list(fold) for fold in subject_folds(known, max(2, min(protocol.folds, len(known))), 0)]
    else:
        test = [[subject] for subject in known]
    for held_out in test:
        apart = {*held_out, *protocol.val_subjects, *protocol.test_subjects, *protocol.unseen_subjects}
        others = [s for s in known if s not in apart]
        yield protocol.train_subjects or others, held_out


def pretraining_key(cell: Cell) -> str | None:
    """The pretraining that a cell starts from: one per fold, or one for all folds if no pose is of the dataset itself."""
    if cell.setting == NO_PRETRAINING:
        return None
    if cell.method == CO_TRAINED:
        return f"{cell.setting}-clips"
    preset = "paper" if cell.method == "paper" else "ours"
    return f"{cell.setting}-{preset}" + ("" if cell.setting == CROSS_CORPUS else f"-fold{cell.fold}")


@dataclass(frozen=True)
class Study:
    """A run of the grid: where it leaves its results, its settings, and the data it starts from."""

    out: Path
    shared: Path  # tables of other datasets
    config: ReproduceConfig
    target: Path  # folder with the dataset's own tables
    files: Mapping[str, Files]  # of other datasets, by source
    address: str | None

    def pretrained(self, folds: Sequence[Fold], cells: Sequence[Cell]) -> dict[str | None, Start]:
        """`pretraining_key` -> what cells with that key start from; whatever is missing is made."""
        config = self.config
        needed: dict[str, Cell] = {}
        for cell in cells:
            if key := pretraining_key(cell):
                needed.setdefault(key, cell)
        found: dict[str | None, Start] = {None: Start()}
        jobs = []
        for key, cell in needed.items():
            clips = self._simulated(cell).resolve()
            if cell.method == CO_TRAINED:
                found[key] = Start(clips=clips)
                continue
            checkpoint = (self.out / "pretrained" / key).resolve()
            found[key] = Start(checkpoint, clips)
            if (checkpoint / tables.MANIFEST).is_file():
                continue
            ours = paper_pretraining(config.pretrain) if cell.method == "paper" else config.pretrain
            if cell.setting != CROSS_CORPUS:
                train, _ = folds[cell.fold]
                left_out = [subject for subject in _subjects(clips, config.protocol.source) if subject not in train]
                ours = ours.model_copy(update={"exclude_subjects": left_out})
            others = () if cell.setting == "same_corpus" else self._recordings()
            jobs.append(_PretrainingJob(clips, others, checkpoint, ours, absolute_uri(), named_cluster(self.address)))
        if jobs:
            connect(self.address, config.workers)
            with bar("pretrainings", len(jobs)) as advance:
                at_a_time = max(1, config.workers // config.pretrain.workers)
                for _, figures in run_cells(_pretrain, jobs, at_a_time, cpus=DRIVER_CPUS):
                    advance(1, f"loss {figures['train/loss']:.3f}")
        return found

    def _recordings(self) -> tuple[Path, ...]:
        """Tables of the other datasets' recordings."""
        return tuple((self._tables(source, own) / "recordings").resolve() for source, own in self.config.recordings.items())

    def _tables(self, source: str, settings: dict[str, Any]) -> Path:
        return ingested(source, self.files[source], self.shared / source, settings)

    def _simulated(self, cell: Cell) -> Path:
        """The table of synthetic clips for a cell's setting; made if it is missing."""
        config, paper = self.config, cell.method == "paper"
        folder = self.out / "synthetic" / f"{cell.setting}{'-paper' if paper else ''}"
        if (folder / tables.MANIFEST).is_file():
            return folder
        own = self.target / "poses"
        if cell.setting != CROSS_CORPUS and not own.is_dir():
            raise InputError(f"{config.protocol.source} has no poses of its own: set settings=[{CROSS_CORPUS}]")
        poses = own if cell.setting == "same_corpus" else self._poses(cell.setting)
        settings = config.simulate.model_copy(update={"rate_hz": 60.0}) if paper else config.simulate
        simulate_clips(poses, folder, settings, self.address)
        return folder

    def _poses(self, setting: str) -> Path:
        """The poses of other datasets and of sketches, and (setting all_corpora) the dataset's own, as one table."""
        parts = [] if setting == CROSS_CORPUS else [self.target / "poses"]
        parts += [self._tables(source, own) / "poses" for source, own in self.config.corpora.items()]
        if self.config.sketch_clips:
            parts.append(self._sketched())
        if not parts:
            raise InputError(f"{setting} has no poses to pretrain on: name corpora, or set sketch_clips")
        return _joined(self.out / "data" / setting / "poses", parts)

    def _sketched(self) -> Path:
        """Poses of the sketches that match the dataset's classes, under the dataset's own labels."""
        folder = self.out / "data" / "sketches" / "poses"
        if not (folder / tables.MANIFEST).is_file():
            classes = [
                label for label in _labels(self.target / "recordings") if label not in self.config.finetune.ignore_labels
            ]
            sketched_poses(classes, folder, self.config.sketch_clips, self.config.pretrain.seed)
        return folder


def _pretrain(job: _PretrainingJob) -> dict[str, Any]:
    """One pretraining, on a worker of the cluster; an interrupted one is resumed."""
    os.environ["MLFLOW_TRACKING_URI"] = job.tracking
    return pretrain(job.clips, job.out, job.config, job.cluster, recordings=job.recordings)


def _joined(folder: Path, parts: Sequence[Path]) -> Path:
    """One table with the rows of several of its kind."""
    kind = KINDS[parts[0].name]
    if not (folder / tables.MANIFEST).is_file():
        with staged(folder, inputs=parts) as staging:
            shards = [shard for part in parts for shard in tables.shard_paths(part)]
            rows = 0
            for number, shard in enumerate(shards):
                table = tables.read_shard(shard, kind.columns)
                rows += table.num_rows
                tables.write_shard(staging / f"part-{number:05d}.parquet", table)
            inputs = {part.parent.name: tables.data_sha256(part) for part in parts}
            tables.write_manifest(staging, table=kind.table, totals={"rows": rows}, inputs=inputs, config={})
    return folder


def _labels(recordings: Path) -> list[str]:
    """Labels of a table of recordings and of their segments."""
    found: set[str] = set()
    for shard in tables.shard_paths(recordings):
        found |= {str(label) for label in tables.read_column(shard, "label").drop_null().to_pylist()}
        found |= {part["label"] for row in tables.read_column(shard, "segments").to_pylist() for part in row or ()}
    return sorted(found)


def _subjects(clips: Path, source: str) -> list[str]:
    """Subjects of one source in a table of synthetic clips."""
    found: set[str] = set()
    for shard in tables.shard_paths(clips):
        pairs = zip(*(tables.read_column(shard, name).to_pylist() for name in ("source", "subject")), strict=True)
        found |= {subject for origin, subject in pairs if origin == source and subject}
    return sorted(found)
