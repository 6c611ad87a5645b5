"""Sources whose work is long, as videos: piece by piece, by several processes, and resumed where it was interrupted.

What was made of a piece is a file of its own in the staging folder, named after all that it depends on: content, settings and the
version of m3n. An interrupted run finds those that are finished, whoever made them. Then the table is written from them in the
order of the pieces, so that it has the same bytes for any number of workers.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

import m3n
from m3n import schema
from m3n.cluster.items import Item, run_items
from m3n.cluster.start import connect
from m3n.errors import InputError
from m3n.io import storage, tables
from m3n.io.storage import Location
from m3n.progress import bar
from m3n.schema import FileRow, Rejected, Repaired, RepairedRow, repairs_of
from m3n.sources.poses.video import Options, Piece, Reader, pieces
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.processes import cores
from m3n.video.network_files import checked_folder

FACT = "m3n.piece"
PREFIX = "piece-"
FILM = "film"  # folder below the clips: what was seen, for `m3n report video`
LOOKS = pa.schema([("item", pa.string()), ("video", pa.string()), ("look", pa.string())])  # `m3n.video.looks` as JSON
READ = ("model", "person", "arms", "max_fps", "allow_lying", "max_gap_frames")  # settings that decide what a piece becomes
ALONE_S = 60.0  # of video: for less, `workers=auto` starts nobody


class PieceWorker:
    """Makes pieces, one after the other, each a file in `staging`; it loads the networks when the first one comes."""

    def __init__(self, staging: str, options: dict[str, Any]) -> None:
        self._staging, self._options = storage.location(staging), Options.model_validate(options)
        self._reader: Reader | None = None

    def __call__(self, item: Item) -> Item:
        self._reader = self._reader or Reader(self._options)
        piece, notes, before = Piece(**item["piece"]), Notes(), self._reader.frames
        rows: list[dict[str, Any]] = []
        rejected: list[Rejected] = []
        for one in self._reader.clips(piece, notes):
            rejected.append(one) if isinstance(one, Rejected) else rows.append(one)
        facts = {
            "repairs": [[asdict(repair) for repair in repairs_of(row)] for row in rows],
            "rejected": [asdict(one) for one in rejected],
            "notes": notes.facts().get("notes", {}),
            "frames": self._reader.frames - before,
            "looks": self._reader.looks,
        }
        self._reader.looks = []
        table = tables.to_table(rows, schema.POSE_CLIPS)
        tables.write_shard(self._staging / item["file"], table, {FACT: json.dumps(facts)})
        return {"frames": facts["frames"], "seconds": piece.seconds}


def piece_items(
    path: Location, staging: Location, options: Any, notes: Notes, figures: dict[str, Any], inputs: dict[str, str]
) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `pose_clips` and what is Rejected, in order: all pieces are made first, but for those that `staging` has already.

    `figures` and `inputs` (video -> SHA-256) are filled in. Raises InputError as the source does, and for a full disk.
    """
    started = time.perf_counter()
    planned = list(pieces(path, options, notes))
    named = [(one, None if isinstance(one, Rejected) else _file(one, options)) for one in planned]
    wanted = {file: one for one, file in named if file is not None and isinstance(one, Piece)}
    inputs |= {one.video: one.sha256 for one in wanted.values()}
    made = {file.name for file in storage.files(staging) if file.name in wanted and _facts(file) is not None}
    for stale in [file for file in storage.files(staging) if file.name not in made]:
        stale.unlink()
    todo: list[Item] = [{"file": file, "piece": asdict(piece)} for file, piece in wanted.items() if file not in made]
    frames = 0
    if todo:
        checked_folder(options.model)
        settings = {name: getattr(options, name) for name in READ}
        make = partial(PieceWorker, storage.full_name(staging), settings)
        total = sum(piece.seconds for file, piece in wanted.items() if file not in made)
        with bar("video [s]", total) as advance, closing(_run(make, todo, options.workers, total)) as results:
            for number, result in enumerate(results, 1):
                frames += result["frames"]
                pace = frames / (time.perf_counter() - started)
                advance(result["seconds"], f"{pace:,.0f} frames/s, {number} of {len(todo)} stretches, {len(made)} were there")
    elapsed = time.perf_counter() - started
    figures |= {"stretches": len(wanted), "stretches_found_finished": len(made), "frames_made": frames, "elapsed_s": elapsed}
    figures |= {"frames_per_s": frames / elapsed} if frames else {}
    for one, file in named:
        if isinstance(one, Rejected):
            yield one
        elif file is not None:
            yield from _of_piece(staging / file, one.video, notes)
    _write_looks(staging, list(wanted))


def _write_looks(staging: Location, files: Sequence[str]) -> None:
    storage.remove(staging / FILM)
    if isinstance(staging, Path):
        with storage.writing(staging):
            (staging / FILM).mkdir()
    looks = (look for file in files for look in (_facts(staging / file) or {})["looks"])
    rows = ({"item": look["item"], "video": look["video"], "look": json.dumps(look)} for look in looks)
    tables.write_table(staging / FILM, rows, LOOKS, rows_per_shard=64)


def remove_pieces(staging: Location) -> None:
    """Remove the pieces once the table is written."""
    for file in storage.files(staging):
        if file.name.startswith(PREFIX):
            file.unlink()


def _run(
    make: Callable[[], PieceWorker], todo: Sequence[Item], workers: int | str, seconds: float
) -> Generator[Item, None, None]:
    count = min(len(todo), (cores() if seconds > ALONE_S else 1) if isinstance(workers, str) else workers)
    if count < 2:
        yield from map(make(), todo)
        return
    connect(workers=count)
    yield from run_items(make, todo, count)


def _file(piece: Piece, options: Any) -> str:
    depends = {
        **asdict(piece),
        "file": None,
        "options": {name: getattr(options, name) for name in READ},
        "m3n": m3n.__version__,
    }
    return f"{PREFIX}{hashlib.sha256(json.dumps(depends, sort_keys=True).encode()).hexdigest()[:40]}.parquet"


def _facts(file: Location) -> dict[str, Any] | None:
    try:
        return json.loads((tables.read_schema(file).metadata or {})[FACT.encode()])
    except (InputError, KeyError):  # truncated, as by a power cut
        return None


def _of_piece(file: Location, video: str, notes: Notes) -> Iterator[dict[str, Any] | Rejected]:
    facts = _facts(file)
    if facts is None:
        raise InputError(f"{file} cannot be read any more: run this again")
    for what, noted in facts["notes"].items():
        notes.count(what, noted["count"], video)
    for row, repairs in zip(tables.rows(tables.read_shard(file, schema.POSE_CLIPS)), facts["repairs"], strict=True):
        yield RepairedRow(row, [Repaired(**repair) for repair in repairs], video) if repairs else FileRow(row, video)
    for one in facts["rejected"]:
        yield Rejected(**one)
