"""Videos, whose reading is long: stretch by stretch, by several processes, and resumed where it was interrupted.

What was made of a stretch is a piece (`m3n.commands.piece_files`); the table is written from the pieces once all are made.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from m3n.cluster.items import Item, run_items
from m3n.cluster.start import connect
from m3n.commands.piece_files import keep_only, known_facts, piece_facts, piece_items, piece_name, write_piece
from m3n.io import storage, tables
from m3n.io.storage import Location
from m3n.progress import bar
from m3n.schema import Rejected
from m3n.sources.poses.video import Options, Piece, Reader, pieces
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.processes import cores
from m3n.video.network_files import checked_folder

FILM = "film"  # folder below the clips: what was seen, for `m3n report video`
LOOKS = pa.schema([("item", pa.string()), ("video", pa.string()), ("look", pa.string())])  # `m3n.video.looks` as JSON
# and where the video was (`bytes`: 0 on a store), and where in it each clip begins, for `m3n view`
_CLIPS = pa.list_(pa.struct([("clip_id", pa.string()), ("start_s", pa.float64())]))
FILMED = pa.schema([("file", pa.string()), ("bytes", pa.int64()), ("clips", _CLIPS)])
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
        clips = list(self._reader.clips(piece, notes))
        frames = self._reader.frames - before
        looks, self._reader.looks = self._reader.looks, []
        write_piece(self._staging / item["file"], clips, notes, frames=frames, looks=looks)
        return {"frames": frames, "seconds": piece.seconds}

    def close(self) -> None:
        """Close the reader."""
        if self._reader is not None:
            self._reader.close()


def video_items(
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
    made = {file.name for file in storage.files(staging) if file.name in wanted and piece_facts(file) is not None}
    keep_only(staging, made)
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
            yield from piece_items(staging / file, known_facts(staging / file), notes)
    _write_looks(staging, wanted)


def _write_looks(staging: Location, wanted: Mapping[str, Piece]) -> None:
    storage.remove(staging / FILM)
    if isinstance(staging, Path):
        with storage.writing(staging):
            (staging / FILM).mkdir()
    rows = (
        {"item": look["item"], "video": look["video"], "look": json.dumps(look), **_filmed(piece, look)}
        for file, piece in wanted.items()
        for look in known_facts(staging / file)["looks"]
    )
    tables.write_table(staging / FILM, rows, pa.schema([*LOOKS, *FILMED]), rows_per_shard=64)


def _filmed(piece: Piece, look: dict[str, Any]) -> dict[str, Any]:
    place = storage.location(piece.file)
    size = place.stat().st_size if isinstance(place, Path) and place.exists() else 0
    clips = [{"clip_id": name, "start_s": start} for name, start in look.get("clips", {}).items()]
    return {"file": piece.file, "bytes": size, "clips": clips}


def _run(
    make: Callable[[], PieceWorker], todo: Sequence[Item], workers: int | str, seconds: float
) -> Generator[Item, None, None]:
    count = min(len(todo), (cores() if seconds > ALONE_S else 1) if isinstance(workers, str) else workers)
    if count < 2:
        with closing(make()) as worker:
            yield from map(worker, todo)
        return
    connect(workers=count)
    yield from run_items(make, todo, count)


def _file(piece: Piece, options: Any) -> str:
    return piece_name(**{**asdict(piece), "file": None}, options={name: getattr(options, name) for name in READ})
