"""A classifier that reads a DataFrame of samples: the model that MLflow loads and serves as a `pyfunc`.

One frame is one recording: a row per sample, six columns per placement (`right_wrist_ax` … `right_wrist_gz`, in m/s² and rad/s).
MLflow finds `_load_pyfunc` by the name of this module and passes it the folder of a checkpoint, so nothing is unpickled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from m3n.data.scale import check_scale
from m3n.data.timeline import CellMeans, check_hop, cut_lazily, lay_out
from m3n.errors import InputError
from m3n.schema import CHANNELS, GRAVITY, imu_column
from m3n.training.classifier import load_classifier, predict

if TYPE_CHECKING:
    from pandas import DataFrame

BATCH = 256  # windows at a time


def sample_columns(placement: str) -> list[str]:
    """The columns of a placement."""
    return [f"{placement}_{channel}" for channel in CHANNELS]


def example_samples(placements: Sequence[str], rate_hz: float, seconds: float) -> DataFrame:
    """Sensors that swing about their x axis, by 0.5 rad at 1 Hz: physically plausible, and nobody's data."""
    import pandas as pd

    t = np.arange(round(rate_hz * seconds)) / rate_hz
    angle, speed = 0.5 * np.sin(2 * np.pi * t), np.pi * np.cos(2 * np.pi * t)
    signals = [0 * t, GRAVITY * np.sin(angle), GRAVITY * np.cos(angle), speed, 0 * t, 0 * t]
    return pd.DataFrame({name: signal for p in placements for name, signal in zip(sample_columns(p), signals, strict=True)})


class SamplesClassifier:
    """`predict(frame, params)`, as MLflow calls it."""

    def __init__(self, folder: Path) -> None:
        self.model, self.checkpoint = load_classifier(folder)
        self.shape = self.checkpoint.windows

    def predict(self, frame: DataFrame, params: Mapping[str, Any] | None = None) -> DataFrame:
        """A row per step of `hop_s` (default: half a window): start_s, stop_s, label, confidence.

        `params["rate_hz"]`: sampling rate of the frame [Hz]; default: that of the model's windows. Raises InputError for a frame
        without a complete placement, shorter than a window, with gaps, or in other units than the training data.
        """
        import pandas as pd

        given = dict(params or {})
        rate_hz = float(given.get("rate_hz") or self.shape.rate_hz)
        if not 0 < rate_hz < math.inf:
            raise InputError(f"rate_hz is {rate_hz:g}, expected a sampling rate in Hz")
        hop_s = float(given.get("hop_s") or self.shape.window_s / 2)
        check_hop(hop_s, self.shape)
        signals = self._signals(frame)
        seconds = len(frame) / rate_hz
        if seconds < self.shape.window_s:
            raise InputError(
                f"{len(frame)} samples at {rate_hz:g} Hz are {seconds:.3g} s, shorter than the model's window of "
                f"{self.shape.window_s:g} s: send at least {math.ceil(self.shape.window_s * rate_hz)} samples"
            )
        check_scale(self.checkpoint.normaliser, signals.values(), "the samples")
        row = {"rate_hz": rate_hz, "n_samples": len(frame), "recording_id": "", "subject": "", "source": ""}
        row |= {imu_column(placement): signal for placement, signal in signals.items()}
        layout = lay_out(len(frame) / rate_hz, self.shape.window_s, hop_s)
        means = CellMeans(layout, len(self.checkpoint.classes))
        for windows in cut_lazily(row, layout, self.shape, list(signals), BATCH):
            means.add(predict(self.model, windows, self.checkpoint.normaliser, BATCH))
        probability = means.means()
        labels = np.array(self.checkpoint.classes, dtype=object)[probability.argmax(1)]
        edges_s = layout.edges_s
        columns = {"start_s": edges_s[:-1], "stop_s": edges_s[1:], "label": labels}
        return pd.DataFrame(columns | {"confidence": probability.max(1).astype(np.float64)})

    def _signals(self, frame: DataFrame) -> dict[str, np.ndarray]:
        """Placement -> samples (n, 6), for placements with all columns."""
        columns = {p: sample_columns(p) for p in self.checkpoint.placements}
        whole = [p for p, names in columns.items() if all(name in frame for name in names)]
        if not whole:
            expected = "; or ".join(", ".join(names) for names in columns.values())
            found = ", ".join(map(str, frame.columns)) or "none of the model's names"  # MLflow drops all others
            raise InputError(f"columns of samples: found {found}; expected {expected}")
        if not len(frame):
            raise InputError("no samples: expected at least one row")
        worn = [p for p in whole if frame[columns[p]].notna().any().all()]
        if not worn:
            raise InputError(f"{', '.join(whole)}: a channel has no value at all; expected numbers in all six of a placement")
        signals = {p: frame[columns[p]].to_numpy(np.float32) for p in worn}
        for placement, signal in signals.items():
            if not np.isfinite(signal).all():
                row = int(np.flatnonzero(~np.isfinite(signal).all(1))[0])
                raise InputError(f"{placement}, row {row}: a sample is missing or not finite; fill the gap, or split there")
        return signals


def _load_pyfunc(path: str) -> SamplesClassifier:
    return SamplesClassifier(Path(path))
