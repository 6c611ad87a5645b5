"""The picture of figures over time."""

from __future__ import annotations

from datetime import datetime

import matplotlib.pyplot as plt
import pytest

from m3n.reports import history_plot
from m3n.reports.history_plot import COLUMNS


def test_there_is_a_panel_per_figure_from_zero_and_a_line_per_machine(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(history_plot, "save", lambda figure, path: drawn.append(figure))
    days = [datetime(2026, 1, day) for day in (1, 2, 3)]
    series = {f"figure_{i}": {"one": [(day, 5.0 + i) for day in days]} for i in range(COLUMNS + 1)}
    series["figure_0"]["other"] = [(days[0], -2.0)]
    history_plot.history_plot(tmp_path / "x.png", "tiny", series)
    (figure,) = drawn
    panels = [ax for ax in figure.axes if ax.axison]
    assert [ax.get_title() for ax in panels] == list(series)
    assert [len(ax.lines) for ax in panels[1:]] == [1] * COLUMNS
    assert [list(line.get_ydata()) for line in panels[0].lines[:2]] == [[5.0] * 3, [-2.0]]
    assert all(ax.get_ylim()[0] <= 0 for ax in panels)
    assert {ax.get_xlim() for ax in panels} == {panels[0].get_xlim()}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "other"]
    plt.close(figure)


@pytest.mark.parametrize("limits", [(2.0, 3.0), (-3.0, -2.0), (-1.0, 1.0)])
def test_zero_is_always_in_sight(limits):
    low, high = history_plot._from_zero(limits)
    assert low <= 0 <= high
