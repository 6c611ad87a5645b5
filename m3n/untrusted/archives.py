"""Zip archives that came from somewhere else, read so that none unpacks to more than expected and damage is one clear line."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from m3n.errors import InputError

LARGEST_ARRAYS = 1 << 30  # bytes that an npz may unpack to: nine hours of SMPL-X poses at 30 fps in float32 are 0.66 GB


@contextmanager
def zip_or_folder(path: Path, suffix: str, largest: int, expected: str) -> Iterator[tuple[list[str], Callable[[str], bytes]]]:
    """The names of the files with this ending in a zip, or in a folder it was unpacked into, and a function that reads one.

    Raises InputError where `path` is neither, naming what was `expected`, and from the function for a damaged file or one of over
    `largest` bytes.
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
    except Exception as error:  # a damaged archive can fail in any way at all
        raise InputError(f"{path}: damaged or no zip; expected {expected}, or a folder it was unpacked into") from error
    with archive:
        names = [name for name in archive.namelist() if name.endswith(suffix)]
        yield names, lambda name: member(archive, archive.getinfo(name), name, largest)


def member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str, largest: int) -> bytes:
    """The bytes of one file in a zip; InputError, naming `where`, for a damaged one or one of over `largest` bytes."""
    if info.file_size > largest:
        raise InputError(f"{where}: unpacks to over {largest >> 20} MiB")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # these cannot be unpacked in bounded steps
        raise InputError(f"{where}: compressed in an unusual way (method {info.compress_type}); zip it with deflate")
    try:
        with archive.open(info) as file:
            data = file.read(info.file_size + 1)  # a bound: a header may lie
    except Exception as error:  # a damaged archive can fail in any way at all
        reason = "it is encrypted" if info.flag_bits & 1 else "the zip is damaged"
        raise InputError(f"{where}: cannot be unpacked ({reason})") from error
    if len(data) != info.file_size:
        raise InputError(f"{where}: cannot be unpacked (it is cut short)")
    return data


@contextmanager
def opened_npz(file: Path) -> Iterator[zipfile.ZipFile]:
    """An npz as the zip it is; InputError for a damaged one and one that unpacks to over 1 GiB."""
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # a damaged archive can fail in any way at all
        raise InputError(f"{file.name}: cannot be read as an npz of plain arrays: it is damaged, or no npz") from error
    with archive:
        if sum(part.file_size for part in archive.infolist()) > LARGEST_ARRAYS:
            raise InputError(f"{file.name}: unpacks to over {LARGEST_ARRAYS >> 20} MiB; split it")
        yield archive
