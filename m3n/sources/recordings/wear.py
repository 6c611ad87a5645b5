"""WEAR (Bock et al., IMWUT 8(4), 2024): 18 outdoor workouts, Bangle.js watches on both wrists and ankles, 50 Hz, no gyroscope.

`sbj_0.csv`: sbj_id, three columns of acceleration in g of right_arm, right_leg, left_leg and left_arm, and label, empty or
"null" where nobody exercises. Axes are the watches' own.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from m3n import config
from m3n.errors import InputError
from m3n.schema import Rejected
from m3n.sources.recordings import table
from m3n.sources.shared.ingest_notes import Notes
from m3n.untrusted.archives import zip_or_folder

SOURCE = "wear"
_FILE = re.compile(r"(?:^|/)(sbj_\d+)\.csv$")
_LARGEST = 1 << 30  # bytes of one file
_PLACES = {"right_wrist": "right_arm", "left_wrist": "left_arm", "right_ankle": "right_leg", "left_ankle": "left_leg"}
_READ_AS = table.Options(
    acc_unit="g", time=None, rate_hz=50, subject_column="sbj_id", label_column="label", session_column=None,
    columns={placement: [f"{place}_acc_{axis}" for axis in "xyz"] for placement, place in _PLACES.items()},
)  # fmt: skip


class Options(config.Options):
    """This source takes no settings: units, placements and labels are known."""


def imu_recordings(path: Path, options: Options, notes: Notes | None = None) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings`, one per person: both wrists and ankles, workouts as segments.

    `path` is a zip or folder of the dataset's 50 Hz CSV files. Raises InputError where it holds no such files.
    """
    with zip_or_folder(Path(path), ".csv", _LARGEST, "WEAR's zip") as (names, read):
        found = {name: match[1] for name in names if (match := _FILE.search(name))}
        if not found:
            raise InputError(f"{path}: no WEAR files in it; expected names like sbj_0.csv")
        with tempfile.TemporaryDirectory(prefix="m3n-wear-") as folder:
            for name, plain in sorted(found.items()):
                (Path(folder) / f"{plain}.csv").write_bytes(read(name))
            for row in table.imu_recordings(Path(folder), _READ_AS, notes):
                if isinstance(row, dict):
                    row |= {
                        "recording_id": f"{SOURCE}-{row['recording_id'].removeprefix(table.SOURCE + '-')}",
                        "source": SOURCE,
                    }
                yield row
