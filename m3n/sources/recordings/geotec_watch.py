"""GeoTec's watch (Matey-Sanz et al., Data in Brief 2023, CC BY 4.0): 23 people sit, stand up, walk, turn and sit down.

A watch on the left wrist, about 100 Hz, m/s² and rad/s, Unix milliseconds; who and which run are in the files' names alone. At
rest with the forearm on the lap the file reads +1 g along z, and along x where the arm hangs it reads the sign that m3n's left
wrist does: `m3n report mounting` finds it aligned with m3n's frame, so samples stay as they are.
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

SOURCE = "geotec_watch"
_FILE = re.compile(r"(?:^|/)(s\d+)_(\d+)_sw\.csv$")
_LARGEST = 64 << 20  # bytes of one file; the longest run has 0.3 MB
_READ_AS = table.Options(
    acc_unit="m/s2", gyro_unit="rad/s", time="timestamp", time_unit="ms", path="{subject}_{session}_sw.csv",
    columns={"left_wrist": ["x_acc", "y_acc", "z_acc", "x_gyro", "y_gyro", "z_gyro"]}, label_column="label",
)  # fmt: skip


class Options(config.Options):
    """This source takes no settings: units, frame and placement are known."""


def imu_recordings(path: Path, options: Options, notes: Notes | None = None) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings`, one per run: left wrist, m/s² and rad/s, activities as segments.

    `path` is the data set's zip, or the folder it was unpacked into. Raises InputError where it holds no such files.
    """
    with zip_or_folder(Path(path), ".csv", _LARGEST, "GeoTec's zip") as (names, read):
        found = {name: match for name in names if (match := _FILE.search(name))}
        if not found:
            raise InputError(f"{path}: no GeoTec files in it; expected names like DATA/s01/s01_01_sw.csv")
        with tempfile.TemporaryDirectory(prefix="m3n-geotec-") as folder:
            for name, match in sorted(found.items()):
                (Path(folder) / match[0].removeprefix("/")).write_bytes(read(name))
            for row in table.imu_recordings(Path(folder), _READ_AS, notes):
                if isinstance(row, dict):
                    name = row["recording_id"].removeprefix(f"{table.SOURCE}-").replace("_sw-", "-")
                    row |= {"recording_id": f"{SOURCE}-{name}", "source": SOURCE}
                yield row
