"""Reads the official SMPL .pkl files without running them.

A pickle is a program that may call any function. The official files, written by Python 2, need numpy arrays, one scipy sparse
matrix and chumpy objects around arrays. This unpickler knows numpy's array and dtype, turns every scipy and chumpy class into an
inert record of its attributes, from which the array is taken, and refuses everything else.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from m3n.errors import InputError


class _Record:
    """Stand-in for an object of a library that is not imported: it keeps the attributes and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> Self:
        return object.__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, dict):
            self.__dict__.update({str(key): value for key, value in state.items()})


class _SparseColumns(_Record):
    pass


class _ArrayClass:
    """Stand-in for numpy.ndarray, so that a file cannot allocate an array of any size."""


def _empty_array(*_: Any) -> NDArray[Any]:
    return np.ndarray((0,), dtype=np.int8)  # the state that follows brings shape, dtype and data


def _new_record(cls: Any, *_: Any) -> Any:
    if not (isinstance(cls, type) and issubclass(cls, _Record)):
        raise pickle.UnpicklingError("reconstructs something other than an array, a sparse matrix or a chumpy object")
    return cls()


def _number(dtype: Any, data: Any = b"") -> Any:
    raw = data.encode("latin1") if isinstance(data, str) else data
    return np.frombuffer(raw, dtype=dtype, count=1)[0]


def _to_bytes(text: str, encoding: str = "latin1") -> bytes:
    return str(text).encode("latin1")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): _ArrayClass,
    ("copy_reg", "_reconstructor"): _new_record,
    ("copyreg", "_reconstructor"): _new_record,
    ("__builtin__", "object"): _Record,
    ("builtins", "object"): _Record,
    ("_codecs", "encode"): _to_bytes,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ALLOWED[_module, "_reconstruct"] = _empty_array
    _ALLOWED[_module, "scalar"] = _number


class _OfficialUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _ALLOWED:
            return _ALLOWED[module, name]
        root = module.split(".")[0]
        if root == "scipy" and name in ("csc_matrix", "csc_array"):
            return _SparseColumns
        if root in ("scipy", "chumpy"):
            return _Record
        raise pickle.UnpicklingError(f"asks for {module}.{name}")


def read_official_pickle(path: Path, keys: Iterable[str]) -> dict[str, NDArray[Any]]:
    """The arrays under `keys` of an official SMPL-family .pkl, dense.

    Raises InputError for a damaged file, for one that asks for anything but arrays, sparse matrices and chumpy objects, and for a
    missing key.
    """
    try:
        with path.open("rb") as file:
            data = _OfficialUnpickler(file, encoding="latin1").load()
    except Exception as error:  # a damaged pickle can fail in any way
        problem = f"not an official body model file ({error})"
        raise InputError(f"{path}: {problem}; download it again or convert it to npz") from error
    if not isinstance(data, dict):
        raise InputError(f"{path}: holds a {type(data).__name__}, expected a dict of arrays; is it a body model file?")
    missing = [key for key in keys if key not in data]
    if missing:
        raise InputError(f"{path}: lacks {', '.join(missing)}; expected an SMPL-family model file, download it again")
    arrays = {}
    for key in keys:
        array = _dense(data[key])
        if array is None:
            raise InputError(f"{path}: {key} is not an array; convert the file to npz with smplx's tools/clean_ch.py")
        arrays[key] = array
    return arrays


def _dense(value: Any) -> NDArray[Any] | None:
    if isinstance(value, np.ndarray):
        return value if value.dtype.kind in "fiu" else None
    held = getattr(value, "__dict__", {})
    if isinstance(value, _SparseColumns):
        from scipy.sparse import csc_matrix

        shape = held.get("_shape", held.get("shape"))
        return np.asarray(csc_matrix((held["data"], held["indices"], held["indptr"]), shape=shape).todense())
    if "x" in held:  # chumpy.Ch: an array with derivatives
        return _dense(held["x"])
    if "a" in held and "idxs" in held:  # chumpy.reordering.Select: entries of another array
        source, picked = _dense(held["a"]), _dense(held["idxs"])
        if source is None or picked is None:
            return None
        return source.ravel()[picked.ravel().astype(np.int64)].reshape(held.get("preferred_shape", picked.shape))
    return None
