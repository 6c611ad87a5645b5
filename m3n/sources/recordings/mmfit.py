"""MM-Fit (Strömbäck, Huang and Radu, IMWUT 4(4), 2020): ten gym exercises with a smart watch on each wrist.

Every workout is a folder w00 ... w20 with one npy file a sensor, (samples, 5) as video frame, Unix time in ms, x, y, z, and a
table of exercise sets in frames of the 30 fps video. The watches sample at about 100 Hz, in m/s² and rad/s; all four sensors keep
their own time, so they are brought to one clock. Samples stay in the watches' own axes: the files do not say how they were worn.

The files name no persons either. Ten people did the 21 workouts, so a workout's name as `subject`, which is the default, makes two
workouts of one person two subjects: say who is who by `subjects` before splitting by subject.

Written from the published description and loader (github.com/KDMStromback/mm-fit); not yet run on the data itself.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from m3n.config import Options as BaseOptions
from m3n.errors import InputError, shown
from m3n.schema import Rejected
from m3n.sources.shared.recording_rows import FloatArray, Segment, common_clock, ordered, recording_row, six_channels, within
from m3n.sources.shared.unit_checks import check_units
from m3n.untrusted.archives import zip_or_folder
from m3n.untrusted.npy import plain_array

SOURCE = "mmfit"
RATE_HZ = 100.0
NO_EXERCISE = "non_activity"  # upstream's name for the time between sets
_SIDES = {"left_wrist": "sw_l", "right_wrist": "sw_r"}
_FILE = re.compile(r"(?:^|/)(w\d+)_(sw_[lr]_(?:acc|gyr)\.npy|labels\.csv)$")
_LARGEST = 512 << 20  # bytes of one file; an hour at 100 Hz in float64 has 14 MB
_Reader = Callable[[str], bytes]
_Files = dict[tuple[str, str], str]


class Options(BaseOptions):
    """Settings of `m3n ingest mmfit`."""

    subjects: dict[str, Annotated[str, Field(coerce_numbers_to_str=True)]] = Field(
        default={}, description="subjects.<workout>=<person>, as subjects.w00=anna; a workout that is not named: its own name"
    )
    workouts: list[str] | None = Field(default=None, description="workouts to take, as [w00,w01]; null: all that are there")


def imu_recordings(path: Path, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings`, one per workout: both watches on one clock at 100 Hz, m/s² and rad/s in their own axes, exercise
    sets as segments and "non_activity" between them. A workout in which a sensor was silent for over 0.5 s gives one row for each
    stretch; a watch without a gyroscope's file has NaN there, one without an accelerometer's is left out.

    `path` is MM-Fit's zip, or a folder with its files w00/w00_sw_l_acc.npy. A workout without labels has none. Raises InputError
    where `path` holds no such files.
    """
    with zip_or_folder(Path(path), "", _LARGEST, "MM-Fit's zip") as (names, read):
        files: _Files = {(m[1], m[2]): name for name in names if (m := _FILE.search(name))}
        found = sorted({workout for workout, what in files if what.endswith("acc.npy")})
        chosen = [workout for workout in found if workout in (options.workouts or [workout])]
        if not found:
            raise InputError(f"{path}: no MM-Fit files in it; expected names like w00/w00_sw_l_acc.npy")
        if not chosen:
            raise InputError(f"{path}: nothing in it for workouts={options.workouts}; there are {', '.join(found[:30])}")
        for workout in chosen:
            try:
                yield from _workout(files, read, workout, options)
            except InputError as error:
                yield Rejected(workout, str(error))


def _workout(files: _Files, read: _Reader, workout: str, options: Options) -> Iterator[dict[str, Any]]:
    streams: dict[tuple[str, str], tuple[FloatArray, FloatArray]] = {}
    frames: tuple[FloatArray, FloatArray] | None = None
    for placement, watch in _SIDES.items():
        for sensor in ("acc", "gyr"):
            name = files.get((workout, f"{watch}_{sensor}.npy"))
            if name is not None and (sensor == "acc" or (placement, "acc") in streams):
                table = _table(name, read(name))
                streams[placement, sensor] = ordered(name, table[:, 1] / 1000, table[:, 2:])
                frames = (table[:, 0], table[:, 1] / 1000) if frames is None else frames
    labels = files.get((workout, "labels.csv"))
    sets = [] if labels is None or frames is None else _sets(labels, read(labels), *frames)
    for number, (start, values) in enumerate(common_clock(list(streams.values()), RATE_HZ)):
        sampled = dict(zip(streams, values, strict=True))
        samples = {}
        for placement in _SIDES:
            if (placement, "acc") in sampled:
                samples[placement] = six_channels(sampled[placement, "acc"], sampled.get((placement, "gyr")))
                check_units(files[workout, f"{_SIDES[placement]}_acc.npy"], samples[placement], RATE_HZ, "m/s2", "rad/s")
        stop = start + len(values[0]) / RATE_HZ
        yield recording_row(
            f"{SOURCE}-{workout}-{number}", SOURCE, options.subjects.get(workout, workout), RATE_HZ, samples, session=workout,
            started_s=start,
            segments=None if labels is None else within(_with_rests(sets, start, stop), start, stop - start),
        )  # fmt: skip


def _table(name: str, data: bytes) -> FloatArray:
    held = plain_array(data, name)
    if held.ndim != 2 or held.shape[1] != 5 or held.dtype.kind not in "fiu":
        raise InputError(
            f"{name}: holds {held.dtype} of shape {held.shape}, expected numbers (samples, 5): frame, Unix time in ms, x, y, z"
        )
    return np.asarray(held, np.float64)


def _sets(name: str, data: bytes, frame: FloatArray, time_s: FloatArray) -> list[Segment]:
    """Start and stop, s of Unix time, and exercise of every row of `start frame, end frame, repetitions, exercise`."""
    known = np.isfinite(frame) & np.isfinite(time_s)
    frame, time_s = frame[known], time_s[known]
    if (np.diff(frame) < 0).any() or not len(frame):
        raise InputError(f"{name}: the sets cannot be placed in time: the frames of the accelerometer are not in order")
    made: list[Segment] = []
    try:
        rows = csv.reader(io.StringIO(data.decode("utf-8-sig")))
        for row in rows:
            where = f"{name}, line {rows.line_num}"
            if not row:
                continue
            if len(row) != 4 or not (row[0].strip().isdecimal() and row[1].strip().isdecimal() and row[3].strip()):
                raise InputError(f"{where}: '{shown(','.join(row))}', expected start frame,end frame,repetitions,exercise")
            first, last = float(row[0][:12]), float(row[1][:12])
            if last < first:
                raise InputError(f"{where}: the set ends at frame {last:.0f}, before it starts")
            start, stop = int(np.searchsorted(frame, first)), int(np.searchsorted(frame, last, side="right"))
            if start < stop:
                made.append((float(time_s[start]), float(time_s[min(stop, len(time_s) - 1)]), row[3].strip()))
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{name}: cannot be read as CSV; it is damaged or another file") from error
    return made


def _with_rests(sets: list[Segment], start_s: float, stop_s: float) -> list[Segment]:
    """The sets, and what lies between them from start to stop."""
    made, at = [], start_s
    for begin, end, label in sorted(sets):
        if begin > at:
            made.append((at, min(begin, stop_s), NO_EXERCISE))
        made.append((begin, end, label))
        at = max(at, end)
    return [*made, (at, stop_s, NO_EXERCISE)]
