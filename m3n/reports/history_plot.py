"""The picture of a benchmark's figures over time: a panel per figure, a line per machine, since only the same machine compares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from m3n.reports.figure import COLOURS, new_figure, save

COLUMNS = 3


def history_plot(path: Path, title: str, series: Mapping[str, Mapping[str, Sequence[tuple[datetime, float]]]]) -> None:
    """series: figure -> machine -> (time, value) of its runs, oldest first."""
    import matplotlib.dates as dates

    rows = math.ceil(len(series) / COLUMNS)
    figure, axes = new_figure(4.2 * COLUMNS, 2.3 * rows + 0.9, rows, COLUMNS)
    machines = list(dict.fromkeys(machine for by_machine in series.values() for machine in by_machine))
    times = [time for by_machine in series.values() for points in by_machine.values() for time, _ in points]
    first, last = min(times), max(times)
    beside = max((last - first) / 20, timedelta(hours=12))
    for ax, (name, by_machine) in zip(axes.flat, series.items(), strict=False):
        for machine, points in by_machine.items():
            colour = COLOURS[machines.index(machine) % len(COLOURS)]
            ax.plot([time for time, _ in points], [value for _, value in points], "o-", color=colour, label=machine, ms=4)
        ax.set_title(name, fontsize=9)
        ax.tick_params(labelsize=8)
        ax.set_xlim(first - beside, last + beside)
        ax.set_ylim(*_from_zero(ax.get_ylim()))
        ax.xaxis.set_major_locator(dates.AutoDateLocator(minticks=2, maxticks=6))
        ax.xaxis.set_major_formatter(dates.ConciseDateFormatter(ax.xaxis.get_major_locator()))
    for ax in axes.flat[len(series) :]:
        ax.set_axis_off()
    handles = [axes.flat[0].plot([], [], "o-", color=COLOURS[i % len(COLOURS)])[0] for i in range(len(machines))]
    figure.legend(handles, machines, loc="outside lower center", fontsize=8)
    figure.suptitle(title)
    save(figure, path)


def _from_zero(limits: tuple[float, float]) -> tuple[float, float]:
    low, high = limits
    return min(low, 0.0), max(high, 0.0)
