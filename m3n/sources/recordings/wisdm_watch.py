"""WISDM 2019 (Weiss, Yoneda and Hayajneh, IEEE Access 7, 2019): 51 people, 18 activities, an LG G Watch on the dominant
wrist, 20 Hz.

`raw/watch/accel/data_1600_accel_watch.txt` and `.../gyro/data_1600_gyro_watch.txt`: lines of person, activity's letter, time in ns,
x, y, z and a semicolon; m/s² and rad/s in Android's axes. Each sensor has its own time stamps, so both are brought to one
clock. Which hand is dominant, the files do not say: most people's is the right one (`placement`).
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from m3n.config import Options as BaseOptions
from m3n.errors import InputError, shown
from m3n.schema import Rejected
from m3n.sources.shared.recording_rows import Stream, on_sensor_clock, ordered, recording_row
from m3n.sources.shared.unit_checks import UnitCheck
from m3n.untrusted.archives import zip_or_folder

SOURCE = "wisdm_watch"
RATE_HZ = 20.0
_FILE = re.compile(r"(?:^|/)watch/(accel|gyro)/data_(\d{4})_(?:accel|gyro)_watch\.txt$")
_LINE = re.compile(r"^\s*(\d+),([A-S]),(\d+),([^,;\s]+),([^,;\s]+),([^,;\s]+)\s*;?\s*$")
_LARGEST = 256 << 20  # bytes of one file; they have 4 MB
_ACTIVITIES = {
    "A": "walking", "B": "jogging", "C": "stairs", "D": "sitting", "E": "standing", "F": "typing", "G": "brushing_teeth",
    "H": "eating_soup", "I": "eating_chips", "J": "eating_pasta", "K": "drinking", "L": "eating_sandwich", "M": "kicking",
    "O": "catching", "P": "dribbling", "Q": "writing", "R": "clapping", "S": "folding_clothes",
}  # fmt: skip
_Streams = dict[str, Stream]  # by letter


class Options(BaseOptions):
    """Settings of `m3n ingest wisdm_watch`."""

    placement: Literal["left_wrist", "right_wrist"] = Field(
        default="right_wrist", description="wrist that is taken for everybody's dominant one"
    )


def imu_recordings(path: Path, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings`, one per stretch of a person's activity, 20 Hz.

    `path` is the dataset's zip, or the folder it was unpacked into. Raises InputError where it holds no such files.
    """
    with zip_or_folder(Path(path), ".txt", _LARGEST, "WISDM's zip") as (names, read):
        files = {(match[2], match[1]): name for name in names if (match := _FILE.search(name))}
        people = sorted({person for person, sensor in files if sensor == "accel"})
        if not people:
            raise InputError(
                f"{path}: no WISDM watch files in it; expected names like raw/watch/accel/data_1600_accel_watch.txt"
            )
        for person in people:
            try:
                yield from _person(files, read, person, options.placement)
            except InputError as error:
                yield Rejected(files[person, "accel"], str(error))


def _person(
    files: dict[tuple[str, str], str], read: Callable[[str], bytes], person: str, placement: str
) -> Iterator[dict[str, Any]]:
    acc, gyro = (
        _streams(files[person, sensor], read(files[person, sensor])) if (person, sensor) in files else {}
        for sensor in ("accel", "gyro")
    )
    check, rows = UnitCheck(), []
    for letter, stream in acc.items():
        for number, (_, samples) in enumerate(on_sensor_clock(stream, gyro.get(letter), RATE_HZ)):
            check.add(samples, RATE_HZ)
            rows.append(
                recording_row(
                    f"{SOURCE}-{person}-{letter}-{number}",
                    SOURCE,
                    person,
                    RATE_HZ,
                    {placement: samples},
                    session=letter,
                    label=_ACTIVITIES.get(letter),
                )
            )
    check.check(files[person, "accel"].rsplit("/", 1)[-1], "m/s2", "rad/s" if gyro else None)
    yield from rows


def _streams(name: str, data: bytes) -> _Streams:
    where = name.rsplit("/", 1)[-1]
    found: dict[str, tuple[list[float], list[list[float]]]] = {}
    for number, line in enumerate(io.StringIO(data.decode("ascii", "replace")), 1):
        if not line.strip():
            continue
        match = _LINE.match(line)
        try:
            values = [float(match[k]) for k in (4, 5, 6)] if match else None
        except ValueError:
            values = None
        if match is None or values is None:
            raise InputError(f"{where}, line {number}: '{shown(line)}', expected person,letter,time in ns,x,y,z;")
        times, rows = found.setdefault(match[2], ([], []))
        times.append(float(match[3][:19]) * 1e-9)
        rows.append(values)
    made = {}
    for letter, (times, rows) in found.items():
        order = np.argsort(times, kind="stable")  # some files have a block out of its place
        made[letter] = ordered(f"{where}, activity {letter}", np.array(times)[order], np.array(rows)[order])
    return made
