"""The cache of the package whar-datasets (MIT), which brings 37 public datasets into one form: any of them with one command.

A dataset's folder holds `metadata/activity_df.csv` (activity_id, activity_name), `metadata/session_df.csv` (session_id, subject_id,
activity_id) and `sessions/sessions.parquet` (session_id, timestamp, channels), or a Parquet file a session. Channels keep the
names, units and axes of the dataset's makers, which the cache does not say: `columns.<placement>=[...]`, `acc_unit` and
`gyro_unit` do, or the table `KNOWN` for datasets with a wrist, found by the folder's name or `dataset=`.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field, field_validator

from m3n.errors import InputError, nearest, one_line, shown
from m3n.schema import Rejected
from m3n.sources.recordings.device_files import unpacked
from m3n.sources.recordings.table_options import ChannelOptions
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.recording_rows import FloatArray, common_clock, ordered, recording_row
from m3n.sources.shared.unit_checks import ACC_UNITS, GYRO_UNITS, GravityDoubtError, UnitCheck, required
from m3n.untrusted.pickles import read_file

SOURCE = "whar"
_LARGEST = 8 << 30  # bytes of a Parquet file
_LIKELY_HZ = (5.0, 2000.0)
_YEAR_1995 = 788_918_400.0  # s; earlier times count from the start of a recording


@dataclass(frozen=True)
class Known:
    """Channels of each placement in the cache, and their units, by the dataset's own documentation."""

    columns: dict[str, list[str]]
    acc_unit: str
    gyro_unit: str | None
    gyro_scale: float = 1.0


def _six(acc: str, gyro: str) -> list[str]:
    return [name.format(axis) for name in (acc, gyro) for axis in "xyz"]


KNOWN: dict[str, Known] = {
    # Reiss and Stricker, ISWC 2012: Colibri IMUs, one on the wrist of the dominant arm, which is the left one of subject 108 alone;
    # the accelerometer of +-16 g, because the other one saturates
    "pamap2": Known({"right_wrist": _six("hand_acc_{}", "hand_gyro_{}")}, "m/s2", "rad/s"),
    # Weiss, IEEE Access 2019: LG G watch on the dominant wrist, Android's axes
    "wisdm_19_watch": Known({"right_wrist": _six("accel_watch_{}", "gyro_watch_{}")}, "m/s2", "rad/s"),
    # Altun, Barshan and Tuncel, Pattern Recognition 2010: Xsens MTx on both wrists
    "dsads": Known(
        {"right_wrist": _six("RA_{}acc", "RA_{}gyro"), "left_wrist": _six("LA_{}acc", "LA_{}gyro")}, "m/s2", "rad/s"
    ),
    # Bock et al., IMWUT 2024: Bangle.js watches on both wrists and ankles, no gyroscope
    "wear": Known(
        {
            "right_wrist": [f"right_arm_acc_{axis}" for axis in "xyz"], "left_wrist": [f"left_arm_acc_{axis}" for axis in "xyz"],
            "right_ankle": [f"right_leg_acc_{axis}" for axis in "xyz"], "left_ankle": [f"left_leg_acc_{axis}" for axis in "xyz"],
        },
        "g", None,
    ),
    # Banos et al., IWAAL 2014: Shimmer2 on the right lower arm and the left ankle. The gyroscopes' columns read about 1 at rest, so
    # they are left out.
    "mhealth": Known(
        {"right_wrist": [f"rarm_acc_{axis}" for axis in "xyz"], "left_ankle": [f"lankle_acc_{axis}" for axis in "xyz"]},
        "m/s2", None,
    ),
    # Sztyler and Stuckenschmidt, PerCom 2016: a smartwatch on the forearm, Android's axes; which arm, the set does not
    # say: it is taken for the right one, and `columns.left_wrist=` changes that
    "real_world": Known({"right_wrist": _six("acc_forearm_{}", "gyr_forearm_{}")}, "m/s2", "rad/s"),
    # Roggen et al., INSS 2010: Xsens MTx on both lower arms; its column_names.txt: milli-g, and rad/s times 1000
    "opportunity": Known(
        {"right_wrist": _six("IMU_RLA_acc_{}", "IMU_RLA_gyro_{}"), "left_wrist": _six("IMU_LLA_acc_{}", "IMU_LLA_gyro_{}")},
        "mg", "rad/s", gyro_scale=0.001,
    ),
}  # fmt: skip


class Options(ChannelOptions):
    """Settings of `m3n ingest whar`."""

    dataset: str | None = Field(
        default=None, description=f"dataset whose channels are known: {', '.join(KNOWN)}; null: as the folder is called"
    )

    @field_validator("dataset")
    @classmethod
    def _known_dataset(cls, value: str | None) -> str | None:
        if value is not None and value not in KNOWN:
            raise ValueError(f"dataset={shown(value)} is not in the table{nearest(value, KNOWN)}; give columns= and units")
        return value


def imu_recordings(path: Path, options: Options, notes: Notes | None = None) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings`, one per session (several where it has gaps), m/s² and rad/s in the sensors' own axes.

    `path` is the cache of one dataset, or a zip of it. Raises InputError where a file or a channel is missing, and for units that
    cannot be right.
    """
    with tempfile.TemporaryDirectory(prefix="m3n-whar-") as place:
        if path.is_file():
            path = unpacked(path, Path(place) / path.stem, (".csv", ".parquet"))
        yield from _recordings(path, options, notes)


def _recordings(path: Path, options: Options, notes: Notes | None) -> Iterator[dict[str, Any] | Rejected]:
    folder = next((f for f in (path, *sorted(path.glob("*/"))) if (f / "metadata" / "session_df.csv").is_file()), None)
    if folder is None:
        raise InputError(f"{path.name}: no cache of whar-datasets; expected metadata/session_df.csv and sessions/ in it")
    names = _labels(folder / "metadata" / "activity_df.csv")
    sessions = _sessions(folder / "metadata" / "session_df.csv", names)
    columns, acc_unit, gyro_unit, gyro_scale = _channels(folder, options)
    where = folder.name
    acc = required(where, "acc_unit", acc_unit, ACC_UNITS) * options.acc_scale
    has_gyro = any(len(held) == 6 for held in columns.values())
    gyro = required(where, "gyro_unit", gyro_unit, GYRO_UNITS) * gyro_scale if has_gyro else 1.0
    wanted = [name for held in columns.values() for name in held]
    factors = np.concatenate([[acc] * 3 + [gyro] * (len(held) - 3) for held in columns.values()])
    checks = {placement: UnitCheck() for placement in columns}
    made: list[dict[str, Any] | Rejected] = []
    for session, table in _tables(folder, wanted, notes):
        if session not in sessions:
            made.append(Rejected(session, f"{where}: session {shown(session)} is not in session_df.csv"))
            continue
        subject, label = sessions[session]
        try:
            times, values = _samples(f"{where}, session {shown(session)}", table, wanted)
            rate = options.rate_hz or _rate(f"{where}, session {shown(session)}", times)
            for number, (start, (sampled,)) in enumerate(common_clock([(times, values * factors)], rate)):
                samples, at = {}, 0
                for placement, held in columns.items():
                    samples[placement] = np.full((len(sampled), 6), np.nan)
                    samples[placement][:, : len(held)] = sampled[:, at : at + len(held)]
                    checks[placement].add(samples[placement], rate)
                    at += len(held)
                row = recording_row(
                    f"{SOURCE}-{where}-{session}-{number}", SOURCE, subject, rate, samples, session=session, label=label,
                    started_s=start if start > _YEAR_1995 else None,
                )  # fmt: skip
                made.append(row)
        except InputError as error:
            made.append(Rejected(session, str(error)))
    for placement, held in columns.items():
        try:
            checks[placement].check(
                f"{where}, {placement}", str(acc_unit), gyro_unit if len(held) == 6 else None, held[:3],
                stated=options.gravity == "included",
            )  # fmt: skip
        except GravityDoubtError as error:
            raise InputError(str(error)) from error
    yield from made


def _channels(folder: Path, options: Options) -> tuple[dict[str, list[str]], str | None, str | None, float]:
    name = options.dataset or folder.name.lower()
    known = KNOWN.get(name)
    if options.columns:
        return dict(options.columns), options.acc_unit, options.gyro_unit, options.gyro_scale
    if known is None:
        there = ", ".join(map(shown, [c for c in _schema(folder) if c not in ("timestamp", "session_id")][:40]))
        raise InputError(
            f"{folder.name}: its channels are not known; give columns.right_wrist=[x,y,z,...] with acc_unit and gyro_unit, or "
            f"dataset= of {', '.join(KNOWN)}; it has {there}"
        )
    scale = options.gyro_scale if "gyro_scale" in options.model_fields_set else known.gyro_scale
    return known.columns, options.acc_unit or known.acc_unit, options.gyro_unit or known.gyro_unit, scale


def _files(folder: Path) -> list[Path]:
    whole = folder / "sessions" / "sessions.parquet"
    found = [whole] if whole.is_file() else sorted((folder / "sessions").glob("*.parquet"))
    if not found:
        raise InputError(f"{folder.name}: no sessions/sessions.parquet; let whar-datasets parse the dataset first")
    return found


def _schema(folder: Path) -> list[str]:
    file = _files(folder)[0]
    try:
        return list(pq.read_schema(file).names)
    except Exception as error:  # a damaged file can fail in any way at all
        raise InputError(f"{file.name}: cannot be read as Parquet; it is damaged") from error


def _tables(folder: Path, wanted: list[str], notes: Notes | None) -> Iterator[tuple[str, pa.Table]]:
    """(session, its rows) of every session, in the order of the files."""
    for file in _files(folder):
        try:
            held = pq.ParquetFile(file)
            there = list(held.schema_arrow.names)
            if file.stat().st_size > _LARGEST:
                raise InputError(f"{file.name}: over {_LARGEST >> 30} GiB")
            missing = [name for name in ("timestamp", *wanted) if name not in there]
            if missing:
                listed = ", ".join(map(shown, there[:40]))
                raise InputError(f"{file.name}: no channel {shown(missing[0])}{nearest(missing[0], there)}; it has {listed}")
            if notes is not None:
                left = [name for name in there if name not in ("timestamp", "session_id", *wanted)]
                notes.columns(f"{', '.join(wanted)}; left over: {', '.join(left) or 'none'}", file.name)
            named = "session_id" in there
            table = held.read(columns=["timestamp", *wanted, *(["session_id"] if named else [])])
        except InputError:
            raise
        except Exception as error:  # a damaged file can fail in any way at all
            raise InputError(f"{file.name}: cannot be read as Parquet: {one_line(str(error), 120)}") from error
        if not named:
            yield file.stem.removeprefix("session_"), table
            continue
        keys = pc.unique(table["session_id"]).to_pylist()
        for key in keys:
            yield _text(key), table.filter(pc.equal(table["session_id"], key))


def _samples(where: str, table: pa.Table, wanted: list[str]) -> tuple[FloatArray, FloatArray]:
    stamps = table["timestamp"]
    if pa.types.is_timestamp(stamps.type):
        times = (
            np.asarray(stamps.cast(pa.timestamp("ns", stamps.type.tz), safe=False).cast(pa.int64()).to_numpy(), np.float64)
            * 1e-9
        )
    elif pa.types.is_floating(stamps.type) or pa.types.is_integer(stamps.type):
        times = np.asarray(stamps.to_numpy(), np.float64)
    else:
        raise InputError(f"{where}: timestamp holds {stamps.type}, expected time stamps")
    columns = []
    for name in wanted:
        if not (pa.types.is_floating(table[name].type) or pa.types.is_integer(table[name].type)):
            raise InputError(f"{where}: {shown(name)} holds {table[name].type}, expected numbers")
        columns.append(np.asarray(table[name].to_numpy(), np.float64))
    values = np.stack(columns, axis=1)
    order = np.argsort(times, kind="stable")  # the cache sorts rows by session, which can mix those of one
    values[(values[:, :3] == 0).all(axis=1)] = np.nan  # what the cache writes where a sensor was not worn
    return ordered(where, times[order], values[order])


def _rate(where: str, times: FloatArray) -> float:
    rate = 1 / float(np.median(np.diff(times)))
    if not _LIKELY_HZ[0] <= rate <= _LIKELY_HZ[1]:
        raise InputError(f"{where}: its time stamps run at {rate:.4g} Hz, expected {_LIKELY_HZ[0]:g} to {_LIKELY_HZ[1]:,g} Hz")
    return float(round(rate)) if abs(round(rate) / rate - 1) < 0.01 else rate


def _labels(file: Path) -> dict[str, str]:
    return {row["activity_id"]: row["activity_name"] for row in _rows(file, ("activity_id", "activity_name"))}


def _sessions(file: Path, labels: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Session -> (subject, label)."""
    made = {}
    for number, row in enumerate(_rows(file, ("session_id", "subject_id", "activity_id")), 2):
        if row["activity_id"] not in labels:
            raise InputError(f"{file.name}, line {number}: activity {shown(row['activity_id'])} is not in activity_df.csv")
        if not row["subject_id"]:
            raise InputError(f"{file.name}, line {number}: subject_id is empty, expected who wore the sensors")
        made[row["session_id"]] = (row["subject_id"], labels[row["activity_id"]])
    return made


def _rows(file: Path, wanted: tuple[str, ...]) -> Iterator[dict[str, str]]:
    rows = csv.DictReader(io.StringIO(read_file(file).decode("utf-8-sig", "replace")))
    try:
        for row in rows:
            if any(row.get(name) is None for name in wanted):
                raise InputError(f"{file.name}, line {rows.line_num}: expected the columns {', '.join(wanted)}")
            yield {name: _text(str(row[name]).strip()) for name in wanted}
    except csv.Error as error:
        raise InputError(f"{file.name}: cannot be read as CSV ({shown(str(error))})") from error


def _text(key: Any) -> str:
    """3 of 3.0, which pandas makes of whole numbers where one is missing."""
    return str(key).removesuffix(".0")
