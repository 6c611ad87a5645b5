"""DSADS, Daily and Sports Activities (Altun, Barshan and Tuncel, Pattern Recognition 43(10), 2010): eight people, 19
activities, 25 Hz.

`data/a01/p1/s01.txt`: activity, person and a segment of 5 s, 125 lines of 45 columns parted by commas: nine (acceleration in m/s²,
angular rate in rad/s, magnetometer) of each Xsens MTx on torso, right arm, left arm, right leg and left leg; those of the
arms were on the wrists. The 60 segments of an activity follow each other. Axes are the sensors' own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from m3n import config
from m3n.schema import Rejected
from m3n.sources.recordings.published_tables import Channels, Published, published_rows

SOURCE = "dsads"
_ACTIVITIES = (
    "sitting", "standing", "lying_on_back", "lying_on_right_side", "ascending_stairs", "descending_stairs", "standing_in_elevator",
    "moving_in_elevator", "walking_in_parking_lot", "walking_on_treadmill_flat", "walking_on_treadmill_inclined",
    "running_on_treadmill", "exercising_on_stepper", "exercising_on_cross_trainer", "cycling_horizontal", "cycling_vertical",
    "rowing", "jumping", "playing_basketball",
)  # fmt: skip
PUBLISHED = Published(
    SOURCE, "DSADS", r"a(?P<label>\d\d)/p(?P<subject>\d)/s\d\d\.txt", "data/a01/p1/s01.txt", 45, 25.0,
    {"right_wrist": Channels(9, 12), "left_wrist": Channels(18, 21)}, "m/s2", "rad/s", delimiter=",",
    labels={f"{number:02d}": name for number, name in enumerate(_ACTIVITIES, 1)},
)  # fmt: skip


class Options(config.Options):
    """This source takes no settings: units, placements and labels are known."""


def imu_recordings(path: Path, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings`, one per person and activity: both wrists.

    `path` is the dataset's zip or folder. Raises InputError where it holds no such files.
    """
    yield from published_rows(PUBLISHED, Path(path))
