"""C3D files (c3d.org) of optical markers, read by ezc3d (`pip install ezc3d`, or `m3n[c3d]`): Vicon, Qualisys, OptiTrack.

The file says its unit and rate; its vertical axis is z in most laboratories (`up`). Labels may be a set of markers that m3n
knows or that `landmarks` describes, or names of joints; those of several people carry a name before a colon. The file is read
in a process of its own, because a damaged one can end ezc3d's.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from m3n.errors import InputError, one_line
from m3n.io.storage import Location
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.marker_clips import MarkerOptions, Points, marker_reader, seen_only, unit_of
from m3n.sources.shared.plausibility import Up
from m3n.sources.shared.pose_files import FileSource, Rows
from m3n.sources.shared.pose_rows import numbers

SOURCE = "c3d"
_LARGEST = 1 << 30  # bytes
_LONGEST_S = 300.0


class Options(MarkerOptions):
    """Settings of `m3n ingest c3d`."""

    up: Up = Field(default="z", description="axis that points up")

    def vertical(self) -> str:
        """The file's axis that is taken to point up."""
        return self.up


def pose_clips(path: Location, options: Options, notes: Notes | None = None) -> Rows:
    """Rows of `pose_clips`, one per person and file; `path` is a file or a folder of them, where a bad one is Rejected.

    Raises InputError if there is no file, if ezc3d is not installed, and if a single file cannot be read.
    """
    return FILES.rows(path, options, notes)


def _check_installed(path: Location, options: Options) -> None:
    if importlib.util.find_spec("ezc3d") is None:
        raise InputError("C3D files are read with ezc3d: run `pip install ezc3d` (or `pip install m3n[c3d]`)")


def _in_own_process(file: Path) -> Points:
    """Labels, points (F, M, 3) with NaN where not seen, frame rate and unit."""
    where = file.name
    if file.stat().st_size > _LARGEST:
        raise InputError(f"{where}: over {_LARGEST >> 20} MiB; split it")
    incoming, outgoing = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(target=_read, args=(file, outgoing), daemon=True)
    process.start()
    outgoing.close()
    try:
        found = incoming.recv() if incoming.poll(_LONGEST_S) else "it takes too long"
    except EOFError:
        found = "it is damaged"
    finally:
        process.kill()
        process.join()
    if isinstance(found, str):
        raise InputError(f"{where}: not a C3D file that ezc3d can read ({one_line(found, 160)})")
    labels, points, fps, unit = found
    values = numbers(where, "the points", points, (None, len(labels), 3), gaps=True)
    return labels, seen_only(values), float(fps), unit_of(where, unit)


def _read(file: Path, outgoing: Any) -> None:
    """Send what a file holds, or why it cannot be read."""
    try:
        held = importlib.import_module("ezc3d").c3d(str(file))
        about = held["parameters"]["POINT"]
        points = np.moveaxis(np.asarray(held["data"]["points"], np.float64)[:3], 0, 2).transpose(1, 0, 2)
        labels = [str(label).strip() for label in about["LABELS"]["value"]][: points.shape[1]]
        outgoing.send((labels, points[:, : len(labels)], float(about["RATE"]["value"][0]), str(about["UNITS"]["value"][0])))
    except Exception as error:  # a damaged file can fail in any way at all
        outgoing.send(f"{type(error).__name__}: {error}")


FILES = FileSource((".c3d",), "a C3D file or a folder of them", marker_reader(_in_own_process, SOURCE), _check_installed)
