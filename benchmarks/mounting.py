"""How often `m3n report mounting` is right: simulated people under random mountings, and real sensors whose axes are known.

    m3n bench mounting --synthetic data/bandai/synthetic data/utd/synthetic data/msr/synthetic \\
        --recordings data/seglearn/recordings data/utd/recordings --record

Synthetic tables (`m3n simulate`) are in m3n's axes. Every person is turned by a random rotation, several times over, and estimated
beside the others of the table; clips without a subject are grouped by 24. None of the sources above was used to train the network
(`tools/train_mounting_prior.py`). Tables of recordings must be in m3n's axes too, as `m3n ingest` leaves those two: they are
estimated as they are, each person alone, and all of them turned together by some of the 24 right-angled rotations.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from m3n import schema
from m3n.errors import InputError
from m3n.imu.fidelity import turned
from m3n.imu.motion_statistics import added, mirrored, motion_sums
from m3n.imu.mounting import SURE, WITHIN_DEG, Mounting, angle_deg, estimate_mountings, right_angles
from m3n.io import tables

WRISTS = ("left_wrist", "right_wrist")
CLIPS_OF_NOBODY = 24
Pair = tuple[Mounting, np.ndarray]  # an estimate and the truth
Samples = list[tuple[np.ndarray, float]]  # (n, 6) and the sampling rate of every clip of a person


def people_of(folder: Path, seed: int) -> dict[str, dict[str, Samples]]:
    """Placement -> person -> samples."""
    rows = [row for shard in tables.shard_paths(folder) for row in _rows(shard)]
    order = np.random.default_rng(seed).permutation(len(rows))
    nobody = {
        int(k): f"group {place // CLIPS_OF_NOBODY}" for place, k in enumerate(k for k in order if rows[k]["subject"] is None)
    }
    people: dict[str, dict[str, Samples]] = {}
    for k, row in enumerate(rows):
        for wrist in WRISTS:
            values = row.get(schema.imu_column(wrist))
            if values is not None:
                name = nobody[k] if row["subject"] is None else str(row["subject"])
                people.setdefault(wrist, {}).setdefault(name, []).append((np.reshape(values, (-1, 6)), float(row["rate_hz"])))
    return people


def _rows(shard: Path) -> Iterator[dict]:
    names = tables.read_schema(shard).names
    there = [w for w in WRISTS if schema.imu_column(w) in names]
    columns = schema.synthetic_clips(there) if "poses" in names else schema.imu_recordings(there)
    yield from tables.rows_in_turn(shard, columns)


def estimated(people: dict[str, Samples], rotations: dict[str, np.ndarray], wrist: str) -> dict[str, Mounting]:
    """Mountings of people whose sensors were turned: `rotations` take the turned axes to m3n's."""
    sums = {}
    for name, recordings in people.items():
        parts = []
        for samples, rate_hz in recordings:
            own = turned(samples, rotations[name].T)
            parts.append(motion_sums(mirrored(own) if wrist.startswith("left") else own, rate_hz))
        sums[name] = added(p for p in parts if p is not None)
    return estimate_mountings(sums, wrist)


def score(found: list[Pair]) -> dict[str, float]:
    """Figures over (estimate, true rotation)."""
    errors = np.array([angle_deg(m.rotation.T @ truth) for m, truth in found])
    forearm = np.array([np.degrees(np.arccos(np.clip(m.rotation[0] @ truth[0], -1, 1))) for m, truth in found])
    sure = np.array([m.confidence >= SURE for m, _ in found])
    return {
        "people": len(found),
        "median_error_deg": float(np.median(errors)),
        "median_forearm_error_deg": float(np.median(forearm)),
        "within_share": float(np.mean(errors <= WITHIN_DEG)),
        "mean_confidence": float(np.mean([m.confidence for m, _ in found])),
        "sure_share": float(sure.mean()),
        "within_share_of_sure": float(np.mean(errors[sure] <= WITHIN_DEG)) if sure.any() else float("nan"),
        "verdict_wrong": int(sum(m.verdict != "unsure" and (m.verdict == "aligned") != (angle_deg(t) <= 30) for m, t in found)),
    }


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--synthetic", type=Path, nargs="*", default=[], help="tables made by `m3n simulate`")
    parser.add_argument("--recordings", type=Path, nargs="*", default=[], help="tables of recordings in m3n's axes")
    parser.add_argument("--mountings", type=int, default=3, help="random mountings of every simulated person")


def run(options: argparse.Namespace) -> dict[str, float]:
    if not (options.synthetic or options.recordings):
        raise InputError("nothing to measure: expected --synthetic TABLE, --recordings TABLE, or both")
    figures: dict[str, dict[str, float]] = {}
    every: list[Pair] = []
    for folder in options.synthetic:
        found = []
        for wrist, people in people_of(folder, 0).items():
            for draw in range(options.mountings):
                drawn = Rotation.random(len(people), rng=np.random.default_rng(draw)).as_matrix()
                rotations = dict(zip(people, drawn, strict=True))
                found += [(m, rotations[name]) for name, m in estimated(people, rotations, wrist).items()]
        every += found
        figures[str(folder)] = score(found)
    if every:
        figures["all simulated people"] = score(every)
    for folder in options.recordings:
        for wrist, people in people_of(folder, 0).items():
            figures |= of_recordings(f"{folder} {wrist}", people, wrist)
    return {f"{name}: {key}": value for name, values in figures.items() for key, value in values.items()}


def of_recordings(name: str, people: dict[str, Samples], wrist: str) -> dict[str, dict[str, float]]:
    """Figures of people whose sensors are in m3n's axes: together, each alone, and turned as a whole."""
    started, straight = time.perf_counter(), np.eye(3)
    together = [(m, straight) for m in estimated(people, dict.fromkeys(people, straight), wrist).values()]
    minutes = sum(len(x) / rate for recordings in people.values() for x, rate in recordings) / 60
    figures = score(together) | {v: sum(m.verdict == v for m, _ in together) for v in ("aligned", "turned", "unsure")}
    figures["minutes_per_s"] = minutes / (time.perf_counter() - started)
    alone = [(m, straight) for one, x in people.items() for m in estimated({one: x}, {one: straight}, wrist).values()]
    whole = [(m, turn) for turn in right_angles()[1::5] for m in estimated(people, dict.fromkeys(people, turn), wrist).values()]
    return {name: figures, f"{name}, each person alone": score(alone), f"{name}, turned as a whole": score(whole)}
