"""Folders of files that are read one by one, as AMASS: processes share the files, and an interrupted run resumes file by file.

Workers take the files in groups, because Ray's message about an item costs as much as reading a short clip. What was made of a
file is a piece of its own (`m3n.commands.piece_files`), and the table is written from the pieces while the next ones are made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from pathlib import Path, PurePath
from typing import Any, Literal

from m3n import sources
from m3n.cluster.items import Item, run
from m3n.commands.piece_files import keep_only, known_facts, piece_facts, piece_items, piece_name, write_piece
from m3n.io import storage, tables
from m3n.io.object_store import REQUESTS
from m3n.io.storage import Location
from m3n.progress import bar
from m3n.schema import Rejected, check_pose_clip, rejected_row
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.plausibility import plausible
from m3n.sources.shared.pose_files import FileSource, PoseFileOptions, below, files_below

_GROUP = 8  # files of one item
_FEW, _SMALL = 32, 64 << 20  # files and bytes of a folder that is not worth its pieces


def is_small(path: Location, files: FileSource) -> bool:
    """Whether a folder is read at once, without pieces: a few small files on a local disk."""
    found = files.found(path)
    if not isinstance(path, Path) or len(found) > _FEW:
        return False
    return sum(file.stat().st_size for file in found if isinstance(file, Path)) <= _SMALL


class FileWorker:
    """Makes pieces of files, each in `staging`: plausible, valid rows, and what is Rejected."""

    def __init__(self, source: str, folder: str, staging: str, options: dict[str, Any]) -> None:
        module = sources.load(source)
        self._files: FileSource = module.FILES
        self._options: PoseFileOptions = module.Options.model_validate(options)
        self._folder, self._staging = storage.location(folder), storage.location(staging)

    def __call__(self, item: Item) -> Item:
        for name, piece in item["files"].items():
            place, notes = self._folder / name, Notes()
            with storage.local_copy(place) as copy:
                sha256 = storage.sha256(copy)
                rows = plausible(self._files.of_file(copy, PurePath(name), self._options, notes), self._options)
                write_piece(self._staging / piece, map(_valid, rows), notes, sha256=sha256)
        return {"pieces": list(item["files"].values())}


def _valid(item: dict[str, Any] | Rejected) -> dict[str, Any] | Rejected:
    reason = None if isinstance(item, Rejected) else check_pose_clip(item)
    return item if isinstance(item, Rejected) or reason is None else rejected_row(item, "clip_id", reason)


def file_items(
    source: str, path: Location, staging: Location, options: Any, notes: Notes, figures: dict[str, Any], inputs: dict[str, str]
) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `pose_clips` and what is Rejected, of the files of a folder by name: plausible, and valid but for duplicate ids.

    `figures` and `inputs` (the folder's SHA-256) are filled in. Raises InputError as the source does, and for a full disk.
    """
    started = time.perf_counter()
    module = sources.load(source)
    files: FileSource = module.FILES
    files.check(path, options)
    settings = {name: getattr(options, name) for name in module.Options.model_fields if name != "workers"}
    given = {name: value for name, value in settings.items() if isinstance(value, Path)}  # their content decides too
    plain = options.model_dump(mode="json", include=settings.keys() - given.keys())
    depends = {"source": source, "options": plain, "read": {name: tables.file_sha256(file) for name, file in given.items()}}
    pieces = {str(name): piece_name(**depends, name=str(name)) for name in (below(file, path) for file in files.found(path))}
    found = _finished(path, staging, pieces)
    keep_only(staging, found)
    todo = [name for name, piece in pieces.items() if piece not in found]
    groups: list[Item] = [
        {"files": {name: pieces[name] for name in todo[first : first + _GROUP]}} for first in range(0, len(todo), _GROUP)
    ]
    passed = plain | {name: str(file.resolve()) for name, file in given.items()}
    make = partial(FileWorker, source, storage.full_name(path), storage.full_name(staging), passed)
    made, digests = set(found), {}
    with bar("files", len(todo)) as advance, closing(_run(make, groups, options.workers)) as results:
        for name, piece in pieces.items():
            while piece not in made:
                new = next(results)["pieces"]
                made |= set(new)
                pace = (len(made) - len(found)) / (time.perf_counter() - started)
                advance(len(new), f"{pace:,.1f} files/s, {len(found)} were there")
            facts = known_facts(staging / piece)
            digests[name] = facts["sha256"]
            yield from piece_items(staging / piece, facts, notes)
    elapsed = time.perf_counter() - started
    figures |= {"files": len(pieces), "files_found_finished": len(found), "elapsed_s": elapsed}
    figures |= {"files_per_s": len(todo) / elapsed} if todo else {}
    names = sorted(files_below(path), key=PurePath)
    inputs[path.name] = tables.named_sha256((name, digests.get(name) or storage.sha256(path / name)) for name in names)


def _run(make: Callable[[], FileWorker], groups: list[Item], workers: int | Literal["auto"]) -> Generator[Item, None, None]:
    if workers == 1:
        yield from map(make(), groups)
    else:
        yield from run(make, groups, workers, called="files", remedy="use fewer workers, or look for a file that is too large")


def _finished(path: Location, staging: Location, pieces: dict[str, str]) -> set[str]:
    """The pieces that an interrupted run has made of the files as they are now."""
    there = {file.name for file in storage.files(staging)}

    def is_finished(name: str) -> bool:
        facts = piece_facts(staging / pieces[name]) if pieces[name] in there else None
        return facts is not None and facts["sha256"] == storage.sha256(path / name)

    with ThreadPoolExecutor(REQUESTS) as pool:
        return {pieces[name] for name, finished in zip(pieces, pool.map(is_finished, pieces), strict=True) if finished}
