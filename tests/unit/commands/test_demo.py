"""What the demo says about pretraining follows from its table, also where it does not help."""

from __future__ import annotations

import pytest

from m3n.commands.demo import gains, verdict

SCORES = {
    "from scratch": {"1": [0.4, 0.6], "all": [0.8, 0.8]},
    "pretrained, frozen": {"1": [0.1, 0.1], "all": [0.1, 0.1]},
    "pretrained, not frozen": {"1": [0.5, 0.7], "all": [0.8, 0.7]},
}


def test_a_gain_is_the_mean_difference_fold_by_fold():
    assert gains(SCORES) == {"1": pytest.approx(0.1), "all": pytest.approx(-0.05)}


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        ({"1": 0.1, "all": 0.02}, "Pretraining helps: "),
        ({"1": -0.1, "all": 0.0}, "Pretraining does NOT help here: "),
        ({"1": 0.1, "all": -0.02}, "Pretraining helps only in some cases: "),
    ],
)
def test_the_verdict_is_what_the_gains_say(gain, said):
    found = verdict(gain)
    assert found.startswith(said)
    assert f"{gain['1']:+.3f} with labels from 1 subject" in found
    assert f"{gain['all']:+.3f} with labels from all training subjects" in found
