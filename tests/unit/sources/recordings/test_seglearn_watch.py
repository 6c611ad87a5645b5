"""The watch recordings in m3n's frames."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzz.source_files import watch_arrays

from m3n.errors import InputError
from m3n.schema import GRAVITY, check_imu_recording
from m3n.sources.recordings import seglearn_watch
from m3n.sources.recordings.seglearn_watch import LABELS, Options, imu_recordings
from m3n.untrusted.npy import load_object_npy

installed = pytest.mark.skipif(importlib.util.find_spec("seglearn") is None, reason="the package seglearn is not installed")


def write_npy(path: Path, **data: Any) -> Path:
    np.save(path, np.array(data, dtype=object), allow_pickle=True)
    return path


def a_small_file(folder: Path, **changes: Any) -> Path:
    return write_npy(folder / "watch.npy", **watch_arrays(**changes))


def test_both_arms_come_to_the_same_frame_in_si_units(tmp_path):
    right, left = imu_recordings(a_small_file(tmp_path), Options())
    expected = np.array([-GRAVITY, 0.1 * GRAVITY, 0.2 * GRAVITY, -0.3, -0.4, 0.5], dtype=np.float32)
    np.testing.assert_allclose(right["imu_right_wrist"][0], expected, rtol=1e-6)
    # the same movement of the other arm, as a watch on it stores it, comes out as the sagittal mirror image: y of a vector
    # changes its sign, and so do x and z of a rotation rate
    np.testing.assert_allclose(left["imu_left_wrist"][0], expected * [1, -1, 1, -1, 1, -1], rtol=1e-6)
    assert right["label"] == "abduction"
    assert right["subject"] == "4"
    assert right["rate_hz"] == 50.0
    assert check_imu_recording(right, ("right_wrist",)) is None


def test_an_unknown_label_or_side_rejects_the_recording_not_the_file(tmp_path):
    rows = list(imu_recordings(a_small_file(tmp_path, side=np.array([1.0, 7.0])), Options()))
    assert isinstance(rows[0], dict)
    assert "side is 7" in rows[1].reason
    rows = list(imu_recordings(a_small_file(tmp_path, y_labels=["PEN", "JUMP"]), Options()))
    assert all("JUMP" in row.reason for row in rows)


def test_a_file_without_the_expected_keys_is_named(tmp_path):
    with pytest.raises(InputError, match=r"other\.npy.*'X' is missing"):
        list(imu_recordings(write_npy(tmp_path / "other.npy", a=1), Options()))


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install seglearn.*m3n\[data\]"):
        list(imu_recordings(None, Options()))


@installed
def test_the_installed_file_gives_140_recordings_of_ten_people_without_importing_seglearn():
    script = (
        "import sys; from m3n.sources.recordings.seglearn_watch import imu_recordings, Options\n"
        "rows = list(imu_recordings(None, Options()))\n"
        "print(len(rows), len({r['recording_id'] for r in rows}), len({r['subject'] for r in rows}),"
        " 'seglearn' in sys.modules or 'pandas' in sys.modules)"
    )
    root = str(Path(seglearn_watch.__file__).parents[3])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=root, check=True)
    assert done.stdout.split() == ["140", "140", "10", "False"]


@installed
def test_installed_values_equal_numpys_own_unpickling():
    plain = np.load(seglearn_watch.installed_file(), allow_pickle=True).item()  # the package is trusted here
    ours = load_object_npy(seglearn_watch.installed_file())
    assert all(np.array_equal(a, b) for a, b in zip(plain["X"], ours["X"], strict=True))
    assert ours["y_labels"] == plain["y_labels"] == list(LABELS)


@installed
@pytest.mark.parametrize("side", ["left", "right"])
def test_gravity_and_motion_agree_with_the_wrist_frame(side):
    samples: dict[str, list[np.ndarray]] = {}
    for row in imu_recordings(None, Options()):
        if isinstance(row, dict) and f"imu_{side}_wrist" in row:
            assert check_imu_recording(row, (f"{side}_wrist",)) is None
            samples.setdefault(row["label"], []).append(row[f"imu_{side}_wrist"])
    assert list(samples)
    assert all(len(rows) == 10 for rows in samples.values())
    means = {label: np.concatenate(rows).mean(axis=0) for label, rows in samples.items()}
    assert means["pendulum"][0] == pytest.approx(-GRAVITY, rel=0.15)  # the arm hangs: x, to the hand, points down
    thumb = 1 if side == "right" else -1  # y = z x x points to the thumb on the right arm and away from it on the left
    for label in ("internal rotation", "external rotation"):
        assert thumb * means[label][1] > 0.8 * GRAVITY  # forearm level, thumb up
    for label in ("abduction", "forward elevation"):
        assert means[label][2] > 0.3 * GRAVITY  # palm down as the arm passes the horizontal
        lowest = [rows[rows[:, 0] < np.quantile(rows[:, 0], 0.15), 2].mean() for rows in samples[label]]
        assert np.mean(lowest) > 0.5 * GRAVITY  # at the bottom the arm is accelerated outwards: the back of the hand leads
