"""Calibration on UTD-MHAD: fitted on six people's recordings without their labels, judged on the two others'."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import places
import pytest
from scipy.stats import wasserstein_distance

from m3n import schema
from m3n.cluster.simulate import ShardSimulator
from m3n.commands.simulate.calibration import calibrate
from m3n.commands.simulate.command import simulation_settings
from m3n.config import CalibrateConfig, SimulateConfig
from m3n.io import tables
from m3n.sources.paired import utd_mhad

DATA = places.DATA / "utd_mhad.zip"
pytestmark = pytest.mark.skipif(not DATA.is_file(), reason=f"real data absent: {DATA} (set M3N_DATA)")
HELD_OUT = ["s7", "s8"]


def distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1-Wasserstein distance of every channel of samples (n, 6) and (m, 6), m/s² and rad/s."""
    return np.array([wasserstein_distance(a[:, i], b[:, i]) for i in range(6)])


def test_people_never_seen_are_as_near_to_the_calibrated_simulation_as_to_other_people(tmp_path: Path) -> None:
    options = utd_mhad.Options(actions=[3, 9, 13, 16, 19])
    clips, recordings = list(utd_mhad.pose_clips(DATA, options)), list(utd_mhad.imu_recordings(DATA, options))
    for name, rows, columns in (("poses", clips, schema.POSE_CLIPS), ("recordings", recordings, schema.imu_recordings())):
        (tmp_path / name).mkdir()
        tables.write_table(tmp_path / name, rows, columns, rows_per_shard=64)

    simulator = ShardSimulator("", simulation_settings(SimulateConfig(placements=["right_wrist"], rate_hz=50)))
    config = CalibrateConfig(recordings=str(tmp_path / "recordings"), exclude_subjects=HELD_OUT)
    shards = tables.shard_paths(tmp_path / "poses")
    found, facts = calibrate(shards, lambda row: simulator.clip(row)[1], ["right_wrist"], config, seed=0)
    assert facts["subjects"] == ["s1", "s2", "s3", "s4", "s5", "s6"]

    simulated = [simulator.clip(row)[1]["right_wrist"] for row in clips if row["subject"] in HELD_OUT]
    plain = np.concatenate(simulated)
    real = {held: [r["imu_right_wrist"] for r in recordings if (r["subject"] in HELD_OUT) == held] for held in (True, False)}
    others, target = np.concatenate(real[False]).reshape(-1, 6), np.concatenate(real[True]).reshape(-1, 6)
    before, after = distances(plain, target), distances(found.apply("right_wrist", plain), target)
    between_people = distances(others, target)
    print(f"before {before.round(2)}, calibrated {after.round(2)}, other people {between_people.round(2)}")
    for part in (slice(0, 3), slice(3, 6)):
        assert after[part].sum() < before[part].sum() / 1.5
        assert after[part].sum() < 1.1 * between_people[part].sum()
