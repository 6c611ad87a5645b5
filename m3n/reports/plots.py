"""Plots and tables that people look at instead of reading numbers."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from m3n.errors import InputError
from m3n.schema import CHANNELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#1f6f8b", "#d1495b", "#edae49", "#66a182", "#6c5b7b")
MOST_COLOURS = 41  # six lines of a legend with that of the others; more hues nobody tells apart
_OTHERS = "#bbbbbb"
_MARKER_NAMES = {"o": "●", "^": "▲", "s": "■"}


def _figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, np.ndarray]:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, layout="constrained")
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _save(figure: Figure, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure.savefig(path, dpi=110)
    plt.close(figure)


def confusion_plot(path: Path, confusion: Sequence[Sequence[int]], classes: Sequence[str], title: str) -> None:
    """Confusion matrix (truth x predicted), shares of each row in colour and counts in print."""
    counts = np.asarray(confusion, dtype=float)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    size = max(5.0, 0.5 * len(classes) + 2.5)
    figure, axes = _figure(size + 0.8, size)
    ax: Axes = axes[0, 0]
    image = ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    ax.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    ax.set_yticks(range(len(classes)), classes)
    ax.set(xlabel="predicted", ylabel="true", title=title)
    for i, j in np.ndindex(*counts.shape):
        if counts[i, j]:
            ax.text(j, i, f"{counts[i, j]:.0f}", ha="center", va="center", fontsize=8, color="w" if shares[i, j] > 0.5 else "k")
    figure.colorbar(image, ax=ax, shrink=0.8, label="share of the true class")
    _save(figure, path)


def learning_curve_plot(
    path: Path, scores: Mapping[str, Mapping[float, Sequence[float]]], xlabel: str, title: str, ticks: Mapping[float, str]
) -> None:
    """Macro F1 against the amount of labels: one line per method, a dot per fold and seed, the mean as the line.

    scores: method -> amount of labels -> scores.
    """
    figure, axes = _figure(7.5, 4.8)
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
    _save(figure, path)


def traces_plot(
    path: Path, real: Mapping[str, np.ndarray], simulated: Mapping[str, np.ndarray], rate_hz: float, title: str
) -> None:
    """Real beside simulated samples (samples, 6) of the same labels: acceleration and angular rate, one row per label."""
    labels = [label for label in real if label in simulated]
    figure, axes = _figure(13, 1.9 * len(labels) + 0.6, len(labels), 4)
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
    _save(figure, path)


def correlations_plot(path: Path, correlations: Mapping[str, Sequence[float]], title: str) -> None:
    """Distribution of correlations (channel -> one per recording) as violins with quartiles; the medians in print."""
    figure, axes = _figure(1.2 * len(correlations) + 1.5, 4.6)
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
    _save(figure, path)


def fidelity_traces_plot(path: Path, examples: Mapping[str, tuple[float, Mapping[str, tuple[np.ndarray, np.ndarray]]]]) -> None:
    """Real and simulated in one frame: title -> (rate in Hz, signal -> (real, simulated)); one row per title."""
    columns = max(len(signals) for _, signals in examples.values())
    figure, axes = _figure(3.3 * columns, 2.5 * len(examples) + 0.4, len(examples), columns)
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
    _save(figure, path)


def spectra_plot(path: Path, frequencies_hz: np.ndarray, densities: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Power spectral density of the norms, before any low pass: signal -> (real, simulated), each (recordings, frequencies);
    medians as lines, quartiles as bands."""
    figure, axes = _figure(11, 4.2, 1, len(densities))
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
    _save(figure, path)


def timeline_plot(
    path: Path,
    recordings: Sequence[tuple[str, Sequence[tuple[float, float, str, float]]]],
    classes: Sequence[str],
    unknown: str,
    total: int,
) -> None:
    """Recordings as rows of stretches (start_s, stop_s, label, confidence): the label in colour, the confidence as opacity.

    `total`: how many recordings there are, of which these are the first; `unknown`: the label that is grey.
    """
    from matplotlib.colors import to_rgb

    longest = max(runs[-1][1] for _, runs in recordings)
    unit, seconds = next((u, s) for u, s, least in (("h", 3600, 7200), ("min", 60, 180), ("s", 1, 0)) if longest >= least)
    present = {label for _, runs in recordings for _, _, label, _ in runs}
    named = [name for name in classes if name in present]
    colours = dict(zip(named, _distinct(len(named)), strict=True)) | ({unknown: _OTHERS} if unknown in present else {})
    figure, axes = _figure(12, 1.6 + 0.42 * len(recordings) + 0.22 * -(-len(colours) // 6))
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
    _save(figure, path)


def retrieval_plot(path: Path, directions: Mapping[str, Mapping[str, float]], title: str) -> None:
    """Recall at 1, 5 and 10 of every direction as bars, chance as a line across each."""
    shown = {name: figures for name, figures in directions.items() if figures["queries"]}
    figure, axes = _figure(1.6 * max(len(shown), 2) + 1.2, 4.2)
    ax: Axes = axes[0, 0]
    for place, (k, colour) in enumerate(zip((1, 5, 10), ("#16526b", "#3c8dad", "#9cc5d6"), strict=True)):
        for column, figures in enumerate(shown.values()):
            x, value, chance = column + 0.27 * (place - 1), figures[f"r{k}"], figures[f"chance_r{k}"]
            ax.bar(x, value, 0.25, color=colour, label=f"R@{k}" if column == 0 else None)
            is_first = column == 0 and place == 0
            ax.plot([x - 0.125, x + 0.125], [chance, chance], color=COLOURS[1], lw=2.5, label="chance" if is_first else None)
            ax.annotate(f"{value:.2f}", (x, max(value, chance)), (0, 3), textcoords="offset points", ha="center", fontsize=8)
    ax.set_xticks(range(len(shown)), [name.replace("_to_", " →\n").replace("imu", "IMU") for name in shown])
    ax.set(ylabel="share of queries with a hit", ylim=(0, 1.08))
    ax.grid(axis="y", alpha=0.3)
    ax.set_axisbelow(True)
    handles, names = ax.get_legend_handles_labels()
    order = np.argsort([name == "chance" for name in names], kind="stable")
    figure.legend([handles[i] for i in order], [names[i] for i in order], frameon=False, ncols=4, loc="outside lower center")
    ax.set_title(title, fontsize=11)
    _save(figure, path)


def require_umap() -> None:
    """InputError where the optional package umap-learn is missing."""
    if importlib.util.find_spec("umap") is None:
        raise InputError("picture=umap needs the package umap-learn: `pip install umap-learn`, or choose picture=tsne")


def in_two_dimensions(points_ne: np.ndarray, method: str, seed: int) -> np.ndarray:
    """(n, 2) by "tsne" (van der Maaten and Hinton 2008) or "umap" (McInnes et al. 2018), by cosine distance."""
    if len(points_ne) < 4:  # too few for neighbourhoods
        return np.pad(points_ne, ((0, 0), (0, 2)))[:, :2]
    if method == "umap":
        from umap import UMAP

        return UMAP(n_neighbors=min(15, len(points_ne) - 1), metric="cosine", random_state=seed).fit_transform(points_ne)
    from sklearn.manifold import TSNE

    perplexity = min(30.0, (len(points_ne) - 1) / 3)
    return TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=seed).fit_transform(points_ne)


def embedding_plot(
    path: Path, points: Mapping[str, np.ndarray], labels: Mapping[str, Sequence[str | None]], title: str
) -> None:
    """Points (n, 2) of every modality twice: coloured by label with the modality as marker, and coloured by modality.

    The MOST_COLOURS most frequent labels have a colour; the others are grey.
    """
    counts = Counter(label for values in labels.values() for label in values if label is not None)
    names = sorted(name for name, _ in counts.most_common(MOST_COLOURS))
    colours = dict(zip(names, _distinct(len(names)), strict=True))
    figure, axes = _figure(15.5, 7.2, 1, 2)
    by_label, by_modality = axes[0]
    markers = dict(zip(points, ("o", "^", "s"), strict=False))
    for number, (modality, xy) in enumerate(points.items()):
        shades = [colours.get(label or "", _OTHERS) for label in labels[modality]]
        by_label.scatter(*xy.T, c=shades, marker=markers[modality], s=42, alpha=0.9, ec="w", lw=0.5)
        look = {"marker": markers[modality], "color": COLOURS[number], "label": modality}
        by_modality.scatter(*xy.T, s=42, alpha=0.8, ec="w", lw=0.5, **look)
    for ax, what in ((by_label, "by label"), (by_modality, "by modality")):
        ax.set(xticks=[], yticks=[])
        ax.spines[:].set_visible(False)
        ax.set_facecolor("#f5f6f7")
        ax.margins(0.06)
        ax.set_title(what, fontsize=11)
    by_modality.legend(frameon=False, loc="best", markerscale=1.4, fontsize=11)
    dots = [by_label.scatter([], [], color=colours[name], s=40, label=name) for name in names]
    if len(counts) > len(names):
        dots.append(by_label.scatter([], [], color=_OTHERS, s=40, label=f"{len(counts) - len(names)} other labels"))
    if dots:
        columns = min(len(dots), 7)
        figure.legend(handles=dots, frameon=False, fontsize=9, ncols=columns, loc="outside lower center", columnspacing=1.2)
    figure.suptitle(title + ": " + ", ".join(f"{_MARKER_NAMES[markers[m]]} {m}" for m in points), fontsize=12)
    _save(figure, path)


def _distinct(count: int) -> list[Any]:
    """Colours that can be told apart: the hues in turn, at three depths once there are many."""
    from matplotlib.colors import hsv_to_rgb

    depths = [(0.75, 0.85), (0.95, 0.55), (0.45, 0.95)] if count > 8 else [(0.75, 0.8)]
    return [hsv_to_rgb((i / max(count, 1), *depths[i % len(depths)])) for i in range(count)]


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, padded so that it reads well in a terminal too."""
    widths = [max(len(str(line[i])) for line in (header, *rows)) for i in range(len(header))]

    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(str(c).ljust(w) for c, w in zip(cells, widths, strict=True)) + " |"

    return "\n".join([line(header), "|" + "|".join("-" * (w + 2) for w in widths) + "|", *map(line, rows)]) + "\n"
