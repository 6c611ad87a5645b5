"""Schedulers and signals of a sweep, without a cluster; whole sweeps are in tests/integration."""

from __future__ import annotations

import os
import signal

import pytest

from m3n.cluster.tune import STEP, Rule, _PastTrial, _scheduler, _signals


def rule(name: str) -> Rule:
    return Rule(name, "f1", steps=4, grace=1, reduction=2.0)


def report(scheduler, trial: _PastTrial, step: int, value: float) -> str:
    return str(scheduler.on_trial_result(None, trial, {STEP: step, "f1": value}))


@pytest.mark.parametrize("name", ["asha", "median"])
def test_a_trial_far_behind_those_of_an_earlier_session_is_stopped_and_a_better_one_goes_on(name):
    past = [[(step, goal * step / 4) for step in range(1, 5)] for goal in (0.8, 0.7, 0.6)]
    for goal, decision in ((0.1, "STOP"), (0.9, "CONTINUE")):
        scheduler, trial = _scheduler(rule(name), past), _PastTrial("new")
        scheduler.on_trial_add(None, trial)
        decisions = []
        for step in (1, 2, 3):
            decisions.append(report(scheduler, trial, step, goal * step / 4))
            if decisions[-1] == "STOP":
                break
        assert decisions[-1] == decision


def test_without_a_rule_nothing_is_stopped():
    scheduler, trial = _scheduler(rule("none"), [[(1, 0.9)]]), _PastTrial("new")
    assert report(scheduler, trial, 1, 0.0) == "CONTINUE"


def test_a_report_that_is_repeated_after_a_restart_is_not_counted_twice():
    past = [[(1, 0.8)], [(1, 0.9)]]
    scheduler, trial = _scheduler(rule("asha"), past), _PastTrial("new")
    scheduler.on_trial_add(None, trial)
    assert report(scheduler, trial, 1, 0.95) == report(scheduler, trial, 1, 0.95) == "CONTINUE"
    (rung,) = [recorded for milestone, recorded in scheduler._brackets[0]._rungs if milestone == 1]
    assert len(rung) == 3


def test_a_failed_report_of_an_earlier_trial_does_not_count_as_a_good_one():
    scheduler, trial = _scheduler(rule("median"), [[(1, None)], [(1, 0.5)]]), _PastTrial("new")
    scheduler.on_trial_add(None, trial)
    assert report(scheduler, trial, 1, 0.6) == "CONTINUE"


def test_the_first_signal_is_passed_to_tune_and_gives_the_exit_status():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    heard = []
    with _signals() as received:
        signal.signal(signal.SIGUSR1, lambda number, frame: heard.append(number))  # as Tune does when it starts
        os.kill(os.getpid(), signal.SIGTERM)
        assert received == [143]  # 128 + SIGTERM
        assert heard == [signal.SIGUSR1]
        assert signal.getsignal(signal.SIGTERM) is before[signal.SIGTERM]  # the second one ends the process
    assert {number: signal.getsignal(number) for number in before} == before


def test_a_signal_before_tune_has_started_ends_the_sweep_at_once():
    with pytest.raises(KeyboardInterrupt), _signals() as received:
        os.kill(os.getpid(), signal.SIGINT)
    assert received == [130]
