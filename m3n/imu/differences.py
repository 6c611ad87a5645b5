"""Finite differences, as common scripts use them, kept as a named method so that the simulator can be compared with it.

Scripts that make IMU data from SMPL motion (Multi3Net's among them) difference a sensor's path from frame to frame and resample
the result to the sensor's rate. For a motion of angular frequency ω at frame interval h, the second central difference keeps
sinc²(ωh/2) = 1 - (ωh)²/12 + … of the acceleration and the central rotation step keeps sinc(ωh) = 1 - (ωh)²/6 + … of the angular
rate; linear interpolation between two frames loses up to another (ωh)²/8. At 30 frames per second and 3 Hz the losses are 3 %, 6 %
and 5 %. The first and the last frame have only one neighbour and repeat the difference beside them.
"""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from m3n.body.model import FloatArray
from m3n.imu.kernel import CHANNELS
from m3n.imu.signals import sample_count
from m3n.schema import GRAVITY


def differenced(motion: FloatArray, *, fps: float, rate_hz: float) -> FloatArray:
    """Specific force (m/s²) and angular rate (rad/s) in the sensor frame, (samples, sensors, 6), by finite differences.

    Arguments as in `m3n.imu.signals.measured`: motion (frames, sensors * 7), position and quaternion x y z w of each sensor. With
    two frames there is no second difference, so the acceleration is zero.
    """
    frames = len(motion)
    motion = motion.reshape(frames, -1, CHANNELS)
    sensors = motion.shape[1]
    position, quaternion = motion[..., :3], motion[..., 3:]
    acceleration = np.zeros_like(position)
    up = np.array([0.0, 0.0, GRAVITY])
    steps = np.empty_like(position)
    if frames > 2:
        acceleration[1:-1] = (position[2:] - 2 * position[1:-1] + position[:-2]) * fps**2
        acceleration[[0, -1]] = acceleration[[1, -2]]
        steps[1:-1] = _rotation_steps(quaternion[:-2], quaternion[2:]) * (fps / 2)
    steps[0] = _rotation_steps(quaternion[:1], quaternion[1:2])[0] * fps
    steps[-1] = _rotation_steps(quaternion[-2:-1], quaternion[-1:])[0] * fps
    to_sensor = Rotation.from_quat(quaternion.reshape(-1, 4)).inv()
    force = to_sensor.apply((acceleration + up).reshape(-1, 3)).reshape(frames, sensors, 3)
    return _on_lines(np.concatenate([force, steps], axis=2), fps, rate_hz)


def _rotation_steps(before: FloatArray, after: FloatArray) -> FloatArray:
    """Rotation vectors (…, 3) rad from one orientation (…, 4) to another; both frames share these vectors."""
    turns = Rotation.from_quat(before.reshape(-1, 4)).inv() * Rotation.from_quat(after.reshape(-1, 4))
    return turns.as_rotvec().reshape(*before.shape[:-1], 3)


def _on_lines(signal: FloatArray, fps: float, rate_hz: float) -> FloatArray:
    """Signal (frames, …) at times k / rate_hz, interpolated linearly."""
    count = len(signal)
    position = np.minimum(np.arange(sample_count(count, fps, rate_hz)) * fps / rate_hz, count - 1)
    low = np.minimum(position.astype(int), count - 2)
    share = (position - low)[:, None, None]
    return signal[low] * (1 - share) + signal[low + 1] * share
