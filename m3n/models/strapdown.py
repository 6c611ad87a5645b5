"""Attitude of the wrist within a window, from the window's own samples: a strapdown inertial navigator as a layer without weights.

The signal of a wrist depends on how the watch is mounted and where the arm points; in a frame fixed in space, the movement of the
arm is plain. Integrating the angular rate rotates every sample into the frame of the first one (Titterton and Weston, Strapdown
Inertial Navigation Technology, 2004, sec. 11.2: the quaternion of a rotation vector, one per sample). Mean specific force points up
there, because a movement that starts and ends slowly has a mean acceleration near zero, and the mean direction of the forearm,
seen from above, is roughly where the person faces. This needs no magnetometer, no rest and no calibration, and a strap turned about
the forearm changes only the dorsal direction. A gyroscope's error stays small over a few seconds; the error of a velocity does not,
so the velocity is high-passed.

Legend of shape suffixes: b windows, t samples.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

WORLD_CHANNELS = 15
GRAVITY = 9.80665  # m/s², `m3n.schema.GRAVITY`, which takes pyarrow: networks need torch alone
ACC, RATE, SPEED = 8.0, 3.0, 1.0  # m/s², rad/s, m/s: units of the channels, of the size of arm movements
FORGET_S = 0.5  # time constant of the velocity, about the duration of a stroke of the arm


def world_channels(imu_bt6: Tensor, rate_hz: float | Tensor) -> Tensor:
    """Channels (b, t, 15) of windows of specific force (m/s²) and angular rate (rad/s) in the wrist sensor's frame.

    In a frame with z up and x along the mean direction of the forearm, seen from above: linear acceleration / 8 m/s², angular
    rate / 3 rad/s, the directions of the forearm (the sensor's x axis) and of the back of the wrist (its z axis), and velocity / 1
    m/s, high-passed with a time constant of 0.5 s. A window without angular rate is treated as one that does not turn.
    """
    acc_bt3, gyro_bt3 = imu_bt6[..., :3], imu_bt6[..., 3:]
    turn_bt3 = (gyro_bt3 + torch.cat([-gyro_bt3[:, :1], gyro_bt3[:, :-1]], dim=1)) / (2 * rate_hz)  # since the sample before
    attitude_bt4 = _attitude(turn_bt3)
    force_bt3 = _turned(attitude_bt4, acc_bt3)
    forearm_bt3 = _turned(attitude_bt4, imu_bt6.new_tensor((1.0, 0.0, 0.0)).expand_as(acc_bt3))
    dorsal_bt3 = _turned(attitude_bt4, imu_bt6.new_tensor((0.0, 0.0, 1.0)).expand_as(acc_bt3))
    up_b3 = functional.normalize(force_bt3.mean(1), dim=-1)
    mean_b3 = forearm_bt3.mean(1)
    heading_b3 = functional.normalize(mean_b3 - (mean_b3 * up_b3).sum(-1, keepdim=True) * up_b3, dim=-1)
    left_b3 = _cross(up_b3, heading_b3)
    world_b33 = torch.stack([heading_b3, left_b3, up_b3], dim=2)  # columns: the world's axes in the frame of the first sample
    linear_bt3 = force_bt3 @ world_b33 - imu_bt6.new_tensor((0.0, 0.0, GRAVITY))
    parts = (
        linear_bt3 / ACC,
        _turned(attitude_bt4, gyro_bt3) @ world_b33 / RATE,
        forearm_bt3 @ world_b33,
        dorsal_bt3 @ world_b33,
        _leaky_sum(linear_bt3 / rate_hz, rate_hz) / SPEED,
    )
    return torch.cat(parts, dim=-1)


def _leaky_sum(x_bt3: Tensor, rate_hz: float | Tensor) -> Tensor:
    """Running sums that decay with the time constant `FORGET_S`, built by doubling as in `_attitude`."""
    decay = torch.exp(-1 / (FORGET_S * torch.as_tensor(rate_hz, dtype=x_bt3.dtype, device=x_bt3.device)))
    reach = 1
    while reach < x_bt3.shape[1]:
        x_bt3 = torch.cat([x_bt3[:, :reach], x_bt3[:, reach:] + decay**reach * x_bt3[:, :-reach]], dim=1)
        reach *= 2
    return x_bt3


def _attitude(turn_bt3: Tensor) -> Tensor:
    """Unit quaternions (b, t, 4; w first) from every sample's frame to that of the first, from each sample's rotation vector. The
    products are built by doubling: log2(t) steps instead of t."""
    angle_bt1 = (turn_bt3.square().sum(-1, keepdim=True) + 1e-12).sqrt()
    product_bt4 = torch.cat([torch.cos(angle_bt1 / 2), torch.sin(angle_bt1 / 2) / angle_bt1 * turn_bt3], dim=-1)
    reach = 1
    while reach < turn_bt3.shape[1]:
        product_bt4 = torch.cat([product_bt4[:, :reach], _times(product_bt4[:, :-reach], product_bt4[:, reach:])], dim=1)
        reach *= 2
    return functional.normalize(product_bt4, dim=-1)


def _times(a: Tensor, b: Tensor) -> Tensor:
    """Hamilton product."""
    aw, ax, ay, az = a.unbind(-1)
    bw, bx, by, bz = b.unbind(-1)
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        dim=-1,
    )


def _turned(q: Tensor, v: Tensor) -> Tensor:
    """Vectors turned by unit quaternions."""
    twice = 2 * _cross(q[..., 1:], v)
    return v + q[..., :1] * twice + _cross(q[..., 1:], twice)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    ax, ay, az = a.unbind(-1)
    bx, by, bz = b.unbind(-1)
    return torch.stack([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx], dim=-1)
