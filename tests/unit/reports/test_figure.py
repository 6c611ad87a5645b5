"""Figures without a display, and colours that can be told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from m3n.reports.figure import distinct_colours, new_figure, save


def test_a_figure_is_written_as_png_of_its_size_and_closed(tmp_path: Path) -> None:
    import matplotlib.pyplot as plt

    figure, axes = new_figure(4, 3, rows=2, columns=3)
    assert axes.shape == (2, 3)
    assert not axes[0, 0].spines["top"].get_visible()
    assert axes[0, 0].spines["left"].get_visible()
    save(figure, tmp_path / "a.png")
    assert figure.number not in plt.get_fignums()
    content = (tmp_path / "a.png").read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")) == (440, 330)  # 110 dots per inch


@pytest.mark.parametrize("count", [1, 2, 8, 9, 27])
def test_colours_are_distinct(count: int) -> None:
    colours = np.array(distinct_colours(count))
    assert colours.shape == (count, 3)
    assert colours.min() >= 0
    assert colours.max() <= 1
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=2) + np.eye(count)
    assert apart.min() > 0.05
