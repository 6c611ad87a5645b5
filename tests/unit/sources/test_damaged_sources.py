"""Damaged and hostile files of every source end in one clear line or in valid, finite clips.

The inputs are the first of those that `python tests/fuzz` runs by the thousand; both take them from `tests/fuzz`.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fuzz.hostile import PROGRAMS, npy_members
from fuzz.originals import ORIGINALS, Raw, npy
from fuzz.verdict import judged

from m3n.commands.ingest import ingest, options_of
from m3n.config.names import SOURCES
from m3n.errors import LONGEST, InputError, one_line
from m3n.untrusted.archives import member
from m3n.untrusted.npy import plain_array
from m3n.untrusted.pickles import load_pickle

INPUTS = 40


def test_every_source_has_an_original_that_it_reads_whole(tmp_path: Path) -> None:
    assert set(ORIGINALS) == set(SOURCES) - {"choreography"}
    for source, original in ORIGINALS.items():
        file = tmp_path / original.name
        original.write(file, original.tree())
        settings = dict(setting.split("=") for setting in original.settings)
        figures = ingest(source, file, tmp_path / source, options_of(source).model_validate(settings))
        assert figures.get("poses", 0) + figures.get("recordings", 0) >= 1
        assert not figures.get("poses_rejected")


@pytest.mark.parametrize("source", SOURCES)
def test_damaged_inputs_end_in_one_clear_line_or_in_valid_finite_clips(source: str) -> None:
    verdicts = list(judged(source, range(INPUTS)))
    assert [verdict for verdict in verdicts if verdict.failed] == []
    assert {verdict.outcome for verdict in verdicts} == {"clip", "error"}  # the damage is neither all fatal nor all harmless


@pytest.mark.parametrize("number", range(len(PROGRAMS)))
def test_no_pickle_program_runs_anything_or_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pkl").write_bytes(b"\x80\x04" + PROGRAMS[number] + b".")
    message = ""
    try:
        load_pickle(tmp_path / "a.pkl")
    except InputError as error:
        message = str(error)
    assert not message or message.startswith(f"{tmp_path}/a.pkl: ")
    assert len(message.splitlines()) <= 1
    assert not Path("was_run").exists()
    assert np.dtype("f8").isnative


def test_a_pickle_cannot_change_the_byte_order_of_numpys_own_float(tmp_path: Path) -> None:
    state = b"(K\x03X\x01\x00\x00\x00>NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb."
    (tmp_path / "a.pkl").write_bytes(b"\x80\x02cnumpy\ndtype\nX\x02\x00\x00\x00f8\x85R" + state)
    assert load_pickle(tmp_path / "a.pkl") == np.dtype(">f8")
    assert struct.pack("d", 1.0) == np.array(1.0).tobytes()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i8", "?", "<U5", "S3", "<c16"])
@pytest.mark.parametrize("protocol", range(2, 6))
def test_arrays_of_numbers_and_text_come_back_from_a_pickle(tmp_path: Path, order: str, dtype: str, protocol: int) -> None:
    array = np.asarray(np.arange(6).reshape(2, 3).astype(dtype), order=order)  # type: ignore[call-overload]
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([array, array[0], array[0, 0], array], protocol=protocol))
    first, row, number, again = load_pickle(tmp_path / "a.pkl")
    np.testing.assert_array_equal(first, array)
    np.testing.assert_array_equal(row, array[0])
    assert first is again
    assert first.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    assert number == array[0, 0]


def test_npy_headers_that_promise_what_is_not_there_are_refused_without_allocating() -> None:
    good = np.arange(12.0).reshape(4, 3)
    np.testing.assert_array_equal(plain_array(npy(good), "a.npy"), good)
    refused = 0
    for data in npy_members():
        try:
            plain_array(npy(Raw(data)), "a.npy")
        except InputError as error:
            refused += str(error).startswith("a.npy: ")
    assert refused >= len(npy_members()) - 3  # a few claims happen to be true of the 32 bytes behind them


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


def test_an_error_is_one_printable_line_whatever_a_file_calls_things() -> None:
    message = str(InputError("a.npz: key 'x\ny\x1b[31m\ud800' " + "z" * 10_000))
    assert message.startswith("a.npz: key 'x y\\x1b[31m\\ud800' zzz")
    assert len(message) == LONGEST
    assert one_line("  plain  words ", 60) == "plain words"
