"""TRC files of labelled points (Motion Analysis; OpenSim): as OpenCap and Pose2Sim write them.

Text in columns parted by tabs: a line on the file, a line of names and one of values (DataRate, NumFrames, NumMarkers,
Units), a line of labels, one for every three columns, a line X1 Y1 Z1 ..., and a line a frame: its number, its time in s, the
points. OpenSim's world has y up. Labels may name joints (RElbow, CHip) or anatomical markers (OpenCap's r_lwrist_study).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import Field

from m3n.errors import InputError, shown
from m3n.io.storage import Location
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.marker_clips import MarkerOptions, Points, marker_reader, seen_only, unit_of
from m3n.sources.shared.plausibility import Up
from m3n.sources.shared.pose_files import FileSource, Rows
from m3n.sources.shared.pose_rows import numbers
from m3n.untrusted.pickles import read_file

SOURCE = "trc"
_OFF = 0.02  # share by which the rate may be off from that of the times


class Options(MarkerOptions):
    """Settings of `m3n ingest trc`."""

    up: Up = Field(default="y", description="axis that points up; OpenSim's is y")

    def vertical(self) -> str:
        """The file's axis that is taken to point up."""
        return self.up


def pose_clips(path: Location, options: Options, notes: Notes | None = None) -> Rows:
    """Rows of `pose_clips`, one per person and file; `path` is a file or a folder of them, where a bad one is Rejected.

    Raises InputError if there is no file, and if a single file cannot be read.
    """
    return FILES.rows(path, options, notes)


def read_trc(file: Path) -> Points:
    """Labels (M,), points (F, M, 3) in the file's unit, NaN where not seen, frame rate and unit. Raises InputError."""
    where = file.name
    lines = read_file(file).decode("utf-8", "replace").replace("\r\n", "\n").split("\n")
    keys = [word.strip() for word in lines[1].split("\t")] if len(lines) > 1 else []
    if len(lines) < 6 or not {"DataRate", "Units", "NumMarkers"} <= set(keys):
        raise InputError(f"{where}: not a TRC file: expected DataRate, NumMarkers and Units in its second line")
    values = dict(zip(keys, (word.strip() for word in lines[2].split("\t")), strict=False))
    rate = _number(values.get("DataRate", ""), f"{where}, line 3, DataRate")
    unit = unit_of(where, values.get("Units", ""))
    cells = lines[3].split("\t")
    labels = [cell.strip() for cell in cells[2::3] if cell.strip()]
    count = int(_number(values.get("NumMarkers", ""), f"{where}, line 3, NumMarkers"))
    if count != len(labels) or len(set(labels)) != len(labels):
        raise InputError(f"{where}: {len(labels)} labels, {len(set(labels))} of them different, for {count} markers")
    rows = []
    for number, line in enumerate(lines[5:], 6):
        if not line.strip():
            continue
        fields = line.split("\t")[: 2 + 3 * count]
        if len(fields) < 5:
            raise InputError(f"{where}, line {number}: {len(fields)} columns, expected {2 + 3 * count}; is the file cut off?")
        fields += [""] * (2 + 3 * count - len(fields))  # a marker that was not seen at the end of a line
        rows.append([_number(field, f"{where}, line {number}, column {k + 1}", gap=k > 1) for k, field in enumerate(fields)])
    if len(rows) < 2:
        raise InputError(f"{where}: {len(rows)} frames, expected at least 2")
    table = np.array(rows)
    step = float(np.median(np.diff(table[:, 1])))
    if step <= 0 or abs(step * rate - 1) > _OFF:
        raise InputError(f"{where}: DataRate is {rate:g} Hz, but its times are {step:g} s apart; correct one of them")
    points = numbers(where, "the points", table[:, 2:].reshape(len(table), count, 3), (None, count, 3), gaps=True)
    return labels, seen_only(points), rate, unit


def _number(text: str, where: str, gap: bool = False) -> float:
    text = text.strip()
    if gap and text.lower() in ("", "nan"):
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value) and not (gap and text.lower() in ("", "nan")):
        raise InputError(f"{where}: '{shown(text)}' stands where a number belongs")
    return value


FILES = FileSource((".trc",), "a TRC file or a folder of them", marker_reader(read_trc, SOURCE))
