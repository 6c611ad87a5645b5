"""The budget of a sweep, and when it may give a trial up."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from m3n.config import TuneConfig


def test_a_sweep_without_a_budget_has_eight_trials():
    assert TuneConfig().most_trials == 8
    assert TuneConfig(trials=3).most_trials == 3
    assert TuneConfig(hours=1).most_trials is None


def test_a_trial_reports_in_both_stages():
    assert TuneConfig(reports=4).steps == 8


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scheduler": "asha", "grace": 6}, "grace is 6, expected fewer than the 6 reports of a trial"),
        ({"objectives": ["parameters", "parameters"]}, "objectives names 'parameters' twice"),
        ({"reduction": 1.0}, "greater than 1"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        TuneConfig(**settings)
