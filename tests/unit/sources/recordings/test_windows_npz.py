"""Windows in an npz file become recordings of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sensors
from fuzz.source_files import windows_arrays

from m3n.errors import InputError
from m3n.schema import GRAVITY, PLACEMENTS, Rejected, check_imu_recording
from m3n.sources.recordings.windows_npz import Options, imu_recordings
from m3n.sources.shared.ingest_notes import Notes

UNITS: dict[str, Any] = {"rate_hz": 50.0, "acc_unit": "g", "gyro_unit": "deg/s"}


def write(folder: Path, **changed: Any) -> Path:
    np.savez(folder / "har.npz", **windows_arrays(**changed))
    return folder / "har.npz"


def test_each_window_is_a_recording_with_its_label_and_subject(tmp_path):
    found: list[Any] = list(imu_recordings(write(tmp_path), Options(**UNITS)))
    data = windows_arrays()
    assert len(found) == len(data["X"])
    assert all(check_imu_recording(row, PLACEMENTS) is None for row in found)
    assert [row["label"] for row in found] == [str(y) for y in data["y"]]
    assert [row["subject"] for row in found] == [str(s) for s in data["subject"]]
    np.testing.assert_allclose(found[1]["imu_right_wrist"][:, :3], GRAVITY * data["X"][1][:, :3], rtol=1e-5)
    np.testing.assert_allclose(found[1]["imu_right_wrist"][:, 3:], np.radians(data["X"][1][:, 3:]), rtol=1e-5)


def test_two_placements_stand_side_by_side_and_names_stand_for_numbers(tmp_path):
    data = windows_arrays()
    file = write(
        tmp_path, X=np.concatenate([data["X"], -data["X"]], axis=2), label_names=["walk", "run"], session=data["subject"]
    )
    row: Any = next(iter(imu_recordings(file, Options(**UNITS, placements=["right_wrist", "left_wrist"]))))
    np.testing.assert_array_equal(row["imu_left_wrist"], -row["imu_right_wrist"])
    assert row["label"] == ["walk", "run"][data["y"][0]]
    assert row["session"] == str(data["subject"][0])


def test_without_gyroscopes_rates_are_nan(tmp_path):
    file = write(tmp_path, X=windows_arrays()["X"][..., :3])
    row: Any = next(iter(imu_recordings(file, Options(rate_hz=50, acc_unit="g"))))
    assert np.isnan(row["imu_right_wrist"][:, 3:]).all()
    assert check_imu_recording(row, PLACEMENTS) is None


def test_a_window_that_is_not_finite_is_rejected_alone(tmp_path):
    windows = windows_arrays()["X"].copy()
    windows[2, 5, 1] = np.nan
    found = list(imu_recordings(write(tmp_path, X=windows), Options(**UNITS)))
    assert [isinstance(row, dict) for row in found].count(False) == 1
    assert "har.npz: X of window 2: not finite" in found[2].reason  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("changed", "options", "said"),
    [
        ({}, {"rate_hz": None}, "rate_hz is not known; give rate_hz"),
        ({}, {"acc_unit": None}, "acc_unit is not known"),
        ({}, {"gyro_unit": None}, "gyro_unit is not known"),
        ({}, {"acc_unit": "m/s2"}, "as if it were in g"),
        ({"X": windows_arrays()["X"].transpose(0, 2, 1)}, {}, r"save X.transpose\(0, 2, 1\)"),
        ({}, {"placements": ["right_wrist", "left_wrist"]}, r"expected \(windows, samples, 12\)"),
        ({"subject": None}, {}, "subject missing; it has X, y"),
        ({"subject": np.array(["a", " "] * 3)}, {}, "subject of window 1 is empty"),
        ({"X": np.repeat(windows_arrays()["X"], 4, 0), "y": np.zeros(24, int), "subject": np.arange(24)}, {}, "another person"),
        ({"X": windows_arrays()["X"][:, :2]}, {}, "windows of 2 samples, 0.04 s at 50 Hz"),
        (
            {"X": np.concatenate([windows_arrays()["X"]] * 2, axis=2)},
            {"placements": ["right_wrist", "left_wrist"]},
            "right_wrist and left_wrist hold the same samples",
        ),
        ({"X": (windows_arrays()["X"] - windows_arrays()["X"].min()) / np.ptp(windows_arrays()["X"])}, {}, "normalised"),
        ({"y": np.array([0, 1] * 3), "label_names": ["walk", "walk"]}, {}, "label_names holds 'walk' twice"),
        ({"subject": np.arange(3)}, {}, r"subject holds int64 of shape \(3,\)"),
        ({"y": np.full(6, 1.5)}, {}, "y holds 1.5, expected whole numbers or text"),
        ({"y": np.full(6, 7), "label_names": ["a"]}, {}, "y must hold the places 0 to 0 in label_names"),
        ({"y": np.array([{}] * 6, object)}, {}, "har.npz, y.*pickle"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path, changed, options, said):
    with pytest.raises(InputError, match=said) as caught:
        list(imu_recordings(write(tmp_path, **changed), Options(**{**UNITS, **options})))
    assert "har.npz" in str(caught.value)


def test_a_gyroscope_that_is_nan_throughout_is_none(tmp_path):
    samples = np.array(windows_arrays()["X"], float)
    samples[..., 3:] = np.nan
    found: list[Any] = list(imu_recordings(write(tmp_path, X=samples), Options(**UNITS)))
    assert [check_imu_recording(row, PLACEMENTS) for row in found] == [None] * len(samples)


def test_windows_filled_up_with_zeros_are_rejected(tmp_path):
    samples = np.array(windows_arrays()["X"], float)
    samples[1, -10:] = 0
    samples[2] = 0
    found: list[Any] = list(imu_recordings(write(tmp_path, X=samples), Options(**UNITS)))
    assert [index for index, row in enumerate(found) if isinstance(row, Rejected)] == [1, 2]
    assert "was it filled up to a common length?" in found[1].reason


def test_a_few_windows_in_another_unit_are_rejected_alone(tmp_path):
    samples = np.array(windows_arrays()["X"], float)
    samples[4, :, :3] /= GRAVITY  # the others are in g
    found: list[Any] = list(imu_recordings(write(tmp_path, X=samples), Options(**UNITS)))
    assert [index for index, row in enumerate(found) if isinstance(row, Rejected)] == [4]
    assert "har.npz: X of window 4: acceleration far below 1 g" in found[4].reason


@pytest.mark.parametrize("rate_hz", [20.0, 125.0])
def test_a_rate_that_gravity_contradicts_is_refused(tmp_path, rate_hz):
    clock = np.arange(0, 40, 0.02)
    windows = np.concatenate(sensors.worn_sensor(clock), axis=1).reshape(20, 100, 6)
    file = write(tmp_path, X=windows, y=np.zeros(20, int), subject=np.zeros(20, int))
    units: dict[str, Any] = {"acc_unit": "m/s2", "gyro_unit": "rad/s"}
    assert len(list(imu_recordings(file, Options(rate_hz=50, **units)))) == 20
    with pytest.raises(InputError, match=r"har\.npz: .*as if the sampling rate were about .* instead of .*correct the rate"):
        list(imu_recordings(file, Options(rate_hz=rate_hz, **units)))


def test_a_window_without_a_label_has_none(tmp_path):
    found: list[Any] = list(imu_recordings(write(tmp_path, y=np.array(["walk", ""] * 3)), Options(**UNITS)))
    assert [row["label"] for row in found] == ["walk", None] * 3


def test_windows_given_again_and_a_channel_that_stands_still_are_noted(tmp_path):
    data, notes = windows_arrays()["X"].copy(), Notes()
    data[..., 1], data[3] = 0.25, data[0]
    list(imu_recordings(write(tmp_path, X=data), Options(**UNITS), notes))
    found = notes.facts()["notes"]
    assert found["windows with the samples of an earlier window, kept"]["first"] == ["har.npz: window 3"]
    assert "the accelerometer's y channel is 2.45 in every sample" in str(found)
