"""Plots of what a classifier says: confusion matrices, learning curves and timelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from m3n.reports.figure import COLOURS, OTHERS, distinct_colours, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def confusion_plot(path: Path, confusion: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> None:
    """Confusion matrix (truth x predicted), shares of each row in colour and counts in print."""
    counts = np.asarray(confusion, dtype=float)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = max(5.0, 0.5 * len(classes) + 2.5)
    figure, axes = new_figure(size + 0.8, size)
    ax: Axes = axes[0, 0]
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ax.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    ax.set_yticks(range(len(classes)), classes)
    ax.set(xlabel="predicted", ylabel="true", title=title)
    for i, j in np.ndindex(*counts.shape):
        if counts[i, j]:
            ax.text(j, i, f"{counts[i, j]:.0f}", ha="center", va="center", fontsize=8, color="w" if shares[i, j] > 0.5 else "k")
    figure.colorbar(image, ax=ax, shrink=0.8, label="share of the true class")
    save(figure, path)


def learning_curve_plot(
    path: Path, scores: Mapping[str, Mapping[float, Sequence[float]]], xlabel: str, title: str, ticks: Mapping[float, str]
) -> None:
    """Macro F1 against the amount of labels: one line per method, a dot per fold and seed, the mean as the line.

    scores: method -> amount of labels -> scores.
    """
    figure, axes = new_figure(7.5, 4.8)
    ax: Axes = axes[0, 0]
    beside = 0.014 * max(1.0, np.ptp([*ticks]))  # so that one method's dots do not lie on another's
    for number, (colour, (method, points)) in enumerate(zip(COLOURS, scores.items(), strict=False)):
        amounts = sorted(points)
        ax.plot(amounts, [np.mean(points[a]) for a in amounts], "-", color=colour, label=method, lw=2)
        for amount in amounts:
            at = amount + beside * (number - (len(scores) - 1) / 2)
            ax.plot([at] * len(points[amount]), points[amount], "o", color=colour, alpha=0.35, ms=4, clip_on=False)
    ax.set_xticks(list(ticks), list(ticks.values()))
    ax.set(xlabel=xlabel, ylabel="macro F1 on subjects never seen", title=title, ylim=(0, 1))
    ax.grid(axis="y", alpha=0.3)
    ax.legend(frameon=False, loc="lower right")
    save(figure, path)


def timeline_plot(
    path: Path,
    recordings: Sequence[tuple[str, Sequence[tuple[float, float, str, float]]]],
    classes: Sequence[str],
    unknown: str,
    total: int,
) -> None:
    """Recordings as rows of stretches (start_s, stop_s, label, confidence): the label in colour, the confidence as opacity.

    `total`: number of all recordings; these are the first of them; `unknown`: the label that is grey.
    """
    from matplotlib.colors import to_rgb

    longest = max(runs[-1][1] for _, runs in recordings)
    unit, seconds = next((u, s) for u, s, least in (("h", 3600, 7200), ("min", 60, 180), ("s", 1, 0)) if longest >= least)
    present = {label for _, runs in recordings for _, _, label, _ in runs}
    named = [name for name in classes if name in present]
    colours = dict(zip(named, distinct_colours(len(named)), strict=True)) | ({unknown: OTHERS} if unknown in present else {})
    figure, axes = new_figure(12, 1.6 + 0.42 * len(recordings) + 0.22 * -(-len(colours) // 6))
    ax: Axes = axes[0, 0]
    for place, (_, runs) in enumerate(recordings):
        for label, colour in colours.items():
            mine = [(a, b, share) for a, b, name, share in runs if name == label]
            if mine:
                spans = [(a / seconds, (b - a) / seconds) for a, b, _ in mine]
                shades = [(*to_rgb(colour), 0.15 + 0.85 * share) for _, _, share in mine]
                ax.broken_barh(spans, (place - 0.4, 0.8), facecolors=shades)
    ax.set_yticks(range(len(recordings)), [name if len(name) <= 32 else f"{name[:14]}…{name[-17:]}" for name, _ in recordings])
    shown = f"{total} recordings" if total == len(recordings) else f"the first {len(recordings)} of {total} recordings"
    ax.set_title(f"Activities: {shown if total > 1 else recordings[0][0]} (the fainter, the less certain)", fontsize=11)
    ax.set(xlabel=f"time [{unit}]", xlim=(0, longest / seconds), ylim=(len(recordings) - 0.5, -0.5))
    bars = [ax.bar([0], [0], color=colour, label=name) for name, colour in colours.items()]
    figure.legend(handles=bars, frameon=False, fontsize=9, ncols=min(len(bars), 6), loc="outside lower center")
    save(figure, path)
