"""PAMAP2 (Reiss and Stricker, ISWC 2012): nine people, 18 everyday and sports activities, three Colibri wireless IMUs, 100 Hz.

`Protocol/subject101.dat`: 54 columns parted by blanks: time in s, activity, heart rate, and 17 of each IMU on hand, chest and ankle
(temperature, acceleration of ±16 g and of ±6 g in m/s², angular rate in rad/s, magnetometer, orientation), as its DataCollection-
Description says. The one of ±6 g saturates. The hand's IMU was on the wrist of the dominant arm: the right one of all but subject
108. Axes are the sensor's own. Activity 0 is transient and no label.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from m3n import config
from m3n.schema import Rejected
from m3n.sources.recordings.published_tables import Channels, Published, published_rows

SOURCE = "pamap2"
PUBLISHED = Published(
    SOURCE, "PAMAP2", r"(?P<session>Protocol|Optional)/subject(?P<subject>\d{3})\.dat", "Protocol/subject101.dat", 54, 100.0,
    {"right_wrist": Channels(4, 10)}, "m/s2", "rad/s", time=(0, 1.0), label=1, left_handed=frozenset({"108"}),
    labels={
        "1": "lying", "2": "sitting", "3": "standing", "4": "walking", "5": "running", "6": "cycling", "7": "nordic_walking",
        "9": "watching_tv", "10": "computer_work", "11": "car_driving", "12": "ascending_stairs", "13": "descending_stairs",
        "16": "vacuum_cleaning", "17": "ironing", "18": "folding_laundry", "19": "house_cleaning", "20": "playing_soccer",
        "24": "rope_jumping",
    },
)  # fmt: skip


class Options(config.Options):
    """This source takes no settings: units, placement and labels are known."""


def imu_recordings(path: Path, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings`, one per stretch of a person's file: the dominant wrist, activities as segments.

    `path` is the dataset's zip or folder. Raises InputError where it holds no such files.
    """
    yield from published_rows(PUBLISHED, Path(path))
