"""OPPORTUNITY (Roggen et al., INSS 2010): four people in a kitchen, gestures and locomotion, Xsens MTx on both lower arms, 30 Hz.

`S1-ADL1.dat`: 250 columns parted by blanks; the first is time in ms. column_names.txt has InertialMeasurementUnit RLA at 64
and LLA at 90 (counted from 1): acceleration in milli-g, angular rate in rad/s times 1000. Labels: locomotion at 244, gestures
of both arms at 250; 0 is none. Axes are the sensors' own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from m3n import config
from m3n.schema import Rejected
from m3n.sources.recordings.published_tables import Channels, Published, published_rows

SOURCE = "opportunity"
_COLUMNS = {"locomotion": 243, "gestures": 249}
PUBLISHED = Published(
    SOURCE, "OPPORTUNITY", r"S(?P<subject>\d)-(?P<session>ADL\d|Drill)\.dat", "dataset/S1-ADL1.dat", 250, 30.0,
    {"right_wrist": Channels(63, 66), "left_wrist": Channels(89, 92)}, "mg", "rad/s", gyro_scale=0.001, time=(0, 0.001), label=249,
    labels={
        "1": "stand", "2": "walk", "4": "sit", "5": "lie", "406516": "open_door_1", "406517": "open_door_2",
        "404516": "close_door_1", "404517": "close_door_2", "406520": "open_fridge", "404520": "close_fridge",
        "406505": "open_dishwasher", "404505": "close_dishwasher", "406519": "open_drawer_1", "404519": "close_drawer_1",
        "406511": "open_drawer_2", "404511": "close_drawer_2", "406508": "open_drawer_3", "404508": "close_drawer_3",
        "408512": "clean_table", "407521": "drink_from_cup", "405506": "toggle_switch",
    },
)  # fmt: skip


class Options(config.Options):
    """Settings of `m3n ingest opportunity`."""

    labels: Literal["gestures", "locomotion"] = Field(
        default="gestures", description="labels to take: gestures of both arms, or locomotion"
    )


def imu_recordings(path: Path, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings`, one per stretch of a file in which both sensors ran: both wrists, labels as segments.

    `path` is the dataset's zip or folder. Raises InputError where it holds no such files.
    """
    yield from published_rows(PUBLISHED, Path(path), _COLUMNS[options.labels])
