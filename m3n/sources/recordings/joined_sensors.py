"""Sensors of one recording that a logger keeps in files of their own, joined at the accelerometer's time stamps.

Gravity is added where a logger takes it off, signs are turned as `devices` says, and what is between two samples of another sensor
is interpolated linearly across up to half a second. The result is m/s² and rad/s, NaN where another sensor was silent.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from m3n.errors import InputError, shown
from m3n.schema import CHANNELS, GRAVITY
from m3n.sources.recordings.devices import Columns, Device, Part
from m3n.sources.recordings.sample_files import SampleFile
from m3n.sources.recordings.table_columns import ColumnNames
from m3n.sources.recordings.table_options import AUTO, Options
from m3n.sources.recordings.time_stamps import TimeStamps
from m3n.sources.shared.recording_rows import MAX_GAP_S, FloatArray
from m3n.sources.shared.unit_checks import ACC_UNITS, GYRO_UNITS

PLAIN: dict[str, Any] = {"time": AUTO, "time_unit": None, "time_format": None, "columns": {}, "acc_scale": 1.0, "gyro_scale": 1.0,
          "device": None,
          "names": None, "skip_rows": None, "delimiter": None, "decimal": None, "acc_range": None, "gyro_range": None}  # fmt: skip
_E4_G = 1 / 64
_RATE = re.compile(r"(?:update|output|sample)\s*rate\D{0,3}([\d.]+)\s*hz", re.IGNORECASE)
_STANDARD = 5.0  # between gravity of 1 (g) and of 9.81 (m/s²)


@dataclass(frozen=True)
class _Stream:
    times: FloatArray  # s, of whatever clock the files share
    values: FloatArray  # (n, 3)


def joined_samples(device: Device, parts: Mapping[Part, Path], options: Options) -> tuple[FloatArray, FloatArray]:
    """Times (n,) s and samples (n, 6) m/s² and rad/s at the accelerometer's time stamps; NaN where another sensor was silent."""
    name = str(options.device)
    order = [part for part in device.parts if part in parts]
    if name == "empatica":
        acc = _empatica(parts[order[0]])
        return acc.times, np.concatenate([_signed(acc.values, 1.0, options), np.full_like(acc.values, np.nan)], axis=1)
    main = next(part for part in order if part.acc)
    found, gravity = _acceleration(name, main, parts[main], options)
    gyro = _gyroscope(name, main, parts, [part for part in order if part is main or not part.acc], options)
    sign = device.sign
    if name == "sensor_logger":
        sign, unit = _apple(parts[main], main, gravity, "acc_scale" in options.model_fields_set)
        found = _Stream(found.times, found.values * unit)
    acc_values = _signed(found.values, sign, options)
    turned = np.full_like(acc_values, np.nan) if gyro is None else _at(found.times, gyro)
    return found.times, np.concatenate([acc_values, options.gyro_scale * turned], axis=1)


def _signed(values: FloatArray, sign: float, options: Options) -> FloatArray:
    return values * (options.acc_scale if "acc_scale" in options.model_fields_set else sign)


def _acceleration(name: str, part: Part, file: Path, options: Options) -> tuple[_Stream, FloatArray]:
    """Acceleration with gravity, m/s², and the gravity that was added to it, as the file has it."""
    chosen = _chosen(file, part.acc, name)
    streams = _read(file, part, [*chosen.names, *chosen.gravity], options, name)
    unit = ACC_UNITS[chosen.unit]
    values, added = streams.values[:, :3], streams.values[:, 3:]
    if part.gravity_file:
        beside = next(
            (f for f in sorted(file.parent.iterdir()) if re.fullmatch(part.gravity_file, f.name, re.IGNORECASE)), None
        )
        if beside is None:
            raise InputError(
                f"{file.name}: holds acceleration without gravity, and {part.gravity_file.replace(chr(92), '')} is not beside it"
            )
        other = _read(beside, part, chosen.names, options, name)
        added = _at(streams.times, other)
    total = values + added if added.shape[1] else values
    return _Stream(streams.times, unit * total), added


def _gyroscope(name: str, main: Part, parts: Mapping[Part, Path], order: list[Part], options: Options) -> _Stream | None:
    for part in order:
        if not part.gyro:
            continue
        look = ColumnNames(parts[part].name, SampleFile(parts[part], options.model_copy(update=PLAIN)).columns)
        chosen = found_columns_of(look, part.gyro)
        if chosen is None and part is not main:
            raise missing_columns(look, part.gyro, name)
        if chosen is not None:
            held = _read(parts[part], part, chosen.names, options, name)
            return _Stream(held.times, GYRO_UNITS[chosen.unit] * held.values)
    return None


def _chosen(file: Path, choices: tuple[Columns, ...], name: str) -> Columns:
    look = ColumnNames(file.name, SampleFile(file, Options()).columns)
    chosen = found_columns_of(look, choices)
    if chosen is None:
        raise missing_columns(look, choices, name)
    return chosen


def _read(file: Path, part: Part, names: list[str], options: Options, device: str) -> _Stream:
    """Columns of a file and their times, in order."""
    plain = options.model_copy(update={**PLAIN, "time_unit": part.time_unit, "timezone": options.timezone})
    held = SampleFile(file, plain)
    look = ColumnNames(file.name, held.columns)
    time = next((found for name in part.time if (found := look.find(name)) is not None), None)
    own = [look.find(name) for name in names]
    lacking = next((name for name, found in zip(names, own, strict=True) if found is None), None)
    if time is None or lacking is not None:
        raise InputError(
            f"{file.name}: no column {shown(lacking or part.time[0])} of device={device}; there are {look.listed()}"
        )
    wanted = [str(name) for name in own]
    clock, times, values = TimeStamps(held, time, plain), [], []
    for first, batch in held.batches([time, *wanted], set(wanted)):
        times.append(clock.seconds(batch, first))
        values.append(np.stack([held.numbers(batch, name, first) for name in wanted], axis=1))
    if not times:
        raise InputError(f"{file.name}: 0 rows of samples, expected at least 2")
    seconds, table = np.concatenate(times) + clock.start_s, np.concatenate(values)
    if device == "xsens":
        seconds = _counted(file, np.concatenate(times), options)
    kept = np.isfinite(seconds) & np.isfinite(table).all(axis=1)
    if kept.sum() < 2:
        raise InputError(f"{file.name}: {int(kept.sum())} whole rows of samples, expected at least 2")
    return _Stream(seconds[kept], table[kept])


def _counted(file: Path, packets: FloatArray, options: Options) -> FloatArray:
    """Times of counted packets, from the rate that the first lines of a file say."""
    rate = _RATE.search(head_of(file))
    hertz = options.rate_hz or (float(rate[1]) if rate else 0.0)
    if not hertz > 0:
        raise InputError(f"{file.name}: its first lines do not say the rate at which packets are counted; give rate_hz=<Hz>")
    return packets / hertz


def _at(times: FloatArray, of: _Stream) -> FloatArray:
    """A stream at other times, linearly; NaN outside it and in gaps of over half a second."""
    order = np.argsort(of.times, kind="stable")
    known, values = of.times[order], of.values[order]
    made = np.stack([np.interp(times, known, values[:, k], left=np.nan, right=np.nan) for k in range(values.shape[1])], axis=1)
    after = np.clip(np.searchsorted(known, times), 1, len(known) - 1)
    made[known[after] - known[after - 1] > MAX_GAP_S] = np.nan
    return made


def _apple(file: Path, part: Part, gravity: FloatArray, stated: bool) -> tuple[float, float]:
    """The sign of Sensor Logger's acceleration, unless it is `stated`, and a factor for a watch whose units are standardised.

    Without `Metadata.csv`, gravity of 9.81 in a watch's file says that units and signs are standardised.
    """
    told: dict[str, str] = {}
    beside = file.parent / "Metadata.csv"
    if beside.is_file():
        try:
            rows = list(csv.DictReader(beside.read_text(encoding="utf-8-sig", errors="replace").splitlines()))
        except csv.Error as error:
            raise InputError(f"{beside.name}: cannot be read as CSV ({shown(str(error))})") from error
        told = {str(key).strip().lower(): str(value).strip().lower() for key, value in (rows[0] if rows else {}).items()}
    watch = bool(part.gyro)
    if watch:
        standard = bool(len(gravity)) and float(np.median(np.linalg.norm(gravity, axis=1))) > _STANDARD
        return (1.0, 1 / GRAVITY) if standard else (-1.0, 1.0)
    if "total" in part.file.lower():
        return 1.0, 1.0  # of Android alone
    if stated:
        return 1.0, 1.0
    if "platform" not in told:
        raise InputError(
            f"{file.name}: Metadata.csv is not beside it, which says whether a phone reads +1 g or, as iPhones do, -1 g along "
            "the axis that points up; put it there, or give acc_scale=1 (Android, or standardised) or acc_scale=-1 (iPhone)"
        )
    return (-1.0 if told["platform"] == "ios" and told.get("standardisation") not in ("true", "1") else 1.0), 1.0


def _empatica(file: Path) -> _Stream:
    """ACC.csv of an E4: a line of starts (Unix time), a line of rates, counts of 1/64 g."""
    try:
        table = np.loadtxt(file, delimiter=",", ndmin=2, max_rows=100_000_000)
    except Exception as error:  # a damaged table can fail in any way at all
        raise InputError(f"{file.name}: is no ACC.csv of an E4; expected lines of three numbers") from error
    if table.shape[1] != 3 or len(table) < 4 or not 1 <= table[1, 0] <= 1000 or not np.isfinite(table).all():
        raise InputError(f"{file.name}: is no ACC.csv of an E4; expected its start, its rate (32) and counts, three in a line")
    times = table[0, 0] + np.arange(len(table) - 2) / table[1, 0]
    return _Stream(times, ACC_UNITS["g"] * _E4_G * table[2:])


def write_joined(file: Path, samples: tuple[FloatArray, FloatArray]) -> None:
    times, values = samples
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    has_gyro = bool(np.isfinite(values[:, 3:]).any())
    is_clock = 788_918_400 < times[0] < 4_102_444_800  # Unix time between 1995 and 2100
    stamps = pa.array(np.round(times * 1e9).astype(np.int64), pa.timestamp("ns", tz="UTC")) if is_clock else pa.array(times)
    columns: dict[str, Any] = {"time": stamps}
    for k, channel in enumerate(CHANNELS if has_gyro else CHANNELS[:3]):
        columns[channel] = pa.array(values[:, k], from_pandas=True)
    pq.write_table(pa.table(columns), file)


def found_columns_of(look: ColumnNames, choices: tuple[Columns, ...]) -> Columns | None:
    """The first alternative that the file has, under the file's own names."""
    for choice in choices:
        names = [look.find(name) for name in (*choice.names, *choice.gravity)]
        if all(name is not None for name in names):
            own = [str(name) for name in names]
            return Columns(own[:3], choice.unit, own[3:])
    return None


def missing_columns(look: ColumnNames, choices: tuple[Columns, ...], device: str) -> InputError:
    wanted = " or ".join(", ".join([*choice.names, *choice.gravity]) for choice in choices)
    return InputError(f"{look.where}: no columns {wanted} of device={device}; there are {look.listed()}")


def head_of(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            return stream.read(1 << 14).decode("utf-8", "replace").lstrip("\ufeff").replace("\r\n", "\n")
    except OSError as error:
        raise InputError(f"{file.name}: cannot be read ({error.strerror})") from error
