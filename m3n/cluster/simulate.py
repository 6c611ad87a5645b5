"""Virtual IMUs over shards of pose clips: in this process while that is quicker, in parallel on Ray Data beyond that.

One item of the Ray dataset is one input shard; a stateful worker turns it into the output shard of the same name, which appears
as a whole. The result therefore does not depend on where or by how many a table is simulated, on the order in which they finish or
on which of them are killed (Ray gives their shards to others), and an interrupted run resumes with the missing shards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from m3n import schema
from m3n.cluster.items import Item, run
from m3n.config import Site
from m3n.errors import InputError
from m3n.imu.calibration import Calibration
from m3n.imu.domain import Domain, draw_domain
from m3n.imu.placement import chosen_sites
from m3n.imu.simulate import simulate_clip
from m3n.io import storage, tables
from m3n.io.object_store import REQUESTS
from m3n.io.storage import Location

INPUT_FACT, CONFIG_FACT, RESULT_FACT = "m3n.input_sha256", "m3n.simulation_sha256", "m3n.result"
OF_DOMAIN = pa.schema([schema.POSE_CLIPS.field(name) for name in ("fps", "betas", "segments")])  # columns that a domain changes


def simulation_sha256(settings: dict[str, Any]) -> str:
    """Digest of the settings that, with the input, determine an output shard."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=asdict).encode()).hexdigest()


def run_shards(
    shards: list[Location],
    staging: Location,
    settings: dict[str, Any],
    workers: int | Literal["auto"],
    repeated: Mapping[str, dict[str, str]] | None = None,
    address: str | None = None,
) -> Generator[dict[str, Any], None, None]:
    """Simulate every shard into `staging`, and yield the result of each when it is done.

    `settings`: placements, user-defined sites, method, rate_hz, low_pass by source ("" for any other), sensor, randomise, seed and
    calibration (the maps, or None). `workers`: Ray workers on the cluster at `address`; "auto" begins in this process, and goes on
    with as many as there are CPUs once that saves more time than they cost. `repeated`: name of a shard -> {clip_id that an earlier
    shard holds too: that shard}. A result holds `shard`, `sha256` of the input, `clips`, `frames`, `samples`, `seconds`, `rejected`
    [[item, reason], …] and `found`, true if an earlier run had finished the shard. Raises InputError as `ShardSimulator.simulate`
    does, and for a shard over which workers die.
    """
    items = [(shard, (repeated or {}).get(shard.name, {})) for shard in shards]
    there = {output.name for output in storage.files(staging)}

    def found_finished(item: tuple[Location, dict[str, str]]) -> dict[str, Any] | None:
        return _finished(*item, staging, settings) if item[0].name in there else None

    with ThreadPoolExecutor(REQUESTS) as pool:
        found = list(pool.map(found_finished, items))
    yield from (done | {"found": True} for done in found if done is not None)
    todo: list[Item] = [
        {"path": storage.full_name(shard), "repeated": json.dumps(ids)}
        for (shard, ids), done in zip(items, found, strict=True)
        if done is None
    ]
    make = partial(ShardSimulator, storage.full_name(staging), settings)
    for result in run(make, todo, workers, address, "shard", "use fewer workers, or smaller shards"):
        yield result | {"found": False}


def _finished(shard: Location, repeated: dict[str, str], staging: Location, settings: dict[str, Any]) -> dict[str, Any] | None:
    """The result of a shard that an earlier run has already simulated from the same input and settings."""
    try:
        facts = tables.read_schema(staging / shard.name).metadata or {}
    except InputError:  # truncated, as by a full disk
        return None
    same = facts.get(CONFIG_FACT.encode()) == simulation_sha256(settings | {"repeated": repeated}).encode()
    if not same or facts.get(INPUT_FACT.encode()) != tables.file_sha256(shard).encode():
        return None
    return json.loads(facts[RESULT_FACT.encode()])


class ShardSimulator:
    """One worker: simulates shards, one after the other."""

    def __init__(self, staging: str, settings: dict[str, Any]) -> None:
        self.staging = storage.location(staging)
        self.settings = settings
        self.sites = chosen_sites(settings["placements"], {name: Site(**site) for name, site in settings["sites"].items()})
        self.calibration = Calibration.from_plain(settings["calibration"]) if settings["calibration"] else None
        self.as_is = Domain(sensor=settings["sensor"])

    def __call__(self, item: Item) -> Item:
        return self.simulate(storage.location(item["path"]), json.loads(item["repeated"]))

    def simulate(self, shard: Location, repeated: dict[str, str]) -> dict[str, Any]:
        """Simulate one shard; InputError if it cannot be read or written, or a body or site does not exist."""
        content = storage.read(shard)
        table = tables.read_shard(shard, schema.POSE_CLIPS, content)
        placements = self.settings["placements"]
        result: dict[str, Any] = {
            "shard": shard.name, "sha256": hashlib.sha256(content).hexdigest(), "clips": 0, "frames": 0, "samples": 0,
            "seconds": 0.0, "rejected": [],
        }  # fmt: skip
        kept, seen = np.zeros(table.num_rows, bool), set()
        samples: dict[str, list[np.ndarray]] = {placement: [] for placement in placements}
        worlds: list[dict[str, Any]] = []
        for number, row in enumerate(tables.rows(table)):
            reason = schema.check_pose_clip(row)
            if reason is None and row["clip_id"] in seen:
                reason = f"duplicate clip_id '{row['clip_id']}' in this shard"
            if reason is None and row["clip_id"] in repeated:
                reason = f"duplicate clip_id '{row['clip_id']}': {repeated[row['clip_id']]} holds it too"
            if reason is not None:
                result["rejected"].append([f"{shard.name} row {number} (clip '{row['clip_id']}')", reason])
                continue
            seen.add(row["clip_id"])
            row, signals = self.clip(row)
            kept[number] = True
            worlds.append({name: row[name] for name in OF_DOMAIN.names})
            for placement, values in signals.items():
                samples[placement].append(self.calibration.apply(placement, values) if self.calibration else values)
            result["clips"] += 1
            result["frames"] += int(row["n_frames"])
            result["samples"] += len(samples[placements[0]][-1])
            result["seconds"] += (int(row["n_frames"]) - 1) / float(row["fps"])
        clips = table.filter(pa.array(kept))
        if self.settings["randomise"]:
            changed = tables.to_table(worlds, OF_DOMAIN)
            for name in changed.column_names:
                clips = clips.set_column(clips.column_names.index(name), name, changed.column(name))
        digest = simulation_sha256(self.settings | {"repeated": repeated})
        facts = {INPUT_FACT: result["sha256"], CONFIG_FACT: digest, RESULT_FACT: json.dumps(result)}
        tables.write_shard(self.staging / shard.name, self._with_samples(clips, samples), facts)
        return result

    def clip(self, row: dict[str, Any]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """A checked clip after domain randomisation, and its samples by placement before calibration."""
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
        """The clips' own columns unchanged, followed by the simulated ones."""
        counts = [len(values) for values in next(iter(samples.values()))]
        clips = clips.append_column("rate_hz", pa.array([self.settings["rate_hz"]] * len(counts), pa.float32()))
        clips = clips.append_column("n_samples", pa.array(counts, pa.int32()))
        for placement, values in samples.items():
            clips = clips.append_column(schema.imu_column(placement), tables.sequence_column(values))
        return clips
