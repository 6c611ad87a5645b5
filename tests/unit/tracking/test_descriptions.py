"""The descriptions on MLflow's pages: every metric that m3n logs is explained, and every experiment."""

from __future__ import annotations

import pytest

from m3n.config import STAGES
from m3n.tracking.descriptions import GLOSSARIES, experiment_description, experiment_of, glossary, run_description


@pytest.mark.parametrize("stage", GLOSSARIES)
def test_every_metric_has_a_unit_a_direction_and_a_meaning(stage):
    assert stage in STAGES
    for name, (unit, better, meaning) in GLOSSARIES[stage].items():
        assert unit, name
        assert better in ("higher", "lower", ""), name
        assert len(meaning) > 5, name
        assert f"| `{name}` | {unit} | {better} | {meaning} |" in glossary(stage)


def test_evaluations_are_explained_with_the_pretrainings_that_they_evaluate():
    assert experiment_of("evaluate") == experiment_of("pretrain") == "m3n-pretrain"
    text = experiment_description("m3n-pretrain")
    assert "val/loss" in text
    assert "zero_shot_macro_f1" in text
    assert experiment_description("somebody's own") == ""


def test_a_run_says_where_its_result_is_after_its_own_text():
    text = run_description("finetune", "Trial 3 of a sweep.\n", "runs/ft")
    assert text.startswith("Trial 3 of a sweep.\n")
    assert "Result: `runs/ft`" in text
    assert "macro_f1" in text
    assert run_description("unknown", "", None) == ""
