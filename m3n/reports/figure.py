"""A figure in m3n's style: made without a display, saved as PNG, coloured with a few fixed colours.

matplotlib is imported when a figure is made, because it takes long.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = ("#1f6f8b", "#d1495b", "#edae49", "#66a182", "#6c5b7b")
OTHERS = "#bbbbbb"  # whatever has no colour of its own


def new_figure(width: float, height: float, rows: int = 1, columns: int = 1) -> tuple[Figure, np.ndarray]:
    """An empty figure of some inches, and its axes (rows, columns)."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(rows, columns, figsize=(width, height), squeeze=False, layout="constrained")
    for ax in axes.flat:
        ax.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG and free its memory."""
    import matplotlib.pyplot as plt

    figure.savefig(path, dpi=110)
    plt.close(figure)


def distinct_colours(count: int) -> list[Any]:
    """Colours that can be told apart: the hues in turn, at three depths once there are many."""
    from matplotlib.colors import hsv_to_rgb

    depths = [(0.75, 0.85), (0.95, 0.55), (0.45, 0.95)] if count > 8 else [(0.75, 0.8)]
    return [hsv_to_rgb((i / max(count, 1), *depths[i % len(depths)])) for i in range(count)]
