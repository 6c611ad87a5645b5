"""How close a simulated signal is to that of a real sensor during the same movement.

Both signals get the same low pass, because a pose source cannot see faster movement. The lag between the two clocks is searched
within bounds, one lag for accelerometer and gyroscope together. A strap never sits exactly as simulated, so one rotation removes
the remaining difference in mounting. Norms need no mounting rotation, so they come first.

Mounting rotation: Wahba's problem (SIAM Review 7(3), 1965) on acceleration and angular rate together, each in units of its own
size, solved by singular value decomposition (Markley and Crassidis, Fundamentals of Spacecraft Attitude Determination and
Control, 2014, ch. 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.signal import welch
from scipy.stats import wasserstein_distance

from m3n.body.model import FloatArray
from m3n.imu.smoothing import low_pass

SIGNALS = {"acc": slice(0, 3), "gyro": slice(3, 6)}
AXES = ("x", "y", "z")
SHORTEST_S = 1.0  # shortest overlap that is compared
_SEGMENT_S = 2.0  # of a spectrum


@dataclass(frozen=True)
class Aligned:
    """A recording and its simulation, aligned at the best lag: their overlap, samples (n, 6) in m/s² and rad/s."""

    lag_s: float  # by how much the real recording lags the simulation
    rate_hz: float
    real: FloatArray  # low-passed, in the real sensor's axes
    simulated: FloatArray  # low-passed
    real_raw: FloatArray  # the same samples before the low pass
    simulated_raw: FloatArray


def align(
    real: FloatArray, simulated: FloatArray, rate_hz: float, *, cutoff_hz: float = 6.0, max_lag_s: float = 0.25
) -> Aligned | None:
    """Align samples (n, 6) at the same rate; None if they overlap for less than a second.

    The lag, in whole samples, is the one within ± `max_lag_s` that gives the norms of acceleration and angular rate the highest
    mean correlation; a recording without a gyroscope (NaN) is aligned by its acceleration.
    """
    raw = [np.asarray(x, float) for x in (real, simulated)]
    if min(len(x) for x in raw) < SHORTEST_S * rate_hz:
        return None
    smooth = [low_pass(x, cutoff_hz, rate_hz) for x in raw]
    norms = [np.stack([norm(x[:, part]) for part in SIGNALS.values()], axis=1) for x in smooth]
    best: tuple[float, int] | None = None
    reach = int(max_lag_s * rate_hz + 1e-6)
    for lag in sorted(range(-reach, reach + 1), key=abs):
        a, b = overlap(norms[0], norms[1], lag)
        if len(a) >= SHORTEST_S * rate_hz:
            scores = [correlation(a[:, i], b[:, i]) for i in range(len(SIGNALS)) if np.isfinite(a[:, i]).all()]
            score = float(np.mean(scores)) if scores else -1.0
            if best is None or score > best[0]:
                best = (score, lag)
    if best is None:
        return None
    parts = [*overlap(smooth[0], smooth[1], best[1]), *overlap(raw[0], raw[1], best[1])]
    return Aligned(best[1] / rate_hz, rate_hz, *parts)


def moment(pair: Aligned) -> FloatArray:
    """Cross moment (3, 3) that determines the mounting: the sum of simulated ⊗ real over accelerometer and gyroscope. Moments of
    recordings with the same mounting can be added."""
    total = np.zeros((3, 3))
    for part in SIGNALS.values():
        real, simulated = pair.real[:, part], pair.simulated[:, part]
        if np.isfinite(real).all():
            total += simulated.T @ real / max(float(np.mean(norm(simulated) ** 2)), 1e-12)
    return total


def mounting_rotation(moments: FloatArray) -> FloatArray:
    """The rotation (3, 3) that best maps real samples to simulated ones, from a `moment` or a sum of moments."""
    u, _, vt = np.linalg.svd(moments)
    rotation: FloatArray = u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
    return rotation


def turned(samples: FloatArray, rotation: FloatArray) -> FloatArray:
    """Samples (n, 6), both triads rotated by `rotation` (3, 3)."""
    return np.concatenate([samples[:, part] @ rotation.T for part in SIGNALS.values()], axis=1)


def scores(pair: Aligned, rotation: FloatArray) -> dict[str, float]:
    """For acc and gyro, norm, x, y and z: `r_` (Pearson), `rmse_` and `distance_` (1-Wasserstein, Rubner et al., IJCV 40(2),
    2000) in m/s² or rad/s, and `gain_`, simulated standard deviation over real. NaN if the recording lacks the sensor."""
    real, found = turned(pair.real, rotation), {}
    for name, part in SIGNALS.items():
        there = np.isfinite(real[:, part]).all()
        for axis, a, b in _channels(real[:, part], pair.simulated[:, part]):
            spread = float(np.std(a))
            found[f"r_{name}_{axis}"] = correlation(a, b) if there else np.nan
            found[f"rmse_{name}_{axis}"] = float(np.sqrt(np.mean((a - b) ** 2)))
            found[f"distance_{name}_{axis}"] = float(wasserstein_distance(a, b)) if there else np.nan
            found[f"gain_{name}_{axis}"] = float(np.std(b)) / spread if spread > 0 else np.nan
    return found


def spectra(pair: Aligned, frequencies_hz: FloatArray) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Power spectral density of both norms before the low pass, real and simulated, at given frequencies: Welch's method (IEEE
    Trans. Audio Electroacoustics 15(2), 1967) with segments of 2 s; (m/s²)²/Hz and (rad/s)²/Hz, NaN above half the rate."""
    found = {}
    for name, part in SIGNALS.items():
        densities = []
        for samples in (pair.real_raw, pair.simulated_raw):
            length = min(len(samples), round(_SEGMENT_S * pair.rate_hz))
            at, density = welch(norm(samples[:, part]), pair.rate_hz, nperseg=length)
            densities.append(np.interp(frequencies_hz, at, density, right=np.nan))
        found[name] = (densities[0], densities[1])
    return found


def norm(x: FloatArray) -> FloatArray:
    """Euclidean norm of every sample (n, 3)."""
    length: FloatArray = np.linalg.norm(x, axis=1)
    return length


def overlap(real: FloatArray, simulated: FloatArray, lag: int) -> tuple[FloatArray, FloatArray]:
    """The parts of both that show the same movement, if the real signal lags by `lag` samples."""
    a, b = real[max(lag, 0) :], simulated[max(-lag, 0) :]
    count = min(len(a), len(b))
    return a[:count], b[:count]


def correlation(a: FloatArray, b: FloatArray) -> float:
    """Pearson's correlation; 0 if either is constant."""
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 0 else 0.0


def _channels(real: FloatArray, simulated: FloatArray) -> list[tuple[str, FloatArray, FloatArray]]:
    axes = [(axis, real[:, i], simulated[:, i]) for i, axis in enumerate(AXES)]
    return [("norm", norm(real), norm(simulated)), *axes]
