"""Single windows that no worn accelerometer measures are found among good ones, and real extremes pass."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.data.window_physics import normalisation, numbered, repeated, stuck_channel, window_problems
from m3n.schema import GRAVITY

RATE_HZ = 50.0


def swinging(windows: int = 4, samples: int = 100) -> np.ndarray:
    """(windows, samples, 6): a sensor that swings about x, 0.5 rad at 1 Hz, in m/s² and rad/s, with some noise."""
    time = np.arange(windows * samples) / RATE_HZ
    angle, still = 0.5 * np.sin(2 * np.pi * time), np.zeros(len(time))
    speed = np.pi * np.cos(2 * np.pi * time)
    made = np.stack([still, GRAVITY * np.sin(angle), GRAVITY * np.cos(angle), speed, still, still], axis=1)
    made += 0.01 * np.random.default_rng(0).normal(size=made.shape)
    return made.reshape(windows, samples, 6)


def filled(window: np.ndarray, start: int, value: float | np.ndarray) -> np.ndarray:
    made = window.copy()
    made[start:] = value
    return made


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: 0 * w, "no sensor data"),
        (lambda w: filled(w, 80, 0.0), "samples of 0, 0, 0"),
        (lambda w: filled(w, 60, w[59]), "the same sample again and again at one end"),
        (lambda w: filled(w[::-1], 60, w[40])[::-1], "the same sample again and again at one end"),
        (lambda w: np.full_like(w, 5.0), "the same acceleration in every sample, though not that of rest"),
        (lambda w: np.full_like(w, 3.0), "the same acceleration in every sample, though not that of rest"),
        (lambda w: w / GRAVITY, "far below 1 g"),
        (lambda w: w * np.r_[1000 / GRAVITY * np.ones(3), np.ones(3)], "no worn sensor measures"),
        (lambda w: w * np.r_[np.ones(3), 57.3 * np.ones(3)], "in degrees per second"),
    ],
)
def test_a_wrong_window_among_good_ones_is_named(change, said):
    windows = swinging()
    windows[2] = change(windows[2])
    ((problem, indices),) = window_problems(windows, RATE_HZ)
    assert said in problem
    assert indices == [2]


def test_rest_of_a_coarse_sensor_impacts_a_fall_and_a_missing_gyroscope_pass():
    windows = swinging(5)
    windows[0] = [0, 0, 9.6, 0, 0, 0]  # a coarse sensor on a table
    windows[1, 40:45, 0] = 16 * GRAVITY  # a blow at the end of the range
    windows[2, 30:60, :3] *= 0.01  # 0.6 s in the air
    windows[3, :, 3:] = np.nan
    windows[4] = np.round(windows[4])  # an 8-bit sensor, whose rest repeats itself
    windows[4, 60:] = windows[4, 60]
    assert list(window_problems(windows, RATE_HZ)) == []


def test_windows_are_named_by_their_numbers():
    assert numbered([3]) == "window 3"
    assert numbered([3, 17, 40]) == "windows 3, 17 and 40"
    assert numbered(list(range(96))) == "windows 0, 1, 2, 3, 4 and 91 more"


def test_windows_that_were_normalised_are_recognised():
    windows = swinging()
    low, high = windows.min((0, 1)), windows.max((0, 1))
    assert "min-max" in (normalisation((windows - low) / (high - low)) or "")
    assert "min-max" in (normalisation((windows - low.min()) / (high.max() - low.min())) or "")
    assert "z-score" in (normalisation((windows - windows.mean((0, 1))) / windows.std((0, 1))) or "")
    assert normalisation(windows) is None
    assert normalisation(windows / GRAVITY) is None


def test_a_channel_that_is_stuck_is_told_from_rest_and_from_a_missing_gyroscope():
    def told(windows: np.ndarray, seconds: float = 8.0) -> str | None:
        return stuck_channel(windows.min((0, 1)), windows.max((0, 1)), seconds)

    windows = swinging()  # y of the force and x of the rate move
    assert told(windows) is None
    for channel, said in (
        (2, "the accelerometer's z channel is 1.5 in every"),
        (4, "the gyroscope's y channel is 1.5 in every"),
    ):
        wrong = windows.copy()
        wrong[..., channel] = 1.5
        assert said in str(told(wrong))
        assert told(wrong, 2.0) is None
    windows[..., 3:] = 0
    assert told(windows) is None
    assert told(windows[..., :3]) is None
    windows[:] = [0, 0, 9.6, 0, 0, 0]
    assert told(windows) is None


def test_windows_given_again_are_found_and_those_at_rest_are_not():
    windows = np.concatenate([swinging(), swinging()[1:2], np.full((2, 100, 6), 1.0)])
    assert repeated(windows) == [4]
