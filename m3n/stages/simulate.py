"""`m3n simulate`: pose clips to synthetic clips."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from m3n import schema, sources, tables, tracking
from m3n.cluster.simulate import ShardSimulator, run_shards
from m3n.cluster.start import connect
from m3n.config import SimulateConfig
from m3n.errors import InputError
from m3n.imu.smoothing import KINDS, LowPass
from m3n.progress import bar
from m3n.schema import Rejected
from m3n.stages import calibration


def simulation_settings(config: SimulateConfig) -> dict[str, Any]:
    """What `m3n.cluster.simulate` needs to know of a config: all that decides the samples of a clip but the calibration."""
    return {
        "placements": config.placements,
        "sites": {name: site.model_dump() for name, site in config.sites.items() if name in config.placements},
        "method": config.method,
        "rate_hz": config.rate_hz,
        "low_pass": {name: motion_low_pass(config.cutoff_hz, name) for name in (*sources.SOURCES, "")},
        "sensor": config.sensor,
        "randomise": config.randomise,
        "seed": config.seed,
        "calibration": None,
    }


def motion_low_pass(cutoff_hz: float | str, source: str) -> LowPass | None:
    """The low pass over motion of a source, for a setting that is a cut-off [Hz], "source" (its kind's own) or "none"."""
    if cutoff_hz == "source":
        kind = sources.pose_kind(source)
        return KINDS[kind] if kind else None
    return None if cutoff_hz == "none" else LowPass(float(cutoff_hz))


def simulate_clips(
    poses: Path, out: Path, config: SimulateConfig = SimulateConfig(), address: str | None = None
) -> dict[str, Any]:
    """Simulate the sensors of `config.placements` over a table of pose clips, into `out`; returns the figures.

    Raises InputError for a table that cannot be simulated; then nothing is left in `out`.
    """
    shards = tables.shard_paths(poses)
    for shard in shards:
        schema.validate_pose_clips(tables.read_schema(shard), str(shard))
    settings = simulation_settings(config)
    started = time.perf_counter()
    inputs = [poses] if config.calibrate.recordings is None else [poses, Path(config.calibrate.recordings)]
    with tables.staged(out, resume=True, inputs=inputs) as staging:
        facts = _calibrate(shards, staging, settings, config)
        connect(address, config.workers)
        results = []
        with bar("simulate", len(shards)) as advance:
            for result in run_shards(shards, staging, settings, config.workers):
                if "error" in result:
                    raise InputError(result["error"])
                results.append(result)
                seconds = time.perf_counter() - started
                advance(1, f"{sum(r['frames'] for r in results) / seconds:,.0f} frames/s")
        results.sort(key=lambda r: r["shard"])
        rejected = [Rejected(*item) for r in results for item in r["rejected"]]
        totals = {key: sum(r[key] for r in results) for key in ("clips", "frames", "samples", "seconds")}
        tables.judge_rejected(rejected, totals["clips"], config.max_rejected, str(poses))
        tables.write_quarantine(staging, rejected)
        for stale in set(staging.glob("*.parquet")) - {staging / shard.name for shard in shards}:
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
    figures = {**totals, "rejected": len(rejected), "elapsed_s": elapsed, "frames_per_s": totals["frames"] / elapsed}
    with tracking.track("simulate", out.name, config, out=out, data_sha=tables.data_sha256(poses)) as run:
        run.metrics({f"simulate/{name}": value for name, value in figures.items()})
        run.artifact(out / tables.MANIFEST)
    return figures


def _calibrate(shards: list[Path], staging: Path, settings: dict[str, Any], config: SimulateConfig) -> dict[str, Any]:
    """Add the calibration to the settings and its file to the result, where one is asked for; what the manifest says of it."""
    file = staging / calibration.FILE
    if config.calibrate.recordings is None:
        file.unlink(missing_ok=True)  # of an interrupted run with other settings
        return {}
    simulator = ShardSimulator(str(staging), settings)
    placements = config.calibrate.placements or config.placements
    found, fitted = calibration.calibrate(shards, lambda row: simulator.clip(row)[1], placements, config.calibrate, config.seed)
    settings["calibration"] = found.as_plain()
    tables.write_text(file, json.dumps({**fitted, "maps": settings["calibration"]}) + "\n")
    return {"calibration": {**fitted, "file": file.name}}
