"""The picture of `m3n report mounting`: where everybody's hand and back of the wrist lie in the sensor's own axes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from m3n.imu.mounting import DIFFERS, SURE, Mounting

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"aligned": "#1f6f8b", "turned": "#d1495b", "unsure": "#a9a9a9"}
# For each globe the axes that point to the viewer, to the right and up, so that m3n's own direction is in the middle.
_VIEWS = {0: (0, 1, 2), 2: (2, 0, 1)}
_MOST_NAMES = 40  # rows of the list on the right
_NAMED = 12  # labels on one globe


def mounting_plot(path: Path, found: Mapping[str, Mapping[str, Mounting]]) -> None:
    """One row for each placement: two globes of the sensor's axes (towards the hand, out of the wrist's back) and confidences."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    longest = max(min(len(people), _MOST_NAMES) for people in found.values())
    figure = plt.figure(figsize=(14.5, max(4.0, 1.2 + 0.15 * longest) * len(found)), layout="constrained")
    grid = figure.add_gridspec(len(found), 3, width_ratios=(1.15, 1.15, 0.9))
    for row, (placement, people) in enumerate(found.items()):
        for column, (axis, what) in enumerate(((0, "forearm axis, to the hand"), (2, "out of the back of the wrist"))):
            _globe(figure.add_subplot(grid[row, column], projection="mollweide"), people, axis, f"{placement}: {what}")
        _confidences(figure.add_subplot(grid[row, 2]), people)
    figure.suptitle("Which way round is the sensor? Directions in the recordings' own axes; stars: where m3n's axes have them")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _globe(ax: Axes, people: Mapping[str, Mounting], axis: int, title: str) -> None:
    ax.set_title(title, fontsize=11, pad=20)
    ax.grid(alpha=0.25)
    ax.set_xticklabels([])
    ax.set_yticklabels([])
    middle, right, up = _VIEWS[axis]
    places = {f"+{'xyz'[middle]}": (0, 0), f"+{'xyz'[right]}": (90, 0), f"-{'xyz'[right]}": (-90, 0)}
    places |= {f"+{'xyz'[up]}": (0, 90), f"-{'xyz'[up]}": (0, -90), f"-{'xyz'[middle]}": (180, 0), "": (-180, 0)}
    for name, (longitude, latitude) in places.items():
        at = (math.radians(longitude), math.radians(latitude))
        beside = (12, 0) if longitude == 180 else (0, -13 if latitude == -90 else 11)
        ax.plot(*at, "+", color="#666666", ms=5, zorder=1)
        ax.annotate(name, at, xytext=beside, textcoords="offset points", ha="center", va="center", fontsize=9, color="#555555")
    ax.plot(0, 0, "*", color="#edae49", ms=18, mec="#7a5a16", mew=0.7, zorder=2)
    named = 0
    for name, m in sorted(people.items(), key=lambda item: -item[1].differs):
        if not m.confidence:
            continue
        direction = m.rotation[axis]
        at = (math.atan2(direction[right], direction[middle]), math.asin(max(-1.0, min(1.0, direction[up]))))
        outlier = m.differs > DIFFERS
        marker, edge = ("D", "k") if outlier else ("o", "w")
        ax.plot(*at, marker, color=_COLOURS[m.verdict], ms=4 + 5 * m.confidence, alpha=0.75, mec=edge, zorder=3)
        if (outlier or len(people) <= 4) and named < _NAMED:
            ax.annotate(name, at, xytext=(7, -10), textcoords="offset points", fontsize=8, zorder=4)
            named += 1


def _confidences(ax: Axes, people: Mapping[str, Mounting]) -> None:
    rows = sorted(people.items(), key=lambda item: item[1].confidence)
    left_out = len(rows) - _MOST_NAMES
    if left_out > 0:  # the least sure are those to look at
        rows = rows[:_MOST_NAMES]
    for place, (_, m) in enumerate(rows):
        outlier = m.differs > DIFFERS
        ax.hlines(place, 0, m.confidence, color=_COLOURS[m.verdict], lw=2, alpha=0.5)
        ax.plot(m.confidence, place, "D" if outlier else "o", color=_COLOURS[m.verdict], ms=6, mec="k" if outlier else "w")
        note = f"{m.angle_deg:.0f}°" + (", differs" if outlier else "") if m.confidence else m.reason
        ax.annotate(
            note, (max(m.confidence, 0.01), place), xytext=(7, -3), textcoords="offset points", fontsize=7.5, color="#444444"
        )
    ax.set_yticks(range(len(rows)), [name for name, _ in rows], fontsize=8)
    ax.set(xlim=(0, 1.22), ylim=(-0.7, max(len(rows), 4) - 0.3), xlabel="confidence (and angle to m3n's axes)")
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1.0])
    ax.axvline(SURE, color="#888888", lw=0.8, ls=":")
    ax.spines[["top", "right"]].set_visible(False)
    for verdict, colour in _COLOURS.items():
        count = sum(m.verdict == verdict for m in people.values())
        ax.plot([], [], "o", color=colour, label=f"{verdict}: {count}")
    ax.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.45, 1.0), ncols=3)
    if left_out > 0:
        ax.set_title(f"the {_MOST_NAMES} least sure; {left_out} more", fontsize=9, pad=22)
