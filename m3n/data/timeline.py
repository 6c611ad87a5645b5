"""Cut a recording of any length into windows, a few at a time, and turn the windows' class probabilities into a timeline.

A recording's time is divided into cells as long as the hop between windows. A cell's probabilities are the mean over all windows
that span it: averaging over shifted views of the same moment is steadier than any single window, and boundaries are found to
within a cell.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from m3n.config import WindowsConfig
from m3n.data.resampling import resample_part, resampled_rate
from m3n.data.windows import RecordingWindows, starts
from m3n.errors import InputError
from m3n.schema import imu_column


@dataclass(frozen=True)
class Layout:
    """Windows of a recording and the cells that each of them spans; cell k starts at k * hop_s, and the last may be shorter."""

    begin_s: np.ndarray  # (n,) where windows start
    first: np.ndarray  # (n,) first cell of a window
    stop: np.ndarray  # (n,) the cell after its last one
    edges_s: np.ndarray  # (cells + 1,) where cells start, and where the recording ends


def check_hop(hop_s: float, shape: WindowsConfig) -> None:
    """InputError for a hop that would leave gaps between windows, or is shorter than a sample."""
    if hop_s > shape.window_s or hop_s * shape.rate_hz < 1:
        raise InputError(
            f"hop_s is {hop_s:g} s: expected from a sample ({1 / shape.rate_hz:g} s) to the classifier's window "
            f"({shape.window_s:g} s)"
        )


def lay_out(duration_s: float, window_s: float, hop_s: float) -> Layout:
    """Windows every `hop_s`, and one more that ends with the recording if the others leave a rest.

    A recording shorter than a window gets one window, which spans all of it.
    """
    cells = max(1, int(np.ceil(duration_s / hop_s - 1e-6)))
    edges = np.append(np.arange(cells) * hop_s, duration_s)
    if duration_s <= window_s:
        return Layout(np.zeros(1), np.zeros(1, int), np.array([cells]), edges)
    begin = starts(duration_s, window_s, hop_s)
    first = np.arange(len(begin))
    stop = first + int(np.floor(window_s / hop_s + 1e-6))
    if stop[-1] < cells:
        last = duration_s - window_s
        begin, stop = np.append(begin, last), np.append(stop, cells)
        first = np.append(first, int(np.ceil(last / hop_s - 1e-6)))
    return Layout(begin, first, stop, edges)


def cut_lazily(
    row: dict[str, Any], layout: Layout, shape: WindowsConfig, placements: Sequence[str], size: int
) -> Iterator[RecordingWindows]:
    """The windows of one checked `imu_recordings` row, `size` at a time; the result does not depend on `size`.

    `placements`: those to use, all of them worn. The label of every window is 0.
    """
    rate = float(row["rate_hz"])
    signals = [np.asarray(row[imu_column(p)]).reshape(-1, 6) for p in placements]
    own_hz = resampled_rate(rate, shape.rate_hz)
    length = int(np.ceil(len(signals[0]) * own_hz / rate - 1e-6))
    for at in range(0, len(layout.begin_s), size):
        begin_s = layout.begin_s[at : at + size]
        index = np.round(begin_s * own_hz).astype(int)[:, None] + np.arange(shape.samples)
        index = np.minimum(index, length - 1)
        low, high = index[0, 0], index[-1, -1] + 1
        values = [resample_part(s, rate, shape.rate_hz, low, high)[index - low] for s in signals]
        n = len(begin_s)
        yield RecordingWindows(
            imu_npt6=np.stack(values, axis=1).astype(np.float32),
            worn_np=np.ones((n, len(signals)), bool),
            label=np.zeros(n, int),
            recording=np.zeros(n, int),
            start_s=begin_s,
            rate_n=np.full(n, rate, np.float32),
            classes=[""],
            recording_ids=[row["recording_id"]],
            subjects=[row["subject"]],
            sources=[row["source"]],
            placements=tuple(placements),
        )


class CellMeans:
    """The mean class probabilities of the windows that span each cell."""

    def __init__(self, layout: Layout, classes: int) -> None:
        self.layout = layout
        self.done = 0
        self.sums = np.zeros((len(layout.edges_s) - 1, classes))

    def add(self, probabilities: np.ndarray) -> None:
        """Add the class probabilities (n, classes) of the next n windows."""
        these = slice(self.done, self.done + len(probabilities))
        for answer, first, stop in zip(probabilities, self.layout.first[these], self.layout.stop[these], strict=True):
            self.sums[first:stop] += answer
        self.done += len(probabilities)

    def means(self) -> np.ndarray:
        """(cells, classes) float32."""
        return (self.sums / self.sums.sum(1, keepdims=True)).astype(np.float32)


def stretches(label: np.ndarray, confidence: np.ndarray, edges_s: np.ndarray) -> list[tuple[float, float, int, float]]:
    """(start_s, stop_s, label, mean confidence over time) of every run of cells with one label, in order."""
    first = np.flatnonzero(np.diff(label, prepend=label[0] - 1))
    stop = np.append(first[1:], len(label))
    seconds = np.diff(edges_s)
    weighted = np.add.reduceat(confidence * seconds, first) / np.add.reduceat(seconds, first)
    return [
        (float(edges_s[a]), float(edges_s[b]), int(label[a]), float(c)) for a, b, c in zip(first, stop, weighted, strict=True)
    ]
