"""Unit quaternions (…, F, 4), xyzw, of many frames at once, compiled: authored clips are so short that NumPy and SciPy would
spend their time between the calls."""

from __future__ import annotations

import numpy as np
from numba import njit

from m3n.motion.rhythm import Array

MIRROR = np.array([1.0, -1.0, -1.0, 1.0])  # factors of a rotation seen in the sagittal mirror (x -> -x)


def about(axis: str, angle: Array) -> Array:
    """Rotations (F, 4) about "x", "y" or "z" by angles (F,) rad."""
    turns = np.zeros((len(angle), 4))
    turns[:, "xyz".index(axis)], turns[:, 3] = np.sin(0.5 * angle), np.cos(0.5 * angle)
    return turns


def of_vectors(rotvecs: Array) -> Array:
    """Rotations (F, 4) of axis-angle vectors (F, 3) rad."""
    half = 0.5 * np.sqrt(np.sum(rotvecs * rotvecs, axis=-1, keepdims=True))
    return np.concatenate([0.5 * np.sinc(half / np.pi) * rotvecs, np.cos(half)], axis=-1)


def times(first: Array, *others: Array) -> Array:
    """The product (F, 4) of rotations (F, 4) or (1, 4): the last one acts first."""
    frames = max(len(first), *(len(other) for other in others)) if others else len(first)
    product = first
    for other in others:
        product = _times(product, other, frames)
    return product


def inverse(turns: Array) -> Array:
    """The rotations back."""
    return turns * np.array([-1.0, -1.0, -1.0, 1.0])


def apply(turns: Array, vectors: Array) -> Array:
    """Vectors (F, 3) or (3,) turned by rotations (F, 4)."""
    return _apply(turns, np.ascontiguousarray(np.broadcast_to(np.asarray(vectors, float), (len(turns), 3))))


def continuous(turns: Array) -> Array:
    """The same rotations (K, F, 4) with signs such that neighbours in time are near; the first has w >= 0."""
    flips = np.sum(turns[:, 1:] * turns[:, :-1], axis=-1) < 0
    signs = np.where(np.cumsum(flips, axis=1) % 2 == 1, -1.0, 1.0)
    signs = np.concatenate([np.ones((len(turns), 1)), signs], axis=1)
    signs *= np.where(turns[:, :1, 3] < 0, -1.0, 1.0)
    return np.asarray(turns * signs[..., None])


def vectors_of(turns: Array) -> Array:
    """Axis-angle (K, F, 3) of continuous quaternions (K, F, 4), itself continuous, so its length may pass pi."""
    return _vectors_of(np.ascontiguousarray(turns))


def between(first: Array, second: Array, weight: Array) -> Array:
    """Spherical interpolation of rotations (K, F, 4) by weights (F,), the same way round in all frames."""
    return _between(*map(np.ascontiguousarray, (first, second, weight)))


@njit(cache=True, nogil=True)
def _between(first: Array, second: Array, weight: Array) -> Array:
    out = np.empty_like(first)
    for k in range(first.shape[0]):
        middle, sign = first.shape[1] // 2, 0.0
        for i in range(4):
            sign += first[k, middle, i] * second[k, middle, i]
        sign = 1.0 if sign >= 0 else -1.0
        for f in range(first.shape[1]):
            cosine = 0.0
            for i in range(4):
                cosine += sign * first[k, f, i] * second[k, f, i]
            angle = np.arccos(min(1.0, max(-1.0, cosine)))
            a, b = 1.0 - weight[f], weight[f]
            if angle > 1e-4:
                a, b = np.sin(a * angle) / np.sin(angle), np.sin(b * angle) / np.sin(angle)
            size = 0.0
            for i in range(4):
                out[k, f, i] = a * first[k, f, i] + b * sign * second[k, f, i]
                size += out[k, f, i] ** 2
            for i in range(4):
                out[k, f, i] /= np.sqrt(size)
    return out


@njit(cache=True, nogil=True)
def _times(first: Array, second: Array, frames: int) -> Array:
    out = np.empty((frames, 4))
    for f in range(frames):
        x, y, z, w = first[f if len(first) > 1 else 0]
        a, b, c, d = second[f if len(second) > 1 else 0]
        out[f, 0] = w * a + x * d + y * c - z * b
        out[f, 1] = w * b - x * c + y * d + z * a
        out[f, 2] = w * c + x * b - y * a + z * d
        out[f, 3] = w * d - x * a - y * b - z * c
    return out


@njit(cache=True, nogil=True)
def _apply(turns: Array, vectors: Array) -> Array:
    out = np.empty((len(turns), 3))
    for f in range(len(turns)):
        x, y, z, w = turns[f]
        a, b, c = vectors[f]
        p, q, r = 2 * (y * c - z * b), 2 * (z * a - x * c), 2 * (x * b - y * a)
        out[f, 0] = a + w * p + y * r - z * q
        out[f, 1] = b + w * q + z * p - x * r
        out[f, 2] = c + w * r + x * q - y * p
    return out


@njit(cache=True, nogil=True)
def turns_of_axes(x: Array, y: Array, z: Array) -> Array:
    """Rotations (F, 4) whose matrices have these columns (F, 3).

    By the best-conditioned of four formulas (Shepperd, J. Guidance and Control 1(3), 1978).
    """
    out = np.empty((len(x), 4))
    for f in range(len(x)):
        m00, m10, m20 = x[f]
        m01, m11, m21 = y[f]
        m02, m12, m22 = z[f]
        trace = m00 + m11 + m22
        largest = max(trace, m00, m11, m22)
        if largest == trace:
            a, b, c, d = m21 - m12, m02 - m20, m10 - m01, 1 + trace
        elif largest == m00:
            a, b, c, d = 1 + 2 * m00 - trace, m10 + m01, m02 + m20, m21 - m12
        elif largest == m11:
            a, b, c, d = m10 + m01, 1 + 2 * m11 - trace, m21 + m12, m02 - m20
        else:
            a, b, c, d = m02 + m20, m21 + m12, 1 + 2 * m22 - trace, m10 - m01
        size = np.sqrt(a * a + b * b + c * c + d * d)
        out[f, 0], out[f, 1], out[f, 2], out[f, 3] = a / size, b / size, c / size, d / size
    return out


@njit(cache=True, nogil=True)
def _vectors_of(turns: Array) -> Array:
    out = np.empty((turns.shape[0], turns.shape[1], 3))
    for k in range(turns.shape[0]):
        for f in range(turns.shape[1]):
            x, y, z, w = turns[k, f]
            sine = np.sqrt(x * x + y * y + z * z)
            scale = 2.0 * np.arctan2(sine, w) / sine if sine > 1e-9 else 2.0
            out[k, f, 0], out[k, f, 1], out[k, f, 2] = scale * x, scale * y, scale * z
    return out
