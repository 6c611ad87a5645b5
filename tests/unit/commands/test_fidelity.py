"""The comparison with a real sensor: lags, mountings and errors that were put in are found, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.spatial.transform import Rotation

from m3n import schema
from m3n.cli import main
from m3n.imu import fidelity
from m3n.imu.simulate import simulate_clip
from m3n.io import tables

RATE_HZ = 50.0
MOUNTING = Rotation.from_rotvec([0.3, -0.5, 0.2]).as_matrix()
Row = dict[str, Any]


@pytest.fixture
def recorded(tmp_path: Path, pose_clip: Callable[..., Row]) -> tuple[Path, Path]:
    """Poses of four clips, and recordings of three: their ideal sensors, turned by MOUNTING and 0.1 s late."""
    clips, recordings = [], []
    for k in range(4):
        clip = pose_clip(f"clip-{k}", frames=200 + 10 * k, subject=f"s{k % 2}")
        clip["poses"][:, 16:20, :] += 0.3 * np.sin(np.arange(len(clip["poses"])) / (4 + k))[:, None, None].astype(np.float32)
        clips.append(clip)
        ideal = simulate_clip(clip, placements=["right_wrist"], rate_hz=RATE_HZ, low_pass=None, sensor=None, seed=0)
        samples = fidelity.turned(ideal["right_wrist"].astype(float), MOUNTING.T)
        late = np.concatenate([np.repeat(samples[:1], 5, axis=0), samples])
        recordings.append(
            {
                "recording_id": f"clip-{k}", "source": "test", "subject": f"s{k % 2}", "label": "bend", "rate_hz": RATE_HZ,
                "n_samples": len(late), "imu_right_wrist": late.astype(np.float32),
            }
        )  # fmt: skip
    poses, table = tmp_path / "poses", tmp_path / "recordings"
    poses.mkdir()
    table.mkdir()
    tables.write_table(poses, clips, schema.POSE_CLIPS, 3)
    tables.write_table(table, recordings[:3], schema.imu_recordings(), 2)
    return poses, table


@pytest.mark.parametrize("mounting", ["recording", "subject"])
def test_the_report_gets_back_what_was_put_in(recorded: tuple[Path, Path], tmp_path: Path, mounting: str) -> None:
    poses, recordings = recorded
    out, figures_file = tmp_path / "report", tmp_path / "figures.json"
    arguments = ["report", "fidelity", str(poses), str(recordings), "--out", str(out), "--json", str(figures_file)]
    assert main([*arguments, f"mounting={mounting}"]) == 0
    figures = json.loads(figures_file.read_text())
    assert figures["pairs"] == 3
    assert figures["clips_without_recording"] == 1
    assert figures["median_r_acc_norm"] > 0.999
    assert figures["median_r_gyro_norm"] > 0.999
    assert figures["median_lag_s"] == pytest.approx(0.1)
    rows = pq.read_table(out / "fidelity.parquet").to_pylist()
    assert [row["recording_id"] for row in rows] == ["clip-0", "clip-1", "clip-2"]
    for row in rows:
        np.testing.assert_allclose(np.reshape(row["mounting"], (3, 3)), MOUNTING, atol=0.01)
    for name in ("fidelity.md", "fidelity.json", "correlations.png", "examples.png", "spectra.png", "manifest.json"):
        assert (out / name).stat().st_size > 0


def test_a_sensor_nearer_to_the_hand_is_compared_where_it_sat(recorded: tuple[Path, Path], tmp_path: Path) -> None:
    poses, recordings = recorded
    found = {}
    for along in (0.0, 0.1):
        file = tmp_path / f"{along}.json"
        arguments = ["report", "fidelity", str(poses), str(recordings), "--out", str(tmp_path / "r"), "--json", str(file)]
        assert main([*arguments, f"along_m={along}"]) == 0
        found[along] = json.loads(file.read_text())["median_rmse_acc_norm"]
    assert found[0.1] > 5 * found[0.0]


def test_tables_without_a_common_id_are_refused_and_leave_nothing(
    tmp_path: Path, recorded: tuple[Path, Path], recording: Callable[..., Row], capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    tables.write_table(other, [recording("somebody-else")], schema.imu_recordings(), 10)
    assert main(["report", "fidelity", str(recorded[0]), str(other), "--out", str(tmp_path / "out")]) == 2
    assert "4 clips_without_recording" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
