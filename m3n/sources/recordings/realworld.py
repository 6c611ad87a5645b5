"""RealWorld (Sztyler and Stuckenschmidt, PerCom 2016): 15 people, eight activities of some ten minutes each, 50 Hz.

`proband1/data/acc_walking_csv.zip` holds `acc_walking_forearm.csv` and those of six other places, `gyr_walking_csv.zip` holds
`Gyroscope_walking_forearm.csv`; parts of climbing are zips in these zips, numbered as `acc_climbingup_2_csv.zip`. Lines are
id, attr_time in Unix ms, attr_x, attr_y, attr_z; m/s² and rad/s in Android's axes. On the forearm people wore a smartwatch; the
other places are phones'. Which arm it was, the files do not say (`placement`).
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
from m3n.errors import InputError
from m3n.schema import Rejected
from m3n.sources.shared.pose_rows import misread
from m3n.sources.shared.recording_rows import Stream, on_sensor_clock, ordered, recording_row
from m3n.sources.shared.unit_checks import UnitCheck
from m3n.untrusted.archives import unpacked, zip_or_folder

SOURCE = "realworld"
RATE_HZ = 50.0
ACTIVITIES = {
    "climbingdown": "climbing_down", "climbingup": "climbing_up", "jumping": "jumping", "lying": "lying", "running": "running",
    "sitting": "sitting", "standing": "standing", "walking": "walking",
}  # fmt: skip
_GROUP = re.compile(rf"(?:^|/)proband(\d+)/(?:.*/)?(?:acc|gyr)_({'|'.join(ACTIVITIES)})(?:_\d+)?_csv(?:\.zip$|/)")
_FOREARM = re.compile(r"(?:^|/)(acc|Gyroscope)_[a-z]+(?:_(\d+))?_forearm(?:_(\d+))?\.csv$")
_ZIP_PART = re.compile(r"_(\d+)_csv(?:\.zip)?/[^/]*$")
_HEADER = "id,attr_time,attr_x,attr_y,attr_z"
_LARGEST = 512 << 20  # bytes of one file


class Options(BaseOptions):
    """Settings of `m3n ingest realworld`."""

    placement: Literal["left_wrist", "right_wrist"] = Field(
        default="right_wrist", description="wrist that is taken for the one with the smartwatch"
    )


def imu_recordings(path: Path, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings`, one per stretch in which a person's watch recorded an activity, 50 Hz.

    `path` is the dataset's zip, or a folder of people's folders, with their zips or what they hold. What is damaged is Rejected.
    Raises InputError where it holds no such files.
    """
    with zip_or_folder(Path(path), "", _LARGEST, "RealWorld's zip") as (names, read):
        groups: dict[tuple[int, str], list[str]] = {}
        for name in sorted(names):
            if (found := _GROUP.search(name)) is not None and name.endswith((".zip", ".csv")):
                groups.setdefault((int(found[1]), found[2]), []).append(name)
        if not groups:
            raise InputError(f"{path}: no RealWorld files in it; expected names like proband1/data/acc_walking_csv.zip")
        for (person, activity), files in sorted(groups.items()):
            try:
                yield from _activity(files, read, f"{person}", activity, options.placement)
            except InputError as error:
                yield Rejected(f"{SOURCE}-{person}-{activity}", str(error))


def _activity(
    files: list[str], read: Callable[[str], bytes], person: str, activity: str, placement: str
) -> Iterator[dict[str, Any]]:
    where = f"proband{person}, {activity}"
    parts: dict[int, dict[str, Stream]] = {}
    for file in files:
        for name, data in unpacked(file, read(file), _LARGEST):
            if (found := _FOREARM.search(name)) is None:
                continue
            in_zip = _ZIP_PART.search(name)
            part = int(found[2] or found[3] or (in_zip[1] if in_zip else 1))
            if found[1] in parts.setdefault(part, {}):
                raise InputError(f"{where}: two files of {found[1]} for part {part}, the second one is {name}")
            parts[part][found[1]] = _stream(name, data)
    if not any("acc" in sensors for sensors in parts.values()):
        raise InputError(f"{where}: no acceleration of the forearm, as some of the dataset's have none")
    check, rows = UnitCheck(), []
    for part, sensors in sorted(parts.items()):
        if "acc" not in sensors:
            raise InputError(f"{where}: part {part} has a gyroscope and no acceleration")
        for number, (start, samples) in enumerate(on_sensor_clock(sensors["acc"], sensors.get("Gyroscope"), RATE_HZ)):
            check.add(samples, RATE_HZ)
            rows.append(
                recording_row(
                    f"{SOURCE}-{person}-{activity}-{part}-{number}", SOURCE, person, RATE_HZ, {placement: samples},
                    session=f"{activity}-{part}", started_s=start, label=ACTIVITIES[activity],
                )
            )  # fmt: skip
    if not rows:
        raise InputError(f"{where}: acceleration and gyroscope never ran at the same time")
    check.check(where, "m/s2", "rad/s" if any("Gyroscope" in sensors for sensors in parts.values()) else None)
    yield from rows


def _stream(name: str, data: bytes) -> Stream:
    where = name.rsplit("/", 1)[-1]
    text = data.decode("ascii", "replace")
    header = text.partition("\n")[0].strip()
    if header != _HEADER:
        raise InputError(f"{where}: its first line is not {_HEADER}")
    try:
        table = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=1, ndmin=2, comments=None)
    except Exception as error:  # a damaged table can fail in any way at all
        raise InputError(f"{where}: {misread(error)}") from error
    if table.shape[1] != 5:
        raise InputError(f"{where}: has {table.shape[1]} columns, expected 5")
    return ordered(where, table[:, 1] / 1000, table[:, 2:5])
