"""OpenPack's sample session as it is: units, clock, operations, and which sensor the writing hand wears."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import datetime
from typing import Any

import numpy as np
import places
import pytest
from scipy.signal import butter, filtfilt

from m3n.schema import GRAVITY, PLACEMENTS, check_imu_recording
from m3n.sources.recordings.openpack import Options, imu_recordings

DATA = places.DATA / "openpack_sample.zip"
pytestmark = pytest.mark.skipif(not DATA.is_file(), reason=f"real data absent: {DATA} (set M3N_DATA)")


@pytest.fixture(scope="module")
def row() -> dict[str, Any]:
    (only,) = imu_recordings(DATA, Options())
    assert isinstance(only, dict)
    return only


def test_the_session_is_valid_and_whole(row: dict[str, Any]) -> None:
    assert check_imu_recording(row, PLACEMENTS) is None
    assert (row["subject"], row["session"]) == ("U0209", "S0500")
    assert row["n_samples"] == 46_800  # the files' own rows: their steps are 30 ms throughout
    assert {s["label"] for s in row["segments"]} == {
        "Picking", "Relocate Item Label", "Assemble Box", "Insert Items", "Close Box", "Attach Box Label", "Scan Label",
        "Attach Shipping Label", "Put on Back Table", "Fill out Order",
    }  # fmt: skip
    assert row["segments"][0]["start_s"] == pytest.approx(1.143, abs=1e-3)  # 14:25:22.143, the sensors start at 14:25:21


@pytest.mark.parametrize("side", ["left", "right"])
def test_at_rest_gravity_is_what_it_is(row: dict[str, Any], side: str) -> None:
    samples = row[f"imu_{side}_wrist"]
    rest = samples[np.linalg.norm(samples[:, 3:], axis=1) < 0.3]
    assert np.median(np.linalg.norm(rest[:, :3], axis=1)) == pytest.approx(GRAVITY, rel=0.05)


def test_the_hand_that_writes_wears_the_sensor_called_right(row: dict[str, Any]) -> None:
    """Upstream's list of users has U0209 as right-handed; a pen moves at 3 to 8 Hz."""
    with zipfile.ZipFile(DATA) as archive:
        name = next(name for name in archive.namelist() if name.endswith("openpack-actions/S0500.csv"))
        actions = list(csv.DictReader(io.StringIO(archive.read(name).decode())))
    clock = 1_648_531_521.0 + np.arange(row["n_samples"]) * 0.03
    for action in ("Write Sign", "Write Check Mark"):
        writing = np.zeros(len(clock), bool)
        for found in (a for a in actions if a["action"] == action):
            start, stop = (datetime.fromisoformat(found[key]).timestamp() for key in ("start", "end"))
            writing |= (clock >= start) & (clock < stop)
        assert writing.sum() > 1000
        pen = {}
        for side in ("left", "right"):
            rates = filtfilt(
                *butter(2, [3, 8], "band", fs=row["rate_hz"]), row[f"imu_{side}_wrist"][:, 3:].astype(float), axis=0
            )
            pen[side] = np.sqrt((rates[writing] ** 2).sum(1).mean())
        assert pen["right"] > 1.8 * pen["left"]
