"""Recordings and windows in other units than a model expects are refused, with the likely unit; vigour and rest are not."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import sensors

from m3n.data.scale import check_physics, check_rate_scale, check_scale
from m3n.data.windows import Normaliser
from m3n.errors import InputError
from m3n.schema import GRAVITY

CLOCK = np.arange(0, 40, 0.02)
SAMPLES = np.concatenate(sensors.worn_sensor(CLOCK), axis=1).astype(np.float32)
WINDOWS = SAMPLES.reshape(-1, 100, 6)
G = np.float32([1 / GRAVITY] * 3 + [1] * 3)


def scaled(factor: float) -> np.ndarray:
    return SAMPLES * np.float32([1, 1, 1, factor, factor, factor])


@pytest.mark.parametrize(
    ("factor", "said"), [(np.pi / 180, "times too small .*; radians were probably"), (180 / np.pi, "times too large .*degrees")]
)
def test_an_angular_rate_of_another_scale_is_refused_both_ways(factor: float, said: str) -> None:
    with pytest.raises(InputError, match=f"^r1: .*{said}"):
        check_rate_scale(scaled(factor), 50.0, "r1")
    with pytest.raises(InputError, match=said):
        check_physics(scaled(factor).reshape(-1, 100, 6), 50.0, "X")


def test_right_recordings_pass_with_and_without_a_gyroscope() -> None:
    check_rate_scale(SAMPLES, 50.0, "r1")
    for factor in (1.0, 0.0, np.nan):
        check_rate_scale(scaled(factor), 50.0, "r1")
        check_physics(scaled(factor).reshape(-1, 100, 6), 50.0, "X")


@pytest.mark.parametrize(
    ("windows", "said"),
    [
        (WINDOWS * G, "measures 0.1[0-9]* g .*probably in g "), (WINDOWS * 2048 * G, "in another unit, in counts"),
        (0 * WINDOWS, "zero throughout"),
        (SAMPLES[:, :3].reshape(-1, 50, 6), "samples of three channels, flattened"),
        (np.concatenate([sensors.without_gravity(CLOCK), SAMPLES[:, 3:]], axis=1).reshape(-1, 100, 6), "without gravity"),
    ],
)  # fmt: skip
def test_windows_that_are_no_specific_force_are_refused_without_a_model(windows: np.ndarray, said: str) -> None:
    with pytest.raises(InputError, match=f"^X.*{said}"):
        check_physics(windows, 50.0, "X")


def test_windows_too_short_to_tell_pass() -> None:
    check_physics(np.ones((20, 8, 6), np.float32), 50.0, "X")


def test_no_copy_is_made_of_many_windows() -> None:
    many = np.broadcast_to(100 * WINDOWS[3], (20_000, 100, 6))  # 2 million samples, 48 MB
    tracemalloc.start()
    with pytest.raises(InputError, match="measures 100 g "):
        check_physics(many, 50.0, "X")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 20e6


def test_a_models_samples_tell_the_unit() -> None:
    model = Normaliser(acc=6.0, gyro=1.0)
    check_scale(model, [SAMPLES], "r1")
    with pytest.raises(InputError, match=r"r1: .*probably in g \(or gravity was taken off\)"):
        check_scale(model, [SAMPLES * G], "r1")
    with pytest.raises(InputError, match="degrees per second"):
        check_scale(model, [scaled(180 / np.pi)], "r1")


def test_rest_and_vigour_are_no_wrong_units() -> None:
    normaliser = Normaliser(acc=6.0, gyro=1.0)
    rest = np.tile(np.float32([0, 0, 9.81, 0.001, 0, 0]), (100, 1))
    check_scale(normaliser, [rest], "rest")
    check_scale(normaliser, [2.5 * rest + np.float32([0, 0, 0, 9, 0, 0])], "vigour")
    check_scale(normaliser, [np.zeros((4, 6), np.float32)], "a dead sensor")


@pytest.mark.parametrize("rate_hz", [20.0, 125.0])
def test_windows_at_another_rate_than_stated_are_refused(rate_hz: float) -> None:
    windows = np.concatenate(sensors.worn_sensor(np.arange(0, 40, 0.02)), axis=1).reshape(20, 100, 6)
    check_physics(windows, 50.0, "X")
    with pytest.raises(InputError, match=r"X: gravity turns .* as if the sampling rate were about .*; correct rate_hz"):
        check_physics(windows, rate_hz, "X")
