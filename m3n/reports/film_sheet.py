"""The contact sheet of `m3n report video`: a row for each person and stretch, with skeletons over frames and what was seen when."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from m3n.video.landmarks import BONES
from m3n.video.looks import image_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROWS = 8  # of a page
_PICTURES = 6  # of a row
_SIDES = {"left": "#2a9d8f", "right": "#e76f51", "": "#f4d35e"}  # the person's own sides, and what joins them
_FAINT = 0.3  # visibility below which a bone is drawn thin


def film_sheet(path: Path, looks: Sequence[dict[str, Any]]) -> None:
    """One page with up to `ROWS` looks (`m3n.video.looks`)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(16, 2.6 * len(looks) + 0.5), layout="constrained")
    grid = figure.add_gridspec(len(looks), _PICTURES + 1, width_ratios=[1] * _PICTURES + [4])
    for row, look in enumerate(looks):
        chosen = look["pictures"]
        if len(chosen) > _PICTURES:
            chosen = [chosen[round(k)] for k in np.linspace(0, len(chosen) - 1, _PICTURES)]
        for column in range(_PICTURES):
            ax = figure.add_subplot(grid[row, column])
            ax.set_axis_off()
            if column < len(chosen):
                _picture(ax, chosen[column])
        _timeline(figure.add_subplot(grid[row, _PICTURES]), look)
    figure.suptitle(
        "Skeletons over frames: the person's left side green, right side red; thin where hardly visible", fontsize=11
    )
    figure.savefig(path, dpi=90)
    plt.close(figure)


def _picture(ax: Axes, picture: dict[str, Any]) -> None:
    image, points = image_of(picture), np.array(picture["points"])
    seen = np.array(picture["visibility"])
    ax.imshow(image)
    for a, b, side in BONES:
        sure = min(seen[a], seen[b]) >= _FAINT
        ax.plot(*points[[a, b]].T, color=_SIDES[side], lw=2.2 if sure else 0.7, alpha=0.95, solid_capstyle="round")
    ax.set_xlim(-0.5, image.shape[1] - 0.5)
    ax.set_ylim(image.shape[0] - 0.5, -0.5)
    ax.set_title(f"{picture['time_s']:.1f} s" + (" (swapped)" if picture["swapped"] else ""), fontsize=8, pad=2)


def _timeline(ax: Axes, look: dict[str, Any]) -> None:
    for side, values in look["visibility"].items():
        times = look["start_s"] + np.arange(len(values)) / max(len(values), 1) * (look["stop_s"] - look["start_s"])
        ax.plot(times, values, color=_SIDES[side], lw=1.4, label=f"{side} arm")
    for number, (start, stop, _) in enumerate(look["hidden"]):
        ax.axvspan(start, stop, color="#999999", alpha=0.35, lw=0, label=None if number else "cut")
    if look["swapped_s"]:
        ax.plot(look["swapped_s"], [1.08] * len(look["swapped_s"]), "|", color="#6c5b7b", ms=7, label="sides put right")
    ax.set_ylim(-0.03, 1.15)
    ax.set_xlim(look["start_s"], max(look["stop_s"], look["start_s"] + 0.1))
    ax.spines[["top", "right"]].set_visible(False)
    ax.tick_params(labelsize=7)
    ax.set_ylabel("visibility", fontsize=7)
    ax.set_xlabel("s of the video", fontsize=7)
    ax.set_title(look["item"], fontsize=9, loc="left")
    ax.legend(fontsize=7, loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.1, ncols=4, frameon=False)
