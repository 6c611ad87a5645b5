"""Reads .npy files from elsewhere: nothing is allocated that the file does not hold.

NumPy believes a header, and so asks for terabytes if it lies. Here the header is first compared with the bytes behind it. Bodies
that are pickles (arrays of objects) are refused, or go through `m3n.untrusted.pickles` for formats that need them.
"""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.errors import InputError
from m3n.untrusted.pickles import loaded, read_file


def load_object_npy(path: Path | str) -> Any:
    """The array in an `.npy` file, even if its dtype is object, so that its body is a pickle; see `object_array`."""
    return object_array(read_file(path), str(path))


def object_array(data: bytes, where: str) -> Any:
    """The array in the bytes of an `.npy` file. An object array of shape () is unwrapped, so that a saved dict is a dict again.

    Raises InputError, naming `where`, for a damaged file and for a pickle that asks for more than arrays and containers.
    """
    shape, dtype, start = _header(data, where)
    if not dtype.hasobject:
        return plain_array(data, where)
    array = loaded(io.BytesIO(data[start:]), where)
    if not isinstance(array, np.ndarray) or array.shape != shape:
        raise InputError(f"{where}: damaged .npy file: its header promises an array of shape {shape}")
    return array.item() if array.shape == () else array


def plain_array(data: bytes, where: str) -> NDArray[Any]:
    """The array of numbers or text in the bytes of an `.npy` file; InputError, naming `where`, for anything else."""
    shape, dtype, start = _header(data, where)
    if dtype.hasobject:
        raise InputError(f"{where}: cannot be read: it holds Python objects (a pickle), expected plain arrays")
    promised = math.prod(shape) * dtype.itemsize
    if promised != len(data) - start:
        raise InputError(
            f"{where}: damaged .npy file: its header promises {promised:,} bytes of shape {shape}, it has {len(data) - start:,}"
        )
    try:
        return np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    except Exception as error:  # unusual dtypes fail in ways of their own
        raise InputError(f"{where}: damaged .npy file: no array of {dtype} can be read from it") from error


def _header(data: bytes, where: str) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Shape, dtype and the offset of the body."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, _, dtype = read(file)
    except Exception as error:  # a header is a Python literal and can fail in any way
        raise InputError(f"{where}: cannot be read: not an .npy file of version 1 or 2, or its header is damaged") from error
    if any(type(n) is not int or n < 0 for n in shape):
        raise InputError(f"{where}: damaged .npy file: its header gives the shape {shape}")
    return shape, dtype, file.tell()
