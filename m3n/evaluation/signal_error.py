"""Error of predicted IMU samples in physical units, separately for acceleration and angular rate.

Correlation is taken channel by channel, never over channels together: gravity alone gives the channels different means, so that any
prediction would look good.
"""

from __future__ import annotations

import numpy as np

KINDS = {"acc": slice(0, 3), "gyro": slice(3, 6)}  # m/s² and rad/s
FLAT = 1e-4  # m/s² or rad/s: a channel whose deviation is below has no correlation


def signal_errors(predicted_npt6: np.ndarray, true_npt6: np.ndarray) -> dict[str, float]:
    """Figures of (windows, placements, samples, 6) predicted and true samples in m/s² and rad/s; `<kind>` is acc or gyro.

    `r_<kind>`: median over windows, placements and axes of the correlation within a window (a true channel that hardly moves is
    left out; a flat prediction counts 0). `r_all_<kind>`: correlation over all samples, mean of placements and axes. `rmse_<kind>`:
    over all samples. `rmse_median_<kind>`: median over windows. `rmse_mean_<kind>`: what predicting every channel's mean would get.
    """
    figures: dict[str, float] = {}
    for kind, part in KINDS.items():
        predicted, true = (x[..., part].astype(np.float64) for x in (predicted_npt6, true_npt6))
        error = np.square(predicted - true)
        figures[f"r_{kind}"] = _median(_correlation(predicted, true, axis=2))
        figures[f"r_all_{kind}"] = _mean(_correlation(predicted, true, axis=(0, 2)))
        figures[f"rmse_{kind}"] = float(np.sqrt(error.mean()))
        figures[f"rmse_median_{kind}"] = float(np.median(np.sqrt(error.mean(axis=(1, 2, 3)))))
        figures[f"rmse_mean_{kind}"] = float(np.sqrt(np.square(true - true.mean(axis=(0, 2), keepdims=True)).mean()))
    return figures


def _correlation(predicted: np.ndarray, true: np.ndarray, axis: int | tuple[int, ...]) -> np.ndarray:
    predicted, true = (x - x.mean(axis=axis, keepdims=True) for x in (predicted, true))
    deviations = [np.sqrt(np.square(x).mean(axis=axis)) for x in (predicted, true)]
    product = np.maximum(deviations[0], FLAT) * np.maximum(deviations[1], FLAT)
    return np.where(deviations[1] < FLAT, np.nan, (predicted * true).mean(axis=axis) / product)


def _median(values: np.ndarray) -> float:
    return float(np.nanmedian(values)) if np.isfinite(values).any() else float("nan")


def _mean(values: np.ndarray) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
