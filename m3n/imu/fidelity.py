"""How close a simulated signal is to a real sensor's that recorded the same movement.

Both are low-passed alike, because a pose source sees nothing of what is faster; the lag between two clocks is searched within
bounds; and what remains of the mounting (a strap is never on quite the same) is taken off by one rotation per recording. Norms
need no mounting rotation, so they come first.

Mounting rotation: Wahba's problem on acceleration and angular rate together (each in units of its own spread), solved by
singular value decomposition (Markley & Crassidis, Fundamentals of Spacecraft Attitude Determination and Control, 2014, ch. 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import wasserstein_distance

from m3n.body.model import FloatArray
from m3n.imu.signals import low_pass

SIGNALS = {"acc": slice(0, 3), "gyro": slice(3, 6)}
AXES = ("x", "y", "z")


@dataclass(frozen=True)
class Fidelity:
    """One recording against its simulation."""

    lag_s: float  # how much later the real clock shows the same movement
    rotation: FloatArray  # (3, 3): real sensor axes to simulated ones
    scores: dict[str, float]  # r_, rmse_ and distance_ of acc_norm, acc_x, …, gyro_z
    real: FloatArray  # (samples, 6), low-passed, turned, where the two overlap
    simulated: FloatArray  # (samples, 6), low-passed


def compare(
    real: FloatArray, simulated: FloatArray, rate_hz: float, *, cutoff_hz: float = 6.0, max_lag_s: float = 0.25
) -> Fidelity | None:
    """Compare samples (n, 6) in m/s² and rad/s at the same rate; None where they overlap for less than a second.

    The lag is the one within ± `max_lag_s` that gives the two norms the highest mean correlation.
    """
    real, simulated = (low_pass(np.asarray(x, float), cutoff_hz, rate_hz) for x in (real, simulated))
    best: tuple[float, int] = (-np.inf, 0)
    reach = int(max_lag_s * rate_hz)
    for lag in range(-reach, reach + 1):
        a, b = overlap(real, simulated, lag)
        if len(a) < rate_hz:
            continue
        score = np.mean([correlation(norm(a[:, part]), norm(b[:, part])) for part in SIGNALS.values()])
        best = max(best, (float(score), lag))
    if best[0] == -np.inf:
        return None
    real, simulated = overlap(real, simulated, best[1])
    rotation = mounting_rotation(real, simulated)
    turned = np.concatenate([real[:, part] @ rotation.T for part in SIGNALS.values()], axis=1)
    scores: dict[str, float] = {}
    for name, part in SIGNALS.items():
        pairs = {"norm": (norm(turned[:, part]), norm(simulated[:, part]))}
        pairs |= {axis: (turned[:, part][:, i], simulated[:, part][:, i]) for i, axis in enumerate(AXES)}
        for axis, (a, b) in pairs.items():
            scores[f"r_{name}_{axis}"] = correlation(a, b)
            scores[f"rmse_{name}_{axis}"] = float(np.sqrt(np.mean((a - b) ** 2)))
            scores[f"distance_{name}_{axis}"] = float(wasserstein_distance(a, b))
    return Fidelity(best[1] / rate_hz, rotation, scores, turned, simulated)


def norm(x: FloatArray) -> FloatArray:
    """Euclidean norm of every sample."""
    return np.linalg.norm(x, axis=1)


def overlap(real: FloatArray, simulated: FloatArray, lag: int) -> tuple[FloatArray, FloatArray]:
    """The parts of both that show the same movement, where the real one shows it `lag` samples later."""
    a, b = real[max(lag, 0) :], simulated[max(-lag, 0) :]
    count = min(len(a), len(b))
    return a[:count], b[:count]


def correlation(a: FloatArray, b: FloatArray) -> float:
    """Pearson's correlation; 0 where one of the two does not vary."""
    a, b = a - a.mean(), b - b.mean()
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > 0 else 0.0


def mounting_rotation(real: FloatArray, simulated: FloatArray) -> FloatArray:
    """The rotation (3, 3) that best takes real samples (n, 6) onto simulated ones."""
    moment = np.zeros((3, 3))
    for part in SIGNALS.values():
        spread = max(float(np.mean(norm(simulated[:, part]) ** 2)), 1e-12)
        moment += simulated[:, part].T @ real[:, part] / spread
    u, _, vt = np.linalg.svd(moment)
    return u @ np.diag([1.0, 1.0, np.linalg.det(u @ vt)]) @ vt
