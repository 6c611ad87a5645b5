"""What a picture shows is what it was given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from m3n.reports import classification_plots as plots


@pytest.fixture
def drawn(monkeypatch, tmp_path):
    """drawn(plot, *arguments): the figure that a plot saves, which is a PNG."""
    kept = []
    real = plots.save
    monkeypatch.setattr(plots, "save", lambda figure, path: (kept.append(figure), real(figure, path)))

    def draw(plot, *arguments):
        plot(tmp_path / "plot.png", *arguments)
        assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG\r\n")
        return kept[-1].axes[0]

    return draw


def test_a_confusion_matrix_prints_counts_and_colours_shares_of_the_true_class(drawn):
    ax = drawn(plots.confusion_plot, [[3, 1], [0, 2]], ["wave", "bow"], "title")
    assert {(t.get_position(), t.get_text()) for t in ax.texts} == {((0, 0), "3"), ((1, 0), "1"), ((1, 1), "2")}
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.75, 0.25], [0, 1]])
    assert [t.get_text() for t in ax.get_yticklabels()] == ["wave", "bow"]


def test_a_learning_curve_goes_through_the_means_and_shows_every_fold(drawn):
    scores = {"scratch": {1.0: [0.2, 0.4], 2.0: [0.6]}, "frozen": {1.0: [0.5]}}
    ax = drawn(plots.learning_curve_plot, scores, "labels", "title", {1.0: "one", 2.0: "all"})
    curve = next(line for line in ax.lines if line.get_label() == "scratch")
    assert curve.get_xydata().tolist() == [[1, pytest.approx(0.3)], [2, pytest.approx(0.6)]]
    dots = sorted(y for line in ax.lines if line.get_marker() == "o" for y in line.get_ydata())
    assert dots == [0.2, 0.4, 0.5, 0.6]


def test_a_timeline_has_a_row_per_recording_and_a_unit_that_suits_its_length(drawn):
    runs = [("morning", [(0.0, 3600.0, "walk", 0.9), (3600.0, 9000.0, "sit", 0.5)]), ("evening", [(0.0, 600.0, "walk", 1.0)])]
    ax = drawn(plots.timeline_plot, runs, ["sit", "walk"], "unknown", 2)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["morning", "evening"]
    assert ax.get_xlabel() == "time [h]"
    assert ax.get_xlim() == (0, 2.5)


def test_a_figure_is_drawn_without_a_display(tmp_path: Path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    plots.confusion_plot(tmp_path / "a.png", [[1]], ["a"], "title")
    assert (tmp_path / "a.png").stat().st_size > 1000
