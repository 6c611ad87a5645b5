"""Ideal accelerometer and gyroscope of a sensor that moves along a sampled path.

Position and orientation become quintic splines through the frames (orientation as a spline of sign-continuous unit
quaternions, normalised where it is read), and acceleration and angular rate are their exact derivatives at the IMU's own
sample times. So the motion is upsampled before it is differentiated, and no sample sees a one-sided difference.

Specific force: Titterton & Weston, Strapdown Inertial Navigation Technology (2004), ch. 3: f = Rᵀ(a - g).
Angular rate of a quaternion curve q (sensor to world, of any norm): ω = 2 Im(q* q̇) / |q|² in the sensor frame.
"""

from __future__ import annotations

import numpy as np
from scipy.interpolate import make_interp_spline
from scipy.signal import butter, sosfiltfilt
from scipy.spatial.transform import Rotation

from m3n.schema import GRAVITY

DEGREE = 5


def sample_times(frames: int, fps: float, rate_hz: float) -> np.ndarray:
    """Times (s) of the IMU samples: k / rate_hz, the last one not later than the last frame."""
    last = (frames - 1) / fps
    return np.arange(int(np.floor(last * rate_hz + 1e-6)) + 1) / rate_hz


def ideal_imu(
    positions: np.ndarray, rotations: np.ndarray, *, fps: float, rate_hz: float, cutoff_hz: float | None = None
) -> np.ndarray:
    """Specific force (m/s²) and angular rate (rad/s) in the sensor frame.

    positions (frames, sensors, 3) m and rotations (frames, sensors, 3, 3), sensor to world, in a z-up world; at least two
    frames. `cutoff_hz` low-passes the motion first (zero lag); None leaves it as it is. Returns (samples, sensors, 6).
    """
    frames, sensors = positions.shape[:2]
    quaternions = continuous_quaternions(rotations)
    motion = np.concatenate([positions, quaternions], axis=2).reshape(frames, sensors * 7)
    if cutoff_hz is not None:
        motion = low_pass(motion, cutoff_hz, fps)
    times = np.minimum(sample_times(frames, fps, rate_hz), (frames - 1) / fps)
    curve = make_interp_spline(np.arange(frames) / fps, motion, k=min(DEGREE, frames - 1))
    value, velocity, acceleration = (c.reshape(len(times), sensors, 7) for c in _derivatives(curve, times))
    specific_force = acceleration[..., :3] + np.array([0.0, 0.0, GRAVITY])
    q, q_dot = value[..., 3:], velocity[..., 3:]
    norm_squared = np.sum(q * q, axis=-1, keepdims=True)
    v, w = q[..., :3], q[..., 3:]
    angular_rate = 2 * (w * q_dot[..., :3] - q_dot[..., 3:] * v - np.cross(v, q_dot[..., :3])) / norm_squared
    # Rᵀf by the quaternion: f' = f - 2w (v × f) + 2 v × (v × f), for a unit quaternion
    turned = np.cross(v, specific_force)
    specific_force = specific_force + 2 * (np.cross(v, turned) - w * turned) / norm_squared
    return np.concatenate([specific_force, angular_rate], axis=-1)


def _derivatives(curve: object, times: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return tuple(curve(times, nu=order) for order in (0, 1, 2))  # type: ignore[operator,return-value]


def continuous_quaternions(rotations: np.ndarray) -> np.ndarray:
    """Unit quaternions (frames, …, 4), scalar last, whose sign never jumps from one frame to the next."""
    shape = rotations.shape[:-2]
    q = Rotation.from_matrix(rotations.reshape(-1, 3, 3)).as_quat().reshape(*shape, 4)
    flips = np.where(np.sum(q[1:] * q[:-1], axis=-1, keepdims=True) < 0, -1.0, 1.0)
    q[1:] *= np.cumprod(flips, axis=0)
    return q


def low_pass(values: np.ndarray, cutoff_hz: float, fps: float) -> np.ndarray:
    """Zero-lag second-order Butterworth low pass over axis 0, run forwards and backwards.

    The cut-off is where the two passes together have -3 dB (Winter, Biomechanics and Motor Control of Human Movement, 2009,
    ch. 3). A cut-off at or above half the frame rate changes nothing.
    """
    single = cutoff_hz / (np.sqrt(2) - 1) ** 0.25
    if single >= fps / 2:
        return values
    sections = butter(2, single, fs=fps, output="sos")
    return sosfiltfilt(sections, values, axis=0, padlen=min(len(values) - 1, int(3 * fps / cutoff_hz)))
