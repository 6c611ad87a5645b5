"""mHealth (Banos et al., IWAAL 2014): ten people, twelve activities, Shimmer2 sensors, 50 Hz.

`mHealth_subject1.log`: 24 columns parted by tabs: chest acceleration, two of ECG, then acceleration (m/s²), gyroscope and
magnetometer of the left ankle and of the right lower arm, and the label, as its README says. The columns called gyroscope,
deg/s, hold about 1 while people stand still, so they are no angular rate and are left out. Axes are the sensor's own. Label 0
is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from m3n import config
from m3n.schema import Rejected
from m3n.sources.recordings.published_tables import Channels, Published, published_rows

SOURCE = "mhealth"
PUBLISHED = Published(
    SOURCE, "mHealth", r"mHealth_subject(?P<subject>\d+)\.log", "MHEALTHDATASET/mHealth_subject1.log", 24, 50.0,
    {"right_wrist": Channels(14), "left_ankle": Channels(5)}, "m/s2", label=23,
    labels={
        "1": "standing_still", "2": "sitting_and_relaxing", "3": "lying_down", "4": "walking", "5": "climbing_stairs",
        "6": "waist_bends_forward", "7": "frontal_elevation_of_arms", "8": "knees_bending", "9": "cycling", "10": "jogging",
        "11": "running", "12": "jump_front_and_back",
    },
)  # fmt: skip


class Options(config.Options):
    """This source takes no settings: units, placements and labels are known."""


def imu_recordings(path: Path, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings`, one per person: right wrist and left ankle, acceleration alone, activities as segments.

    `path` is the dataset's zip or folder. Raises InputError where it holds no such files.
    """
    yield from published_rows(PUBLISHED, Path(path))
