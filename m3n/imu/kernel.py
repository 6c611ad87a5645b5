"""The simulator's inner loop, compiled: SMPL-family poses to specific force and angular rate of a few sensors.

The first pass, over the frames, follows the joints from the root to the sensors, in blocks that fit the first-level cache and with
frames innermost, so that the compiler vectorises over frames. The second fits quintic splines to the sensors' positions and
quaternions (`m3n.imu.spline`). The third, over the samples, evaluates the splines' exact derivatives.

Half-angle sine and cosine are Taylor polynomials in the squared angle: both sin(θ/2)/θ and cos(θ/2) are even in θ, so neither a
square root nor a branch is needed, and with 14 terms the error is below 1e-15 up to θ = 2π.

Specific force: Titterton & Weston, Strapdown Inertial Navigation Technology (2004), ch. 3: f = Rᵀ(a - g). Angular rate of a
quaternion curve q (sensor to world, of any norm): ω = 2 Im(q* q̇) / |q|², in the sensor frame.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from m3n.body.model import FloatArray
from m3n.imu.spline import weights
from m3n.schema import GRAVITY

BLOCK = 256  # frames
CHANNELS = 7  # of a sensor's motion: position, then quaternion x y z w
TERMS = 14
COSINE = np.array([(-0.25) ** k / math.factorial(2 * k) for k in range(TERMS)])  # cos(θ/2) in powers of θ²
SINE = np.array([0.5 * (-0.25) ** k / math.factorial(2 * k + 1) for k in range(TERMS)])  # sin(θ/2) / θ in powers of θ²
FULL_TURN_SQUARED = 4 * math.pi**2


@njit(cache=True, fastmath=True, nogil=True)
def sensor_motion(
    poses: FloatArray,
    trans: FloatArray,
    joints: NDArray[np.int64],
    parents: NDArray[np.int64],
    offsets: FloatArray,
    site_bone: NDArray[np.int64],
    site_offset: FloatArray,
    site_quaternion: FloatArray,
    motion: FloatArray,
) -> None:
    """World position and orientation of sensors on a body, for every frame, into `motion` (frames, sensors * 7).

    poses (frames, J, 3) axis-angle and trans (frames, 3), of any float type; joints (n,): the joints on the way, parents before
    children; parents (n,): positions in `joints`, -1 for the root; offsets (n, 3) m: from the parent at rest (the root's: its
    rest position). A sensor sits on bone `site_bone` (a position in `joints`), at site_offset (3,) m and site_quaternion (4,)
    xyzw in that bone's frame. Quaternions never change sign from one frame to the next.
    """
    count = len(joints)
    sensors = len(site_bone)
    frames = len(poses)
    q = np.empty((count, 4, BLOCK))
    p = np.empty((count, 3, BLOCK))
    v = np.empty((3, BLOCK))
    for start in range(0, frames, BLOCK):
        n = min(BLOCK, frames - start)
        for j in range(count):
            joint = joints[j]
            largest = 0.0
            for i in range(n):
                x, y, z = poses[start + i, joint, 0], poses[start + i, joint, 1], poses[start + i, joint, 2]
                v[0, i], v[1, i], v[2, i] = x, y, z
                largest = max(largest, x * x + y * y + z * z)
            if largest > FULL_TURN_SQUARED:
                _unwind(v, n)
            parent = parents[j]
            if parent < 0:
                for i in range(n):
                    q[j, 0, i], q[j, 1, i], q[j, 2, i], q[j, 3, i] = _quaternion(v[0, i], v[1, i], v[2, i])
                for i in range(n):
                    for k in range(3):
                        p[j, k, i] = offsets[j, k] + trans[start + i, k]
                continue
            ox, oy, oz = offsets[j, 0], offsets[j, 1], offsets[j, 2]
            for i in range(n):
                bx, by, bz, bw = _quaternion(v[0, i], v[1, i], v[2, i])
                ax, ay, az, aw = q[parent, 0, i], q[parent, 1, i], q[parent, 2, i], q[parent, 3, i]
                q[j, 0, i] = aw * bx + bw * ax + ay * bz - az * by
                q[j, 1, i] = aw * by + bw * ay + az * bx - ax * bz
                q[j, 2, i] = aw * bz + bw * az + ax * by - ay * bx
                q[j, 3, i] = aw * bw - ax * bx - ay * by - az * bz
                rx, ry, rz = _rotate(ax, ay, az, aw, ox, oy, oz)
                p[j, 0, i] = p[parent, 0, i] + rx
                p[j, 1, i] = p[parent, 1, i] + ry
                p[j, 2, i] = p[parent, 2, i] + rz
        for s in range(sensors):
            j = site_bone[s]
            ox, oy, oz = site_offset[s, 0], site_offset[s, 1], site_offset[s, 2]
            bx, by, bz, bw = site_quaternion[s, 0], site_quaternion[s, 1], site_quaternion[s, 2], site_quaternion[s, 3]
            c = CHANNELS * s
            for i in range(n):
                ax, ay, az, aw = q[j, 0, i], q[j, 1, i], q[j, 2, i], q[j, 3, i]
                rx, ry, rz = _rotate(ax, ay, az, aw, ox, oy, oz)
                motion[start + i, c] = p[j, 0, i] + rx
                motion[start + i, c + 1] = p[j, 1, i] + ry
                motion[start + i, c + 2] = p[j, 2, i] + rz
                motion[start + i, c + 3] = aw * bx + bw * ax + ay * bz - az * by
                motion[start + i, c + 4] = aw * by + bw * ay + az * bx - ax * bz
                motion[start + i, c + 5] = aw * bz + bw * az + ax * by - ay * bx
                motion[start + i, c + 6] = aw * bw - ax * bx - ay * by - az * bz
    for s in range(sensors):
        c = CHANNELS * s + 3
        for i in range(1, frames):
            dot = 0.0
            for k in range(4):
                dot += motion[i, c + k] * motion[i - 1, c + k]
            if dot < 0:
                for k in range(4):
                    motion[i, c + k] = -motion[i, c + k]


@njit(cache=True, fastmath=True, inline="always")
def _quaternion(x: float, y: float, z: float) -> tuple[float, float, float, float]:
    squared = x * x + y * y + z * z
    cosine, sine = COSINE[TERMS - 1], SINE[TERMS - 1]
    for k in range(TERMS - 2, -1, -1):
        cosine = cosine * squared + COSINE[k]
        sine = sine * squared + SINE[k]
    return sine * x, sine * y, sine * z, cosine


@njit(cache=True, fastmath=True, inline="always")
def _rotate(qx: float, qy: float, qz: float, qw: float, x: float, y: float, z: float) -> tuple[float, float, float]:
    tx = 2 * (qy * z - qz * y)
    ty = 2 * (qz * x - qx * z)
    tz = 2 * (qx * y - qy * x)
    return x + qw * tx + qy * tz - qz * ty, y + qw * ty + qz * tx - qx * tz, z + qw * tz + qx * ty - qy * tx


@njit(cache=True)
def _unwind(v: FloatArray, n: int) -> None:
    """Take whole turns off rotation vectors (3, n) of more than one."""
    for i in range(n):
        angle = math.sqrt(v[0, i] ** 2 + v[1, i] ** 2 + v[2, i] ** 2)
        if angle > 2 * math.pi:
            scale = (angle % (2 * math.pi)) / angle
            for k in range(3):
                v[k, i] *= scale


@njit(cache=True, fastmath=True, nogil=True)
def measure(coefficients: FloatArray, fps: float, rate_hz: float, frames: int, out: NDArray[np.float64]) -> None:
    """Specific force (m/s²) and angular rate (rad/s) of sensors into `out` (samples, sensors, 6), sample k at k / rate_hz.

    coefficients (frames + 4, sensors * 7): the spline of `sensor_motion`'s rows, at `fps` frames per second.
    """
    channels = coefficients.shape[1]
    sensors = channels // CHANNELS
    w = np.empty((3, 6))
    value = np.empty((3, channels))
    last = frames - 1
    fps2 = fps * fps
    for k in range(len(out)):
        time = min(k * fps / rate_hz, last * 1.0)
        frame = min(int(time), last - 1)
        weights(time - frame, w)
        for c in range(channels):
            a, b, d = 0.0, 0.0, 0.0
            for i in range(6):
                x = coefficients[frame + i, c]
                a += w[0, i] * x
                b += w[1, i] * x
                d += w[2, i] * x
            value[0, c] = a
            value[1, c] = b
            value[2, c] = d
        for s in range(sensors):
            c = CHANNELS * s
            fx, fy, fz = value[2, c] * fps2, value[2, c + 1] * fps2, value[2, c + 2] * fps2 + GRAVITY
            x, y, z, qw = value[0, c + 3], value[0, c + 4], value[0, c + 5], value[0, c + 6]
            dx, dy, dz, dw = value[1, c + 3], value[1, c + 4], value[1, c + 5], value[1, c + 6]
            inverse = 1.0 / (x * x + y * y + z * z + qw * qw)
            tx = y * fz - z * fy
            ty = z * fx - x * fz
            tz = x * fy - y * fx
            out[k, s, 0] = fx + 2 * inverse * (y * tz - z * ty - qw * tx)
            out[k, s, 1] = fy + 2 * inverse * (z * tx - x * tz - qw * ty)
            out[k, s, 2] = fz + 2 * inverse * (x * ty - y * tx - qw * tz)
            out[k, s, 3] = 2 * inverse * fps * (qw * dx - dw * x - (y * dz - z * dy))
            out[k, s, 4] = 2 * inverse * fps * (qw * dy - dw * y - (z * dx - x * dz))
            out[k, s, 5] = 2 * inverse * fps * (qw * dz - dw * z - (x * dy - y * dx))
