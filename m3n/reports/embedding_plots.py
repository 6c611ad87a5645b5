"""Plots of a joint embedding: recall between modalities, and the embedding in two dimensions."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from m3n.errors import InputError
from m3n.reports.figure import COLOURS, OTHERS, distinct_colours, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_COLOURS = 41  # six legend rows, with the entry for all others; more hues cannot be told apart
_MARKER_NAMES = {"o": "●", "^": "▲", "s": "■"}


def retrieval_plot(path: Path, directions: Mapping[str, Mapping[str, float]], title: str) -> None:
    """Recall at 1, 5 and 10 of every direction as bars, chance as a line across each."""
    shown = {name: figures for name, figures in directions.items() if figures["queries"]}
    figure, axes = new_figure(1.6 * max(len(shown), 2) + 1.2, 4.2)
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
    save(figure, path)


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
    colours = dict(zip(names, distinct_colours(len(names)), strict=True))
    figure, axes = new_figure(15.5, 7.2, 1, 2)
    by_label, by_modality = axes[0]
    markers = dict(zip(points, ("o", "^", "s"), strict=False))
    for number, (modality, xy) in enumerate(points.items()):
        shades = [colours.get(label or "", OTHERS) for label in labels[modality]]
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
        dots.append(by_label.scatter([], [], color=OTHERS, s=40, label=f"{len(counts) - len(names)} other labels"))
    if dots:
        columns = min(len(dots), 7)
        figure.legend(handles=dots, frameon=False, fontsize=9, ncols=columns, loc="outside lower center", columnspacing=1.2)
    figure.suptitle(title + ": " + ", ".join(f"{_MARKER_NAMES[markers[m]]} {m}" for m in points), fontsize=12)
    save(figure, path)
