"""OpenPack (Yoshimura et al., PerCom 2024): packing work in a warehouse, an IMU on each wrist, operations labelled in time.

Which of the two wrist sensors is on which wrist is documented both ways upstream, so it is an option. What was measured on the
sample session (U0209 S0500; upstream lists the person as right-handed) speaks for atr01 on the right:

- "Write Sign" (20 times, 76 s): between 3 and 8 Hz the angular rate of atr01 is 0.46 rad/s rms, that of atr02 0.14: atr01 writes.
  "Write Check Mark" (46 s): 0.98 against 0.48 rad/s.
- Gravity is in the file (specific force, 1.03 and 1.01 g at rest), in g; the rates are in °/s; the steps are 30 ms throughout, so
  33.3 Hz, where the documentation says 30 Hz.
- Reaching down ("Put Packed Box"), atr01 has +1.0 g along its y axis and atr02 -1.0 g: y runs along the forearm, to the elbow on
  one arm and to the hand on the other. How x and z lie about the forearm was not found out. So samples stay in the sensor's
  own axes, which are not m3n's wrist frame: pretrain with wide mountings before using them together with simulated data.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from m3n.config import Options as BaseOptions
from m3n.errors import InputError, shown
from m3n.schema import Rejected
from m3n.sources.shared.pose_rows import misread
from m3n.sources.shared.recording_rows import FloatArray, Segment, common_clock, ordered, recording_row, within
from m3n.sources.shared.unit_checks import ACC_UNITS, GYRO_UNITS, check_units
from m3n.untrusted.archives import zip_or_folder

SOURCE = "openpack"
RATE_HZ = 1000 / 30
NULL = "null"  # label of id 8100, which upstream calls Null
_NULL_ID = "8100"
_OPERATIONS = {  # id -> name, as the newer release's annotations have them
    "100": "Picking", "200": "Relocate Item Label", "300": "Assemble Box", "400": "Insert Items", "500": "Close Box",
    "600": "Attach Box Label", "700": "Scan Label", "800": "Attach Shipping Label", "900": "Put on Back Table",
    "1000": "Fill out Order", _NULL_ID: NULL,
}  # fmt: skip
_FACTORS = np.array([ACC_UNITS["g"]] * 3 + [GYRO_UNITS["deg/s"]] * 3)
_COLUMNS = ("unixtime", "acc_x", "acc_y", "acc_z", "gyro_x", "gyro_y", "gyro_z")
_FILE = re.compile(r"(?:^|/)(U\d+)/(?:atr/(atr0[12])|annotation/(openpack-operations|activity-1s))/(S\d+)\.csv$")
_LARGEST = 256 << 20  # bytes of one file; the sample's has 4 MB for 23 minutes
_Reader = Callable[[str], bytes]


class Options(BaseOptions):
    """Settings of `m3n ingest openpack`."""

    left: Literal["atr01", "atr02"] = Field(
        default="atr02",
        description="sensor on the left wrist, the other is on the right; atr02 because atr01 writes in the right-handed sample",
    )
    users: list[str] | None = Field(default=None, description="users to take, as [U0209]; null: all that are there")
    sessions: list[str] | None = Field(default=None, description="sessions to take, as [S0500]; null: all that are there")


def imu_recordings(path: Path, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings`, one per user and session: both wrists on one clock at 1000/30 Hz, m/s² and rad/s in the sensors'
    own axes, and the operations as segments, "null" for upstream's class Null. A session in which a sensor was silent for over
    0.5 s gives one row for each stretch.

    `path` is OpenPack's zip, or a folder with its files U0209/atr/atr01/S0500.csv. Operations come from the annotation
    openpack-operations or, in older releases, from activity-1s; a session without either has no labels.
    Raises InputError where `path` holds no such files.
    """
    with zip_or_folder(Path(path), ".csv", _LARGEST, "OpenPack's zip") as (names, read):
        files = {(m[1], m[4], m[2] or m[3]): name for name in names if (m := _FILE.search(name))}
        found = sorted({key[:2] for key in files if key[2].startswith("atr")})
        if not found:
            raise InputError(f"{path}: no OpenPack files in it; expected names like U0209/atr/atr01/S0500.csv")
        chosen = [
            (user, session)
            for user, session in found
            if user in (options.users or [user]) and session in (options.sessions or [session])
        ]
        if not chosen:
            there = ", ".join(f"{user} {session}" for user, session in found[:12])
            raise InputError(f"{path}: nothing in it for users={options.users} sessions={options.sessions}; there are {there}")
        for user, session in chosen:
            try:
                yield from _session(files, read, user, session, options)
            except InputError as error:
                yield Rejected(f"{user} {session}", str(error))


def _session(
    files: dict[tuple[str, str, str], str], read: _Reader, user: str, session: str, options: Options
) -> Iterator[dict[str, Any]]:
    sides = {"left_wrist": options.left, "right_wrist": "atr01" if options.left == "atr02" else "atr02"}
    streams = {}
    for placement, device in sides.items():
        name = files.get((user, session, device))
        if name is not None:
            streams[placement] = _samples(name, read(name))
            check_units(name, streams[placement][1], RATE_HZ, "g", "deg/s")
    segments: list[Segment] = []
    for kind, read_labels in (("openpack-operations", _operations), ("activity-1s", _activities)):
        if not segments and (name := files.get((user, session, kind))) is not None:
            segments = read_labels(name, read(name))
    for number, (start, values) in enumerate(common_clock(list(streams.values()), RATE_HZ)):
        yield recording_row(
            f"{SOURCE}-{user}-{session}-{number}", SOURCE, user, RATE_HZ, dict(zip(streams, values, strict=True)),
            session=session, started_s=start, segments=within(segments, start, len(values[0]) / RATE_HZ) or None,
        )  # fmt: skip


def _samples(name: str, data: bytes) -> tuple[FloatArray, FloatArray]:
    """Times (n,) s and samples (n, 6) m/s² and rad/s."""
    text = _text(name, data)
    header = text.partition("\n")[0].strip().split(",")
    missing = [column for column in _COLUMNS if column not in header]
    if missing:
        raise InputError(f"{name}: column '{missing[0]}' is missing; expected {', '.join(_COLUMNS)}")
    try:
        table = np.loadtxt(
            io.StringIO(text), delimiter=",", skiprows=1, usecols=[header.index(c) for c in _COLUMNS], ndmin=2, comments=None
        )
    except Exception as error:  # a damaged table can fail in any way at all
        raise InputError(f"{name}: {misread(error)}") from error
    return ordered(name, table[:, 0] / 1000, table[:, 1:] * _FACTORS)


def _operations(name: str, data: bytes) -> list[Segment]:
    """Start and stop, s of Unix time, and name of every operation."""
    made: list[Segment] = []
    for where, row in _annotations(name, data):
        if any(row.get(key) is None for key in ("id", "operation", "start", "end")):
            raise InputError(f"{where}: expected the columns id, operation, start and end")
        label = row["operation"].strip()
        if not label:
            raise InputError(f"{where}: operation is empty")
        start, stop = (_unix(where, key, row[key]) for key in ("start", "end"))
        made.append((start, stop, NULL if row["id"].strip() == _NULL_ID or label == "Null" else label))
    return made


def _activities(name: str, data: bytes) -> list[Segment]:
    """The same from a file of the older releases, which has a row for every second; equal seconds in a row are one segment."""
    made: list[Segment] = []
    for where, row in _annotations(name, data):
        code, clock = (row.get("operation") or "").strip(), (row.get("unixtime") or "").strip()
        if code not in _OPERATIONS or not clock.isdecimal():
            raise InputError(
                f"{where}: unixtime is '{shown(clock)}' and operation '{shown(code)}', expected milliseconds and one of "
                f"{', '.join(_OPERATIONS)}"
            )
        start, label = int(clock) / 1000, _OPERATIONS[code]
        if made and made[-1][2] == label and abs(start - made[-1][1]) < 1e-3:
            made[-1] = (made[-1][0], start + 1, label)
        else:
            made.append((start, start + 1, label))
    return made


def _annotations(name: str, data: bytes) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows of a CSV file of annotations, each with its place."""
    rows = csv.DictReader(io.StringIO(_text(name, data)))
    try:
        for row in rows:
            yield f"{name}, line {rows.line_num}", row
    except csv.Error as error:
        raise InputError(f"{name}: cannot be read as CSV: {shown(str(error))}") from error


def _unix(where: str, key: str, text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InputError(f"{where}: {key} is '{shown(text)}', expected a time like 2022-03-29 14:25:22.143000+09:00")
    return moment.timestamp()


def _text(name: str, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: is not text in UTF-8; it is damaged or another file") from error
