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


def movement(seconds: float = 6.0, seed: int = 0) -> np.ndarray:
    """Samples (n, 6) of something that moves below 3 Hz about 1 g."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    waves = [a * np.sin(2 * np.pi * f * time + p) for a, f, p in rng.uniform([1, 0.3, 0], [3, 3, 6], (18, 3))]
    samples: np.ndarray = np.reshape(waves, (6, 3, -1)).sum(1).T
    samples[:, 2] += schema.GRAVITY
    return samples


def test_a_known_lag_and_mounting_are_found() -> None:
    samples = movement()
    real = fidelity.turned(samples[:-7], MOUNTING.T)  # the real clock shows everything 7 samples earlier
    pair = fidelity.align(real[7:], samples[:-14], RATE_HZ)
    assert pair is not None
    assert pair.lag_s == pytest.approx(-7 / RATE_HZ)
    rotation = fidelity.mounting_rotation(fidelity.moment(pair))
    np.testing.assert_allclose(rotation, MOUNTING, atol=0.02)  # the low pass differs near the ends only
    found = fidelity.scores(pair, rotation)
    assert min(value for name, value in found.items() if name.startswith("r_")) > 0.99
    assert found["gain_acc_norm"] == pytest.approx(1, abs=0.05)


def test_a_lag_beyond_the_bound_is_not_searched() -> None:
    samples = movement()
    pair = fidelity.align(samples[30:], samples[:-30], RATE_HZ, max_lag_s=0.25)
    assert pair is not None
    assert abs(pair.lag_s) <= 0.25


def test_unrelated_movements_do_not_correlate() -> None:
    scores = []
    for seed in range(20):
        pair = fidelity.align(movement(seed=seed), movement(seed=100 + seed), RATE_HZ)
        assert pair is not None
        scores.append(fidelity.scores(pair, np.eye(3))["r_acc_norm"])
    assert abs(np.median(scores)) < 0.5


def test_a_mounting_is_a_rotation_even_where_a_reflection_would_fit_better() -> None:
    samples = movement()
    pair = fidelity.align(samples * [1, 1, -1, 1, 1, -1], samples, RATE_HZ)
    assert pair is not None
    assert np.linalg.det(fidelity.mounting_rotation(fidelity.moment(pair))) == pytest.approx(1)


def test_less_than_a_second_is_not_compared() -> None:
    assert fidelity.align(movement(0.9), movement(6.0), RATE_HZ) is None
    assert fidelity.align(movement(0.02), movement(0.02), RATE_HZ) is None


def test_a_recording_without_gyroscope_is_compared_by_its_acceleration() -> None:
    samples = movement()
    real = samples[4:].copy()
    real[:, 3:] = np.nan
    pair = fidelity.align(real, samples[:-4], RATE_HZ)
    assert pair is not None
    assert pair.lag_s == pytest.approx(-4 / RATE_HZ)
    found = fidelity.scores(pair, fidelity.mounting_rotation(fidelity.moment(pair)))
    assert found["r_acc_norm"] > 0.99
    assert np.isnan(found["r_gyro_norm"])


def test_a_sensor_at_rest_has_no_correlation_rather_than_a_wrong_one() -> None:
    still = np.tile([0, 0, schema.GRAVITY, 0, 0, 0], (200, 1)).astype(float)
    pair = fidelity.align(still, movement(4.0), RATE_HZ)
    assert pair is not None
    assert abs(fidelity.scores(pair, np.eye(3))["r_gyro_norm"]) < 1e-6


def test_the_spectrum_of_a_sine_peaks_at_its_frequency_with_its_power() -> None:
    time = np.arange(1000) / RATE_HZ
    samples = np.zeros((1000, 6))
    samples[:, 2] = schema.GRAVITY + 2 * np.sin(2 * np.pi * 4 * time)
    pair = fidelity.align(samples, samples, RATE_HZ)
    assert pair is not None
    frequencies = np.arange(0.5, 25.01, 0.5)
    real, simulated = fidelity.spectra(pair, frequencies)["acc"]
    assert frequencies[np.argmax(real)] == 4
    assert real.sum() * 0.5 == pytest.approx(2.0, rel=0.02)  # a sine of amplitude 2 has the power 2² / 2
    np.testing.assert_array_equal(real, simulated)


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
