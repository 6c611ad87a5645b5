"""`m3n report mounting`: for every person and placement, the rotation from the recording's axes to m3n's.

The recordings are read once, row by row, and only sums over short windows are kept, so a day at 100 Hz needs no more memory than a
minute. `m3n.imu.mounting` turns the sums into rotations, so far for wrists only: other placements are listed as unsure.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from m3n import schema
from m3n.config import MountingConfig
from m3n.errors import InputError
from m3n.imu.motion_statistics import SLOWEST_HZ, Sums, added, mirrored, motion_sums
from m3n.imu.mounting import ALIGNED_DEG, DIFFERS, WITHIN_DEG, Mounting, estimate_mountings, nearest_axes
from m3n.io import tables
from m3n.io.staging import staged
from m3n.progress import bar
from m3n.reports.mounting_plot import mounting_plot

WRISTS = ("left_wrist", "right_wrist")
Mountings = dict[str, dict[str, Mounting]]  # placement -> subject -> mounting


def mounting(recordings: Path, out: Path, config: MountingConfig = MountingConfig()) -> tuple[Mountings, dict[str, Any]]:
    """Mountings of every person in a table of recordings, and the figures of the run.

    Leaves mounting.json, mounting.md and mounting.png in `out`. Raises InputError for a table that cannot be read, a placement
    without samples, and a table without samples; nothing is left in `out` then.
    """
    started = time.perf_counter()
    with staged(out, inputs=[recordings]) as staging:
        people, seconds = _people(recordings, config.placements)
        found = {placement: _found(people[placement], placement) for placement in schema.PLACEMENTS if placement in people}
        tables.write_text(staging / "mounting.json", _json(found))
        tables.write_text(staging / "mounting.md", report_text(found))
        mounting_plot(staging / "mounting.png", found)
        tables.write_manifest(
            staging, table="mounting", totals={"seconds": seconds}, config=config.model_dump(mode="json"),
            inputs={"recordings": tables.data_sha256(recordings)},
        )  # fmt: skip
    return found, {"seconds": seconds, "elapsed_s": time.perf_counter() - started}


class _Person:
    """One sensor of one person while the recordings are read."""

    def __init__(self) -> None:
        self.sums: Sums | None = None
        self.reasons: Counter[str] = Counter()

    def add(self, samples: np.ndarray, rate_hz: float, placement: str) -> None:
        if rate_hz < SLOWEST_HZ:
            self.reasons[f"sampled at {rate_hz:g} Hz, expected at least {SLOWEST_HZ:g}"] += 1
        elif np.isnan(samples[:, 3:]).all():
            self.reasons["no gyroscope"] += 1
        else:
            part = motion_sums(mirrored(samples) if placement.startswith("left") else samples, rate_hz)
            self.sums = added(s for s in (self.sums, part) if s is not None)


def _people(recordings: Path, wanted: list[str] | None) -> tuple[dict[str, dict[str, _Person]], float]:
    shards = tables.shard_paths(recordings)
    total = sum(len(tables.read_column(shard, "recording_id")) for shard in shards)
    people: dict[str, dict[str, _Person]] = {}
    seconds = 0.0
    with bar("mounting", total) as advance:
        for row, placements in _rows(shards):
            rate_hz = float(row["rate_hz"])
            for placement in placements:
                values = row[schema.imu_column(placement)]
                if values is None or (wanted is not None and placement not in wanted):
                    continue
                samples = np.reshape(values, (-1, 6))
                seconds += len(samples) / rate_hz
                person = people.setdefault(placement, {}).setdefault(str(row["subject"]), _Person())
                if placement in WRISTS:
                    person.add(samples, rate_hz, placement)
            advance(1, str(row["subject"]))
    missing = [placement for placement in wanted or () if placement not in people]
    if missing or not people:
        worn = ", ".join(people) or "none"
        raise InputError(
            f"{recordings}: no samples of {missing[0] if missing else 'any placement'}; placements with samples: {worn}"
        )
    return people, seconds


def _rows(shards: list[Path]) -> Iterator[tuple[dict[str, Any], tuple[str, ...]]]:
    for shard in shards:
        placements = schema.validate_imu_recordings(tables.read_schema(shard), str(shard))
        for number, row in enumerate(tables.rows_in_turn(shard, schema.imu_recordings(placements))):
            problem = schema.check_imu_recording(row, placements)
            if problem:
                raise InputError(f"{shard} row {number} (recording '{row['recording_id']}'): {problem}")
            yield row, placements


def _found(people: Mapping[str, _Person], placement: str) -> dict[str, Mounting]:
    if placement not in WRISTS:
        reason = "only wrists are supported so far"
        return {name: Mounting(np.eye(3), 0.0, "unsure", reason) for name in sorted(people)}
    found = estimate_mountings({name: people[name].sums for name in sorted(people)}, placement)
    for name, person in people.items():
        if person.sums is None and person.reasons:
            found[name] = Mounting(np.eye(3), 0.0, "unsure", person.reasons.most_common(1)[0][0])
    return found


def as_plain(found: Mountings) -> dict[str, dict[str, dict[str, Any]]]:
    """The content of `--json`, which `axes_from` of `m3n ingest` reads."""
    return {
        placement: {
            subject: {"rotation": m.rotation.round(6).tolist(), "confidence": round(m.confidence, 4), "verdict": m.verdict}
            for subject, m in people.items()
        }
        for placement, people in found.items()
    }


def _json(found: Mountings) -> str:
    import json

    return json.dumps(as_plain(found), indent=2) + "\n"


def summary(found: Mountings, out: Path) -> list[str]:
    """Lines for the terminal: one per placement, people who differ, and the next command."""
    lines: list[str] = []
    turned = False
    for placement, people in found.items():
        count = Counter(m.verdict for m in people.values())
        told = ", ".join(f"{count[v]} {v}" for v in ("aligned", "turned", "unsure") if count[v])
        lines.append(f"{placement}: {len(people)} {'person' if len(people) == 1 else 'people'}: {told}")
        sure = Counter(nearest_axes(m.rotation)[0] for m in people.values() if m.verdict == "turned")
        turned |= bool(sure)
        lines += [f"  turned like axes.{placement}={axes}: {number}" for axes, number in sure.most_common(4)]
        lines += [f"  {_difference(name, m)}" for name, m in people.items() if m.verdict != "unsure" and m.differs > DIFFERS]
        reasons = Counter(m.reason for m in people.values() if m.verdict == "unsure")
        lines += [f"  unsure: {number} x {reason}" for reason, number in reasons.most_common(3)]
    if turned:
        lines.append(
            "To turn the recordings into m3n's axes, repeat the `m3n ingest` command that made them with a new --out and"
        )
        lines.append(f"  axes_from={out / 'mounting.json'}")
    elif any(m.verdict == "aligned" for people in found.values() for m in people.values()):
        lines.append("No recording is known to need turning.")
    return lines


def _difference(name: str, m: Mounting) -> str:
    odds = "over 1,000" if m.odds > 1000 else f"{m.odds:.0f}"
    return f"{name} seems to wear it differently from the others: {odds} times likelier ({m.angle_deg:.0f}° from m3n's axes)"


def report_text(found: Mountings) -> str:
    """mounting.md: a table of all people and how to read it."""
    lines = [
        "# Which way round is the sensor?",
        "",
        f"Confidence: probability that the rotation is within {WITHIN_DEG:.0f}° of the truth. Aligned: sure, and within "
        f"{ALIGNED_DEG:.0f}° of m3n's axes (x along the forearm to the hand, z out of the back of the wrist, y = z × x).",
    ]
    for placement, people in found.items():
        lines += [
            "",
            f"## {placement}",
            "",
            "| subject | verdict | confidence | angle to m3n's axes | nearest axes | hand | back of the wrist | remark |",
        ]
        lines.append("| --- | --- | --- | --- | --- | --- | --- | --- |")
        for name, m in people.items():
            remark = m.reason or (_difference(name, m) if m.differs > DIFFERS else "")
            if not m.confidence:
                lines.append(f"| {name} | {m.verdict} | | | | | | {remark} |")
                continue
            axes, off = nearest_axes(m.rotation)
            hand, back = (", ".join(f"{v:.2f}" for v in m.rotation[axis]) for axis in (0, 2))
            told = f"{m.verdict} | {m.confidence:.2f} | {m.angle_deg:.0f}°"
            lines.append(f"| {name} | {told} | {axes} ({off:.0f}° off) | ({hand}) | ({back}) | {remark} |")
    return "\n".join([*lines, "", "Hand and back of the wrist: their directions in the recording's own axes.", ""])
