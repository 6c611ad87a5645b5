"""Ideal accelerometer and gyroscope signals of sensors that move along sampled paths.

Quintic splines through the frames interpolate position and orientation (sign-continuous unit quaternions, normalised at
evaluation), and acceleration and angular rate are their exact derivatives at the IMU's sample times. So the motion is upsampled
before it is differentiated, and no sample depends on a one-sided difference. The compiled loops are in `m3n.imu.kernel` and
`m3n.imu.spline`.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from m3n.body.model import FloatArray
from m3n.imu.kernel import CHANNELS, measure
from m3n.imu.spline import coefficients


def sample_count(frames: int, fps: float, rate_hz: float) -> int:
    """Number of IMU samples, at times k / rate_hz up to that of the last frame."""
    return int(np.floor((frames - 1) / fps * rate_hz + 1e-6)) + 1


def ideal_imu(positions: FloatArray, rotations: FloatArray, *, fps: float, rate_hz: float) -> FloatArray:
    """Specific force (m/s²) and angular rate (rad/s) in the sensor frame, (samples, sensors, 6).

    positions (frames, sensors, 3) m and rotations (frames, sensors, 3, 3), sensor to world, in a z-up world; at least two
    frames.
    """
    motion = np.concatenate([positions, continuous_quaternions(rotations)], axis=2)
    return measured(motion.reshape(len(motion), -1), fps=fps, rate_hz=rate_hz)


def measured(motion: FloatArray, *, fps: float, rate_hz: float) -> FloatArray:
    """As `ideal_imu`, for motion (frames, sensors * 7): each sensor's position, then its sign-continuous quaternion x y z w."""
    frames = len(motion)
    out = np.empty((sample_count(frames, fps, rate_hz), motion.shape[1] // CHANNELS, 6))
    measure(coefficients(motion), float(fps), float(rate_hz), frames, out)
    return out


def continuous_quaternions(rotations: FloatArray) -> FloatArray:
    """Unit quaternions (frames, …, 4), scalar last, without sign flips between frames."""
    shape = rotations.shape[:-2]
    q = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_quat().reshape(*shape, 4)
    flips = np.where(np.sum(q[1:] * q[:-1], axis=-1, keepdims=True) < 0, -1.0, 1.0)
    q[1:] *= np.cumprod(flips, axis=0)
    return q
