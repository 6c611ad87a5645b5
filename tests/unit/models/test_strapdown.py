"""The strapdown layer against motions whose attitude and acceleration are known in closed form or by SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import lfilter
from scipy.spatial.transform import Rotation, RotationSpline

from m3n.models.strapdown import ACC, FORGET_S, RATE, SPEED, world_channels
from m3n.schema import GRAVITY

HZ, SECONDS = 100.0, 4.0
TIME = np.arange(int(HZ * SECONDS)) / HZ


def motion(seed: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """What a wrist reads (t, 6) as it turns freely and moves about, at rest at both ends; and what is true in the world's frame."""
    rng = np.random.default_rng(seed)
    spline = RotationSpline(np.linspace(0, SECONDS, 6), Rotation.from_rotvec(rng.uniform(-1, 1, (6, 3))))
    attitude, rate = spline(TIME), spline(TIME, 1)  # SciPy gives the angular rate in the turning frame
    amplitude, phase = rng.uniform(0.1, 0.3, 3), 2 * np.pi * TIME / SECONDS
    factor = 2 * np.pi / SECONDS  # the velocity is amplitude * (sin, 1 - cos, sin of twice the phase): zero at both ends
    acceleration = amplitude * factor * np.stack([np.cos(phase), np.sin(phase), 2 * np.cos(2 * phase)], -1)
    force = attitude.inv().apply(acceleration + np.array([0, 0, GRAVITY]))
    decay = np.exp(-1 / (HZ * FORGET_S))  # the velocity since long ago is forgotten, sample by sample
    velocity = lfilter([1 / HZ], [1, -decay], acceleration, axis=0)
    true = {"acceleration": acceleration, "rate": attitude.apply(rate), "velocity": velocity}
    true |= {"forearm": attitude.apply([1.0, 0, 0]), "dorsal": attitude.apply([0, 0, 1.0])}
    return np.concatenate([force, rate], -1), true


def channels(imu: np.ndarray, hz: float = HZ) -> dict[str, np.ndarray]:
    found = world_channels(torch.tensor(imu, dtype=torch.float64)[None], hz)[0].numpy()
    names = {"acceleration": ACC, "rate": RATE, "forearm": 1.0, "dorsal": 1.0, "velocity": SPEED}
    return {name: found[:, 3 * i : 3 * i + 3] * unit for i, (name, unit) in enumerate(names.items())}


@pytest.mark.parametrize("seed", range(4))
def test_channels_are_those_of_the_world_turned_to_where_the_forearm_points(seed):
    imu, true = motion(seed)
    x, y, _ = true["forearm"].mean(0)
    to_heading = Rotation.from_euler("z", -np.arctan2(y, x))
    found = channels(imu)
    for name, tolerance in {"acceleration": 0.05, "rate": 0.02, "forearm": 0.01, "dorsal": 0.01, "velocity": 0.05}.items():
        np.testing.assert_allclose(found[name], to_heading.apply(true[name]), atol=tolerance, err_msg=name)


def test_a_strap_turned_about_the_forearm_changes_the_dorsal_direction_alone():
    imu, _ = motion(0)
    turned = Rotation.from_rotvec([0.7, 0, 0]).apply(imu.reshape(-1, 3)).reshape(imu.shape)
    before, after = channels(imu), channels(turned)
    for name in ("acceleration", "rate", "forearm", "velocity"):
        np.testing.assert_allclose(after[name], before[name], atol=1e-9, err_msg=name)
    assert np.abs(after["dorsal"] - before["dorsal"]).max() > 0.5


def test_a_sensor_at_rest_neither_accelerates_nor_moves():
    attitude = Rotation.from_rotvec([0.3, -0.4, 0.2])
    found = channels(np.tile(np.concatenate([attitude.inv().apply([0, 0, GRAVITY]), np.zeros(3)]), (200, 1)))
    for name in ("acceleration", "rate", "velocity"):
        np.testing.assert_allclose(found[name], 0, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(found["dorsal"][:, 2], attitude.apply([0, 0, 1.0])[2], atol=1e-6)


def test_windows_that_say_nothing_stay_finite():
    assert np.isfinite(channels(np.zeros((100, 6)))["acceleration"]).all()
    straight_down = np.tile([-GRAVITY, 0.0, 0, 0, 0, 0], (100, 1))  # a forearm that hangs has no heading
    assert all(np.isfinite(values).all() for values in channels(straight_down).values())


def test_half_the_rate_reads_the_same_motion():
    imu, _ = motion(1)
    np.testing.assert_allclose(channels(imu[::2], HZ / 2)["forearm"], channels(imu)["forearm"][::2], atol=0.02)
