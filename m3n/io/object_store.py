"""Object stores (`s3://bucket/key`, `gs://bucket/key`) behind the few methods of `Path` that m3n needs.

Stores are reached through pyarrow: its URIs (`s3://bucket/key?endpoint_override=host:port&scheme=http`), and the credentials and
settings of the environment (AWS_ACCESS_KEY_ID, AWS_PROFILE, AWS_ENDPOINT_URL, …, GOOGLE_APPLICATION_CREDENTIALS). A store's errors
become an `InputError` of one line, and reads are retried.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from time import sleep
from typing import TypeVar, final
from urllib.parse import parse_qsl, urlencode

import pyarrow as pa
from pyarrow import fs

from m3n.errors import InputError, MissingError

STORES = ("s3", "gs")
PUBLISHING = ".publishing"  # a file in a folder that is being published
PAUSES_S = (0.2, 1.0)  # between attempts to read
REQUESTS = 16  # at a time; a store answers each in tens of milliseconds
T = TypeVar("T")


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
        """pyarrow's handle of the store; one per bucket, because regions and settings belong to a bucket."""
        bucket = self.path.partition("/")[0]
        with store_errors(self):
            return _filesystem(replace(self, path=bucket).uri)

    def info(self) -> fs.FileInfo:
        """Type, size and modification time; type NotFound for a path that does not exist."""
        with store_errors(self):
            return self.filesystem.get_file_info(self.path)

    def exists(self) -> bool:
        return self.info().type != fs.FileType.NotFound

    def is_file(self) -> bool:
        return self.info().type == fs.FileType.File

    def is_dir(self) -> bool:
        return self.info().type == fs.FileType.Directory

    def unlink(self, missing_ok: bool = False) -> None:
        with store_errors(self):
            try:
                self.filesystem.delete_file(self.path)
            except FileNotFoundError:
                if not missing_ok:
                    raise


@lru_cache(maxsize=64)
def _filesystem(uri: str) -> fs.FileSystem:
    return fs.FileSystem.from_uri(uri)[0]


@contextmanager
def store_errors(place: ObjectPath) -> Iterator[None]:
    """Turn a store's refusal or silence into an InputError of one line."""
    try:
        yield
    except FileNotFoundError as error:
        raise MissingError(f"{place} does not exist: check the bucket and the key") from error
    except (OSError, pa.ArrowException) as error:
        what = " ".join(str(error).split()).split(" (Request ID")[0]
        raise InputError(f"{place}: {what}; check the bucket, the credentials and the endpoint") from error


def from_uri(text: str) -> ObjectPath:
    """A place on a store from its URI; InputError for other schemes.

    The endpoint named by AWS_ENDPOINT_URL becomes part of the place, because workers on other machines need it too.
    """
    scheme, _, rest = text.partition("://")
    if scheme not in STORES:
        raise InputError(f"{text}: expected a local path, {' or '.join(f'{store}://bucket/key' for store in STORES)}")
    rest, _, query = rest.partition("?")
    bucket, _, key = rest.partition("/")
    access, at, bucket = bucket.rpartition("@")
    if not bucket:
        raise InputError(f"{text} names no bucket: expected {scheme}://bucket/key")
    settings = dict(parse_qsl(query))
    if scheme == "s3":
        settings = _endpoint() | {"allow_delayed_open": "true"} | settings  # delayed: one request for a small object
    else:
        settings = {"retry_limit_seconds": "60"} | settings  # the default reports a missing network after 15 minutes
    return ObjectPath(scheme, f"{bucket}/{key}".strip("/"), access + at, urlencode(settings))


def _endpoint() -> dict[str, str]:
    """The endpoint named by the environment, as pyarrow's settings."""
    url = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
    scheme, _, host = url.rpartition("://")
    return {"endpoint_override": host.rstrip("/"), "scheme": scheme or "https"} if host else {}


class StoredFile(io.RawIOBase):
    """An object to read from. A read that breaks off is repeated: pyarrow's own retries end at the first byte of an answer."""

    def __init__(self, place: ObjectPath) -> None:
        self._place = place
        self._file = _retried(place, lambda: place.filesystem.open_input_file(place.path))
        self._size = _retried(place, self._file.size)
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
        content: bytes = _retried(self._place, lambda: self._file.read_at(asked, self._at)) if asked else b""
        self._at += len(content)
        return content

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _retried(place: ObjectPath, act: Callable[[], T]) -> T:
    """The result of `act`, after up to three attempts; InputError where all of them fail."""
    with store_errors(place):
        for pause_s in PAUSES_S:
            try:
                return act()
            except FileNotFoundError:
                raise
            except OSError:
                sleep(pause_s)
        return act()


def files_in(folder: ObjectPath, recursive: bool = False) -> list[str]:
    """Names, relative to a folder, of the files in it (and, if `recursive`, below it), sorted; empty without a folder."""
    with store_errors(folder):
        found = folder.filesystem.get_file_info(fs.FileSelector(folder.path, allow_not_found=True, recursive=recursive))
    return sorted(info.path.removeprefix(f"{folder.path}/") for info in found if info.is_file)


def write(path: ObjectPath, content: bytes | pa.Buffer) -> None:
    """Write an object whole or not at all."""
    with store_errors(path):
        stream = path.filesystem.open_output_stream(path.path)
        stream.write(content)
        stream.close()  # which makes the object appear; an error before leaves none


def remove(folder: ObjectPath) -> None:
    """Remove a folder with everything in it, if there is one."""
    if folder.is_dir():
        with store_errors(folder):
            folder.filesystem.delete_dir(folder.path)


def publish(staging: ObjectPath, out: ObjectPath) -> None:
    """Make a finished folder appear as `out`, by copies within the store (objects of up to 5 GB).

    From the first copy to the last, `out` carries the mark that readers refuse, and `staging` stays whole, so that an interrupted
    publication can be repeated.
    """
    new = files_in(staging, recursive=True)
    write(out / PUBLISHING, b"")
    for old in set(files_in(out, recursive=True)) - {*new, PUBLISHING}:
        (out / old).unlink(missing_ok=True)
    with ThreadPoolExecutor(REQUESTS) as pool:
        list(pool.map(lambda name: copy(staging / name, out / name), new))
    (out / PUBLISHING).unlink()
    remove(staging)


def copy(source: ObjectPath, target: ObjectPath) -> None:
    with store_errors(target):
        source.filesystem.copy_file(source.path, target.path)
