"""Calibration, the first of two passes of `m3n simulate`: fit maps from simulated to real signals.

The driver simulates a fixed draw of clips and reads the samples of the chosen subjects' recordings: no labels, and nobody else's
rows. The maps then travel to the workers as a setting, so that the second pass is as reproducible and resumable as without
calibration.
"""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from m3n import schema
from m3n.config import CalibrateConfig
from m3n.errors import InputError, nearest
from m3n.imu.calibration import Calibration, SampleDraw, fit_calibration
from m3n.io import storage, tables
from m3n.io.storage import Location
from m3n.randomness import generator

FILE = "calibration.json"
Simulation = Callable[[dict[str, Any]], dict[str, np.ndarray]]  # a checked row of `pose_clips` to samples by placement


def calibrate(
    shards: Sequence[Location], simulation: Simulation, placements: list[str], config: CalibrateConfig, seed: int
) -> tuple[Calibration, dict[str, Any]]:
    """The calibration of `placements` of pose clips, and what it was fitted on: subjects, counts, digest of the real samples.

    Raises InputError for recordings that cannot be read or lack the chosen subjects.
    """
    recordings = storage.location(config.recordings or "")
    subjects = _subjects(recordings, config)
    real, digests = _real(recordings, subjects, config.samples, seed)
    simulated, clips = _simulated(shards, simulation, placements, config, seed)
    found = fit_calibration(simulated, real, config.quantiles, str(recordings))
    return found, {
        "subjects": subjects,
        "recordings": len(digests),
        "clips": clips,
        "channels": {placement: list(channels) for placement, channels in found.maps.items()},
        "recordings_sha256": hashlib.sha256("".join(sorted(digests)).encode()).hexdigest(),
    }


def _subjects(recordings: Location, config: CalibrateConfig) -> list[str]:
    there = set()
    for shard in tables.shard_paths(recordings):
        schema.validate_imu_recordings(tables.read_schema(shard), str(shard))
        there |= set(tables.read_shard(shard, pa.schema([("subject", pa.string())]))["subject"].to_pylist()) - {None}
    named = (config.subjects or []) + (config.exclude_subjects or [])
    for subject in named:
        if subject not in there:
            raise InputError(
                f"{recordings} has no subject '{subject}'{nearest(subject, sorted(there))}; expected some of "
                f"{', '.join(sorted(there))}"
            )
    chosen = there - set(config.exclude_subjects) if config.exclude_subjects is not None else set(config.subjects or [])
    if not chosen:
        raise InputError(f"{recordings}: no subject is left to calibrate with: exclude fewer with calibrate.exclude_subjects")
    return sorted(chosen)


def _real(recordings: Location, subjects: list[str], size: int, seed: int) -> tuple[dict[str, SampleDraw], list[str]]:
    """Draws by placement, and a digest of every recording they come from."""
    draws: dict[str, SampleDraw] = defaultdict(lambda: SampleDraw(size))
    digests = []
    for shard in tables.shard_paths(recordings):
        for row, placements in _rows(shard, subjects):
            digest = hashlib.sha256(row["recording_id"].encode())
            for placement in placements:
                values = row[schema.imu_column(placement)]
                if values is not None:
                    digest.update(placement.encode() + values.tobytes())
                    draws[placement].add(values.reshape(-1, 6), seed, row["recording_id"], "calibration")
            digests.append(digest.hexdigest())
    return draws, digests


def _rows(shard: Location, subjects: list[str]) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    placements = schema.validate_imu_recordings(tables.read_schema(shard), str(shard))
    every = schema.imu_recordings(placements)
    columns = pa.schema([field for field in every if field.name not in ("session", "label", "segments")])
    who = tables.read_shard(shard, pa.schema([every.field("subject")]))["subject"]
    chosen = pc.is_in(who, value_set=pa.array(subjects, pa.string()))
    if not pc.any(chosen).as_py():
        return
    for row in tables.rows(tables.read_shard(shard, columns).filter(chosen)):
        problem = schema.check_imu_recording(row, placements)
        if problem:
            raise InputError(f"{shard} recording '{row['recording_id']}': {problem}")
        yield row, placements


def _simulated(
    shards: Sequence[Location], simulation: Simulation, placements: list[str], config: CalibrateConfig, seed: int
) -> tuple[dict[str, SampleDraw], int]:
    """Draws by placement, and the number of clips they come from: the clips whose ids draw the smallest numbers."""
    ids = pa.schema([schema.POSE_CLIPS.field("clip_id")])
    numbered = (
        (generator(seed, clip_id, "calibration clip").random(), shard, number)
        for shard in shards
        for number, clip_id in enumerate(tables.read_shard(shard, ids)["clip_id"].to_pylist())
        if clip_id is not None
    )
    wanted: dict[Location, list[int]] = defaultdict(list)
    for _, shard, number in heapq.nsmallest(config.clips, numbered):
        wanted[shard].append(number)
    draws, clips = {placement: SampleDraw(config.samples) for placement in placements}, 0
    for shard, numbers in wanted.items():
        for row in tables.rows(tables.read_shard(shard, schema.POSE_CLIPS).take(numbers)):
            if schema.check_pose_clip(row) is None:  # the others go to quarantine in the second pass
                clips += 1
                for placement, samples in simulation(row).items():
                    if placement in draws:
                        draws[placement].add(samples, seed, row["clip_id"], "calibration")
    return draws, clips
