"""C3D files (c3d.org) of optical markers, read by ezc3d (`pip install ezc3d`, or `m3n[c3d]`): Vicon, Qualisys, OptiTrack.

The file says its unit and rate; its vertical axis is z in most laboratories (`up`). Labels may be a set of markers that m3n
knows or that `landmarks` describes, or names of joints; those of several people carry a name before a colon. The file is read
in another process (`m3n.untrusted.c3d_files`), because a damaged one can end it.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from pydantic import Field

from m3n.errors import InputError, one_line
from m3n.io.storage import Location
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.marker_clips import MarkerOptions, Points, marker_reader, seen_only, unit_of
from m3n.sources.shared.plausibility import Up
from m3n.sources.shared.pose_files import FileSource, Rows
from m3n.sources.shared.pose_rows import numbers
from m3n.untrusted.c3d_files import read_c3d

SOURCE = "c3d"
_LARGEST = 1 << 30  # bytes


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


def _points(file: Path) -> Points:
    """Labels, points (F, M, 3) with NaN where not seen, frame rate and unit."""
    where = file.name
    if file.stat().st_size > _LARGEST:
        raise InputError(f"{where}: over {_LARGEST >> 20} MiB; split it")
    found = read_c3d(file)
    if isinstance(found, str):
        raise InputError(f"{where}: not a C3D file that ezc3d can read ({one_line(found, 160)})")
    labels, points, fps, unit = found
    values = numbers(where, "the points", points, (None, len(labels), 3), gaps=True)
    return labels, seen_only(values), float(fps), unit_of(where, unit)


FILES = FileSource((".c3d",), "a C3D file or a folder of them", marker_reader(_points, SOURCE), _check_installed)
