"""Official SMPL pickles: arrays out of numpy, scipy and chumpy objects, of which nothing is imported or run."""

from __future__ import annotations

import os
import pickle
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from m3n.errors import InputError
from m3n.untrusted.smpl_pickle import read_official_pickle


@pytest.fixture
def chumpy(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """Classes of chumpy's names, to be pickled; `chumpy_gone` takes them away again."""
    found = types.ModuleType("chumpy.ch")
    for name in ("Ch", "Select"):
        made = type(name, (), {"__module__": "chumpy.ch", "__init__": lambda self, **values: self.__dict__.update(values)})
        setattr(found, name, made)
    monkeypatch.setitem(sys.modules, "chumpy", types.ModuleType("chumpy"))
    monkeypatch.setitem(sys.modules, "chumpy.ch", found)
    return found


def write(path: Path, protocol: int = 2, **values: Any) -> Path:
    path.write_bytes(pickle.dumps(values, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_arrays_come_out_of_numpy_scipy_and_chumpy_objects(tmp_path, chumpy, monkeypatch, protocol):
    from scipy.sparse import csc_matrix

    rng = np.random.default_rng(0)
    plain, sparse, shape = (
        rng.normal(size=(4, 3)),
        rng.normal(size=(5, 7)) * (rng.random((5, 7)) > 0.5),
        rng.normal(size=(2, 6)),
    )
    picked = chumpy.Select(a=chumpy.Ch(x=plain), idxs=np.array([0, 5, 11, 3]), preferred_shape=(2, 2))
    file = write(
        tmp_path / "a.pkl", protocol, plain=plain, sparse=csc_matrix(sparse), shape=chumpy.Ch(x=shape), picked=picked, other="lbs",
    )  # fmt: skip
    for name in ("chumpy", "chumpy.ch"):
        monkeypatch.delitem(sys.modules, name)
    found = read_official_pickle(file, ["plain", "sparse", "shape", "picked"])
    assert set(found) == {"plain", "sparse", "shape", "picked"}
    np.testing.assert_array_equal(found["plain"], plain)
    np.testing.assert_array_equal(found["sparse"], sparse)
    np.testing.assert_array_equal(found["shape"], shape)
    np.testing.assert_array_equal(found["picked"], plain.ravel()[[0, 5, 11, 3]].reshape(2, 2))


@pytest.mark.parametrize("function", [os.mkdir, exec, breakpoint])
def test_a_function_is_refused_by_name_and_not_run(tmp_path, function, capsys):
    class Hostile:
        def __reduce__(self) -> Any:
            return function, (f"open({str(tmp_path / 'trace')!r}, 'w')" if function is exec else str(tmp_path / "trace"),)

    file = write(tmp_path / "a.pkl", v_template=Hostile())
    with pytest.raises(InputError, match=rf"a\.pkl: .*asks for \S*\.{function.__name__}"):
        read_official_pickle(file, ["v_template"])
    assert not (tmp_path / "trace").exists()
    assert capsys.readouterr().out == ""


def test_what_is_missing_or_no_array_is_named(tmp_path):
    file = write(tmp_path / "a.pkl", v_template=np.zeros(3), weights="none", names=np.array(["a"]))
    with pytest.raises(InputError, match=r"a\.pkl: lacks shapedirs, posedirs"):
        read_official_pickle(file, ["v_template", "shapedirs", "posedirs"])
    for key in ("weights", "names"):
        with pytest.raises(InputError, match=rf"a\.pkl: {key} is not an array"):
            read_official_pickle(file, [key])
    file.write_bytes(pickle.dumps([1, 2], protocol=2))
    with pytest.raises(InputError, match="holds a list, expected a dict of arrays"):
        read_official_pickle(file, ["v_template"])


def test_a_damaged_file_is_one_line(tmp_path):
    file = write(tmp_path / "a.pkl", v_template=np.zeros(100))
    whole = file.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"hello"):
        file.write_bytes(content)
        with pytest.raises(InputError, match=r"a\.pkl: not an official body model file") as raised:
            read_official_pickle(file, ["v_template"])
        assert "\n" not in str(raised.value)
