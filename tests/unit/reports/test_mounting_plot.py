"""The picture of mountings: drawn for any number of people, aligned, turned, unsure and without an answer."""

from pathlib import Path

import numpy as np
import pytest

from m3n.imu.mounting import Mounting, right_angles
from m3n.reports.mounting_plot import mounting_plot


@pytest.mark.parametrize("people", [1, 60])
def test_a_picture_is_drawn_for_one_and_for_many(tmp_path: Path, people: int) -> None:
    verdicts = ("aligned", "turned", "unsure")
    found = {
        f"p{k}": Mounting(right_angles()[k % 24], (k % 10) / 10, verdicts[k % 3], "why", differs=float(k % 7 == 0))
        for k in range(people)
    }
    found["none"] = Mounting(np.eye(3), 0.0, "unsure", "no gyroscope")
    mounting_plot(tmp_path / "mounting.png", {"left_wrist": found, "right_wrist": found})
    assert (tmp_path / "mounting.png").read_bytes().startswith(b"\x89PNG")
