"""Reading pickles that came from somewhere else without running them.

A pickle is a program: loading one with `pickle.load` (or `numpy.load(..., allow_pickle=True)`) calls whatever it names. Data
sets are still handed around that way, so m3n reads them through an unpickler that knows only the few callables that rebuild
plain numpy arrays and built-in containers, and refuses everything else by name. After "Restricting Globals" in the Python
library reference of `pickle`.
"""

from __future__ import annotations

import bz2
import collections
import io
import lzma
import pickle
import zlib
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from m3n.errors import InputError

_MULTIARRAY = np._core.multiarray  # type: ignore[attr-defined]


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """What protocol 2 uses to spell bytes (`_codecs.encode`), with the one codec that it needs."""
    if not isinstance(text, str) or encoding not in ("latin1", "latin-1"):
        raise pickle.UnpicklingError(f"bytes spelt in the encoding '{encoding}'")
    return text.encode("latin1")


def _plain_dict(factory: Any = None) -> dict[Any, Any]:
    """Stands for `collections.defaultdict`: what it makes of missing keys is of no use in data."""
    return {}


_ALLOWED: dict[tuple[str, str], Any] = {
    ("collections", "defaultdict"): _plain_dict,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("_codecs", "encode"): _latin1,
    ("collections", "OrderedDict"): collections.OrderedDict,
}
for _package in ("numpy.core", "numpy._core"):  # the same functions before and after numpy 2
    _ALLOWED[(f"{_package}.multiarray", "_reconstruct")] = _MULTIARRAY._reconstruct
    _ALLOWED[(f"{_package}.multiarray", "scalar")] = _MULTIARRAY.scalar
    _ALLOWED[(f"{_package}.numeric", "_frombuffer")] = np._core.numeric._frombuffer  # type: ignore[attr-defined]  # protocol 5
for _package in ("__builtin__", "builtins"):  # as Python 2 and 3 call it
    _ALLOWED.update({(_package, kind.__name__): kind for kind in (list, dict, set, frozenset, tuple, bytearray, complex)})


class SafeUnpickler(pickle.Unpickler):
    """Rebuilds numbers, strings, built-in containers and numpy arrays; any other global is an InputError.

    `where` names the file in messages. `encoding` is how Python 2 strings are read, as in `pickle.Unpickler`.
    """

    def __init__(self, file: BinaryIO, where: str, *, encoding: str = "latin1") -> None:
        super().__init__(file, encoding=encoding)
        self._where = where

    def find_class(self, module: str, name: str) -> Any:
        """The allowed callable `module.name`; InputError for every other one, before anything of it is imported."""
        allowed = _ALLOWED.get((module, name))
        if allowed is None:
            raise InputError(
                f"{self._where}: the pickle asks for '{module}.{name}', which is not part of a plain numpy array or container; "
                "it was not loaded. Expected numbers, strings, lists, dicts and numpy arrays only"
            )
        return allowed

    def persistent_load(self, pid: Any) -> Any:
        """Refuse references to objects outside the file."""
        raise InputError(f"{self._where}: the pickle refers to the outside object {pid!r}; it was not loaded")


def load_pickle(path: Path | str) -> Any:
    """The object in the pickle file `path`, if it is made of plain numbers, strings, containers and numpy arrays.

    Raises InputError, naming the file, where it is missing, damaged, or asks for anything else.
    """
    with _opened(path) as file:
        return _load(file, str(path))


def load_joblib(path: Path | str) -> Any:
    """The object in a file written by `joblib.dump`, compressed or not; plain pickles are read too.

    joblib puts the bytes of an array into the stream, behind a small header object, so its files need an unpickler of their
    own. Arrays of objects inside are refused. Raises InputError as `load_pickle` does, and for over 4 GiB of data.
    """
    with _opened(path) as file:
        data = _decompressed(file.read(), str(path))
    try:
        return _JoblibUnpickler(io.BytesIO(data), str(path)).load()
    except InputError:
        raise
    except Exception as error:  # a damaged pickle can fail in any of the callables above
        raise InputError(f"{path}: damaged joblib file ({type(error).__name__}: {error})") from error


def load_object_npy(path: Path | str) -> Any:
    """The array in an `.npy` file, also where its dtype is object and its body therefore a pickle.

    An object array of shape () is unwrapped, so a saved dict comes back as a dict. Raises InputError as `load_pickle` does.
    """
    where = str(path)
    with _opened(path) as file:
        try:
            version = np.lib.format.read_magic(file)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, fortran_order, dtype = read_header(file)
        except (ValueError, KeyError, EOFError) as error:
            raise InputError(f"{where}: not an .npy file of version 1 or 2 ({error})") from error
        if not dtype.hasobject:
            file.seek(0)
            try:
                return np.lib.format.read_array(file, allow_pickle=False)
            except (ValueError, EOFError) as error:
                raise InputError(f"{where}: damaged .npy file ({error})") from error
        array = _load(file, where)
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise InputError(f"{where}: damaged .npy file: its header promises an array of shape {shape}")
    del fortran_order  # a pickled array carries its own order
    return array.item() if array.shape == () else array


def _opened(path: Path | str) -> BinaryIO:
    try:
        return io.BytesIO(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); expected a file") from error


def _load(file: BinaryIO, where: str) -> Any:
    try:
        return SafeUnpickler(file, where).load()
    except InputError:
        raise
    except Exception as error:  # a damaged pickle can fail in any of the callables above
        raise InputError(f"{where}: damaged pickle ({type(error).__name__}: {error})") from error


class _ArrayHeader:
    """Stands for joblib's NumpyArrayWrapper: shape, order and dtype of an array whose bytes follow in the stream."""


_PythonUnpickler: Any = pickle._Unpickler  # type: ignore[attr-defined]  # the C one cannot stop at a header


class _JoblibUnpickler(_PythonUnpickler):  # type: ignore[misc]
    def __init__(self, file: BinaryIO, where: str) -> None:
        super().__init__(file, encoding="latin1")
        self._where, self._bytes = where, file

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("joblib.numpy_pickle", "NumpyArrayWrapper"):
            return _ArrayHeader
        return SafeUnpickler(io.BytesIO(), self._where).find_class(module, name)

    def persistent_load(self, pid: Any) -> Any:
        raise InputError(f"{self._where}: the pickle refers to the outside object {pid!r}; it was not loaded")

    def load_build(self) -> None:
        super().load_build()
        if isinstance(self.stack[-1], _ArrayHeader):
            self.stack[-1] = self._array(vars(self.stack[-1]))

    def _array(self, header: dict[str, Any]) -> np.ndarray[Any, Any]:
        dtype, shape = header["dtype"], tuple(int(n) for n in header["shape"])
        if not isinstance(dtype, np.dtype) or dtype.hasobject or dtype.itemsize == 0 or min(shape, default=0) < 0:
            raise InputError(f"{self._where}: holds an array of {dtype}, shape {shape}; it was not loaded")
        if header.get("numpy_array_alignment_bytes") is not None:
            self._bytes.read(self._bytes.read(1)[0])
        size = dtype.itemsize
        for n in shape:
            size *= n
        data = self._bytes.read(size) if size < _LARGEST else b""
        if len(data) != size:
            raise pickle.UnpicklingError(f"an array of shape {shape} is cut short")
        flat = np.frombuffer(data, dtype)
        return flat.reshape(shape[::-1]).T if header.get("order") == "F" else flat.reshape(shape)

    dispatch: ClassVar[dict[int, Any]] = {**_PythonUnpickler.dispatch, pickle.BUILD[0]: load_build}


_LARGEST = 4 << 30  # bytes


def _decompressed(data: bytes, where: str) -> bytes:
    """What joblib's compressors made smaller (zlib, gzip, bz2, xz, lzma), recognised by its first bytes."""
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
    try:
        unpacked: bytes = opener().decompress(data, _LARGEST)
    except (zlib.error, OSError, EOFError, ValueError, lzma.LZMAError, MemoryError) as error:
        raise InputError(f"{where}: damaged compressed pickle ({error})") from error
    if len(unpacked) >= _LARGEST:
        raise InputError(f"{where}: unpacks to over {_LARGEST >> 30} GiB; it was not loaded")
    return unpacked
