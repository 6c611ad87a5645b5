"""Archives from elsewhere: bounded, and damage is one line that names the file."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from m3n.errors import InputError
from m3n.untrusted import archives
from m3n.untrusted.archives import decompressed, member, opened_npz, zip_or_folder


def test_a_zip_bomb_is_not_unpacked() -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.bvh", bytes(3 << 20))
    with zipfile.ZipFile(packed) as archive:
        info = archive.getinfo("a.bvh")
        assert len(member(archive, info, "a.bvh", 4 << 20)) == 3 << 20
        with pytest.raises(InputError, match=r"a\.bvh: unpacks to over 2 MiB"):
            member(archive, info, "a.bvh", 2 << 20)
        info.file_size = 100  # a header that lies
        with pytest.raises(InputError, match="cannot be unpacked"):
            member(archive, info, "a.bvh", 2 << 20)


def test_a_zip_and_its_unpacked_folder_read_alike(tmp_path: Path) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "data.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("b.txt", "deep/a.txt", "other.csv"):
            (tmp_path / "data" / name).write_bytes(name.encode())
            archive.writestr(name, name.encode())
    for path in (tmp_path / "data", tmp_path / "data.zip"):
        with zip_or_folder(path, ".txt", 100, "the dataset") as (names, read):
            assert {name: read(name) for name in names} == {name: name.encode() for name in ("b.txt", "deep/a.txt")}
        with (
            zip_or_folder(path, ".txt", 5, "the dataset") as (names, read),
            pytest.raises(InputError, match=r"a\.txt: .*over 0 MiB"),
        ):
            read("deep/a.txt")


def test_what_is_no_archive_is_named_with_what_was_expected(tmp_path: Path) -> None:
    (tmp_path / "data.zip").write_bytes(b"PK\x03\x04 not really")
    for name in ("data.zip", "absent.zip"):
        with pytest.raises(InputError, match=rf"{name}: damaged, or not a zip; expected UTD-MHAD"):  # noqa: SIM117
            with zip_or_folder(tmp_path / name, ".mat", 100, "UTD-MHAD"):
                pass
    with pytest.raises(InputError, match=r"data\.zip: .*not an npz"), opened_npz(tmp_path / "data.zip"):
        pass


def test_an_npz_that_promises_too_much_is_refused_before_anything_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.savez_compressed(tmp_path / "a.npz", poses=np.zeros(1 << 20))
    with opened_npz(tmp_path / "a.npz") as archive:
        assert archive.namelist() == ["poses.npy"]
    monkeypatch.setattr(archives, "LARGEST_ARRAYS", 4 << 20)  # eight are promised
    with pytest.raises(InputError, match=r"a\.npz: unpacks to over 4 MiB"), opened_npz(tmp_path / "a.npz"):
        pass


def test_encrypted_and_oddly_compressed_members_are_told_apart_from_damage() -> None:
    for method, bit, message in (
        (zipfile.ZIP_LZMA, 0, "unknown compression method 14"),
        (zipfile.ZIP_STORED, 1, "it is encrypted"),
    ):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", method) as archive:
            archive.writestr("a.txt", b"text")
        with zipfile.ZipFile(packed) as archive:
            info = archive.getinfo("a.txt")
            info.flag_bits |= bit
            with pytest.raises(InputError, match=message):
                member(archive, info, "a.txt", 100)


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, bz2.compress, lzma.compress, bytes], ids=lambda f: f.__module__)
def test_compressed_data_is_recognised_by_its_first_bytes(pack: Callable[[bytes], bytes]) -> None:
    data = np.random.default_rng(0).bytes(10_000)
    data = b"\x80\x04" + data  # the start of a pickle, which no compressor writes
    assert decompressed(pack(data), "a.pkl") == data


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, bz2.compress, lzma.compress], ids=lambda f: f.__module__)
def test_a_bomb_and_damaged_compressed_data_are_one_line(
    pack: Callable[[bytes], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "LARGEST", 1 << 20)
    with pytest.raises(InputError, match=r"^a\.pkl: unpacks to over 1 MiB"):
        decompressed(pack(bytes(2 << 20)), "a.pkl")
    packed = bytearray(pack(np.random.default_rng(0).bytes(10_000)))
    packed[20:2000] = bytes(1980)
    with pytest.raises(InputError, match=r"^a\.pkl: its compressed data is damaged"):
        decompressed(bytes(packed), "a.pkl")
