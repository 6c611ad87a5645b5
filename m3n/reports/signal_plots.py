"""Plots of sensor signals, simulated beside real: traces, correlations and spectra."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from m3n.reports.figure import COLOURS, new_figure, save
from m3n.schema import CHANNELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def traces_plot(
    path: Path, real: Mapping[str, np.ndarray], simulated: Mapping[str, np.ndarray], rate_hz: float, title: str
) -> None:
    """Real beside simulated samples (samples, 6) of the same labels: acceleration and angular rate, one row per label."""
    labels = [label for label in real if label in simulated]
    figure, axes = new_figure(13, 1.9 * len(labels) + 0.6, len(labels), 4)
    heads = ("real: specific force [m/s²]", "simulated", "real: angular rate [rad/s]", "simulated")
    for row, label in enumerate(labels):
        for column, (samples, channels) in enumerate(
            [
                (real[label], slice(0, 3)),
                (simulated[label], slice(0, 3)),
                (real[label], slice(3, 6)),
                (simulated[label], slice(3, 6)),
            ]
        ):
            ax: Axes = axes[row, column]
            time = np.arange(len(samples)) / rate_hz
            for colour, name, values in zip(COLOURS, CHANNELS[channels], samples[:, channels].T, strict=False):
                ax.plot(time, values, color=colour, lw=1, label=name)
            if row == 0:
                ax.set_title(heads[column], fontsize=10)
                ax.legend(frameon=False, fontsize=7, ncols=3, loc="upper right")
            if column == 0:
                ax.set_ylabel(label)
            if row == len(labels) - 1:
                ax.set_xlabel("time [s]")
        for first in (0, 2):  # the same scale for real and simulated
            pair = axes[row, first : first + 2]
            low, high = min(a.get_ylim()[0] for a in pair), max(a.get_ylim()[1] for a in pair)
            for ax in pair:
                ax.set_ylim(low, high)
    figure.suptitle(title)
    save(figure, path)


def correlations_plot(path: Path, correlations: Mapping[str, Sequence[float]], title: str) -> None:
    """Distribution of correlations (channel -> one per recording) as violins with quartiles; the medians in print."""
    figure, axes = new_figure(1.2 * len(correlations) + 1.5, 4.6)
    ax: Axes = axes[0, 0]
    for place, (channel, values) in enumerate(correlations.items()):
        colour = COLOURS[0] if channel.startswith("acc") else COLOURS[1]
        if np.ptp(values) > 0:
            body = ax.violinplot(values, [place], widths=0.85, showextrema=False)
            for shape in body["bodies"]:  # type: ignore[attr-defined]
                shape.set(facecolor=colour, alpha=0.35)
        low, middle, high = np.percentile(values, [25, 50, 75])
        ax.plot([place, place], [low, high], color=colour, lw=4, solid_capstyle="butt")
        ax.plot(place, middle, "o", color="w", mec=colour, mew=2, ms=7)
        ax.annotate(f"{middle:.2f}", (place, middle), xytext=(9, -3), textcoords="offset points", fontsize=9)
    ax.axhline(0, color="k", lw=0.6)
    ax.set_xticks(range(len(correlations)), [c.replace("_", "\n") for c in correlations])
    ax.set(ylabel="correlation, simulated with real", ylim=(min(-0.25, min(map(min, correlations.values()))) - 0.05, 1.05))
    ax.set_title(f"{title}: median and quartiles", fontsize=11)
    ax.grid(axis="y", alpha=0.3)
    save(figure, path)


def fidelity_traces_plot(path: Path, examples: Mapping[str, tuple[float, Mapping[str, tuple[np.ndarray, np.ndarray]]]]) -> None:
    """Real and simulated in one frame: title -> (rate in Hz, signal -> (real, simulated)); one row per title."""
    columns = max(len(signals) for _, signals in examples.values())
    figure, axes = new_figure(3.3 * columns, 2.5 * len(examples) + 0.4, len(examples), columns)
    for row, (title, (rate_hz, signals)) in enumerate(examples.items()):
        for column, (name, (real, simulated)) in enumerate(signals.items()):
            ax: Axes = axes[row, column]
            time = np.arange(len(real)) / rate_hz
            ax.plot(time, real, color="k", lw=1.2, label="real")
            ax.plot(time, simulated, color=COLOURS[1], lw=1.4, label="simulated")
            ax.set_title(f"{title}\n{name}" if column == 0 else name, fontsize=9, loc="left")
            ax.set_ylabel("rad/s" if name.startswith("gyro") else "m/s²", fontsize=8)
            if row == len(examples) - 1:
                ax.set_xlabel("time [s]")
    axes[0, -1].legend(frameon=False, fontsize=8)
    save(figure, path)


def spectra_plot(path: Path, frequencies_hz: np.ndarray, densities: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Power spectral density of the norms, before any low pass: signal -> (real, simulated), each (recordings, frequencies);
    medians as lines, quartiles as bands."""
    figure, axes = new_figure(11, 4.2, 1, len(densities))
    units = {"acc": "acceleration norm [(m/s²)²/Hz]", "gyro": "angular rate norm [(rad/s)²/Hz]"}
    for ax, (signal, pair) in zip(axes[0], densities.items(), strict=True):
        floors = []
        for values, colour, name in zip(pair, ("k", COLOURS[1]), ("real", "simulated"), strict=True):
            there = np.isfinite(values).any(0)
            if not there.any():
                continue
            low, middle, high = np.nanpercentile(values[:, there], [25, 50, 75], axis=0)
            ax.fill_between(frequencies_hz[there], low, high, color=colour, alpha=0.15, lw=0)
            ax.semilogy(frequencies_hz[there], middle, color=colour, lw=2, label=name)
            floors.append((middle.min(), high.max()))
        if floors:  # a simulation without any noise has no floor of its own
            ax.set_ylim(floors[0][0] / 30, 3 * max(high for _, high in floors))
        ax.set(xlabel="frequency [Hz]", ylabel=units.get(signal, signal))
        ax.grid(alpha=0.3)
    axes[0, -1].legend(frameon=False)
    figure.suptitle("Spectra before the low pass: median and quartiles of the recordings")
    save(figure, path)
