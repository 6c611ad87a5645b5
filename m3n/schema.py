"""Tables, units and frames, shared by all of m3n.

m3n has three tables: pose clips, synthetic clips and IMU recordings. A sequence is a flat, row-major list<float32> with its
length in another column, because flat lists read twice as fast as nested ones and never need a pickle. `check_*` looks at one row
and returns what is wrong with it (or None), so that a damaged row can be quarantined; `validate_*` looks at a table's columns and
raises, because a missing column affects every row.

Units: metres, seconds, radians, Hz. World: right-handed, z up. Accelerometers read specific force (+g along the axis that
points up, at rest); gyroscopes read the sensor's angular rate; both in the sensor frame.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa

from m3n.errors import InputError, nearest

SCHEMA_VERSION = 1
GRAVITY = 9.80665  # m/s², standard gravity (CGPM 1901)
CHANNELS = ("ax", "ay", "az", "gx", "gy", "gz")
PLACEMENTS = (
    "left_wrist", "right_wrist", "head", "pelvis", "left_thigh", "right_thigh", "left_ankle", "right_ankle",
)  # fmt: skip
JOINT_COUNT = {"smpl": 24, "smplh": 52, "smplx": 55}
SMPL_JOINTS = (
    "pelvis", "left_hip", "right_hip", "spine1", "left_knee", "right_knee", "spine2", "left_ankle", "right_ankle", "spine3",
    "left_foot", "right_foot", "neck", "left_collar", "right_collar", "head", "left_shoulder", "right_shoulder",
    "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hand", "right_hand",
)  # fmt: skip
BODY_JOINTS = 22  # pelvis to wrists: the same joints in the same order in SMPL, SMPL-H and SMPL-X
FRAME_RATES = (1.0, 10_000.0)  # of poses [Hz]: slower ones hold no motion, faster ones are a wrong unit
GENDERS = ("neutral", "female", "male")
IMU_PREFIX = "imu_"  # of the columns with samples
OWN_PLACEMENT = re.compile(r"[a-z][a-z0-9_]*")  # name of a placement that a user defines

FLOATS = pa.list_(pa.float32())
INSTANT = pa.timestamp("ms", tz="UTC")
SEGMENTS = pa.list_(pa.struct([("start_s", pa.float32()), ("stop_s", pa.float32()), ("label", pa.string())]))
CLIP_SEGMENTS = pa.list_(pa.struct([*SEGMENTS.value_type, ("text", pa.string())]))

POSE_CLIPS = pa.schema(
    [
        ("clip_id", pa.string()),
        ("source", pa.string()),
        ("subject", pa.string()),
        ("text", pa.string()),
        ("label", pa.string()),
        ("fps", pa.float32()),
        ("body_model", pa.string()),
        ("gender", pa.string()),
        ("betas", FLOATS),
        ("n_frames", pa.int32()),
        ("poses", FLOATS),
        ("trans", FLOATS),
        ("segments", CLIP_SEGMENTS),
    ]
)

TIMELINE_FILE = "timeline.parquet"  # of `m3n predict`
TIMELINE = pa.schema(
    [("recording_id", pa.string()), ("subject", pa.string()), ("start_s", pa.float64()), ("stop_s", pa.float64()),
     ("label", pa.string()), ("confidence", pa.float32()), ("start_time", INSTANT), ("stop_time", INSTANT)]
)  # fmt: skip

# columns that older tables lack: they are read as null
ADDED_LATER = (pa.field("started_at", INSTANT), pa.field("segments", CLIP_SEGMENTS))
_SEGMENT_SLACK_S = 0.01  # by which a clip's segments may overlap, or end after its last frame: times are rounded


@dataclass(frozen=True)
class Rejected:
    """One item of the input that could not become a row, and why.

    `seconds`: how long it is, where only a piece of a recording was left out.
    """

    item: str
    reason: str
    seconds: float | None = None


@dataclass(frozen=True)
class Repaired:
    """What was done to one item of the input so that it could become rows: frames that were `trimmed` off an end, `bridged` by
    their neighbours or `cut` out, or a clip that was `split`, and why."""

    item: str
    what: str
    frames: int
    reason: str


class FileRow(dict[str, Any]):
    """A row that knows its input: `file` is what messages call it."""

    def __init__(self, row: Mapping[str, Any], file: str) -> None:
        super().__init__(row)
        self.file = file


class RepairedRow(FileRow):
    """A row that is not what the input held: `repairs` says what was done to it."""

    def __init__(self, row: Mapping[str, Any], repairs: Sequence[Repaired], file: str = "") -> None:
        super().__init__(row, file)
        self.repairs = tuple(repairs)


def repairs_of(row: Any) -> tuple[Repaired, ...]:
    """The repairs of a row; none for a row unchanged from the input."""
    return row.repairs if isinstance(row, RepairedRow) else ()


def rejected_row(row: Mapping[str, Any], identity: str, reason: str) -> Rejected:
    """A row that is left out, by the column `identity`; the reason names the file that it came from, where that is known."""
    file = row.file if isinstance(row, FileRow) else ""
    return Rejected(str(row.get(identity)), f"{file}: {reason}" if file and file not in reason else reason)


def imu_column(placement: str) -> str:
    """Column that holds a placement's IMU samples."""
    return f"{IMU_PREFIX}{placement}"


def check_placements(placements: Sequence[str], own: Collection[str] = ()) -> None:
    """Raise InputError for an unknown, repeated or missing placement; `own` are those that a user has defined."""
    known = [*PLACEMENTS, *own]
    if not placements:
        raise InputError(f"placements is empty: name at least one of {', '.join(known)}")
    for name in placements:
        if name not in known:
            raise InputError(f"unknown placement '{name}'{nearest(name, known)}; expected one of {', '.join(known)}")
    if len(set(placements)) != len(placements):
        raise InputError(f"placements has a duplicate: {', '.join(placements)}")


def check_placement_names(placements: Sequence[str]) -> None:
    """As `check_placements`, accepting any name that a user could have given to a placement."""
    check_placements(placements, [name for name in placements if OWN_PLACEMENT.fullmatch(name)])


def check_own_placement(name: str) -> None:
    """Raise InputError for a name that a user's own placement cannot have, because it becomes a column name."""
    if not OWN_PLACEMENT.fullmatch(name):
        raise InputError(f"'{name}' cannot name a placement: expected small letters, digits and _, a letter first (upper_back)")
    if name in PLACEMENTS:
        raise InputError(f"'{name}' is one of m3n's own placements: choose another name")


def synthetic_clips(placements: tuple[str, ...] | list[str]) -> pa.Schema:
    """Schema of `synthetic_clips` for the simulated placements."""
    extra = [pa.field("rate_hz", pa.float32()), pa.field("n_samples", pa.int32())]
    return pa.schema(list(POSE_CLIPS) + extra + [pa.field(imu_column(p), FLOATS) for p in placements])


def imu_recordings(placements: tuple[str, ...] | list[str] = PLACEMENTS) -> pa.Schema:
    """Schema of `imu_recordings`; a placement that was not worn is null."""
    return pa.schema(
        [
            ("recording_id", pa.string()),
            ("source", pa.string()),
            ("subject", pa.string()),
            ("session", pa.string()),
            ("started_at", INSTANT),
            ("label", pa.string()),
            ("segments", SEGMENTS),
            ("rate_hz", pa.float32()),
            ("n_samples", pa.int32()),
        ]
        + [(imu_column(p), FLOATS) for p in placements]
    )


def simulated_placements(columns: list[str]) -> tuple[str, ...]:
    """Placements that have a column: m3n's own in their order, then a user's own by name."""
    found = {name.removeprefix(IMU_PREFIX) for name in columns if name.startswith(IMU_PREFIX)}
    own = sorted(name for name in found if name not in PLACEMENTS and OWN_PLACEMENT.fullmatch(name))
    return (*(p for p in PLACEMENTS if p in found), *own)


def validate_pose_clips(columns: pa.Schema, where: str) -> None:
    """Raise InputError unless `columns` holds `pose_clips`."""
    _require_columns(columns, POSE_CLIPS, where, "pose_clips")


def validate_synthetic_clips(columns: pa.Schema, where: str) -> tuple[str, ...]:
    """Raise InputError unless `columns` holds `synthetic_clips`; returns the simulated placements."""
    placements = simulated_placements(columns.names)
    if not placements:
        raise InputError(f"{where}: no imu_<placement> column; run `m3n simulate` on the pose clips first")
    _require_columns(columns, synthetic_clips(placements), where, "synthetic_clips")
    return placements


def validate_imu_recordings(columns: pa.Schema, where: str) -> tuple[str, ...]:
    """Raise InputError unless `columns` holds `imu_recordings`; returns the placements that have a column."""
    placements = simulated_placements(columns.names)
    if not placements:
        raise InputError(f"{where}: no imu_<placement> column; expected a recordings table made by `m3n ingest`")
    _require_columns(columns, imu_recordings(placements), where, "imu_recordings")
    return placements


def _require_columns(columns: pa.Schema, expected: pa.Schema, where: str, table: str) -> None:
    for field in expected:
        if field.name not in columns.names:
            if field in ADDED_LATER:
                continue
            raise InputError(f"{where}: column '{field.name}' is missing; a {table} table needs {field.type}")
        found = columns.field(field.name).type
        if not _same_kind(found, field.type):
            raise InputError(f"{where}: column '{field.name}' is {found}; a {table} table needs {field.type}")


def _same_kind(found: pa.DataType, expected: pa.DataType) -> bool:
    """Whether a cast loses nothing that matters: other writers choose other widths and offsets."""
    if pa.types.is_null(found):
        return True
    if pa.types.is_timestamp(expected):
        return pa.types.is_timestamp(found)
    if pa.types.is_list(expected):
        is_list = pa.types.is_list(found) or pa.types.is_large_list(found) or pa.types.is_fixed_size_list(found)
        return is_list and _same_kind(found.value_type, expected.value_type)
    for kind in (pa.types.is_floating, pa.types.is_integer, pa.types.is_struct):
        if kind(expected):
            return kind(found)
    return pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_dictionary(found)


def check_pose_clip(row: Mapping[str, Any]) -> str | None:
    """What is wrong with one row of `pose_clips` (sequences as arrays of any shape), or None."""
    for name in ("clip_id", "source", "fps", "body_model", "gender", "n_frames", "poses", "trans"):
        if row.get(name) is None:
            return f"{name} is null"
    for name in ("clip_id", "source", "subject", "text", "label"):
        if not _is_text(row.get(name)):
            return f"{name} is not text that can be written as UTF-8"
    if row["body_model"] not in JOINT_COUNT:
        return f"body_model is '{row['body_model']}', expected {', '.join(JOINT_COUNT)}"
    if row["gender"] not in GENDERS:
        return f"gender is '{row['gender']}', expected {', '.join(GENDERS)}"
    if not FRAME_RATES[0] <= row["fps"] <= FRAME_RATES[1]:
        return f"fps is {row['fps']}, expected a frame rate from {FRAME_RATES[0]:g} to {FRAME_RATES[1]:,g} Hz"
    frames, width = int(row["n_frames"]), 3 * JOINT_COUNT[row["body_model"]]
    if frames < 2:
        return f"n_frames is {frames}, expected at least 2"
    return (
        _check_sequence("poses", row["poses"], frames, width)
        or _check_sequence("trans", row["trans"], frames, 3)
        or _check_sequence("betas", row.get("betas"), 1, None)
        or _check_segments(row.get("segments"))
        or _check_order(row.get("segments"), frames / float(row["fps"]))
    )


def check_synthetic_clip(row: Mapping[str, Any], placements: tuple[str, ...]) -> str | None:
    """What is wrong with one row of `synthetic_clips`, or None."""
    return check_pose_clip(row) or _check_samples(row, placements, required=True)


def check_imu_recording(row: Mapping[str, Any], placements: tuple[str, ...]) -> str | None:
    """What is wrong with one row of `imu_recordings`, or None. Missing gyroscope channels are NaN throughout."""
    for name in ("recording_id", "source", "subject"):
        if row.get(name) is None:
            return f"{name} is null"
    for name in ("recording_id", "source", "subject", "session", "label"):
        if not _is_text(row.get(name)):
            return f"{name} is not text that can be written as UTF-8"
    if not isinstance(row.get("started_at"), datetime | None):
        return f"started_at is {row['started_at']!r}, expected a time stamp in UTC or null"
    if all(row.get(imu_column(p)) is None for p in placements):
        return "no placement was worn: every imu_<placement> column is null"
    return _check_segments(row.get("segments")) or _check_samples(row, placements, required=False)


def _check_segments(segments: Sequence[Mapping[str, Any]] | None) -> str | None:
    for number, segment in enumerate(() if segments is None else segments):
        if segment is None or segment["label"] is None:
            return f"segment {number} {'is null' if segment is None else 'has no label'}"
        for name in ("label", "text"):
            if not _is_text(segment.get(name)):
                return f"{name} of segment {number} is not text that can be written as UTF-8"
        start, stop = segment["start_s"], segment["stop_s"]
        if start is None or stop is None or not stop > start >= 0:
            return f"segment '{segment['label']}' runs from {start} s to {stop} s"
    return None


def _check_order(segments: Sequence[Mapping[str, Any]] | None, duration_s: float) -> str | None:
    """What is wrong with segments that should follow each other and lie within a clip."""
    before, end = "", 0.0
    for segment in () if segments is None else segments:
        label, start, stop = segment["label"], segment["start_s"], segment["stop_s"]
        if start < end - _SEGMENT_SLACK_S:
            return f"segment '{label}' starts at {start:g} s, before segment '{before}' ends at {end:g} s"
        if stop > duration_s + _SEGMENT_SLACK_S:
            return f"segment '{label}' ends at {stop:g} s, but the clip lasts {duration_s:g} s"
        before, end = label, stop
    return None


def _check_samples(row: Mapping[str, Any], placements: tuple[str, ...], *, required: bool) -> str | None:
    if row.get("n_samples") is None or int(row["n_samples"]) < 1:
        return f"n_samples is {row.get('n_samples')}, expected at least 1"
    rate = row.get("rate_hz")
    if rate is None or not (np.isfinite(rate) and rate > 0):
        return f"rate_hz is {rate}, expected a positive sampling rate in Hz"
    for placement in placements:
        column = imu_column(placement)
        values = row.get(column)
        if values is None:
            if required:
                return f"{column} is null"
            continue
        if not required:  # an accelerometer alone is accepted: its angular rate is NaN in every sample
            values = np.asarray(values, dtype=np.float32).reshape(-1)
            if values.size == 6 * int(row["n_samples"]):
                rate_columns = values.reshape(-1, 6)[:, 3:]
                if np.isnan(rate_columns).all():
                    problem = _check_sequence(column, values.reshape(-1, 6)[:, :3], int(row["n_samples"]), 3)
                    if problem:
                        return problem
                    continue
        problem = _check_sequence(column, values, int(row["n_samples"]), 6)
        if problem:
            return problem
    return None


def _is_text(value: Any) -> bool:
    try:
        return value is None or bool(str(value).encode("utf-8")) or value == ""
    except UnicodeEncodeError:  # part of a character, from a damaged file
        return False


def _check_sequence(name: str, values: Any, length: int, width: int | None) -> str | None:
    if values is None:
        return f"{name} is null"
    flat = np.asarray(values).reshape(-1)
    if flat.dtype == object or not np.issubdtype(flat.dtype, np.number):
        return f"{name} does not hold numbers"
    if width is not None and flat.size != length * width:
        return f"{name} has {flat.size} values, expected {length} x {width} = {length * width}"
    finite = np.isfinite(flat)
    if not finite.all():
        first = int(np.argmin(finite))
        place = f"frame {first // width}, column {first % width}" if width else f"value {first}"
        return f"{name} is {flat[first]} at {place}, expected finite numbers"
    return None
