"""Archives and compressed data from elsewhere: nothing unpacks to more than expected, and damage is one clear line."""

from __future__ import annotations

import bz2
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from m3n.errors import InputError

LARGEST_ARRAYS = 1 << 30  # bytes of an unpacked npz: nine hours of SMPL-X poses at 30 fps in float32 are 0.66 GB
LARGEST = 4 << 30  # bytes of anything else
_BOMB_RATIO = 100  # floats hardly shrink; data that unpacks to more than this is a bomb


@contextmanager
def zip_or_folder(path: Path, suffix: str, largest: int, expected: str) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """The names of the files with an ending in a zip, or in a folder that it was unpacked into, and a function that reads one.

    Raises InputError, naming what was `expected`, if `path` is neither; the function raises it for a damaged file and for one of
    over `largest` bytes.
    """
    if path.is_dir():

        def read(name: str) -> bytes:
            try:
                if (path / name).stat().st_size > largest:
                    raise InputError(f"{name}: over {largest >> 20} MiB")
                return (path / name).read_bytes()
            except OSError as error:
                raise InputError(f"{name}: cannot be read ({error.strerror})") from error

        yield [f.relative_to(path).as_posix() for f in sorted(path.rglob(f"*{suffix}")) if f.is_file()], read
        return
    try:
        archive = zipfile.ZipFile(path)
    except Exception as error:  # a damaged archive can fail in any way
        raise InputError(f"{path}: damaged, or not a zip; expected {expected}, or the folder it was unpacked into") from error
    with archive:
        names = [name for name in archive.namelist() if name.endswith(suffix)]
        yield names, lambda name: member(archive, archive.getinfo(name), name, largest)


def member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str, largest: int) -> bytes:
    """The bytes of one file in a zip; InputError, naming `where`, if it is damaged or has over `largest` bytes."""
    if info.file_size > largest:
        raise InputError(f"{where}: unpacks to over {largest >> 20} MiB")
    if info.compress_type not in (
        zipfile.ZIP_STORED,
        zipfile.ZIP_DEFLATED,
    ):  # other methods cannot be unpacked in bounded steps
        raise InputError(f"{where}: unknown compression method {info.compress_type}; zip it again with deflate")
    try:
        with archive.open(info) as file:
            data = file.read(info.file_size + 1)  # bounded: a header may lie
    except Exception as error:  # a damaged archive can fail in any way
        reason = "it is encrypted" if info.flag_bits & 1 else "the zip is damaged"
        raise InputError(f"{where}: cannot be unpacked ({reason})") from error
    if len(data) != info.file_size:
        raise InputError(f"{where}: cannot be unpacked (it is truncated)")
    return data


@contextmanager
def opened_npz(file: Path) -> Iterator[zipfile.ZipFile]:
    """An npz as a zip archive; InputError if it is damaged or unpacks to over 1 GiB."""
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # a damaged archive can fail in any way
        raise InputError(f"{file.name}: cannot be read as an npz of plain arrays: it is damaged, or not an npz") from error
    with archive:
        if sum(part.file_size for part in archive.infolist()) > LARGEST_ARRAYS:
            raise InputError(f"{file.name}: unpacks to over {LARGEST_ARRAYS >> 20} MiB; split it")
        yield archive


def decompressed(data: bytes, where: str) -> bytes:
    """Data unpacked from a format of joblib's (zlib, gzip, bz2, xz, lzma), recognised by its first bytes; other data as it is."""
    openers: dict[bytes, Any] = {
        b"\x1f\x8b": lambda: zlib.decompressobj(47),
        b"x": lambda: zlib.decompressobj(47),
        b"BZh": bz2.BZ2Decompressor,
        b"\xfd7zXZ": lzma.LZMADecompressor,
        b"\x5d\x00": lzma.LZMADecompressor,
    }
    opener = next((make for magic, make in openers.items() if data.startswith(magic)), None)
    if opener is None:
        return data
    largest = min(LARGEST, _BOMB_RATIO * len(data) + (64 << 20))
    try:
        unpacked: bytes = opener().decompress(data, largest)
    except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError, MemoryError) as error:
        raise InputError(f"{where}: its compressed data is damaged or truncated") from error
    if len(unpacked) >= largest:
        raise InputError(f"{where}: unpacks to over {largest >> 20} MiB, far more than poses do; it was not loaded")
    return unpacked


def unpacked(name: str, data: bytes, largest: int, depth: int = 3) -> Iterator[tuple[str, bytes]]:
    """(name, bytes) of a file or, of a zip, of all files in it and in zips in it; names of members follow their zip's.

    Raises InputError for damage, for a file of over `largest` bytes, and for zips within zips beyond `depth`.
    """
    if not name.endswith(".zip"):
        yield name, data
        return
    if not depth:
        raise InputError(f"{name}: holds zips within zips without end")
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
    except Exception as error:  # a damaged archive can fail in any way
        raise InputError(f"{name}: damaged, or not a zip") from error
    with archive:
        for info in archive.infolist():
            if not info.is_dir():
                inner = f"{name}/{info.filename}"
                yield from unpacked(inner, member(archive, info, inner, largest), largest, depth - 1)
