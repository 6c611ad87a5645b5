"""What `m3n view` can look at: each opens a place, lists what it holds, and reads one entry at a time.

| place | seen |
| --- | --- |
| pose clips | body, sensors, and samples as `m3n simulate` makes them without the errors of a sensor |
| synthetic clips | body, sensors, samples of the table |
| recordings | samples and labels |
| sketches | as pose clips, which are authored on the spot |
| predictions | labels and confidence; samples come from the recordings beside them |
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from m3n import schema, sources
from m3n.commands.view.films import Films
from m3n.commands.view.listing import Line, bands_of, choose, cut, stretches, table_lines
from m3n.config import Site, ViewConfig
from m3n.errors import InputError, nearest
from m3n.imu.placement import SITES
from m3n.imu.simulate import simulate_clip
from m3n.imu.smoothing import LOW_PASSES
from m3n.io import storage, tables
from m3n.io.storage import Location
from m3n.motion.sketch_file import read_sketches, shipped_sketches
from m3n.reports.view.clip import Clip, Entry, Part, Trace, motion_of
from m3n.reports.view.film import Film
from m3n.schema import Rejected
from m3n.sources.poses import sketched
from m3n.sources.shared.ingest_notes import Notes

BOTH_WRISTS = ("left_wrist", "right_wrist")
PER_SKETCH = 4
_CLIP_LINE = [
    schema.POSE_CLIPS.field(n) for n in ("clip_id", "source", "subject", "text", "label", "fps", "n_frames", "segments")
]
_RECORDING_LINE = [
    schema.imu_recordings().field(n) for n in ("recording_id", "source", "subject", "label", "segments", "rate_hz", "n_samples")
]


_PREDICTED = pa.schema([schema.TIMELINE.field(n) for n in schema.TIMELINE.names if not n.endswith("_time")])


class Listed:
    """A place whose lines have been chosen; a subclass says how an entry of it is read."""

    moves = True

    def __init__(self, title: str, lines: Sequence[Line], found: int, notice: str = "") -> None:
        self.title, self.lines = title, list(lines)
        self.entries = [line.entry for line in lines]
        some = f"{len(lines):,} of {found:,} are listed; id=, label=, subject= and most= choose others"
        self.notice = " ".join([notice, some if found > len(lines) else ""]).strip()

    def clip(self, number: int) -> Clip:
        """The data of an entry; InputError for a damaged row."""
        raise NotImplementedError

    def film(self, number: int, most_bytes: float) -> Film:
        """The video of an entry whose clip says that it has one; InputError for one that cannot be decoded."""
        raise InputError(f"{self.entries[number].name} has no video")


class Clips(Listed):
    """A table of pose clips or of synthetic clips."""

    def __init__(self, place: Location, shards: Sequence[Location], config: ViewConfig, most: int) -> None:
        columns = tables.read_schema(shards[0])
        self.simulated = schema.simulated_placements(columns.names)
        for shard in shards:
            if self.simulated:
                schema.validate_synthetic_clips(tables.read_schema(shard), str(shard))
            else:
                schema.validate_pose_clips(tables.read_schema(shard), str(shard))
        own = _own_sites(place)
        known = self.simulated or (*SITES, *own)
        self.placements = _wanted(config.placements, known, self.simulated or BOTH_WRISTS, str(place))
        sites = {**own, **SITES}
        self.sites = {name: sites[name] for name in self.placements if name in sites}
        self.rate_hz = config.rate_hz
        lines = table_lines(shards, pa.schema(_CLIP_LINE), lambda row: row["n_frames"] / row["fps"])
        self.films = Films(place)
        super().__init__(str(place), *choose(lines, config, most, str(place)), self.films.notice)

    def clip(self, number: int) -> Clip:
        line = self.lines[number]
        assert line.shard is not None
        columns = schema.synthetic_clips(self.placements) if self.simulated else schema.POSE_CLIPS
        row = tables.row_at(line.shard, columns, line.row)
        problem = schema.check_synthetic_clip(row, self.placements) if self.simulated else schema.check_pose_clip(row)
        if problem:
            raise InputError(f"{line.shard} row {line.row} (clip '{row['clip_id']}'): {problem}")
        if self.simulated:
            rate, samples = float(row["rate_hz"]), {p: row[schema.imu_column(p)] for p in self.placements}
            clip = _moving(row, line.entry, self.sites, samples, rate, "")
        else:
            clip = _simulated(row, line.entry, self.sites, self.rate_hz)
        return replace(clip, film=line.entry.name in self.films)

    def film(self, number: int, most_bytes: float) -> Film:
        if self.entries[number].name not in self.films:
            return super().film(number, most_bytes)
        return self.films.film(self.entries[number], most_bytes)


class Recordings(Listed):
    """A table of recordings."""

    moves = False

    def __init__(self, place: Location, shards: Sequence[Location], config: ViewConfig, most: int) -> None:
        self.worn = {shard: schema.validate_imu_recordings(tables.read_schema(shard), str(shard)) for shard in shards}
        known = tuple(dict.fromkeys(p for placements in self.worn.values() for p in placements))
        self.placements = _wanted(config.placements, known, known, str(place))
        lines = table_lines(shards, pa.schema(_RECORDING_LINE), lambda row: row["n_samples"] / row["rate_hz"])
        super().__init__(str(place), *choose(lines, config, most, str(place)))

    def clip(self, number: int) -> Clip:
        line = self.lines[number]
        assert line.shard is not None
        there = tuple(p for p in self.placements if p in self.worn[line.shard])
        row = tables.row_at(line.shard, schema.imu_recordings(self.worn[line.shard]), line.row)
        problem = schema.check_imu_recording(row, self.worn[line.shard])
        if problem:
            raise InputError(f"{line.shard} row {line.row} (recording '{row['recording_id']}'): {problem}")
        entry = line.entry
        samples = {p: row[schema.imu_column(p)] for p in there}
        traces = _traces(samples, float(row["rate_hz"]), entry.start_s, entry.stop_s)
        others = ", ".join(p for p in self.worn[line.shard] if row[schema.imu_column(p)] is not None)
        note = "" if traces else f"Worn here: {others}."
        return Clip(entry.stop_s - entry.start_s, bands_of(row, entry.start_s, entry.stop_s), None, traces, note=note)


class Sketches(Listed):
    """A file or folder of sketches: the first clips that `m3n ingest sketch` would make of it with the same seed."""

    def __init__(self, place: Path, config: ViewConfig, most: int) -> None:
        self.placements = _wanted(config.placements, tuple(SITES), BOTH_WRISTS, str(place))
        self.sites = {name: SITES[name] for name in self.placements}
        self.rate_hz = config.rate_hz
        own = read_sketches(place)
        options = sketched.Options(clips=config.clips or PER_SKETCH * len(own), seed=config.seed)
        notes, self.rows, refused = Notes(), list[dict[str, Any]](), list[str]()
        for row in sketched.authored(own, {**shipped_sketches(), **own}, options, notes):
            if isinstance(row, Rejected):
                refused.append(f"{row.item}: {row.reason}")
            else:
                self.rows.append(row)
        lines = [
            Line(entry, None, number)
            for number, row in enumerate(self.rows)
            for entry in stretches(row | {"name": row["clip_id"]}, row["n_frames"] / row["fps"])
        ]
        said = [f"{what}: {times}." for what, times in notes.figures().items()]
        said += [f"{len(refused)} of {options.clips} refused; {refused[0]}."] if refused else []
        if not lines:
            raise InputError(f"{place}: none of its clips can be made: {refused[0]}")
        super().__init__(str(place), *choose(lines, config, most, str(place)), " ".join(said))

    def clip(self, number: int) -> Clip:
        line = self.lines[number]
        return _simulated(self.rows[line.row], line.entry, self.sites, self.rate_hz)


class Predictions(Listed):
    """The folder that `m3n predict` has written."""

    moves = False

    def __init__(self, place: Location, config: ViewConfig, most: int) -> None:
        self.file = place / schema.TIMELINE_FILE
        table = tables.read_shard(self.file, _PREDICTED)
        parts: dict[tuple[str, str | None], list[Part]] = defaultdict(list)
        for number, row in enumerate(tables.rows(table)):
            if None in [row[name] for name in _PREDICTED.names if name != "subject"] or not 0 <= row["confidence"] <= 1:
                raise InputError(f"{self.file} row {number} is not as `m3n predict` writes it: label the recordings again")
            part = Part(row["start_s"], row["stop_s"], row["label"], float(row["confidence"]))
            parts[row["recording_id"], row["subject"]].append(part)
        self.parts = {name: found for (name, _), found in parts.items()}
        lines = [
            Line(entry, None, number)
            for number, ((name, subject), found) in enumerate(parts.items())
            for entry in stretches(
                {
                    "name": name, "subject": subject,
                    "segments": [{"start_s": p.start_s, "stop_s": p.stop_s, "label": p.label} for p in found],
                },
                max(p.stop_s for p in found),
            )
        ]  # fmt: skip
        super().__init__(str(place), *choose(lines, config, most, str(place)))

    def clip(self, number: int) -> Clip:
        entry = self.entries[number]
        parts = cut(self.parts[entry.name], entry.start_s, entry.stop_s)
        note = "Labels alone: `--beside RECORDINGS`, the table that was labelled, shows its samples too."
        return Clip(entry.stop_s - entry.start_s, {"predicted": parts}, note=note)


def open_place(place: Location, config: ViewConfig, most: int) -> Listed:
    """A place, by what it holds; InputError where that is nothing to look at, with what to name instead."""
    if place.name.endswith((".yaml", ".yml")) or (isinstance(place, Path) and _is_folder_of_sketches(place)):
        if not isinstance(place, Path):
            raise InputError(f"{place}: expected a local file of sketches")
        return Sketches(place, config, most)
    if place.is_dir() and (place / schema.TIMELINE_FILE).is_file():
        return Predictions(place, config, most)
    if isinstance(place, Path) and place.is_dir():
        _refuse_what_is_no_table(place)
    shards = tables.shard_paths(place)
    names = tables.read_schema(shards[0]).names
    if "poses" in names:
        return Clips(place, shards, config, most)
    if "recording_id" in names:
        return Recordings(place, shards, config, most)
    raise InputError(
        f"{place} holds neither clips nor recordings: expected a table made by `m3n ingest` or `m3n simulate`, the output of"
        " `m3n predict`, or a YAML file of sketches"
    )


def _is_folder_of_sketches(folder: Path) -> bool:
    return folder.is_dir() and any(folder.glob("*.y*ml")) and not any(folder.glob("*.parquet"))


def _refuse_what_is_no_table(folder: Path) -> None:
    if any(folder.glob("*.parquet")):
        return
    inside = sorted(sub.name for sub in folder.iterdir() if sub.is_dir() and any(sub.glob("*.parquet")))
    if inside:
        raise InputError(
            f"{folder} is no table, but holds {', '.join(inside)}: name one, as in `m3n view {folder / inside[-1]}`"
        )
    if (folder / "model.safetensors").is_file():
        raise InputError(
            f"{folder} is a checkpoint: label recordings with it (`m3n predict RECORDINGS --checkpoint {folder} --out OUT`), then"
            " `m3n view OUT --beside RECORDINGS`"
        )


def _wanted(asked: Sequence[str] | None, known: Sequence[str], default: Sequence[str], where: str) -> tuple[str, ...]:
    for name in asked or ():
        if name not in known:
            raise InputError(f"{where} has no placement '{name}'{nearest(name, known)}; it has {', '.join(known)}")
    return tuple(asked or default)


def _own_sites(place: Location) -> dict[str, Site]:
    """Placements of the user's own, which the manifest of their table describes."""
    try:
        config = json.loads(storage.read(place / tables.MANIFEST))["config"]
        return {name: Site(**site) for name, site in (config.get("sites") or {}).items()}
    except (InputError, OSError, ValueError, KeyError, TypeError, AttributeError):  # a table without one, or a single shard
        return {}


def _simulated(row: Mapping[str, Any], entry: Entry, sites: Mapping[str, Site], rate_hz: float) -> Clip:
    """A pose clip with samples of ideal sensors."""
    kind = sources.pose_kind(row["source"])
    low_pass = LOW_PASSES[kind] if kind else None
    samples = simulate_clip(row, placements=sites, rate_hz=rate_hz, low_pass=low_pass, sensor=None, seed=0)
    return _moving(row, entry, sites, samples, rate_hz, "Simulated by ideal sensors")


def _moving(
    row: Mapping[str, Any], entry: Entry, sites: Mapping[str, Site], samples: Mapping[str, Any], rate_hz: float, note: str
) -> Clip:
    start, stop = entry.start_s, entry.stop_s
    motion = motion_of(row, sites, start, stop)
    return Clip(stop - start, bands_of(row, start, stop), motion, _traces(samples, rate_hz, start, stop), note=note)


def _traces(samples: Mapping[str, Any], rate_hz: float, start_s: float, stop_s: float) -> dict[str, Trace]:
    """What was worn, from `start_s` to `stop_s`."""
    chosen = slice(int(np.ceil(start_s * rate_hz)), int(np.floor(stop_s * rate_hz)) + 1)
    worn = {name: np.asarray(values).reshape(-1, 6) for name, values in samples.items() if values is not None}
    return {name: Trace(rate_hz, values[chosen]) for name, values in worn.items()}
