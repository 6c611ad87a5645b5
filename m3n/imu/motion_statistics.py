"""Statistics of a recording that rotate with the sensor's axes, summed over short windows.

If the sensor is rotated on its strap by R, each of these statistics rotates by R too: they are vectors (mean direction of up, lever
arm), matrices (covariance of the angular rate) and third-order tensors (which rotation at which attitude). So one recording shows
what any other mounting would have measured, and `m3n.imu.mounting` compares those.

The strongest is the lever arm. While an arm rotates about its elbow or shoulder, a sensor at r from that joint measures, besides
gravity, ([w]x [w]x + [w']x) r, with w the angular rate (Seel, Raisch and Schauer, Sensors 14(4), 2014, find joint axes and
positions in this way). In the frame of a window's first sample, reached by integrating w, gravity is one constant vector:
subtracting the window's mean removes it, and least squares over all windows gives r. It points from the elbow to the hand, and
slightly out of the back of the wrist, where a watch sits.

Sums of windows can be added, so recordings of any length need little memory. Units: m/s², rad/s, m.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from m3n.body.model import FloatArray
from m3n.schema import GRAVITY

WINDOW_S, HOP_S = 1.6, 0.8
SLOWEST_HZ = 16.0  # lower sampling rates do not resolve arm movements
_RATE_HZ = 25.0  # windows are thinned to about this rate after the low pass
_CUTOFF_HZ = 7.0
_BLOCK_S = 300.0  # read at once, to bound memory
_ACTIVE, _STILL = 0.5, 0.05  # mean square of the angular rate [(rad/s)²] above, below which a window is active, still

Sums = dict[str, FloatArray]


@dataclass(frozen=True)
class Description:
    """Statistics of one sensor, scaled to be about 1: each array is (count, 3, …). `scalars` do not rotate."""

    vectors: FloatArray
    matrices: FloatArray
    cubes: FloatArray
    scalars: FloatArray


# Statistics that hold an odd number of angular rates or accelerations change sign once more in a mirror.
ODD_VECTORS = np.array([0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0], bool)
ODD_MATRICES = np.array([0, 0, 0, 0, 0, 1, 1, 1], bool)
ODD_CUBES = np.array([0, 0, 0, 0, 0, 0, 1], bool)


def motion_sums(samples: FloatArray, rate_hz: float) -> Sums | None:
    """Sums over all windows of samples (n, 6); None if no complete window fits. Stretches with NaN are skipped."""
    return added(
        _sums(_windows(block, rate_hz))
        for block in _blocks(np.asarray(samples), rate_hz)
        if len(block) >= WINDOW_S * rate_hz + 2
    )


def added(parts: Iterable[Sums]) -> Sums | None:
    """The sums of several recordings of one sensor; None for none."""
    total: Sums | None = None
    for part in parts:
        total = dict(part) if total is None else {name: value + part[name] for name, value in total.items()}
    return total


def mirrored(samples: FloatArray) -> FloatArray:
    """Samples (n, 6) of a left wrist as a right wrist would measure the mirrored movement: m3n's y axis lies across the body."""
    return np.asarray(samples) * np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])


def _blocks(samples: FloatArray, rate_hz: float) -> Iterator[FloatArray]:
    """Stretches of finite samples, at most `_BLOCK_S` long."""
    length = int(_BLOCK_S * rate_hz)
    for start in range(0, len(samples), length):
        block = np.asarray(samples[start : start + length], float)
        finite = np.isfinite(block).all(axis=1)
        if finite.all():
            yield block
            continue
        edges = np.flatnonzero(np.diff(np.concatenate([[False], finite, [False]]).astype(int)))
        yield from (block[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))


def _windows(samples: FloatArray, rate_hz: float) -> tuple[FloatArray, FloatArray, FloatArray, float]:
    """Specific force, angular rate and its derivative, each (windows, samples of a window, 3), and the thinned rate."""
    from scipy.signal import butter, sosfiltfilt  # slow to import

    low_pass = butter(2, min(_CUTOFF_HZ, 0.4 * rate_hz), fs=rate_hz, output="sos")
    smooth = sosfiltfilt(low_pass, samples, axis=0, padlen=min(len(samples) - 1, int(rate_hz)))
    every = max(1, int(rate_hz / _RATE_HZ + 1e-6))
    change = np.gradient(smooth[:, 3:], 1 / rate_hz, axis=0)[::every]
    smooth, rate_hz = smooth[::every], rate_hz / every
    length, hop = round(WINDOW_S * rate_hz), max(1, round(HOP_S * rate_hz))
    at = np.arange(0, len(smooth) - length + 1, hop)[:, None] + np.arange(length)
    return smooth[at, :3], smooth[at, 3:], change[at], rate_hz


def _sums(windows: tuple[FloatArray, FloatArray, FloatArray, float]) -> Sums:
    force, rate, change, rate_hz = windows
    count, length = force.shape[:2]
    attitude = _attitudes(rate, rate_hz)
    carried = np.einsum("wtij,wtj->wti", attitude, force)
    gravity = carried.mean(axis=1)
    size = np.linalg.norm(gravity, axis=1)
    moving = carried - gravity[:, None]
    up = np.einsum("wtji,wj->wti", attitude, gravity / np.maximum(size, 1e-9)[:, None])
    other = np.einsum("wtji,wtj->wti", attitude, moving)  # force other than gravity, in the sensor's axes
    outer = np.einsum("wti,wtj->wtij", rate, rate)
    fast = np.einsum("wtii->wt", outer)
    lever = np.einsum("wtij,wtjk->wtik", attitude, outer - fast[..., None, None] * np.eye(3) + _cross_matrices(change))
    lever -= lever.mean(axis=1, keepdims=True)
    normal = np.einsum("wtki,wtkj->wij", lever, lever) / length
    seen = np.einsum("wtki,wtk->wi", lever, moving) / length

    def mean(indices: str, *values: FloatArray) -> FloatArray:
        result: FloatArray = np.einsum(indices, *values, optimize=True) / length
        return result

    ww, w4, dd2, aa2 = fast.mean(1), (fast**2).mean(1), mean("wti,wti->w", other, other), mean("wti,wti->w", change, change)
    variance = mean("wtk,wtk->w", moving, moving)
    active = (ww > _ACTIVE).astype(float)
    still = ((ww < _STILL) & (np.abs(size - GRAVITY) < 0.8)).astype(float)
    precise = active / (variance + 0.3)
    outer_mean, other_mean = outer.mean(1), mean("wti,wtj->wij", other, other)
    w3, d3 = mean("wt,wti->wi", fast, rate), mean("wt,wti->wi", np.einsum("wti,wti->wt", other, other), other)
    wwd, wwu = mean("wtij,wtk->wijk", outer, other), mean("wtij,wtk->wijk", outer, up)
    ddu = mean("wti,wtj,wtk->wijk", other, other, up)
    up_mean, up_square = up.mean(1), mean("wti,wtj->wij", up, up)

    def total(values: FloatArray, weights: FloatArray | None = None) -> FloatArray:
        result: FloatArray = values.sum(0) if weights is None else np.tensordot(weights, values, 1)
        return result

    return {
        "windows": np.array(float(count)), "active": total(active), "still": total(still), "w2": total(ww), "w4": total(w4),
        "d2": total(dd2), "a2": total(aa2), "variance": total(variance * active),
        "normal": total(normal, active), "seen": total(seen, active),
        "normal_precise": total(normal, precise), "seen_precise": total(seen, precise),
        "up": total(up_mean), "up_still": total(up_mean, still), "up_active": total(up_mean, ww), "uu": total(up_square),
        "ww": total(outer_mean), "ww_each": total(outer_mean, 1 / (ww + 0.1)),
        "dd": total(other_mean), "dd_each": total(other_mean, 1 / (dd2 + 0.3)),
        "w3": total(w3), "w3_each": total(w3, 1 / (ww + 0.1) ** 1.5), "d3": total(d3), "d3_each": total(d3, 1 / (dd2 + 0.3) ** 1.5),
        "ad": total(mean("wti,wtj->wij", change, other)), "wu": total(mean("wti,wtj->wij", rate, up)),
        "wd": total(mean("wti,wtj->wij", rate, other)),
        "wwd": total(wwd), "wwd_each": total(wwd, 1 / (w4 + 0.5)), "wwu": total(wwu), "wwu_each": total(wwu, 1 / (ww + 0.1)),
        "ddu": total(ddu), "ddu_each": total(ddu, 1 / (dd2 + 0.3)), "www": total(mean("wtij,wtk->wijk", outer, rate)),
    }  # fmt: skip


def _attitudes(rate: FloatArray, rate_hz: float) -> FloatArray:
    """Rotations (windows, samples, 3, 3) from the sensor to the frame of its window's first sample."""
    count, length = rate.shape[:2]
    steps = Rotation.from_rotvec(((rate[:, 1:] + rate[:, :-1]) / 2 / rate_hz).reshape(-1, 3)).as_matrix()
    steps = steps.reshape(count, length - 1, 3, 3)
    attitude = np.empty((count, length, 3, 3))
    attitude[:, 0] = np.eye(3)
    for k in range(1, length):
        attitude[:, k] = attitude[:, k - 1] @ steps[:, k - 1]
    return attitude


def _cross_matrices(v: FloatArray) -> FloatArray:
    """Matrices (…, 3, 3) with [v]x r = v × r."""
    out = np.zeros((*v.shape, 3))
    out[..., 0, 1], out[..., 0, 2], out[..., 1, 2] = -v[..., 2], v[..., 1], -v[..., 0]
    result: FloatArray = out - np.swapaxes(out, -1, -2)
    return result


def lever_arm(sums: Sums) -> FloatArray:
    """From the joints that the limb rotates about to the sensor, (3,) m in the sensor's axes; near 0 if the limb hardly rotates."""
    return _solved(sums["normal"], sums["seen"], 2.0)


def _solved(normal: FloatArray, seen: FloatArray, least: float) -> FloatArray:
    result: FloatArray = np.linalg.solve(normal + (0.02 * np.trace(normal) / 3 + least) * np.eye(3), seen)
    return result


def described(s: Sums) -> Description:
    """The statistics of one sensor from its sums."""
    n = float(s["windows"])
    w2, w4, d2 = float(s["w2"]) / n, float(s["w4"]) / n, float(s["d2"]) / n
    w, d = np.sqrt(w2) + 0.05, np.sqrt(d2) + 0.1
    arm, precise = lever_arm(s), _solved(s["normal_precise"], s["seen_precise"], 1.0)
    explained = max(float(s["seen"] @ arm) / max(float(s["variance"]), 1e-6), 0.0)
    metre = 0.3  # unit of length [m]: about a forearm
    vectors = [
        arm / metre, precise / metre, arm / (np.linalg.norm(arm) + 0.03), precise / (np.linalg.norm(precise) + 0.03),
        s["up"] / n, s["up_still"] / (s["still"] + 2), s["up_active"] / (s["w2"] + 0.02 * n),
        s["w3"] / n / w**3, s["d3"] / n / d**3, s["w3_each"] / n, s["d3_each"] / n,
    ]  # fmt: skip
    matrices = [
        s["uu"] / n, s["ww"] / n / w**2, s["ww_each"] / n, s["dd"] / n / d**2, s["dd_each"] / n,
        s["ad"] / (s["a2"] + 0.5 * n) / metre, s["wu"] / n / w, s["wd"] / n / w / d,
    ]  # fmt: skip
    cubes = [
        s["wwd"] / (s["w4"] + 0.1 * n) / metre, s["wwd_each"] / n, s["wwu"] / n / w**2, s["wwu_each"] / n,
        s["ddu"] / n / d**2, s["ddu_each"] / n, s["www"] / n / w**3,
    ]  # fmt: skip
    scalars = [
        np.log(w2 + 0.01), np.log(d2 + 0.05), np.linalg.norm(arm) / metre, np.linalg.norm(precise) / metre, explained,
        float(s["still"]) / n, np.log(n) / 3, np.log(w4 + 0.01) / 2,
    ]  # fmt: skip
    return Description(_bounded(vectors), _bounded(matrices), _bounded(cubes), np.array(scalars))


def _bounded(tensors: list[FloatArray], largest: float = 3.0) -> FloatArray:
    """Stack tensors, their norms limited to `largest`, so that one outlier cannot outweigh the rest."""
    return np.stack([t * min(1.0, largest / max(float(np.linalg.norm(t)), 1e-9)) for t in tensors])
