"""C3D files by ezc3d, a C++ library that a damaged file can end: in a process that reads one file after the other.

Starting a process costs more than reading a file, so it is kept while its files are sound; what has met a damaged one is ended.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_LONGEST_S = 300.0
_Reader = tuple[BaseProcess, "Connection[Any, Any]"]
_readers: dict[int, _Reader] = {}  # by the process that asks it, because a forked one must not share it
Content = tuple[list[str], NDArray[np.float64], float, str]


def read_c3d(file: Path) -> Content | str:
    """Labels (M,), points (F, M, 3), frame rate and unit, as the file has them; or why it cannot be read."""
    here = os.getpid()
    process, pipe = _readers.pop(here) if here in _readers else _started()
    found: Any = "it is damaged"
    with suppress(EOFError, OSError):  # the reader has died
        pipe.send(file)
        found = pipe.recv() if pipe.poll(_LONGEST_S) else "it takes too long"
    if isinstance(found, str):
        process.kill()
        process.join()
    else:
        _readers[here] = process, pipe
    return found  # type: ignore[no-any-return]


def _started() -> _Reader:
    """A process that reads files until nobody is left to ask it."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_answer, args=(there,), daemon=True)
    process.start()
    there.close()
    return process, here


def _answer(pipe: Connection[Any, Any]) -> None:
    with suppress(EOFError):
        while True:
            pipe.send(_read(pipe.recv()))


def _read(file: Path) -> Content | str:
    try:
        held = importlib.import_module("ezc3d").c3d(str(file))
        about = held["parameters"]["POINT"]
        points = np.moveaxis(np.asarray(held["data"]["points"], np.float64)[:3], 0, 2).transpose(1, 0, 2)
        labels = [str(label).strip() for label in about["LABELS"]["value"]][: points.shape[1]]
        return labels, points[:, : len(labels)], float(about["RATE"]["value"][0]), str(about["UNITS"]["value"][0])
    except Exception as error:  # a damaged file can fail in any way at all
        return f"{type(error).__name__}: {error}"
