"""HHAR (Stisen et al., SenSys 2015): nine people, six activities, two LG G watches and two Samsung Gears on the arms.

`Watch_accelerometer.csv` and `Watch_gyroscope.csv`: Index, Arrival_Time (Unix ms), Creation_Time (ns of the device's clock), x, y,
z, User, Model, Device and gt, the activity, or null; m/s² and rad/s in Android's axes. The phones, in pouches at the waist, are
left out. LG's watches record at about 200 Hz, Samsung's at 100 Hz; a device's sensors share its clock. People wore two watches on
each arm; which one was where, the files do not say (`placement`).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv
from pydantic import Field

from m3n.config import Options as BaseOptions
from m3n.errors import InputError, one_line, shown
from m3n.schema import Rejected
from m3n.sources.shared.recording_rows import FloatArray, on_sensor_clock, ordered_rows, recording_row, within
from m3n.sources.shared.unit_checks import UnitCheck
from m3n.untrusted.archives import unpacked, zip_or_folder

SOURCE = "hhar"
RATES_HZ = {"lgwatch": 200.0, "gear": 100.0}
ACTIVITIES = {
    "stand": "standing", "sit": "sitting", "walk": "walking", "stairsup": "stairs_up", "stairsdown": "stairs_down",
    "bike": "biking",
}  # fmt: skip
_FILES = {"Watch_accelerometer.csv": "acc", "Watch_gyroscope.csv": "gyro"}
_COLUMNS = {
    "Arrival_Time": pa.int64(), "Creation_Time": pa.int64(), "x": pa.float64(), "y": pa.float64(), "z": pa.float64(),
    "User": pa.dictionary(pa.int32(), pa.string()), "Model": pa.dictionary(pa.int32(), pa.string()),
    "Device": pa.dictionary(pa.int32(), pa.string()), "gt": pa.dictionary(pa.int32(), pa.string()),
}  # fmt: skip
_LARGEST = 2 << 30  # bytes of one file; the largest has 0.4 GB
_MIXED_S = 2.0  # arrivals that go back by more, in the order of the device's clock, are two recordings of one clock reading


class Options(BaseOptions):
    """Settings of `m3n ingest hhar`."""

    placement: Literal["left_wrist", "right_wrist"] = Field(
        default="right_wrist", description="wrist that is taken for the one that every watch was on"
    )


def imu_recordings(path: Path, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings`, one per stretch of a person's watch: activities as segments, the session is the watch.

    `path` is the dataset's zip, or the folder it was unpacked into. What is damaged is Rejected. Raises InputError where it holds
    no Watch_accelerometer.csv, and for tables that cannot be read.
    """
    tables = _tables(Path(path))
    acc, gyro = tables["acc"], tables.get("gyro")
    pairs = acc.group_by(["User", "Device", "Model"]).aggregate([]).to_pylist()
    for pair in sorted(pairs, key=lambda one: (str(one["User"]), str(one["Device"]))):
        try:
            yield from _watch(acc, gyro, pair, options.placement)
        except InputError as error:
            yield Rejected(f"{SOURCE}-{pair['User']}-{pair['Device']}", str(error))


def _tables(path: Path) -> dict[str, pa.Table]:
    found: dict[str, pa.Table] = {}
    with zip_or_folder(path, "", _LARGEST, "HHAR's zip") as (names, read):
        for name in sorted(names):
            if not name.endswith((".zip", *_FILES)):
                continue
            for inner, data in unpacked(name, read(name), _LARGEST):
                kind = _FILES.get(inner.rsplit("/", 1)[-1])
                if kind in found:
                    raise InputError(f"{path}: holds two files like {inner}")
                if kind is not None:
                    found[kind] = _table(inner.rsplit("/", 1)[-1], data)
    if "acc" not in found:
        raise InputError(f"{path}: no HHAR files in it; expected names like Activity recognition exp/Watch_accelerometer.csv")
    return found


def _table(where: str, data: bytes) -> pa.Table:
    convert = csv.ConvertOptions(column_types=_COLUMNS, include_columns=list(_COLUMNS), null_values=["", "NaN"])
    try:
        one_by_one = csv.ReadOptions(use_threads=False)  # several threads do not know the number of a bad row
        return csv.read_csv(io.BytesIO(data), one_by_one, convert_options=convert).unify_dictionaries()
    except (pa.ArrowException, ValueError, KeyError) as error:
        raise InputError(f"{where}: cannot be read ({one_line(str(error), 160)}); expected {', '.join(_COLUMNS)}") from error


def _watch(acc: pa.Table, gyro: pa.Table | None, pair: dict[str, Any], placement: str) -> Iterator[dict[str, Any]]:
    person, device, model = (str(pair[key]) for key in ("User", "Device", "Model"))
    where = f"{person}, {device}"
    if model not in RATES_HZ:
        raise InputError(f"{where}: the model is '{shown(model)}', expected {' or '.join(RATES_HZ)}")
    rate = RATES_HZ[model]
    times, values, labels = _stream(f"Watch_accelerometer.csv, {where}", acc, pair)
    turning = None
    if gyro is not None and (own := _rows(gyro, pair)).num_rows:
        turning = _stream(f"Watch_gyroscope.csv, {where}", own, pair)[:2]
    edges = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
    stops = np.r_[times[edges[1:]], times[-1] + 1 / rate]
    spans = [(float(times[a]), float(b), ACTIVITIES[labels[a]]) for a, b in zip(edges, stops, strict=True) if labels[a]]
    check, rows = UnitCheck(), []
    for number, (start, samples) in enumerate(on_sensor_clock((times, values), turning, rate)):
        check.add(samples, rate)
        rows.append(
            recording_row(
                f"{SOURCE}-{person}-{device}-{number}", SOURCE, person, rate, {placement: samples}, session=device,
                segments=within(spans, start, len(samples) / rate) or None,
            )
        )  # fmt: skip
    if not rows:
        raise InputError(f"{where}: acceleration and gyroscope never ran at the same time")
    check.check(where, "m/s2", "rad/s" if turning is not None else None)
    yield from rows


def _rows(table: pa.Table, pair: dict[str, Any]) -> pa.Table:
    chosen = pc.and_(*(pc.equal(pc.cast(table[key], pa.string()), pair[key]) for key in ("User", "Device")))
    return table.filter(chosen)


def _stream(where: str, table: pa.Table, pair: dict[str, Any]) -> tuple[FloatArray, FloatArray, NDArray[Any]]:
    """Times (n,) s of the device's clock, values (n, 3) and activities (n,), "" for a row without one."""
    held = _rows(table, pair)
    clock, arrival = (held[key].to_numpy() for key in ("Creation_Time", "Arrival_Time"))
    values = np.stack([held[axis].to_numpy() for axis in "xyz"], axis=1)
    words = np.array([word or "" for word in held["gt"].to_pylist()], dtype=object)
    if held["Creation_Time"].null_count or held["Arrival_Time"].null_count:
        raise InputError(f"{where}: a row has no time")
    order = np.argsort(clock, kind="stable")
    back = float(np.max(np.maximum.accumulate(arrival[order]) - arrival[order])) / 1000
    if back > _MIXED_S:
        raise InputError(
            f"{where}: by Creation_Time the rows' Arrival_Time goes back by {back:.3g} s: two recordings share one clock reading"
        )
    unknown = sorted({str(word) for word in words} - {"", "null", *ACTIVITIES})
    if unknown:
        raise InputError(f"{where}: the activity '{shown(unknown[0])}' is not among {', '.join(ACTIVITIES)}")
    times = (clock[order] - clock[order[0]]) * 1e-9 + float(clock[order[0]]) * 1e-9
    values, words = values[order], np.where(words == "null", "", words)[order]
    rows = ordered_rows(where, times, values)
    return times[rows], values[rows], words[rows]
