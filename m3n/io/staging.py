"""The staging folder in which a command makes its result, so that nobody ever sees half of one.

A command works in `OUT.partial` beside its output, under a lock; `storage.publish` then makes the result appear as a whole. A
command that can resume finds the finished shards of an interrupted run there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from m3n.errors import InputError, UnwritableError
from m3n.io import locks, object_store, storage, tables
from m3n.io.storage import L, Location


@contextmanager
def staged(out: L, *, resume: bool = False, inputs: Sequence[Location] = ()) -> Iterator[L]:
    """A staging folder that becomes `out` when the block ends without an error.

    One job at a time: LockedError names the job that is running, and nothing is touched. With `resume`, the staging folder of an
    interrupted run is offered again: it is kept after a crash, a signal or a full disk, and after bad input if it has shards with
    rows. Otherwise it is removed. An existing `out` is replaced only if it is empty or was made by m3n, and is
    neither one of `inputs` nor the working folder; InputError otherwise.
    """
    if isinstance(out, Path):
        out = Path(os.path.abspath(out))
    _refuse_to_replace(out, inputs)
    staging = out.with_name(f"{out.name}.partial")
    with _parent_of(out), locks.held(out) as confirm:
        if not resume:
            storage.remove(staging)
        if isinstance(staging, Path):
            with storage.writing(staging):
                staging.mkdir(exist_ok=True)
        for left in storage.files(staging, storage.TEMPORARY):
            left.unlink(missing_ok=True)
        try:
            yield staging
        except BaseException as error:
            bad_input = isinstance(error, InputError) and not isinstance(error, UnwritableError)
            rows = resume and _holds_rows(staging)
            if not rows and (bad_input or not resume or not _holds_state(staging)):
                storage.remove(staging)
            elif isinstance(error, InputError):
                kept = "finished shards are" if rows else "the work so far is"
                raise type(error)(f"{error}; {kept} kept in {staging}, and the next run resumes from there") from None
            raise
        confirm()
        storage.publish(staging, out)


def _refuse_to_replace(out: Location, inputs: Sequence[Location]) -> None:
    files: list[Location]
    if isinstance(out, Path):
        kept = [("working folder", Path.cwd()), *(("input", path) for path in inputs if isinstance(path, Path))]
        held = [(role, str(path)) for role, path in kept if out.resolve() in (path.resolve(), *path.resolve().parents)]
        files = [folder for folder in (out, *out.parents) if folder.is_file()]
        foreign = out.is_dir() and any(out.iterdir())
    else:
        held = [("input", str(path)) for path in inputs if f"{path}/".startswith(f"{out}/")]
        files = [out] if out.is_file() else []
        foreign = out.is_dir() and not (out / object_store.PUBLISHING).exists()
    if held:
        raise InputError(f"{out} holds the {' '.join(held[0])}, and would be replaced by the result: choose another --out")
    if files:
        raise InputError(f"{files[0]} is a file: --out expects a folder")
    if foreign and not (out / tables.MANIFEST).exists():
        raise InputError(f"{out} exists and was not made by m3n: choose another --out, or remove it")


@contextmanager
def _parent_of(out: Location) -> Iterator[None]:
    """Make the parent folder of an output if it does not exist, and remove it again if nothing was put there."""
    if not isinstance(out, Path) or out.parent.exists():
        yield
        return
    with storage.writing(out.parent):
        out.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        with suppress(OSError):  # it holds the result, or somebody else's files
            out.parent.rmdir()


def _holds_state(staging: Location) -> bool:
    names = [entry.name for entry in (staging.iterdir() if isinstance(staging, Path) else storage.files(staging))]
    return any(not name.endswith(".parquet") for name in names)


def _holds_rows(staging: Location) -> bool:
    for shard in storage.files(staging, ".parquet"):
        with suppress(InputError):
            if tables.row_count(shard):
                return True
    return False
