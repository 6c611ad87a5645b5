"""Every setting has an axis of its own kind."""

from __future__ import annotations

import math

import pytest

from m3n.reports.sweep_plots import Range, contour_plot, front_plot, importance_plot, parallel_plot


def test_a_range_is_laid_out_as_it_is_drawn():
    assert [Range(0, 10).place(x) for x in (0, 5, 10)] == [0, 0.5, 1]
    assert [Range(1e-4, 1, log=True).place(x) for x in (1e-4, 1e-2, 1)] == pytest.approx([0, 0.5, 1])
    choices = Range(choices=("frozen", "gradual", "not_frozen"))
    assert [choices.place(x) for x in ("frozen", "gradual", "not_frozen")] == [0, 0.5, 1]
    assert (choices.numeric, Range().numeric) == (False, True)


def test_a_setting_that_was_not_drawn_has_no_place():
    assert math.isnan(Range(0, 1).place(None))
    assert math.isnan(Range(choices=("a",)).place("b"))


def test_ticks_of_a_logarithmic_range_are_round_numbers_between_its_ends():
    ticks = Range(1e-3, 1e-1, log=True).ticks()
    assert [label for _, label in ticks] == ["0.001", "0.003", "0.01", "0.03", "0.1"]
    assert [place for place, _ in ticks] == pytest.approx([0, math.log10(3) / 2, 0.5, (1 + math.log10(3)) / 2, 1])


def test_all_pictures_of_a_sweep_are_written(tmp_path):
    columns = {
        "finetune.lr": [1e-3, 1e-2, 1e-4],
        "pretrain.loss.text_imu": [1.0, 2.0, 0.5],
        "finetune.freeze": ["a", "b", None],
    }
    ranges = {
        "finetune.lr": Range(1e-4, 1e-2, log=True),
        "pretrain.loss.text_imu": Range(0, 2),
        "finetune.freeze": Range(choices=("a", "b")),
    }
    scores = [0.5, 0.7, 0.6]
    parallel_plot(tmp_path / "parallel.png", columns, ranges, scores)
    contour_plot(tmp_path / "contour.png", {k: columns[k] for k in list(columns)[:2]}, ranges, scores)
    importance_plot(tmp_path / "importance.png", {"finetune.lr": {"fanova": 0.7, "ped_anova": 0.6}}, 3)
    front_plot(tmp_path / "pareto.png", [1e5, 2e5, 3e5], scores, [0, 1, 2], [0, 1], "parameters")
    for name in ("parallel", "contour", "importance", "pareto"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG\r\n")
