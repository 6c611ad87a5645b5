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
from m3n.cluster.start import connect
from m3n.commands.ingest import ingest, options_of
from m3n.commands.pretrain import pretrain
from m3n.commands.reproduce.cells import CROSS_CORPUS, NO_PRETRAINING, Cell, paper_pretraining
from m3n.commands.simulate.command import simulate_clips
from m3n.config import PretrainConfig, ReproduceConfig, check
from m3n.config.names import BASELINES, CO_TRAINED
from m3n.data.splits import subject_folds
from m3n.errors import InputError
from m3n.io import tables
from m3n.io.staging import staged
from m3n.progress import bar
from m3n.tracking import absolute_uri

DRIVER_CPUS = 0.01  # a pretraining's driver only waits; its Ray Train workers reserve the CPUs they need
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
    out: Path
    config: PretrainConfig
    tracking: str


def corpus_files(data: Path | None, config: ReproduceConfig, corpora: Mapping[str, Path]) -> dict[str, Path | None]:
    """Source -> file of every other corpus; InputError if one is missing."""
    if set(config.settings) <= {"same_corpus"} or not set(config.methods) - set(BASELINES):
        return {}
    found: dict[str, Path | None] = {}
    for source in config.corpora:
        if source == config.protocol.source:
            raise InputError(f"corpora names '{source}', the dataset itself: expected other sources only")
        beside = data.parent / f"{source}.zip" if data is not None else None
        file = corpora.get(source) or (beside if beside is not None and beside.exists() else None)
        if file is None and source != "choreography":
            setting = next(setting for setting in config.settings if setting != "same_corpus")
            raise InputError(f"{setting} needs the poses of '{source}': give --corpus {source}=FILE, or choose other corpora")
        found[source] = file
    return found


def ingested(source: str, file: Path | None, out: Path, settings: dict[str, Any]) -> Path:
    if not any((out / kind / tables.MANIFEST).is_file() for kind in ("poses", "recordings")):
        ingest(source, file, out, check(options_of(source), settings))
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
        test = [list(fold) for fold in subject_folds(known, protocol.folds, 0)]
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


def pretrained(
    out: Path,
    config: ReproduceConfig,
    target: Path,
    files: Mapping[str, Path | None],
    folds: Sequence[Fold],
    cells: Sequence[Cell],
    address: str | None,
) -> dict[str | None, Start]:
    """`pretraining_key` -> what cells with that key start from; whatever is missing is made."""
    needed: dict[str, Cell] = {}
    for cell in cells:
        if key := pretraining_key(cell):
            needed.setdefault(key, cell)
    found: dict[str | None, Start] = {None: Start()}
    jobs = []
    for key, cell in needed.items():
        clips = _simulated(out, config, target, files, cell, address).resolve()
        if cell.method == CO_TRAINED:
            found[key] = Start(clips=clips)
            continue
        checkpoint = (out / "pretrained" / key).resolve()
        found[key] = Start(checkpoint, clips)
        if (checkpoint / tables.MANIFEST).is_file():
            continue
        ours = paper_pretraining(config.pretrain) if cell.method == "paper" else config.pretrain
        if cell.setting != CROSS_CORPUS:
            train, _ = folds[cell.fold]
            left_out = [subject for subject in _subjects(clips, config.protocol.source) if subject not in train]
            ours = ours.model_copy(update={"exclude_subjects": left_out})
        jobs.append(_PretrainingJob(clips, checkpoint, ours, absolute_uri()))
    if jobs:
        connect(address, config.workers)
        with bar("pretrainings", len(jobs)) as advance:
            at_a_time = max(1, config.workers // config.pretrain.workers)
            for _, figures in run_cells(_pretrain, jobs, at_a_time, cpus=DRIVER_CPUS):
                advance(1, f"loss {figures['train/loss']:.3f}")
    return found


def _pretrain(job: _PretrainingJob) -> dict[str, Any]:
    """One pretraining, on a worker of the cluster; an interrupted one is resumed."""
    os.environ["MLFLOW_TRACKING_URI"] = job.tracking
    return pretrain(job.clips, job.out, job.config)


def _simulated(
    out: Path,
    config: ReproduceConfig,
    target: Path,
    files: Mapping[str, Path | None],
    cell: Cell,
    address: str | None,
) -> Path:
    """The table of synthetic clips for a cell's setting; made if it is missing."""
    paper = cell.method == "paper"
    folder = out / "synthetic" / f"{cell.setting}{'-paper' if paper else ''}"
    if (folder / tables.MANIFEST).is_file():
        return folder
    own = target / "poses"
    if cell.setting != CROSS_CORPUS and not own.is_dir():
        raise InputError(f"{config.protocol.source} has no poses of its own: set settings=[{CROSS_CORPUS}]")
    if cell.setting == "same_corpus":
        poses = own
    else:
        parts = [
            ingested(source, file, out / "data" / source, config.corpora[source]) / "poses" for source, file in files.items()
        ]
        poses = _joined(out / "data" / cell.setting, parts if cell.setting == CROSS_CORPUS else [own, *parts])
    settings = config.simulate.model_copy(update={"rate_hz": 60.0}) if paper else config.simulate
    simulate_clips(poses, folder, settings, address)
    return folder


def _joined(folder: Path, parts: Sequence[Path]) -> Path:
    """One table with the poses of several."""
    if not (folder / tables.MANIFEST).is_file():
        with staged(folder, inputs=parts) as staging:
            shards = [shard for part in parts for shard in tables.shard_paths(part)]
            rows = 0
            for number, shard in enumerate(shards):
                table = tables.read_shard(shard, schema.POSE_CLIPS)
                rows += table.num_rows
                tables.write_shard(staging / f"part-{number:05d}.parquet", table)
            inputs = {part.parent.name: tables.data_sha256(part) for part in parts}
            tables.write_manifest(staging, table="pose_clips", totals={"rows": rows}, inputs=inputs, config={})
    return folder


def _subjects(clips: Path, source: str) -> list[str]:
    """Subjects of one source in a table of synthetic clips."""
    found: set[str] = set()
    for shard in tables.shard_paths(clips):
        pairs = zip(*(tables.read_column(shard, name).to_pylist() for name in ("source", "subject")), strict=True)
        found |= {subject for origin, subject in pairs if origin == source and subject}
    return sorted(found)
