"""Groups of parameters and their learning rates, against what the schedules say in formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from m3n.config import OptimConfig
from m3n.errors import InputError
from m3n.optim import Rule, Schedule, make_optimizer, pretraining_optimizer, rule_of, set_rates


def by_name(optimizer: torch.optim.Optimizer, net: torch.nn.Module) -> dict[str, tuple[float, float]]:
    """Parameter name -> (learning rate, weight decay)."""
    return {
        name: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for name, parameter in net.named_parameters()
        if any(parameter is p for p in group["params"])
    }


def two_layers() -> torch.nn.Module:
    return torch.nn.ModuleDict({"imu": torch.nn.Linear(2, 2), "pose": torch.nn.Linear(2, 2)})


def test_groups_of_parameters_learn_at_their_own_rate():
    net = two_layers()
    optim = OptimConfig(lr=0.1, warmup=0, groups={"imu.bias": {"lr": 0}, "imu.*": {"lr": 0.5, "weight_decay": 0.3}})
    optimizer = pretraining_optimizer(net.named_parameters(), optim)
    set_rates(optimizer, Schedule(warmup=0, constant=True), 0.5)
    assert by_name(optimizer, net) == {
        "imu.bias": (0, 0.01), "imu.weight": (0.05, 0.3), "pose.weight": (0.1, 0.01), "pose.bias": (0.1, 0.01),
    }  # fmt: skip


def test_a_group_that_matches_nothing_is_a_mistake():
    with pytest.raises(InputError, match=r"no parameter matches 'wieght', did you mean 'weight'\?"):
        pretraining_optimizer(torch.nn.Linear(2, 2).named_parameters(), OptimConfig(groups={"wieght": {}}))


@pytest.mark.parametrize(("kind", "made"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_the_optimiser_is_the_one_that_was_asked_for(kind, made):
    assert type(pretraining_optimizer(two_layers().named_parameters(), OptimConfig(optimizer=kind))) is made


def test_the_first_rule_that_matches_decides():
    rules = [Rule("imu.bias", 0.5), Rule("imu.*", 0.1)]
    assert [rule_of(name, rules).share for name in ("imu.bias", "imu.weight", "head.bias")] == [0.5, 0.1, 1.0]


def test_parameters_that_learn_alike_share_a_group():
    net = two_layers()
    optimizer = make_optimizer(net.named_parameters(), [Rule("imu.*", 0.5)], lambda name: 2.0, 0.0)
    assert [(group["peak"], len(group["params"])) for group in optimizer.param_groups] == [(1.0, 2), (2.0, 2)]


def test_the_rate_of_a_pretraining_rises_and_falls_along_a_cosine():
    schedule = Schedule.of(OptimConfig(lr=2.0, warmup=0.1), steps=100)
    rates = [schedule.rate(2.0, step / 100) for step in range(100)]
    np.testing.assert_allclose(rates[:10], 2 * np.arange(1, 11) / 10)
    np.testing.assert_allclose(rates[10:], 1 + np.cos(np.pi * np.arange(90) / 90), atol=1e-12)


def test_a_warm_up_takes_at_least_one_step_and_may_take_all():
    assert Schedule.of(OptimConfig(warmup=0), steps=50).rate(1.0, 0.0) == pytest.approx(1.0)
    whole = Schedule.of(OptimConfig(warmup=0.99), steps=4)
    assert [whole.rate(1.0, step / 4) for step in range(4)] == pytest.approx([0.25, 0.5, 0.75, 1.0])


def test_a_constant_rate_stays_after_the_warm_up():
    schedule = Schedule.of(OptimConfig(schedule="constant", warmup=0.2), steps=10)
    assert [schedule.rate(3.0, step / 10) for step in range(10)] == pytest.approx([1.5, *[3.0] * 9])


def test_what_starts_later_has_the_whole_course_in_what_is_left():
    schedule = Schedule(warmup=0.1, least=0.04)
    assert schedule.rate(1.0, 0.49, start=0.5) == 0
    assert schedule.rate(1.0, 0.5, start=0.5) == 0.04
    for share in (0.03, 0.1, 0.55, 0.999):
        assert schedule.rate(1.0, 0.5 + share / 2, start=0.5) == pytest.approx(schedule.rate(1.0, share), abs=1e-12)
    assert schedule.rate(1.0, 0.55) == pytest.approx(0.5)  # half-way down the cosine
