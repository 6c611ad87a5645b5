"""Pieces of a table that is being ingested: what was made of a part of the input, as a file of its own in the staging folder.

A piece is named after all that it depends on, so an interrupted run finds those that are finished, whoever made them. The table is
then written from the pieces in the order of the input, so that it has the same bytes for any number of workers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable, Iterator
from dataclasses import asdict
from typing import Any

import m3n
from m3n import schema
from m3n.errors import InputError
from m3n.io import storage, tables
from m3n.io.storage import Location
from m3n.schema import FileRow, Rejected, Repaired, RepairedRow, repairs_of
from m3n.sources.shared.ingest_notes import Notes

FACT = "m3n.piece"
PREFIX = "piece-"


def piece_name(**depends: Any) -> str:
    """The name of a piece that depends on these values and on the version of m3n."""
    text = json.dumps({**depends, "m3n": m3n.__version__}, sort_keys=True)
    return f"{PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:40]}.parquet"


def write_piece(file: Location, items: Iterable[dict[str, Any] | Rejected], notes: Notes, **facts: Any) -> None:
    """Write valid rows of `pose_clips` and what is Rejected, in order, with `facts`; `notes` are read when the items are taken."""
    rows: list[dict[str, Any]] = []
    order: list[dict[str, Any]] = []
    for item in items:
        if isinstance(item, Rejected):
            order.append({"rejected": asdict(item)})
            continue
        rows.append(item)
        made_from = item.file if isinstance(item, FileRow) else ""
        repairs = [asdict(repair) for repair in repairs_of(item)]
        order.append({"fps": float(item["fps"]), "file": made_from, "repairs": repairs})
    held = {**facts, "items": order, "notes": notes.facts().get("notes", {})}
    tables.write_shard(file, tables.to_table(rows, schema.POSE_CLIPS), {FACT: json.dumps(held)})


def piece_facts(file: Location) -> dict[str, Any] | None:
    """The facts of a piece; None for a file that is none, or was cut off by a crash."""
    try:
        return json.loads((tables.read_schema(file).metadata or {})[FACT.encode()])
    except (InputError, KeyError):
        return None


def known_facts(file: Location) -> dict[str, Any]:
    """The facts of a finished piece; InputError if it cannot be read any more."""
    facts = piece_facts(file)
    if facts is None:
        raise InputError(f"{file} cannot be read any more: run this again")
    return facts


def piece_items(file: Location, facts: dict[str, Any], notes: Notes) -> Iterator[dict[str, Any] | Rejected]:
    """What `write_piece` was given, by the piece and its facts; its notes are added to `notes`."""
    notes.add(facts["notes"])
    rows = tables.rows(tables.read_shard(file, schema.POSE_CLIPS))
    for item in facts["items"]:
        if "rejected" in item:
            yield Rejected(**item["rejected"])
            continue
        row = next(rows) | {"fps": item["fps"]}  # the table's float32 would change the seconds of the manifest
        repairs = [Repaired(**repair) for repair in item["repairs"]]
        yield RepairedRow(row, repairs, item["file"]) if repairs else FileRow(row, item["file"])


def keep_only(staging: Location, pieces: Container[str]) -> None:
    """Remove all that an interrupted run has left but these pieces."""
    for file in storage.files(staging):
        if file.name not in pieces:
            file.unlink()


def remove_pieces(staging: Location) -> None:
    """Remove the pieces once the table is written."""
    for file in storage.files(staging):
        if file.name.startswith(PREFIX):
            file.unlink()
