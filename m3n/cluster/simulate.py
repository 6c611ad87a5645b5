"""Virtual IMUs over shards of pose clips, in parallel on Ray Data.

One item of the Ray data set is one input shard; a stateful worker turns it into the output shard of the same name and renames it
into place. So the result does not depend on how many workers there are or in which order they finish, and an interrupted run
continues with the shards that are missing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from m3n import schema, tables
from m3n.config import Site
from m3n.errors import InputError
from m3n.imu.calibration import Calibration
from m3n.imu.domain import Domain, draw_domain
from m3n.imu.placement import chosen_sites
from m3n.imu.simulate import simulate_clip

INPUT_FACT, CONFIG_FACT, RESULT_FACT = "m3n.input_sha256", "m3n.simulation_sha256", "m3n.result"


def simulation_sha256(settings: dict[str, Any]) -> str:
    """Digest of what decides an output shard's content, beside its input."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=asdict).encode()).hexdigest()


def run_shards(shards: list[Path], staging: Path, settings: dict[str, Any], workers: int) -> Iterator[dict[str, Any]]:
    """Simulate every shard into `staging`, and yield what came of each as it is done.

    `settings`: placements, sites of the user's own, method, rate_hz, low_pass by source ("" for any other), sensor, randomise,
    seed and calibration, the maps or None. A result holds `shard`, `sha256` of the input, `clips`, `frames`, `samples`,
    `seconds`, `rejected` [[item, reason], …], or `error`, one line for the user.
    """
    import ray

    from m3n.cluster.start import quiet_data

    todo = []
    for shard in shards:
        done = _finished(shard, staging, simulation_sha256(settings))
        if done is None:
            todo.append({"path": str(shard.resolve())})  # workers have a working folder of their own
        else:
            yield done
    if not todo:
        return
    quiet_data()
    pipeline = ray.data.from_items(todo, override_num_blocks=len(todo)).map_batches(
        ShardSimulator,
        fn_constructor_kwargs={"staging": str(staging.resolve()), "settings": settings},
        batch_size=1,
        batch_format="numpy",
        compute=ray.data.ActorPoolStrategy(size=min(workers, len(todo))),
        num_cpus=1,
    )
    for row in pipeline.iter_rows():
        yield json.loads(row["result"])


def _finished(shard: Path, staging: Path, settings_sha256: str) -> dict[str, Any] | None:
    """The result of a shard that an earlier run has already simulated from the same input and settings."""
    output = staging / shard.name
    if not output.exists():
        return None
    try:
        facts = pq.ParquetFile(output).metadata.metadata or {}
    except (OSError, pa.ArrowException):  # cut short, as by a full disk
        return None
    same = facts.get(CONFIG_FACT.encode()) == settings_sha256.encode()
    if not same or facts.get(INPUT_FACT.encode()) != tables.file_sha256(shard).encode():
        return None
    return json.loads(facts[RESULT_FACT.encode()])


class ShardSimulator:
    """One worker: simulates the shards it is handed, one after the other."""

    def __init__(self, staging: str, settings: dict[str, Any]) -> None:
        self.staging = Path(staging)
        self.settings = settings
        self.sites = chosen_sites(settings["placements"], {name: Site(**site) for name, site in settings["sites"].items()})
        self.calibration = Calibration.from_plain(settings["calibration"]) if settings["calibration"] else None
        self.as_is = Domain(sensor=settings["sensor"])
        self.sha256 = simulation_sha256(settings)

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return {"result": [json.dumps(self._result(Path(path))) for path in batch["path"]]}

    def _result(self, shard: Path) -> dict[str, Any]:
        """What came of a shard; `error` holds bad input, because an exception would lose its one clear line."""
        try:
            return self.simulate(shard)
        except InputError as error:
            return {"shard": shard.name, "error": str(error)}

    def simulate(self, shard: Path) -> dict[str, Any]:
        """Simulate one shard; InputError for a shard that cannot be read, and a body or site that does not exist."""
        table = tables.read_shard(shard, schema.POSE_CLIPS)
        placements = self.settings["placements"]
        result: dict[str, Any] = {
            "shard": shard.name, "sha256": tables.file_sha256(shard), "clips": 0, "frames": 0, "samples": 0, "seconds": 0.0,
            "rejected": [],
        }  # fmt: skip
        kept, seen = np.zeros(table.num_rows, bool), set()
        samples: dict[str, list[np.ndarray]] = {placement: [] for placement in placements}
        worlds: list[tuple[float, np.ndarray]] = []
        for number, row in enumerate(tables.rows(table)):
            reason = schema.check_pose_clip(row)
            if reason is None and row["clip_id"] in seen:
                reason = f"clip_id '{row['clip_id']}' stands in the shard twice"
            if reason is not None:
                result["rejected"].append([f"{shard} row {number} (clip '{row['clip_id']}')", reason])
                continue
            seen.add(row["clip_id"])
            row, signals = self.clip(row)
            kept[number] = True
            worlds.append((row["fps"], row["betas"]))
            for placement, values in signals.items():
                samples[placement].append(self.calibration.apply(placement, values) if self.calibration else values)
            result["clips"] += 1
            result["frames"] += int(row["n_frames"])
            result["samples"] += len(samples[placements[0]][-1])
            result["seconds"] += (int(row["n_frames"]) - 1) / float(row["fps"])
        clips = table.filter(pa.array(kept))
        if self.settings["randomise"]:
            fps, betas = zip(*worlds, strict=True) if worlds else ((), ())
            clips = clips.set_column(clips.column_names.index("fps"), "fps", pa.array(fps, pa.float32()))
            clips = clips.set_column(clips.column_names.index("betas"), "betas", tables.sequence_column(betas))
        facts = {INPUT_FACT: result["sha256"], CONFIG_FACT: self.sha256, RESULT_FACT: json.dumps(result)}
        tables.write_shard(self.staging / shard.name, self._with_samples(clips, samples), facts)
        return result

    def clip(self, row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """A checked clip in the world that is drawn for it, and its samples by placement before calibration."""
        settings = self.settings
        drawn = settings["randomise"]
        domain = draw_domain(settings["seed"], row["clip_id"], settings["placements"]) if drawn else self.as_is
        row = domain.of_clip(row)
        signals = simulate_clip(
            row,
            placements=self.sites,
            rate_hz=settings["rate_hz"],
            low_pass=settings["low_pass"].get(row["source"], settings["low_pass"][""]),
            sensor=domain.sensor,
            seed=settings["seed"],
            wearing=domain.wearing,
            method=settings["method"],
        )
        return row, domain.of_samples(signals)

    def _with_samples(self, clips: pa.Table, samples: dict[str, list[np.ndarray]]) -> pa.Table:
        """The clips' own columns as they are, and the simulated ones behind them."""
        counts = [len(values) for values in next(iter(samples.values()))]
        clips = clips.append_column("rate_hz", pa.array([self.settings["rate_hz"]] * len(counts), pa.float32()))
        clips = clips.append_column("n_samples", pa.array(counts, pa.int32()))
        for placement, values in samples.items():
            clips = clips.append_column(schema.imu_column(placement), tables.sequence_column(values))
        return clips
