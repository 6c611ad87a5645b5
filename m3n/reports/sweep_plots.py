"""Pictures of a sweep: which settings mattered, how they go together, and what good trials have in common.

Every setting has an axis of its own kind: logarithmic where it was drawn so, and places in a row where it is a choice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from m3n.reports.figure import COLOURS, new_figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCORE = "macro F1 on validation subjects"
COLOUR_MAP = "viridis"


@dataclass(frozen=True)
class Range:
    """What a setting is drawn from: a range of numbers, or choices."""

    low: float = 0.0
    high: float = 1.0
    log: bool = False
    choices: tuple[Any, ...] = ()

    @property
    def numeric(self) -> bool:
        return not self.choices

    def place(self, value: Any) -> float:
        """Where a value is on the axis, from 0 to 1; NaN for none."""
        if self.choices:
            return self.choices.index(value) / max(len(self.choices) - 1, 1) if value in self.choices else float("nan")
        if value is None:
            return float("nan")
        low, high, x = np.log([self.low, self.high, value]) if self.log else (self.low, self.high, value)
        return float((x - low) / (high - low)) if high > low else 0.5

    def ticks(self) -> list[tuple[float, str]]:
        """(place, label)."""
        if self.choices:
            return [(self.place(choice), str(choice)) for choice in self.choices]
        if self.log:
            middle = [float(m) * 10.0**e for e in range(-8, 9) for m in (1, 3)]
            values = [self.low, *(v for v in middle if 1.3 * self.low < v < self.high / 1.3), self.high]
        else:
            values = [self.low, (self.low + self.high) / 2, self.high]
        return [(self.place(value), f"{value:.2g}") for value in values]


def name_of(key: str) -> str:
    """A setting's dotted key, on two lines where it is long."""
    stage, _, rest = key.partition(".")
    return f"{stage}\n{rest}"


def parallel_plot(
    path: Path, columns: Mapping[str, Sequence[Any]], ranges: Mapping[str, Range], scores: Sequence[float]
) -> None:
    """One line per trial through an axis per setting, coloured by score, the best drawn last and thick; gaps where a setting was
    not drawn."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    figure, axes = new_figure(2.2 + 1.35 * len(columns), 5.2)
    ax: Axes = axes[0, 0]
    norm = Normalize(min(scores), max(scores) if max(scores) > min(scores) else min(scores) + 1e-3)
    places = np.array([[ranges[key].place(value) for value in values] for key, values in columns.items()])
    order = np.argsort(scores, kind="stable")
    for trial in order:
        best = trial == order[-1]
        look: dict[str, Any] = {"lw": 3.0, "alpha": 1.0} if best else {"lw": 1.3, "alpha": 0.75}
        ax.plot(
            range(len(columns)),
            places[:, trial],
            "-o",
            ms=6 if best else 3,
            color=colormaps[COLOUR_MAP](norm(scores[trial])),
            **look,
        )
    for x, key in enumerate(columns):
        ax.axvline(x, color="k", lw=0.8, alpha=0.5, zorder=0)
        for place, label in ranges[key].ticks():
            ax.text(x + 0.04, place, label, fontsize=7.5, va="center", color="#333333",
                    bbox={"facecolor": "w", "alpha": 0.7, "lw": 0, "pad": 0.5})  # fmt: skip
    ax.set_xticks(
        range(len(columns)),
        [name_of(key).replace("loss.", "loss.\n").replace("_options.", "_options.\n") for key in columns],
        fontsize=8.5,
    )
    ax.set(yticks=[], ylim=(-0.06, 1.06), xlim=(-0.25, len(columns) - 0.45))
    ax.spines[:].set_visible(False)
    ax.set_title(
        f"{len(scores)} complete trials, the most important setting first; thick: the best ({max(scores):.3f})", fontsize=11
    )
    figure.colorbar(ScalarMappable(norm, COLOUR_MAP), ax=ax, label=SCORE, pad=0.01)
    save(figure, path)


def importance_plot(path: Path, importances: Mapping[str, Mapping[str, float]], trials: int) -> None:
    """Bars of every setting by both measures."""
    figure, axes = new_figure(8, 1.4 + 0.42 * len(importances))
    ax: Axes = axes[0, 0]
    for shift, (measure, label) in zip((-0.19, 0.19), (("fanova", "fANOVA"), ("ped_anova", "PED-ANOVA")), strict=True):
        values = [found.get(measure, 0.0) for found in importances.values()]
        ax.barh(np.arange(len(values)) + shift, values, 0.36, color=COLOURS[0 if shift < 0 else 2], label=label)
    ax.set_yticks(range(len(importances)), list(importances))
    ax.invert_yaxis()
    ax.set(xlabel=f"share of what decides {SCORE}")
    ax.set_title(
        f"Importance over {trials} complete trials" + (", few: only the large bars mean something" if trials < 50 else ""),
        fontsize=11,
    )
    ax.legend(frameon=False, loc="lower right")
    save(figure, path)


def contour_plot(
    path: Path, columns: Mapping[str, Sequence[Any]], ranges: Mapping[str, Range], scores: Sequence[float]
) -> None:
    """Score over every pair of settings: dots are trials, the colour between them a smooth guess (Gaussian kernel regression)."""
    pairs = list(combinations(columns, 2))
    figure, axes = new_figure(4.6 * len(pairs) + 0.8, 4.4, 1, len(pairs))
    low, high = min(scores), max(scores)
    for ax, (a, b) in zip(axes[0], pairs, strict=True):
        x, y = (np.array([ranges[key].place(value) for value in columns[key]]) for key in (a, b))
        steps = np.linspace(0, 1, 60)
        gx, gy = np.meshgrid(steps, steps)
        weight = np.exp(-((gx[..., None] - x) ** 2 + (gy[..., None] - y) ** 2) / (2 * 0.15**2)) + 1e-12
        guess = (weight * np.asarray(scores)).sum(-1) / weight.sum(-1)
        ax.contourf(gx, gy, guess, levels=12, cmap=COLOUR_MAP, vmin=low, vmax=high, alpha=0.85)
        dots = ax.scatter(x, y, c=scores, cmap=COLOUR_MAP, vmin=low, vmax=high, ec="w", lw=1.2, s=55)
        best = int(np.argmax(scores))
        ax.scatter(x[best], y[best], marker="*", s=240, c=COLOURS[1], ec="w", label="best")
        for key, place, label in ((a, ax.set_xticks, ax.set_xlabel), (b, ax.set_yticks, ax.set_ylabel)):
            ticks = ranges[key].ticks()
            place([t for t, _ in ticks], [text for _, text in ticks], fontsize=8)
            label(key, fontsize=9)
        ax.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes[0, 0].legend(frameon=True, fontsize=8, loc="best")
    figure.colorbar(dots, ax=axes[0, -1], label=SCORE)
    figure.suptitle(f"{len(scores)} complete trials; between the dots a smooth guess", fontsize=11)
    save(figure, path)


def front_plot(
    path: Path, measured: Sequence[float], scores: Sequence[float], numbers: Sequence[int], front: Sequence[int], objective: str
) -> None:
    """Score against what should be small; the trials of the Pareto front are named and joined."""
    figure, axes = new_figure(7.5, 4.8)
    ax: Axes = axes[0, 0]
    ax.plot(measured, scores, "o", color="#999999", alpha=0.7, label="trials")
    on_front = sorted((m, s, n) for m, s, n in zip(measured, scores, numbers, strict=True) if n in front)
    ax.plot([m for m, _, _ in on_front], [s for _, s, _ in on_front], "-o", color=COLOURS[0], label="Pareto front")
    for m, s, n in on_front:
        ax.annotate(str(n), (m, s), (5, 4), textcoords="offset points", fontsize=9)
    names = {"latency_ms": "latency of one window on one core [ms]", "parameters": "parameters of the classifier"}
    ax.set(xlabel=names[objective], ylabel=SCORE, title="Every trial; on the front none is better in both")
    ax.grid(alpha=0.3)
    ax.legend(frameon=False, loc="lower right")
    save(figure, path)
