"""Reads pickles from elsewhere without running them.

A pickle is a program: `pickle.load` (and `numpy.load(..., allow_pickle=True)`) calls whatever it names. Datasets are still
distributed that way, so m3n reads them with an unpickler that knows only the few callables that rebuild numpy arrays and built-in
containers, and refuses everything else by name (after "Restricting Globals" in Python's documentation of `pickle`). It is based
on the unpickler written in Python, because some instructions are harmful although their names are harmless (hashing a tuple
nested 100,000 deep, changing the byte order of NumPy's own float64): each is checked when it is executed.
"""

from __future__ import annotations

import io
import math
import pickle
import re
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np
from numpy.typing import NDArray

from m3n.errors import InputError, shown
from m3n.untrusted.archives import LARGEST, decompressed

Damaged = pickle.UnpicklingError  # raised by an unpickler; `loaded` adds the name of the file


class _Uncalled:
    """Stand-in for a class that a pickle names but must not call, such as an array's or the factory of a defaultdict."""

    def __new__(cls, *_: Any) -> _Uncalled:
        raise Damaged("it calls a class that it may only name")


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """Stand-in for `_codecs.encode`, which protocol 2 uses to write bytes, with its one codec."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise Damaged("bytes have an unknown encoding")
    return text.encode("latin1")


def _defaultdict(*_: Any) -> dict[Any, Any]:
    """A plain dict: the factory of a `collections.defaultdict` is of no use in data."""
    return {}


def _dict(items: Any = ()) -> dict[Any, Any]:
    if not isinstance(items, list | tuple) or not all(isinstance(item, list | tuple) and len(item) == 2 for item in items):
        raise Damaged("a dict is built from something other than pairs")
    return {_key(key): value for key, value in items}


def _set(items: Any = ()) -> set[Any]:
    if not isinstance(items, list | tuple):
        raise Damaged("a set is built from something other than a list")
    return {_key(item) for item in items}


def _key(key: Any) -> Any:
    """The key itself, if it is a number, text or a flat tuple of them: Python hashes nested tuples recursively."""
    for part in key if type(key) is tuple else (key,):
        if not (part is None or isinstance(part, str | bytes | int | float | np.generic)):
            raise Damaged(f"a key is a {type(part).__name__}")
    return key


def _bytearray(data: Any = b"") -> bytearray:
    if not isinstance(data, bytes):
        raise Damaged("a bytearray is built from something other than bytes")
    return bytearray(data)


def _complex(real: Any, imaginary: Any = 0.0) -> complex:
    return complex(float(real), float(imaginary))


def _dtype(text: Any, *_: Any) -> np.dtype[Any]:
    """A dtype of numbers, text or objects, always a copy: its byte order is set later, and NumPy's own must not change."""
    if not isinstance(text, str) or not re.fullmatch(r"[<>=|]?(\?|[biufcSUO]\d{0,4})", text):
        raise Damaged(f"an array is of the unknown dtype {shown(text)}")
    return np.dtype(text, copy=True)  # type: ignore[call-overload]


def _empty_array(*_: Any) -> NDArray[Any]:
    return np.empty(0, np.int8)  # the state that follows brings shape, dtype and data


def _array(data: Any, dtype: Any, shape: Any, order: Any = "C") -> NDArray[Any]:
    """Stand-in for `numpy._frombuffer`, which protocol 5 calls for an array."""
    return _filled(shape, dtype, order == "F", bytes(data) if isinstance(data, bytes | bytearray) else None)


def _scalar(dtype: Any, data: Any = None) -> Any:
    array = _filled((1,), dtype, False, data.encode("latin1") if isinstance(data, str) else data)
    return array[0]


def _filled(shape: Any, dtype: Any, fortran_order: bool, data: Any) -> NDArray[Any]:
    """A numeric or text array of this shape from its bytes; Damaged if they do not fit."""
    _check_array(shape, dtype, data)
    if dtype.hasobject or dtype.itemsize == 0:
        raise Damaged("an array of objects has no bytes")
    return np.frombuffer(data, dtype, math.prod(shape)).copy().reshape(shape, order="F" if fortran_order else "C")


def _check_array(shape: Any, dtype: Any, data: Any) -> None:
    """Raise Damaged unless `data`, bytes or a list of objects, has the size that shape and dtype promise."""
    if not isinstance(dtype, np.dtype) or not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise Damaged("an array has no proper shape or dtype")
    if not isinstance(data, list if dtype.hasobject else bytes) or len(shape) > 32:
        raise Damaged("an array has no proper content")
    if math.prod(shape) * (1 if dtype.hasobject else dtype.itemsize) != len(data):
        raise Damaged(f"an array of shape {shown(str(shape))} is truncated")


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "defaultdict"): _defaultdict,
    ("collections", "OrderedDict"): _dict,
    ("numpy", "ndarray"): _Uncalled,
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): _latin1,
}
for _package in ("numpy.core", "numpy._core"):  # before and after numpy 2
    _ALLOWED[(f"{_package}.multiarray", "_reconstruct")] = _empty_array
    _ALLOWED[(f"{_package}.multiarray", "scalar")] = _scalar
    _ALLOWED[(f"{_package}.numeric", "_frombuffer")] = _array  # protocol 5
for _package in ("__builtin__", "builtins"):  # in Python 2 and 3
    for _name, _made in (
        ("list", _Uncalled), ("tuple", _Uncalled), ("dict", _dict), ("set", _set), ("frozenset", _set),
        ("bytearray", _bytearray), ("complex", _complex),
    ):  # fmt: skip
        _ALLOWED[(_package, _name)] = _made

_PythonUnpickler: Any = pickle._Unpickler  # type: ignore[attr-defined]  # the C one cannot check single instructions


class SafeUnpickler(_PythonUnpickler):  # type: ignore[misc]
    """Rebuilds numbers, strings, built-in containers and numpy arrays; any other global is an InputError.

    `where` names the file in messages. Python 2's strings are read as latin1. Arrays whose bytes follow in the stream, as
    joblib writes them, are read too.
    """

    def __init__(self, file: BinaryIO, where: str) -> None:
        super().__init__(file, encoding="latin1")
        self._where, self._bytes = where, file

    def find_class(self, module: str, name: str) -> Any:
        """The allowed callable `module.name`; InputError for every other one, before anything of it is imported."""
        if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
            return _ArrayHeader
        allowed = _ALLOWED.get((module, name))
        if allowed is None:
            raise InputError(
                f"{self._where}: the pickle asks for '{shown(module)}.{shown(name)}', which is not part of a plain numpy array or "
                "container; it was not loaded. Expected numbers, strings, lists, dicts and numpy arrays only"
            )
        return allowed

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to objects outside the file."""
        raise InputError(f"{self._where}: the pickle refers to the outside object {shown(pid)}; it was not loaded")

    def _load_build(self) -> None:
        """Set the state of the topmost object; only arrays, dtypes and joblib's headers have one."""
        state = self.stack.pop()
        built: Any = self.stack[-1]
        if isinstance(built, np.dtype):
            order = state[1] if isinstance(state, tuple) and len(state) > 4 else None
            if order not in ("<", ">", "|", "=") or any(part is not None for part in state[2:5]):
                raise Damaged("an array holds records, expected numbers")
            plain = (3, order, None, None, None, built.itemsize, built.alignment, built.flags)
            built.__setstate__(plain)  # type: ignore[attr-defined]
        elif isinstance(built, np.ndarray) and isinstance(state, tuple) and len(state) == 5:
            data = state[4].encode("latin1") if isinstance(state[4], str) else state[4]
            _check_array(state[1], state[2], data)
            built.__setstate__((1, state[1], state[2], bool(state[3]), data))  # type: ignore[arg-type]
        elif type(built) is _ArrayHeader and isinstance(state, dict):
            self.stack[-1] = self._array_in_stream(state)
        else:
            raise Damaged(f"a {type(built).__name__} takes no state")

    def _array_in_stream(self, header: dict[Any, Any]) -> NDArray[Any]:
        dtype, shape = header.get("dtype"), header.get("shape")
        if not isinstance(dtype, np.dtype) or dtype.hasobject:
            raise InputError(f"{self._where}: holds an array of {shown(str(dtype))}; it was not loaded")
        if not isinstance(shape, tuple) or not all(isinstance(n, int | np.integer) and n >= 0 for n in shape):
            raise Damaged("an array has no proper shape")
        shape = tuple(map(int, shape))
        if header.get("numpy_array_alignment_bytes") is not None:
            self._bytes.read(self._bytes.read(1)[0])
        size = math.prod(shape) * dtype.itemsize
        data = self._bytes.read(size) if size < LARGEST else b""
        if len(data) != size:
            raise Damaged(f"an array of shape {shown(str(shape))} is truncated")
        return _filled(shape, dtype, header.get("order") == "F", data)

    def _load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._filled_dict([key, value])

    def _load_setitems(self) -> None:
        self._filled_dict(self.pop_mark())

    def _filled_dict(self, items: list[Any]) -> None:
        held = self.stack[-1]
        if type(held) is not dict or len(items) % 2:
            raise Damaged("keys and values without a dict")
        held.update({_key(key): value for key, value in zip(items[::2], items[1::2], strict=True)})

    def _load_dict(self) -> None:
        items = self.pop_mark()
        self.append({})
        self._filled_dict(items)

    def _load_additems(self) -> None:
        items, held = self.pop_mark(), self.stack[-1]
        if type(held) is not set:
            raise Damaged("items without a set")
        held.update(map(_key, items))

    def _load_frozenset(self) -> None:
        self.append(_set(self.pop_mark()))

    dispatch: ClassVar[dict[int, Any]] = {
        **_PythonUnpickler.dispatch,
        pickle.BUILD[0]: _load_build,
        pickle.SETITEM[0]: _load_setitem,
        pickle.SETITEMS[0]: _load_setitems,
        pickle.DICT[0]: _load_dict,
        pickle.ADDITEMS[0]: _load_additems,
        pickle.FROZENSET[0]: _load_frozenset,
    }


class _ArrayHeader:
    """Stand-in for joblib's NumpyArrayWrapper: shape, order and dtype of an array whose bytes follow in the stream."""


def load_pickle(path: Path | str) -> Any:
    """The object in the pickle file `path`: plain numbers, strings, containers and numpy arrays.

    Raises InputError, naming the file, if it is missing, damaged, or asks for anything else.
    """
    return loaded(io.BytesIO(read_file(path)), str(path))


def load_joblib(path: Path | str) -> Any:
    """The object in a file written by `joblib.dump`, compressed or not; plain pickles are read too.

    Raises InputError as `load_pickle` does, and for arrays of objects and for a file that unpacks to implausibly much.
    """
    return loaded(io.BytesIO(decompressed(read_file(path), str(path))), str(path))


def read_file(path: Path | str) -> bytes:
    """The bytes of a file; InputError if it cannot be read."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a file") from error


def loaded(file: BinaryIO, where: str) -> Any:
    """The object in a pickle, which messages call `where`; InputError as from `load_pickle`."""
    return load_with(SafeUnpickler(file, where), where)


def load_with(unpickler: SafeUnpickler, where: str) -> Any:
    """The same with the unpickler of another format."""
    try:
        return unpickler.load()
    except InputError:
        raise
    except (Damaged, EOFError) as error:
        raise InputError(f"{where}: damaged pickle ({str(error) or 'it is truncated'})") from error
    except Exception as error:  # inconsistent instructions can fail in any way
        raise InputError(f"{where}: damaged pickle (its instructions are inconsistent)") from error
