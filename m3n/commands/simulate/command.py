"""`m3n simulate`: virtual IMU signals for a table of pose clips."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from m3n import schema, sources, tracking
from m3n.cluster.simulate import ShardSimulator, run_shards
from m3n.commands.simulate import calibration
from m3n.config import SimulateConfig
from m3n.config.names import SOURCES
from m3n.imu.smoothing import LOW_PASSES, LowPass
from m3n.io import storage, tables
from m3n.io.object_store import REQUESTS
from m3n.io.staging import staged
from m3n.io.storage import L, Location
from m3n.progress import bar
from m3n.schema import Rejected


def simulation_settings(config: SimulateConfig) -> dict[str, Any]:
    """The settings that decide a clip's samples, for `m3n.cluster.simulate`; the calibration is added later."""
    return {
        "placements": config.placements,
        "sites": {name: site.model_dump() for name, site in config.sites.items() if name in config.placements},
        "method": config.method,
        "rate_hz": config.rate_hz,
        "low_pass": {name: motion_low_pass(config.cutoff_hz, name) for name in (*SOURCES, "")},
        "sensor": config.sensor,
        "randomise": config.randomise,
        "seed": config.seed,
        "calibration": None,
    }


def motion_low_pass(cutoff_hz: float | str, source: str) -> LowPass | None:
    """The low pass over a source's motion; `cutoff_hz`: a frequency, "source" (the default for its kind) or "none"."""
    if cutoff_hz == "source":
        kind = sources.pose_kind(source)
        return LOW_PASSES[kind] if kind else None
    return None if cutoff_hz == "none" else LowPass(float(cutoff_hz))


def simulate_clips(
    poses: Location, out: L, config: SimulateConfig = SimulateConfig(), address: str | None = None
) -> dict[str, Any]:
    """Simulate the sensors of `config.placements` over a table of pose clips, into `out`; returns the figures.

    Raises InputError for a table that cannot be simulated; then `out` is unchanged, and finished shards are kept in `OUT.partial`
    for the next run.
    """
    shards: list[Location] = [*tables.shard_paths(poses)]
    repeated = _repeated_ids(shards)
    settings = simulation_settings(config)
    started = time.perf_counter()
    inputs = [poses, *([storage.location(config.calibrate.recordings)] if config.calibrate.recordings else [])]
    with staged(out, resume=True, inputs=inputs) as staging:
        facts = _calibrate(shards, staging, settings, config)
        results: list[dict[str, Any]] = []
        with (
            bar("simulate", len(shards)) as advance,
            closing(run_shards(shards, staging, settings, config.workers, repeated, address)) as run,
        ):
            for result in run:
                if not results:
                    tracking.prepare()
                results.append(result)
                advance(1, _progress(results, time.perf_counter() - started))
        results.sort(key=lambda r: r["shard"])
        rejected = [Rejected(*item) for r in results for item in r["rejected"]]
        totals = {key: sum(r[key] for r in results) for key in ("clips", "frames", "samples", "seconds")}
        tables.check_rejected(rejected, totals["clips"], config.max_rejected, str(poses))
        storage.remove(staging / tables.QUARANTINE)
        tables.write_quarantine(staging, rejected)
        made = {calibration.FILE, *(shard.name for shard in shards)}
        for stale in [file for file in storage.files(staging) if file.name not in made]:
            stale.unlink()
        tables.write_manifest(
            staging,
            table="synthetic_clips",
            totals={
                "rows": totals["clips"],
                "frames": totals["frames"],
                "samples": totals["samples"],
                "seconds": totals["seconds"],
            },
            inputs={r["shard"]: r["sha256"] for r in results},
            config=config.model_dump(exclude={"workers"}),
            rejected=rejected,
            facts=facts,
        )
    elapsed = time.perf_counter() - started
    figures = {
        **totals,
        "rejected": len(rejected),
        "shards": len(results),
        "shards_found_finished": sum(r["found"] for r in results),
        "elapsed_s": elapsed,
        "frames_per_s": _frames_made(results) / elapsed,
    }
    data_sha = tables.joint_sha256(r["sha256"] for r in results)
    with (
        storage.local_copy(out / tables.MANIFEST) as manifest,
        tracking.track("simulate", out.name, config, out=out, data=poses, data_sha=data_sha) as tracked,
    ):
        tracked.metrics({f"simulate/{name}": value for name, value in figures.items()})
        tracked.artifact(manifest)
    return figures


def _calibrate(
    shards: Sequence[Location], staging: Location, settings: dict[str, Any], config: SimulateConfig
) -> dict[str, Any]:
    """If asked for, add the calibration to the settings and its file to the result; returns the manifest's entry."""
    file = staging / calibration.FILE
    if config.calibrate.recordings is None:
        storage.remove(file)  # of an interrupted run with other settings
        return {}
    simulator = ShardSimulator(str(staging), settings)
    placements = config.calibrate.placements or config.placements
    found, fitted = calibration.calibrate(shards, lambda row: simulator.clip(row)[1], placements, config.calibrate, config.seed)
    settings["calibration"] = found.as_plain()
    tables.write_text(file, json.dumps({**fitted, "maps": settings["calibration"]}) + "\n")
    return {"calibration": {**fitted, "file": file.name}}


def _frames_made(results: Sequence[dict[str, Any]]) -> int:
    """Frames simulated by this run, without the shards that were already finished."""
    return sum(r["frames"] for r in results if not r["found"])


def _progress(results: Sequence[dict[str, Any]], seconds: float) -> str:
    found = sum(r["found"] for r in results)
    note = f"{_frames_made(results) / seconds:,.0f} frames/s"
    return f"{note}, {found} shards already finished" if found else note


def _repeated_ids(shards: Sequence[Location]) -> dict[str, dict[str, str]]:
    """Shard name -> its clip_ids that an earlier shard holds already, with the name of that shard.

    Found before any worker starts, so that which row is left out does not depend on timing. Only the clip_ids of the table are in
    memory. Raises InputError for a shard that is no table of pose clips.
    """

    def ids_of(shard: Location) -> pa.Array:
        schema.validate_pose_clips(tables.read_schema(shard), str(shard))
        return pc.unique(tables.read_column(shard, "clip_id").cast(pa.string()))

    with ThreadPoolExecutor(REQUESTS) as pool:
        ids = list(pool.map(ids_of, shards))
    counts = pc.value_counts(pa.chunked_array(ids, pa.string()))
    several = counts.filter(pc.greater(counts.field("counts"), 1)).field("values").drop_null()
    first: dict[str, str] = {}
    repeated: dict[str, dict[str, str]] = {}
    for shard, held in zip(shards, ids, strict=True) if len(several) else ():
        for clip_id in held.filter(pc.is_in(held, several)).to_pylist():
            if first.setdefault(clip_id, shard.name) != shard.name:
                repeated.setdefault(shard.name, {})[clip_id] = first[clip_id]
    return repeated
