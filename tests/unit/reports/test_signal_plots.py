"""Real and simulated signals in one frame, on one scale."""

from __future__ import annotations

import numpy as np

from m3n.reports import signal_plots as plots


def test_real_and_simulated_traces_share_their_scale(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(plots, "save", lambda figure, path: kept.append(figure))
    real, simulated = {"wave": np.full((50, 6), 2.0), "only real": np.zeros((5, 6))}, {"wave": np.full((60, 6), -3.0)}
    plots.traces_plot(tmp_path / "a.png", real, simulated, 50.0, "title")
    axes = kept[0].axes
    assert len(axes) == 4  # one row, of the label that both have
    assert axes[0].get_ylim() == axes[1].get_ylim()
    assert axes[0].get_ylim()[0] <= -3
    assert axes[0].get_ylim()[1] >= 2
    np.testing.assert_allclose(axes[1].lines[0].get_xdata()[-1], 59 / 50)


def test_correlations_print_their_medians(tmp_path, monkeypatch):
    kept = []
    monkeypatch.setattr(plots, "save", lambda figure, path: kept.append(figure))
    plots.correlations_plot(tmp_path / "a.png", {"acc_norm": [0.2, 0.9, 0.8], "gyro_x": [0.5]}, "title")
    assert [text.get_text() for text in kept[0].axes[0].texts] == ["0.80", "0.50"]


def test_spectra_and_examples_are_written(tmp_path):
    rng = np.random.default_rng(0)
    pair = (rng.uniform(0.1, 1, (3, 50)), np.full((3, 50), np.nan))  # a simulation too short for a spectrum
    plots.spectra_plot(tmp_path / "a.png", np.arange(0.5, 25.5, 0.5), {"acc": pair, "gyro": (pair[0], pair[0])})
    trace = rng.normal(size=40)
    plots.fidelity_traces_plot(
        tmp_path / "b.png", {"50 % rank": (50.0, {"acc norm": (trace, trace), "gyro norm": (trace, trace)})}
    )
    for name in ("a", "b"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG\r\n")
