"""Pickles from elsewhere: plain data comes back, anything else is refused by name and never run."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from fuzz.hostile import PROGRAMS

from m3n.errors import InputError
from m3n.untrusted.npy import load_object_npy
from m3n.untrusted.pickles import load_joblib, load_pickle


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


class _Payload:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.marker}",)


def test_a_pickle_that_calls_the_system_is_refused_by_name_and_not_run(tmp_path):
    hostile, marker = tmp_path / "hostile.pkl", tmp_path / "was_here"
    hostile.write_bytes(pickle.dumps({"poses": [1, 2], "trap": _Payload(marker)}))
    with pytest.raises(InputError, match=r"hostile\.pkl.*system"):
        load_pickle(hostile)
    array = np.empty((), dtype=object)
    array[()] = _Payload(marker)
    np.save(tmp_path / "hostile.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match=r"hostile\.npy.*system"):
        load_object_npy(tmp_path / "hostile.npy")
    assert not marker.exists()


@pytest.mark.parametrize(
    "code", [b"cbuiltins\neval\n(S'1'\ntR.", b"cnumpy\nload\n.", b"\x80\x04\x8c\x08builtins\x8c\x07getattr\x93."]
)
def test_other_globals_are_refused_too(tmp_path, code):
    (tmp_path / "x.pkl").write_bytes(code)
    with pytest.raises(InputError, match="not part of a plain numpy array"):
        load_pickle(tmp_path / "x.pkl")


@pytest.mark.parametrize("protocol", range(2, 6))
def test_plain_containers_arrays_and_scalars_come_back(tmp_path, protocol):
    value = {"a": np.arange(6.0).reshape(2, 3), "b": [np.float32(1.5), (1, "x", b"y", None)], "c": {1, 2}}
    value["d"] = np.array(["u"], object)
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(value, protocol=protocol))
    back = load_pickle(tmp_path / "x.pkl")
    np.testing.assert_array_equal(back["a"], value["a"])
    assert back["b"] == value["b"]
    assert back["c"] == value["c"]
    assert back["d"][0] == "u"


def test_joblib_files_come_back_as_they_were(tmp_path: Path) -> None:
    data = {
        "c": np.arange(6.0).reshape(2, 3),
        "f": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "n": np.float32(2),
        "e": np.zeros(0),
    }
    joblib.dump(data, tmp_path / "a.pkl")
    read = load_joblib(tmp_path / "a.pkl")
    for key, value in data.items():
        np.testing.assert_array_equal(read[key], value)
    joblib.dump({"o": np.array([{}], dtype=object)}, tmp_path / "a.pkl")
    with pytest.raises(InputError, match="array of object"):
        load_joblib(tmp_path / "a.pkl")
