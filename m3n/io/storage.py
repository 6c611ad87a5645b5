"""Where files are kept: a local path, or an object on a store, behind one small interface.

A `Location` is a `Path` or an `ObjectPath`; the functions of this file do what differs between the two. No reader ever sees a
half-written result: a file appears whole (locally by a rename, on a store because an object does), and a folder appears by
`publish`. A store cannot rename a folder, so there `publish` copies file by file while a file `.publishing` marks the folder, and
readers refuse a folder with that mark (`refuse_unfinished`).
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

import pyarrow as pa

from m3n.errors import InputError, MissingError, UnwritableError
from m3n.io import object_store
from m3n.io.object_store import ObjectPath

_COPIED_AT_ONCE = 16 << 20  # bytes: videos are large
TEMPORARY = ".tmp"  # ending of a file that is being written; a killed process leaves it
# errors that a user can fix, and how
FIXES = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "choose a folder that can be written",
    errno.EPERM: "choose a folder that can be written",
    errno.ENAMETOOLONG: "choose a shorter name",
}
Location = Path | ObjectPath
L = TypeVar("L", Path, ObjectPath, Path | ObjectPath)


def location(text: str) -> Location:
    """A local path, or a folder or file on a store, as a user writes it; InputError for an unknown scheme."""
    scheme, separator, rest = text.partition("://")
    if separator and scheme != "file":
        return object_store.from_uri(text)
    return Path(rest if separator else text)


def full_name(place: Location) -> str:
    """The place for a process with another working folder; `location` reads it."""
    return place.uri if isinstance(place, ObjectPath) else str(place.resolve())


def files(folder: L, suffix: str = "") -> list[L]:
    """The files directly in a folder whose names end with `suffix`, sorted; empty if the folder does not exist."""
    if isinstance(folder, Path):
        names = sorted(p.name for p in folder.iterdir() if p.is_file()) if folder.is_dir() else []
    else:
        names = object_store.files_in(folder)
    return [folder / name for name in names if name.endswith(suffix)]


def open_input(path: Location) -> Any:
    """A file for pyarrow to read from, at any position. Errors of a store are InputError, those of a disk OSError."""
    return pa.OSFile(str(path)) if isinstance(path, Path) else object_store.StoredFile(path)


def read(path: Location) -> bytes:
    """All of a file; MissingError if there is none, InputError if it cannot be read."""
    if isinstance(path, ObjectPath):
        with object_store.StoredFile(path) as stream:
            return stream.read()
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def write(path: Location, content: bytes | pa.Buffer) -> None:
    """Write a file whole or not at all; UnwritableError for a full or read-only disk, InputError for a store's errors."""
    if isinstance(path, ObjectPath):
        object_store.write(path, content)
        return
    temporary = path.with_name(f".{path.name}.{uuid4().hex}{TEMPORARY}")
    with writing(path):
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # or a power cut after the rename could leave the name without the content
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn a disk error that the user can fix into an UnwritableError that says how."""
    try:
        yield
    except OSError as error:
        if error.errno not in FIXES:
            raise
        raise UnwritableError(f"cannot write {path}: {error.strerror}; {FIXES[error.errno]}, and run this again") from None


def keep(path: L, kept: L) -> None:
    """Give a file a second name, under which an earlier file is replaced, so that at every moment both names have a whole file."""
    if isinstance(path, Path) and isinstance(kept, Path):
        new = kept.with_name(f"{kept.name}{TEMPORARY}")
        with writing(kept):
            new.unlink(missing_ok=True)
            try:
                os.link(path, new)
            except OSError:  # a disk without hard links
                shutil.copyfile(path, new)
            os.replace(new, kept)
            new.unlink(missing_ok=True)  # where both names were of one file already, it is still there
    elif isinstance(path, ObjectPath) and isinstance(kept, ObjectPath):
        object_store.copy(path, kept)


def remove(folder: Location) -> None:
    """Remove a folder with everything in it, if there is one."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    else:
        object_store.remove(folder)


def changed_at(path: Location) -> float:
    """When a file was last written, in seconds, by the clock of the disk or store; MissingError if it is gone."""
    if isinstance(path, ObjectPath):
        if not (info := path.info()).is_file:
            raise MissingError(f"{path} does not exist")
        return float(info.mtime.timestamp())
    try:
        return path.stat().st_mtime
    except FileNotFoundError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def sha256(path: Location) -> str:
    """SHA-256 of a file's bytes."""
    if isinstance(path, ObjectPath):
        return hashlib.sha256(read(path)).hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def local_copy(file: Location) -> Iterator[Path]:
    """The file as a local path, for code that cannot read from stores."""
    if isinstance(file, Path):
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="m3n-") as folder:
        copy = Path(folder) / file.name
        with object_store.StoredFile(file) as stored, writing(copy), copy.open("wb") as target:
            shutil.copyfileobj(stored, target, _COPIED_AT_ONCE)
        yield copy


def publish(staging: Location, out: Location) -> None:
    """Make a finished folder appear as `out`, replacing an earlier one: by a rename, or by copies on a store."""
    if isinstance(staging, ObjectPath) and isinstance(out, ObjectPath):
        object_store.publish(staging, out)
    elif isinstance(staging, Path) and isinstance(out, Path):
        replaced = out.with_name(f"{out.name}.replaced")
        if out.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            os.rename(out, replaced)
        os.rename(staging, out)
        shutil.rmtree(replaced, ignore_errors=True)


def refuse_unfinished(folder: Location) -> None:
    """Raise InputError for a folder on a store whose publication is under way or was interrupted."""
    if isinstance(folder, ObjectPath) and (folder / object_store.PUBLISHING).exists():
        raise InputError(
            f"{folder} is being published, or its publication was interrupted: wait, or rerun the command that makes it"
        )
