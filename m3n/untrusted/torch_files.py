"""Reads files of `torch.save` without torch: a zip with a pickle, and one member of raw numbers per storage.

`torch.load(weights_only=True)` runs nothing either, but a hostile file can still crash the process: a key that is a tuple nested
100,000 deep overflows the stack where Python hashes it. So the pickle goes through `m3n.untrusted.pickles`, and the shape and
strides of a tensor are compared with the numbers behind it. Layout after `torch/serialization.py` (since PyTorch 1.6).
"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.errors import InputError, shown
from m3n.untrusted.archives import LARGEST_ARRAYS, member
from m3n.untrusted.pickles import Damaged, SafeUnpickler, load_with

_DTYPES = {
    "DoubleStorage": "f8", "FloatStorage": "f4", "HalfStorage": "f2", "LongStorage": "i8", "IntStorage": "i4", "ShortStorage": "i2",
    "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "?",
}  # fmt: skip
_UNREAD = ("BFloat16Storage", "ComplexFloatStorage", "ComplexDoubleStorage")  # their tensors become None
_MOST = 1 << 26  # numbers in a tensor, which strides may repeat: a million frames of SMPL-X's 63


@dataclass(frozen=True)
class _Kind:
    """Stand-in for a class of storages."""

    dtype: str | None


def load_torch(file: Path) -> Any:
    """The object that `torch.save` wrote, every tensor as an array (None for dtypes that NumPy lacks).

    Raises InputError, naming the file, if it is damaged or asks for more than tensors and containers.
    """
    try:
        archive = zipfile.ZipFile(file)
    except Exception as error:  # a damaged archive can fail in any way
        raise InputError(f"{file.name}: damaged, or not written by torch.save of PyTorch 1.6 or later") from error
    with archive:
        parts = {info.filename.partition("/")[2]: info for info in archive.infolist()}
        if "data.pkl" not in parts:
            raise InputError(f"{file.name}: not a file of torch.save: it has no data.pkl")

        def read(name: str) -> bytes:
            if name not in parts:
                raise Damaged(f"the storage {shown(name)} is missing")
            return member(archive, parts[name], file.name, LARGEST_ARRAYS)

        order = ">" if "byteorder" in parts and read("byteorder") == b"big" else "<"
        return load_with(_TensorUnpickler(read, order, io.BytesIO(read("data.pkl")), file.name), file.name)


class _TensorUnpickler(SafeUnpickler):
    def __init__(self, read: Any, order: str, *pickled: Any) -> None:
        super().__init__(*pickled)
        self._read, self._order = read, order

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and (name in _DTYPES or name in _UNREAD):
            return _Kind(_DTYPES.get(name))
        return _tensor if (module, name) == ("torch._utils", "_rebuild_tensor_v2") else super().find_class(module, name)

    def persistent_load(self, pid: Any) -> NDArray[Any] | None:
        """The numbers of a storage: ("storage", class, key, device, count)."""
        if not isinstance(pid, tuple) or len(pid) != 5 or not isinstance(pid[1], _Kind) or not isinstance(pid[2], str):
            raise Damaged("it refers to something other than a storage")
        if pid[1].dtype is None:
            return None
        data, dtype = self._read(f"data/{pid[2]}"), np.dtype(self._order + pid[1].dtype)
        if type(pid[4]) is not int or pid[4] * dtype.itemsize != len(data):
            raise Damaged(f"the storage {shown(pid[2])} is truncated")
        return np.frombuffer(data, dtype)


def _tensor(storage: Any, start: Any, shape: Any, strides: Any, *_: Any) -> NDArray[Any] | None:
    """Stand-in for `torch._utils._rebuild_tensor_v2`: a view of a storage; strides count numbers."""
    if storage is None:
        return None
    sizes_fit = isinstance(shape, tuple) and isinstance(strides, tuple) and len(shape) == len(strides) <= 32
    if not isinstance(storage, np.ndarray) or storage.ndim != 1 or not sizes_fit:
        raise Damaged("a tensor has no proper storage or shape")
    if any(type(n) is not int or not 0 <= n <= _MOST for n in (start, *shape, *strides)) or math.prod(shape) > _MOST:
        raise Damaged(f"a tensor has the shape {shown(str(shape))}")
    last = start + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
    if 0 not in shape and last >= len(storage):
        raise Damaged(f"a tensor of shape {shown(str(shape))} is truncated")
    if 0 in shape:
        return np.zeros(shape, storage.dtype)
    steps = [step * storage.itemsize for step in strides]
    return np.lib.stride_tricks.as_strided(storage[start:], shape, steps, writeable=False)
