"""Where files lie: a local path, or an object on a store (`s3://bucket/key`, `gs://bucket/key`), behind one small interface.

A `Location` is a `Path`, or an `ObjectPath`, which has the few methods of `Path` that m3n needs; what the two do differently are
the functions of this file. Nothing that is read is ever half-written: a file appears whole (locally by a rename, on a store
because an object does), and a folder appears by `publish`. A store cannot rename a folder, so there `publish` copies file by file,
under a mark, `.publishing`, that readers refuse (`refuse_unfinished`).

Stores are reached through pyarrow: its URIs (`s3://bucket/key?endpoint_override=host:port&scheme=http`), and the credentials and
settings of the surroundings (AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL, …, GOOGLE_APPLICATION_CREDENTIALS).
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from time import sleep
from typing import Any, TypeVar, final
from urllib.parse import parse_qsl, urlencode
from uuid import uuid4

import pyarrow as pa
from pyarrow import fs

from m3n.errors import InputError, MissingError, UnwritableError

STORES = ("s3", "gs")
PUBLISHING = ".publishing"
TORN = ".tmp"  # ending of what a killed process was writing
PAUSES_S = (0.2, 1.0)  # between tries of a read
REQUESTS = 16  # at a time; a store answers each in tens of milliseconds
# what a user can mend, and what to do about it
MENDABLE = {
    errno.ENOSPC: "make room there",
    errno.EDQUOT: "make room there",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "choose a folder that can be written",
    errno.EPERM: "choose a folder that can be written",
    errno.ENAMETOOLONG: "choose a shorter name",
}


@final
@dataclass(frozen=True)
class ObjectPath:
    """A file or folder on an object store. `str()` leaves out credentials and connection settings; `uri` has them.

    path: bucket/key; access: "KEY:SECRET@" as the user gave it, or empty; query: settings for pyarrow.
    """

    scheme: str
    path: str
    access: str = ""
    query: str = ""

    def __str__(self) -> str:
        return f"{self.scheme}://{self.path}"

    @property
    def uri(self) -> str:
        return f"{self.scheme}://{self.access}{self.path}" + (f"?{self.query}" if self.query else "")

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def __truediv__(self, name: str) -> ObjectPath:
        return replace(self, path=f"{self.path}/{name}")

    def with_name(self, name: str) -> ObjectPath:
        parent = self.path.rpartition("/")[0]
        if not parent:
            raise InputError(f"{self} is a whole bucket: expected a folder in it, as in {self}/{name}")
        return replace(self, path=f"{parent}/{name}")

    @property
    def filesystem(self) -> fs.FileSystem:
        """What pyarrow reaches the store with; one for each bucket, because regions and settings belong to it."""
        bucket = self.path.partition("/")[0]
        with _answering(self):
            return _filesystem(replace(self, path=bucket).uri)

    def info(self) -> fs.FileInfo:
        """Type, size and time of change; the type NotFound where nothing is."""
        with _answering(self):
            return self.filesystem.get_file_info(self.path)

    def exists(self) -> bool:
        return self.info().type != fs.FileType.NotFound

    def is_file(self) -> bool:
        return self.info().type == fs.FileType.File

    def is_dir(self) -> bool:
        return self.info().type == fs.FileType.Directory

    def unlink(self, missing_ok: bool = False) -> None:
        with _answering(self):
            try:
                self.filesystem.delete_file(self.path)
            except FileNotFoundError:
                if not missing_ok:
                    raise


Location = Path | ObjectPath
T = TypeVar("T")
L = TypeVar("L", Path, ObjectPath, Path | ObjectPath)


@lru_cache(maxsize=64)
def _filesystem(uri: str) -> fs.FileSystem:
    return fs.FileSystem.from_uri(uri)[0]


@contextmanager
def _answering(place: ObjectPath) -> Iterator[None]:
    """A store that refuses or does not answer, as one line for the user."""
    try:
        yield
    except FileNotFoundError as error:
        raise MissingError(f"{place} does not exist: check the bucket and the key") from error
    except (OSError, pa.ArrowException) as error:
        what = " ".join(str(error).split()).split(" (Request ID")[0]
        raise InputError(f"{place}: {what}; check the bucket, the credentials and the endpoint") from error


def location(text: str) -> Location:
    """A place as a user writes it: a local path, or the URI of a folder or file on a store; InputError for other schemes.

    The endpoint that AWS_ENDPOINT_URL names becomes a part of the place, because workers on other machines need it too.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        return Path(text)
    if scheme == "file":
        return Path(rest)
    if scheme not in STORES:
        raise InputError(f"{text}: expected a local path, {' or '.join(f'{store}://bucket/key' for store in STORES)}")
    rest, _, query = rest.partition("?")
    bucket, _, key = rest.partition("/")
    access, at, bucket = bucket.rpartition("@")
    if not bucket:
        raise InputError(f"{text} names no bucket: expected {scheme}://bucket/key")
    settings = dict(parse_qsl(query))
    if scheme == "s3":
        settings = _endpoint() | {"allow_delayed_open": "true"} | settings  # the last: one request for a small object
    else:
        settings = {"retry_limit_seconds": "60"} | settings  # or a missing network is found out after a quarter of an hour
    return ObjectPath(scheme, f"{bucket}/{key}".strip("/"), access + at, urlencode(settings))


def _endpoint() -> dict[str, str]:
    """The endpoint of the surroundings, as pyarrow's settings."""
    url = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    scheme, _, host = url.rpartition("://")
    return {"endpoint_override": host.rstrip("/"), "scheme": scheme or "https"} if host else {}


def full_name(place: Location) -> str:
    """The place for a process with another working folder; `location` reads it."""
    return place.uri if isinstance(place, ObjectPath) else str(place.resolve())


def files(folder: L, suffix: str = "") -> list[L]:
    """The files directly in a folder whose names end with `suffix`, sorted; empty where there is no folder."""
    if isinstance(folder, Path):
        names = [p.name for p in folder.iterdir() if p.is_file()] if folder.is_dir() else []
    else:
        with _answering(folder):
            found = folder.filesystem.get_file_info(fs.FileSelector(folder.path, allow_not_found=True))
        names = [info.base_name for info in found if info.is_file]
    return [folder / name for name in sorted(names) if name.endswith(suffix)]


def open_input(path: Location) -> Any:
    """A file for pyarrow to read from, at any position. Faults of a store are InputError, those of a disk OSError."""
    return pa.OSFile(str(path)) if isinstance(path, Path) else _StoredFile(path)


class _StoredFile(io.RawIOBase):
    """An object to read from, which asks again where a read breaks off: pyarrow's own tries end at the first byte of an answer."""

    def __init__(self, place: ObjectPath) -> None:
        self._place = place
        self._file = _insist(place, lambda: place.filesystem.open_input_file(place.path))
        self._size = _insist(place, self._file.size)
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        return self._at

    def read(self, size: int | None = -1) -> bytes:
        rest = max(0, self._size - self._at)
        asked = rest if size is None or size < 0 else min(size, rest)
        content: bytes = _insist(self._place, lambda: self._file.read_at(asked, self._at)) if asked else b""
        self._at += len(content)
        return content

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _insist(place: ObjectPath, act: Callable[[], T]) -> T:
    """What `act` gives, at the last of a few tries; InputError where the store does not answer at all."""
    with _answering(place):
        for pause_s in PAUSES_S:
            try:
                return act()
            except FileNotFoundError:
                raise
            except OSError:
                sleep(pause_s)
        return act()


def read(path: Location) -> bytes:
    """All of a file; MissingError if there is none, InputError if it cannot be read."""
    if isinstance(path, ObjectPath):
        with _StoredFile(path) as stream:
            return stream.read()
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from None


def write(path: Location, content: bytes | pa.Buffer) -> None:
    """Write a file whole or not at all; UnwritableError for a full or forbidden disk, InputError for a store's faults."""
    if isinstance(path, ObjectPath):
        with _answering(path):
            stream = path.filesystem.open_output_stream(path.path)
            stream.write(content)
            stream.close()  # which makes the object appear; a fault before leaves none
        return
    temporary = path.with_name(f".{path.name}.{uuid4().hex}{TORN}")
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
    """UnwritableError, in one line, for what a user can fix about a disk."""
    try:
        yield
    except OSError as error:
        if error.errno not in MENDABLE:
            raise
        raise UnwritableError(f"cannot write {path}: {error.strerror}; {MENDABLE[error.errno]}, and run this again") from None


def remove(folder: Location) -> None:
    """Remove a folder with all that is in it, or nothing where there is none."""
    if isinstance(folder, Path):
        shutil.rmtree(folder, ignore_errors=True)
    elif folder.is_dir():
        with _answering(folder):
            folder.filesystem.delete_dir(folder.path)


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
    """The file as a local path, for what reads no stores."""
    if isinstance(file, Path):
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="m3n-") as folder:
        copy = Path(folder) / file.name
        copy.write_bytes(read(file))
        yield copy


def publish(staging: Location, out: Location) -> None:
    """Make a finished folder appear as `out`, in the place of an earlier one.

    Locally by a rename. On a store by copies within it (objects of up to 5 GB): from the first to the last, `out` carries the
    mark that readers refuse, and `staging` stays whole, so that an interrupted publication is simply done again.
    """
    if isinstance(staging, ObjectPath) and isinstance(out, ObjectPath):
        _publish_by_copies(staging, out)
    elif isinstance(staging, Path) and isinstance(out, Path):
        replaced = out.with_name(f"{out.name}.replaced")
        if out.exists():
            shutil.rmtree(replaced, ignore_errors=True)
            os.rename(out, replaced)
        os.rename(staging, out)
        shutil.rmtree(replaced, ignore_errors=True)


def _publish_by_copies(staging: ObjectPath, out: ObjectPath) -> None:
    new = _below(staging)
    write(out / PUBLISHING, b"")
    for old in set(_below(out)) - {*new, PUBLISHING}:
        (out / old).unlink(missing_ok=True)
    with ThreadPoolExecutor(REQUESTS) as pool:
        list(pool.map(lambda name: _copy(staging / name, out / name), new))
    (out / PUBLISHING).unlink()
    remove(staging)


def _below(folder: ObjectPath) -> list[str]:
    """Names, relative to a folder on a store, of all files in it and below it."""
    with _answering(folder):
        found = folder.filesystem.get_file_info(fs.FileSelector(folder.path, allow_not_found=True, recursive=True))
    return sorted(i.path.removeprefix(f"{folder.path}/") for i in found if i.is_file)


def _copy(source: ObjectPath, target: ObjectPath) -> None:
    with _answering(target):
        source.filesystem.copy_file(source.path, target.path)


def refuse_unfinished(folder: Location) -> None:
    """InputError for a folder on a store whose publication is under way, or was cut off."""
    if isinstance(folder, ObjectPath) and (folder / PUBLISHING).exists():
        raise InputError(f"{folder} is being published, or that was cut off: wait, or run the job that makes it again")
