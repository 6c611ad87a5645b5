"""The list of what a table holds, for `m3n view`: a few small columns of every shard, never the sequences.

Clips and recordings of over ten minutes become several lines, so that what the page asks for at a time is bounded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from m3n.config import ViewConfig
from m3n.errors import InputError, nearest, shown
from m3n.io import tables
from m3n.io.storage import Location
from m3n.reports.view.clip import Entry, Part

STRETCH_S = 600.0
_LONGEST_TEXT = 1_000  # characters of a sentence
_NAMED = 2  # activities of a stretch that its line names
_KINDS = {"id": "clip or recording", "label": "label", "subject": "subject"}


@dataclass(frozen=True)
class Line:
    """An entry with the shard and the row that hold it; without a table, only the row."""

    entry: Entry
    shard: Location | None
    row: int


def table_lines(shards: Sequence[Location], small: pa.Schema, length: Callable[[Mapping[str, Any]], float]) -> Iterator[Line]:
    """A line for every row, or for every ten minutes of one. `small`: the columns to read, the id first; `length`: seconds."""
    identity = small.names[0]
    for shard in shards:
        for number, row in enumerate(tables.rows(tables.read_shard(shard, small))):
            try:
                seconds = length(row)
            except (TypeError, ZeroDivisionError):  # a null, or a rate of 0
                seconds = 0.0
            if row[identity] is None or not 0 < seconds < 1e9:
                name = f"{identity.removesuffix('_id')} '{shown(row[identity])}'"
                raise InputError(
                    f"{shard} row {number} ({name}) has no length: expected its rate and number of frames or samples"
                )
            for entry in stretches(row | {"name": row[identity]}, seconds):
                yield Line(entry, shard, number)


def stretches(row: Mapping[str, Any], seconds: float) -> Iterator[Entry]:
    """The entries of a row with name, source, subject and, if there are any, label, text and segments."""
    start = 0.0
    while start < seconds:
        stop = min(start + STRETCH_S, seconds)
        inside = [part.label for part in cut(_activities(row), start, stop)]
        label = row.get("label") or _named(list(dict.fromkeys(inside)))
        labels = frozenset(filter(None, (row.get("label"), *inside)))
        yield Entry(
            row["name"],
            label,
            (row.get("text") or "")[:_LONGEST_TEXT],
            row.get("subject"),
            row.get("source") or "",
            start,
            stop,
            labels,
        )
        start = stop


def choose(lines: Iterable[Line], config: ViewConfig, most: int, where: str) -> tuple[list[Line], int]:
    """The lines that `config` asks for, at most `most` and evenly spread, and how many there are.

    Raises InputError, with the nearest name, where it asks for what is not there.
    """
    wanted = {
        key: set(names) for key, names in (("id", config.id), ("label", config.label), ("subject", config.subject)) if names
    }
    known: dict[str, set[str]] = {key: set() for key in wanted}
    kept: list[Line] = []
    found, every = 0, 1
    for line in lines:
        has = {"id": {line.entry.name}, "label": line.entry.labels, "subject": {line.entry.subject or ""} - {""}}
        for key, names in known.items():
            names |= has[key]
        if all(names & has[key] for key, names in wanted.items()):
            if found % every == 0:
                kept.append(line)
            found += 1
            if len(kept) > 4 * most:  # of a million clips, not all are held
                kept, every = kept[::2], 2 * every
    for key, names in wanted.items():
        for name in sorted(names - known[key]):
            few = ", ".join(sorted(known[key])[:6]) + " …" * (len(known[key]) > 6)
            raise InputError(f"{where} has no {_KINDS[key]} '{name}'{nearest(name, known[key])}; it has {few or 'none'}")
    if not found:
        asked = " and ".join(f"{key}={','.join(sorted(names))}" for key, names in wanted.items())
        raise InputError(f"{where} holds nothing with {asked}" if asked else f"{where} holds no clip and no recording")
    return spread(kept, most), found


def spread(lines: Sequence[Line], most: int) -> list[Line]:
    """At most so many lines, evenly spread, in their order."""
    return [lines[i * len(lines) // most] for i in range(most)] if len(lines) > most else list(lines)


def bands_of(row: Mapping[str, Any], start_s: float, stop_s: float) -> dict[str, list[Part]]:
    """The labels in time of a row, from the start of a stretch; none for a row without segments."""
    parts = cut(_activities(row), start_s, stop_s)
    return {"labels": parts} if parts else {}


def cut(parts: Iterable[Part], start_s: float, stop_s: float) -> list[Part]:
    """What lies within a stretch, in its own time."""
    return [
        Part(max(p.start_s, start_s) - start_s, min(p.stop_s, stop_s) - start_s, p.label, p.confidence)
        for p in parts
        if p.start_s < stop_s and p.stop_s > start_s
    ]


def _activities(row: Mapping[str, Any]) -> list[Part]:
    segments = [s for s in row.get("segments") or () if s and None not in (s["start_s"], s["stop_s"], s["label"])]
    return [Part(s["start_s"], s["stop_s"], s["label"]) for s in segments]


def _named(labels: Sequence[str]) -> str | None:
    more = len(labels) - _NAMED
    return ", ".join(labels[:_NAMED]) + (f" +{more}" if more > 0 else "") or None
