"""Quintic splines through evenly spaced samples, compiled, for many channels at once.

The spline is c(t) = Σ c_i β⁵(t - i) with β⁵ the quintic B-spline on unit knots. Its coefficients solve a constant five-term
recurrence, which factors into two first-order filters run forwards and backwards (Unser, Aldroubi & Eden, IEEE Trans. Signal
Processing 41(2), 1993, with the poles of table I). Any start of those filters gives *a* solution; adding the four decaying
solutions of the homogeneous recurrence, z1^k and z2^k from either end, makes it *the* solution whose fifth derivative does not
jump at the second and third knot from each end (not-a-knot). So the ends are as smooth as the middle, at no extra cost.

Arrays are (frames, channels), channels innermost, so that the compiler vectorises over channels.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numba import njit

from m3n.body.model import FloatArray

SHORTEST = 50  # frames; in shorter clips the corrections of both ends would overlap, so a small dense system is solved instead
PAD = 2  # coefficients before the first and after the last frame


def _poles() -> tuple[float, float]:
    """The two roots of z⁴ + 26 z³ + 66 z² + 26 z + 1 inside the unit circle, by y = z + 1/z: y² + 26 y + 64 = 0."""
    roots = [(-26 + sign * math.sqrt(26**2 - 4 * 64)) / 2 for sign in (1, -1)]
    z1, z2 = ((y + math.sqrt(y * y - 4)) / 2 for y in roots)
    return z1, z2


Z1, Z2 = _poles()
JUMP = np.array([1.0, -6.0, 15.0, -20.0, 15.0, -6.0, 1.0])  # sixth difference: the jump of the fifth derivative at a knot


def _end_correction() -> FloatArray:
    """(2, 2): weights of the homogeneous solutions z1^k, z2^k that cancel the jumps at the second and third knot."""
    jumps = np.array([[sum(JUMP[j] * z ** (start + j) for j in range(7)) for z in (Z1, Z2)] for start in (0, 1)])
    return np.linalg.inv(jumps)


CORRECTION = _end_correction()
REACH = 48  # z1^48 is below 1e-17


def coefficients(values: FloatArray) -> FloatArray:
    """Spline coefficients (frames + 4, channels) of `values` (frames, channels); row i + 2 belongs to frame i.

    Two to five frames are first extended along the polynomial through them, to six (10 rows).
    """
    if len(values) >= SHORTEST:
        work = np.empty((len(values) + 2 * PAD, values.shape[1]))
        _filter(values, work)
        return work
    if len(values) < 6:
        polynomial = np.polynomial.Polynomial
        columns = [polynomial.fit(np.arange(len(values)), column, len(values) - 1) for column in values.T]
        values = np.stack([column(np.arange(6)) for column in columns], axis=1)
    return np.linalg.solve(_system(len(values)), np.pad(values, ((PAD, PAD), (0, 0)))).astype(np.float64, copy=False)


@cache
def _system(frames: int) -> FloatArray:
    """Interpolation at every frame, and no jump at the second and third knot from each end."""
    matrix = np.zeros((frames + 2 * PAD, frames + 2 * PAD))
    for frame in range(frames):
        matrix[PAD + frame, frame : frame + 5] = np.array([1, 26, 66, 26, 1]) / 120
    for end in range(PAD):
        matrix[end, end : end + 7] = JUMP
        last = frames + 2 * PAD - end
        matrix[last - 1, last - 7 : last] = JUMP
    return matrix


@njit(cache=True, fastmath=True, nogil=True)
def _filter(values: FloatArray, work: FloatArray) -> None:
    frames, channels = values.shape
    total = frames + 2 * PAD
    gain = 120.0 * Z1 * Z2
    for c in range(channels):
        for p in range(1, PAD + 1):  # any continuation will do; a straight one keeps the corrections small
            work[PAD - p, c] = (values[0, c] + p * (values[0, c] - values[1, c])) * gain
            work[PAD + frames - 1 + p, c] = (values[frames - 1, c] + p * (values[frames - 1, c] - values[frames - 2, c])) * gain
    for f in range(frames):
        for c in range(channels):
            work[PAD + f, c] = values[f, c] * gain
    for z in (Z1, Z2):
        for c in range(channels):
            work[0, c] /= 1.0 - z
        for i in range(1, total):
            for c in range(channels):
                work[i, c] += z * work[i - 1, c]
        for c in range(channels):
            work[total - 1, c] /= 1.0 - z
        for i in range(total - 2, -1, -1):
            for c in range(channels):
                work[i, c] += z * work[i + 1, c]
    for c in range(channels):
        first, second, third, fourth = 0.0, 0.0, 0.0, 0.0
        for j in range(7):
            first += JUMP[j] * work[j, c]
            second += JUMP[j] * work[1 + j, c]
            third += JUMP[j] * work[total - 1 - j, c]
            fourth += JUMP[j] * work[total - 2 - j, c]
        a1 = -(CORRECTION[0, 0] * first + CORRECTION[0, 1] * second)
        a2 = -(CORRECTION[1, 0] * first + CORRECTION[1, 1] * second)
        b1 = -(CORRECTION[0, 0] * third + CORRECTION[0, 1] * fourth)
        b2 = -(CORRECTION[1, 0] * third + CORRECTION[1, 1] * fourth)
        p1, p2 = 1.0, 1.0
        for i in range(REACH):
            work[i, c] += a1 * p1 + a2 * p2
            work[total - 1 - i, c] += b1 * p1 + b2 * p2
            p1 *= Z1
            p2 *= Z2


@njit(cache=True, fastmath=True, nogil=True, inline="always")
def weights(u: float, w: FloatArray) -> None:
    """Values, first and second derivatives (per frame, per frame²) of the six B-splines that cover u in [0, 1), into w (3, 6)."""
    u2 = u * u
    u3 = u2 * u
    u4 = u2 * u2
    u5 = u4 * u
    w[0, 0] = (1 - 5 * u + 10 * u2 - 10 * u3 + 5 * u4 - u5) / 120
    w[0, 1] = (26 - 50 * u + 20 * u2 + 20 * u3 - 20 * u4 + 5 * u5) / 120
    w[0, 2] = (66 - 60 * u2 + 30 * u4 - 10 * u5) / 120
    w[0, 3] = (26 + 50 * u + 20 * u2 - 20 * u3 - 20 * u4 + 10 * u5) / 120
    w[0, 4] = (1 + 5 * u + 10 * u2 + 10 * u3 + 5 * u4 - 5 * u5) / 120
    w[0, 5] = u5 / 120
    w[1, 0] = (-1 + 4 * u - 6 * u2 + 4 * u3 - u4) / 24
    w[1, 1] = (-10 + 8 * u + 12 * u2 - 16 * u3 + 5 * u4) / 24
    w[1, 2] = (-24 * u + 24 * u3 - 10 * u4) / 24
    w[1, 3] = (10 + 8 * u - 12 * u2 - 16 * u3 + 10 * u4) / 24
    w[1, 4] = (1 + 4 * u + 6 * u2 + 4 * u3 - 5 * u4) / 24
    w[1, 5] = u4 / 24
    w[2, 0] = (1 - 3 * u + 3 * u2 - u3) / 6
    w[2, 1] = (2 + 6 * u - 12 * u2 + 5 * u3) / 6
    w[2, 2] = (-6 + 18 * u2 - 10 * u3) / 6
    w[2, 3] = (2 - 6 * u - 12 * u2 + 10 * u3) / 6
    w[2, 4] = (1 + 3 * u + 3 * u2 - 5 * u3) / 6
    w[2, 5] = u3 / 6
