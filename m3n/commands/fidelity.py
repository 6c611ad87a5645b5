"""`m3n report fidelity`: compare simulated sensors with real ones that recorded the same movements.

Clips and recordings are paired by id. Each clip is simulated as by `m3n simulate`, at the recording's rate, and compared as
described in `m3n.imu.fidelity`. Three facts about how a sensor was worn are estimated from the recordings: lag and mounting
rotation, which only align the signals, and the distance along the limb, which changes the simulation. To keep the comparison
fair, the distance for a subject is the one that suits the other subjects best.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.spatial.transform import Rotation

from m3n import schema
from m3n.body.model import load_body
from m3n.commands.simulate.command import motion_low_pass
from m3n.config import FidelityConfig
from m3n.errors import InputError
from m3n.imu.fidelity import SIGNALS, Aligned, align, correlation, moment, mounting_rotation, norm, scores, spectra, turned
from m3n.imu.placement import SITES
from m3n.imu.signals import measured
from m3n.imu.simulate import sensor_paths
from m3n.io import tables
from m3n.io.staging import staged
from m3n.progress import bar
from m3n.reports import signal_plots
from m3n.reports.markdown import markdown_table

CHANNELS = tuple(f"{signal}_{axis}" for signal in SIGNALS for axis in ("norm", "x", "y", "z"))
MEASURES = ("r", "rmse", "distance", "gain")
FREQUENCIES_HZ = np.arange(0.5, 25.01, 0.5)
ALONG_M = (-0.05, -0.025, 0.0, 0.025, 0.05)
RANKS = (0.1, 0.5, 0.9)  # of the example traces


@dataclass(frozen=True)
class _Pair:
    recording_id: str
    placement: str
    subject: str
    label: str | None
    along_m: float
    aligned: Aligned


_Wearer = tuple[str, str]  # subject and placement
Distances = defaultdict[_Wearer, float]
Recorded = dict[str, dict[str, Any]]


def fidelity(poses: Path, recordings: Path, out: Path, config: FidelityConfig = FidelityConfig()) -> dict[str, Any]:
    """Compare a table of pose clips with a table of recordings whose ids are the clips'; returns the figures.

    Leaves in `out` fidelity.parquet (a row for every pair and placement), fidelity.md, fidelity.json and three plots. Raises
    InputError for tables that cannot be read or share no id; then nothing is left in `out`.
    """
    started = time.perf_counter()
    with staged(out, inputs=[poses, recordings]) as staging:
        recorded = {row["recording_id"]: row for row in _recordings(recordings)}
        along_m, searched = _distances(poses, recorded, config)
        pairs, left_out = _pairs(poses, recorded, config, along_m)
        if not pairs:
            reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items() if count)
            raise InputError(f"{poses} and {recordings} have nothing to compare: {reasons or 'they are empty'}")
        rotations = _rotations(pairs, config.mounting)
        rows = [_row(pair, rotation) for pair, rotation in zip(pairs, rotations, strict=True)]
        figures: dict[str, Any] = {"pairs": len(rows), **left_out}
        figures |= {f"median_{m}_{c}": _median(row[f"{m}_{c}"] for row in rows) for c in CHANNELS for m in MEASURES}
        figures |= {
            "median_lag_s": _median(row["lag_s"] for row in rows),
            "cutoff_hz": config.cutoff_hz,
            "mounting": config.mounting,
            "median_along_m": _median(row["along_m"] for row in rows),
            "median_r_acc_norm_by_along_m": searched,
        }
        figures["by_label"] = _by(rows, "label")
        figures["by_subject"] = _by(rows, "subject")
        tables.write_shard(staging / "fidelity.parquet", pa.Table.from_pylist(rows))
        tables.write_text(staging / "fidelity.json", json.dumps(figures, indent=2) + "\n")
        tables.write_text(staging / "fidelity.md", _text(figures, config))
        _plots(staging, pairs, rotations, rows)
        inputs = {"poses": tables.data_sha256(poses), "recordings": tables.data_sha256(recordings)}
        tables.write_manifest(
            staging, table="fidelity", totals={"rows": len(rows)}, inputs=inputs, config=config.model_dump(mode="json")
        )
    headline = {f"median_r_{signal}_norm": figures[f"median_r_{signal}_norm"] for signal in SIGNALS}
    return {**headline, **figures, "elapsed_s": time.perf_counter() - started}


def _recordings(folder: Path) -> Iterator[dict[str, Any]]:
    for shard in tables.shard_paths(folder):
        placements = schema.validate_imu_recordings(tables.read_schema(shard), str(shard))
        yield from tables.recording_rows(shard, placements)


def _distances(poses: Path, recorded: Recorded, config: FidelityConfig) -> tuple[Distances, dict[str, float | None]]:
    """Assumed distance along the limb for every subject's sensor, and the median correlation at each distance searched."""
    if config.along_m != "search":
        return _everywhere(float(config.along_m)), {}
    found: dict[float, defaultdict[_Wearer, list[float]]] = {}
    for along in ALONG_M:
        found[along] = defaultdict(list)
        for pair in _pairs(poses, recorded, config, _everywhere(along), f"sensor at {1000 * along:+.0f} mm")[0]:
            real, simulated = (norm(samples[:, :3]) for samples in (pair.aligned.real, pair.aligned.simulated))
            found[along][pair.subject, pair.placement].append(correlation(real, simulated))
    chosen: Distances = defaultdict(float)
    for subject, placement in found[0.0]:
        suits = {
            along: [r for (other, where), rs in by_wearer.items() if other != subject and where == placement for r in rs]
            for along, by_wearer in found.items()
        }
        if suits[0.0]:
            chosen[subject, placement] = max(ALONG_M, key=lambda along: np.median(suits[along]))
    return chosen, {f"{along:+.3f}": _median(r for rs in by.values() for r in rs) for along, by in found.items()}


def _everywhere(along_m: float) -> Distances:
    return defaultdict(lambda: along_m)


def _pairs(
    poses: Path, recorded: Recorded, config: FidelityConfig, along_m: Distances, doing: str = "fidelity"
) -> tuple[list[_Pair], dict[str, int]]:
    """Aligned pairs, and how many clips were left out for each reason."""
    shards, pairs, matched = tables.shard_paths(poses), [], set()
    left_out = {"clips_without_recording": 0, "too_short": 0}
    with bar(doing, len(shards)) as advance:
        for shard in shards:
            schema.validate_pose_clips(tables.read_schema(shard), str(shard))
            for clip in tables.checked_rows(shard, schema.POSE_CLIPS, schema.check_pose_clip):
                recording = recorded.get(clip["clip_id"])
                if recording is None:
                    left_out["clips_without_recording"] += 1
                    continue
                matched.add(clip["clip_id"])
                for placement in _worn(recording, config.placements):
                    subject, label = str(recording["subject"]), recording["label"] or clip["label"]
                    along = along_m[subject, placement]
                    aligned = _aligned(clip, recording, placement, along, config)
                    if aligned is None:
                        left_out["too_short"] += 1
                    else:
                        pairs.append(_Pair(clip["clip_id"], placement, subject, label, along, aligned))
            advance(1, f"{len(pairs)} pairs")
    return pairs, {**left_out, "recordings_without_clip": len(recorded) - len(matched)}


def _worn(recording: dict[str, Any], wanted: list[str] | None) -> list[str]:
    return [p for p in wanted or schema.PLACEMENTS if recording.get(schema.imu_column(p)) is not None]


def _aligned(
    clip: dict[str, Any], recording: dict[str, Any], placement: str, along_m: float, config: FidelityConfig
) -> Aligned | None:
    rate = float(recording["rate_hz"])
    body = load_body(clip["body_model"], clip["gender"])
    frames = int(clip["n_frames"])
    poses, trans = np.reshape(clip["poses"], (frames, -1, 3)), np.reshape(clip["trans"], (frames, 3))
    motion = sensor_paths(body, poses, trans, np.asarray(clip["betas"], float), {placement: SITES[placement]})
    motion[:, :3] += along_m * Rotation.from_quat(motion[:, 3:7]).as_matrix()[:, :, 0]
    low_pass, fps = motion_low_pass(config.motion_cutoff_hz, clip["source"]), float(clip["fps"])
    if low_pass is not None:
        motion = low_pass(motion, fps)
    simulated = measured(motion, fps=fps, rate_hz=rate)[:, 0]
    real = np.reshape(recording[schema.imu_column(placement)], (-1, 6))
    return align(real, simulated, rate, cutoff_hz=config.cutoff_hz, max_lag_s=config.max_lag_s)


def _rotations(pairs: list[_Pair], mounting: str) -> list[np.ndarray]:
    """One rotation for every pair: its own, its subject's and placement's, or none."""
    if mounting == "none":
        return [np.eye(3) for _ in pairs]
    if mounting == "recording":
        return [mounting_rotation(moment(pair.aligned)) for pair in pairs]
    total: defaultdict[tuple[str, str], np.ndarray] = defaultdict(lambda: np.zeros((3, 3)))
    for pair in pairs:
        total[pair.subject, pair.placement] += moment(pair.aligned)
    return [mounting_rotation(total[pair.subject, pair.placement]) for pair in pairs]


def _row(pair: _Pair, rotation: np.ndarray) -> dict[str, Any]:
    angle = float(np.degrees(np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))))
    return {
        "recording_id": pair.recording_id, "placement": pair.placement, "subject": pair.subject, "label": pair.label,
        "lag_s": pair.aligned.lag_s, "samples": len(pair.aligned.real), "rate_hz": pair.aligned.rate_hz,
        "along_m": pair.along_m, "mounting": rotation.reshape(-1).tolist(), "mounting_deg": angle, **scores(pair.aligned, rotation),
    }  # fmt: skip


def _median(values: Any) -> float | None:
    there = [v for v in values if v is not None and np.isfinite(v)]
    return float(np.median(there)) if there else None


def _by(rows: list[dict[str, Any]], key: str) -> dict[str, dict[str, float | None]]:
    groups: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row[key] or "-"].append(row)
    return {
        name: {"pairs": len(group), **{f"median_r_{s}_norm": _median(r[f"r_{s}_norm"] for r in group) for s in SIGNALS}}
        for name, group in sorted(groups.items())
    }


def _text(figures: dict[str, Any], config: FidelityConfig) -> str:
    def cell(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    rows = [[c.replace("_", " "), *(cell(figures[f"median_{m}_{c}"]) for m in MEASURES)] for c in CHANNELS]
    table = markdown_table(["median of", "correlation", "RMSE", "distance", "gain"], rows)
    groups = [
        [name, str(values["pairs"]), *(cell(values[f"median_r_{s}_norm"]) for s in SIGNALS)]
        for key in ("by_label", "by_subject")
        for name, values in figures[key].items()
    ]
    by = markdown_table(["label or subject", "pairs", "r acc norm", "r gyro norm"], groups)
    turned_by = {"recording": "one mounting rotation per recording", "subject": "one mounting rotation per subject"}
    return (
        f"# Simulated compared with real sensors\n\n{figures['pairs']} pairs; {figures['clips_without_recording']} clips without a "
        f"recording, {figures['recordings_without_clip']} recordings without a clip, {figures['too_short']} too short. Both "
        f"low-passed at {config.cutoff_hz:g} Hz, one lag per recording within ± {config.max_lag_s:g} s (median "
        f"{figures['median_lag_s']:+.3f} s), axes after {turned_by.get(config.mounting, 'no mounting rotation')}. "
        f"{_where(figures)}Acceleration in m/s², angular rate in rad/s; distance: 1-Wasserstein between the samples' "
        f"distributions; gain: standard deviation simulated over real.\n\n{table}\n"
        f"![correlations](correlations.png)\n\n![examples](examples.png)\n\n"
        f"![spectra](spectra.png)\n\n{by}"
    )


def _where(figures: dict[str, Any]) -> str:
    searched = figures["median_r_acc_norm_by_along_m"]
    if not searched:
        return ""
    tried = ", ".join(f"{1000 * float(along):+.0f} mm {r:.3f}" for along, r in searched.items() if r is not None)
    return (
        "Where along the limb the sensor sat is taken from the other subjects' recordings (median "
        f"{1000 * figures['median_along_m']:+.0f} mm towards the hand); correlation of the acceleration's norm at one distance for "
        f"all: {tried}. "
    )


def _plots(folder: Path, pairs: list[_Pair], rotations: list[np.ndarray], rows: list[dict[str, Any]]) -> None:
    values = {c: [row[f"r_{c}"] for row in rows if np.isfinite(row[f"r_{c}"])] for c in CHANNELS}
    signal_plots.correlations_plot(
        folder / "correlations.png", {c: v for c, v in values.items() if v}, f"{len(rows)} pairs, clip by clip"
    )
    order = np.argsort([row["r_acc_norm"] for row in rows])
    examples = {}
    for rank in RANKS:
        k = int(order[round(rank * (len(order) - 1))])
        pair, row, real = pairs[k].aligned, rows[k], turned(pairs[k].aligned.real, rotations[k])
        title = f"{rank:.0%} rank: {row['recording_id']} ({row['label'] or 'no label'})"
        signals = {
            f"{s} norm, r = {row[f'r_{s}_norm']:.2f}": (norm(real[:, part]), norm(pair.simulated[:, part]))
            for s, part in SIGNALS.items()
        }
        signals |= {f"acc {a}, r = {row[f'r_acc_{a}']:.2f}": (real[:, i], pair.simulated[:, i]) for i, a in enumerate("xyz")}
        examples[title] = (pair.rate_hz, signals)
    signal_plots.fidelity_traces_plot(folder / "examples.png", examples)
    found = [spectra(pair.aligned, FREQUENCIES_HZ) for pair in pairs]
    signal_plots.spectra_plot(
        folder / "spectra.png",
        FREQUENCIES_HZ,
        {s: (np.stack([f[s][0] for f in found]), np.stack([f[s][1] for f in found])) for s in SIGNALS},
    )
