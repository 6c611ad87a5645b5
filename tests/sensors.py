"""A sensor on a forearm that swings, as arrays: what loggers write, with gravity, lever arm and noise, by finite differences.

Nothing here comes from m3n, so that its checks of physics are held against something else.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

GRAVITY = 9.80665
LEVER = np.array([0.28, 0.0, 0.02])  # from the elbow, in the sensor's axes
_STEP = 1e-3


def attitude(times_s: np.ndarray) -> Rotation:
    """The sensor's axes in the world: three unlike swings, the largest 1 rad at 0.4 Hz."""
    t = np.asarray(times_s, float)
    angles = [
        1.0 * np.sin(2 * np.pi * 0.4 * t),
        0.6 * np.sin(2 * np.pi * 0.27 * t + 1) + 0.2 * np.sin(2 * np.pi * 1.1 * t),
        0.7 * np.sin(2 * np.pi * 0.19 * t + 2),
    ]
    return Rotation.from_euler("yxz", np.stack(angles, axis=1))


def position(times_s: np.ndarray) -> np.ndarray:
    return attitude(times_s).apply(LEVER)


def worn_sensor(times_s: np.ndarray, noise: float = 0.01, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(specific force (n, 3) m/s², angular rate (n, 3) rad/s) in the sensor's axes; `noise`: share of g, and rad/s."""
    t = np.asarray(times_s, float)
    rng = np.random.default_rng(seed)
    acceleration = (position(t + _STEP) - 2 * position(t) + position(t - _STEP)) / _STEP**2
    force = attitude(t).inv().apply(acceleration + np.array([0, 0, GRAVITY]))
    rate = (attitude(t - _STEP).inv() * attitude(t + _STEP)).as_rotvec() / (2 * _STEP)
    return (
        force + noise * GRAVITY * rng.normal(size=force.shape),
        rate + noise * rng.normal(size=rate.shape),
    )


def without_gravity(times_s: np.ndarray, noise: float = 0.01, seed: int = 0) -> np.ndarray:
    """What a phone calls linear or user acceleration, m/s²."""
    force, _ = worn_sensor(times_s, noise, seed)
    return force - gravity_vector(times_s)


def gravity_vector(times_s: np.ndarray) -> np.ndarray:
    """What a phone calls gravity, with the sign of specific force, m/s²: exact, as a fusion filter writes it."""
    return attitude(times_s).inv().apply(np.tile([0.0, 0.0, GRAVITY], (len(times_s), 1)))
