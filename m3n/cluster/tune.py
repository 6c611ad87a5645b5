"""Trials on Ray Tune: as many at a time as asked, each a driver function that pretrains on Ray Train workers of its own.

What to try next, and what becomes of a result, is the caller's: Tune places trials, starts again those whose process or node was
lost, and gives up those that a scheduler finds behind. Nothing of Tune's own state is needed to go on after an interruption: a
trial repeats what it has reported, and a scheduler is told the reports of the trials that had ended.
"""

from __future__ import annotations

import logging
import math
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m3n.errors import one_line

TRIAL_CPUS = 0.01  # a trial's driver mostly waits; its Ray Train workers ask for what they need
STEP, FINISHED, ERROR = "step", "finished", "error"  # keys of a report, beside the metric and what else was measured

Result = dict[str, Any]
Reports = Sequence[tuple[int, float | None]]
# number, settings, and what to call with every report
RunTrial = Callable[[int, dict[str, Any], Callable[[Result], None]], None]


@dataclass(frozen=True)
class Rule:
    """When a trial is given up: a scheduler's name and its numbers, in steps of the reports."""

    name: str  # none, asha or median
    metric: str
    steps: int
    grace: int
    reduction: float


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: its reports by step (None where it reported that it failed), the last of them whole, and why it failed."""

    reports: dict[int, float | None]
    last: Result
    error: str | None


def run_trials(
    run_trial: RunTrial,
    *,
    draw: Callable[[], tuple[int, dict[str, Any]] | None],
    on_end: Callable[[int, Outcome], None],
    rule: Rule,
    past: Sequence[Reports],
    concurrent: int,
    restarts: int,
    storage: Path,
) -> int:
    """Run what `draw()` hands out until it hands out None; returns 0, or the exit status of the signal that ended the sweep before.

    `on_end(number, outcome)` is called in this process as each trial ends. `past`: the reports of trials that ended earlier.
    `run_trial` runs on a worker of the cluster, again from its start where that was lost; its steps count from 1, and those that it
    reports again are passed over. `storage` is Tune's own scratch folder.
    """
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"
    from ray import tune
    from ray.tune.search import ConcurrencyLimiter, Searcher

    class Drawing(Searcher):
        def __init__(self, draw: Callable[[], Any], metric: str) -> None:
            super().__init__(metric=metric, mode="max")
            self.draw = draw

        def suggest(self, trial_id: str) -> Any:
            drawn = self.draw()
            return Searcher.FINISHED if drawn is None else {"number": drawn[0], "settings": drawn[1]}

        def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None: ...

        def save(self, checkpoint_path: str) -> None: ...

        def __getstate__(self) -> dict[str, Any]:  # Tune saves its parts; the caller's functions stay in this process
            return {}

    class Listener(tune.Callback):
        def __init__(self, on_end: Callable[[int, Outcome], None], metric: str) -> None:
            self.on_end, self.metric = on_end, metric
            self.results: dict[int, dict[int, Result]] = {}

        def __getstate__(self) -> dict[str, Any]:
            return {}

        def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Result, **info: Any) -> None:
            self.results.setdefault(trial.config["number"], {})[result[STEP]] = result

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            self.end(trial, trial.last_result.get(ERROR))

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            lines = str(trial.get_error() or "it was lost").strip().splitlines()
            self.end(trial, one_line(lines[-1], 300))

        def end(self, trial: Any, error: str | None) -> None:
            found = self.results.pop(trial.config["number"], {})
            reports = {step: None if ERROR in result else result[self.metric] for step, result in sorted(found.items())}
            self.on_end(trial.config["number"], Outcome(reports, dict(trial.last_result or {}), error))

    shutil.rmtree(storage, ignore_errors=True)
    tuner = tune.Tuner(
        tune.with_resources(_trainable(run_trial), {"cpu": TRIAL_CPUS}),
        tune_config=tune.TuneConfig(
            search_alg=ConcurrencyLimiter(Drawing(draw, rule.metric), max_concurrent=concurrent),
            scheduler=_scheduler(rule, past),
            num_samples=-1,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(storage.resolve()),
            callbacks=[Listener(on_end, rule.metric)],
            failure_config=tune.FailureConfig(max_failures=restarts),
            verbose=0,
        ),
    )
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # failed trials and interruptions are ours to report
    with _signals() as received:
        tuner.fit()
    shutil.rmtree(storage, ignore_errors=True)
    return received[-1] if received else 0


def _trainable(run_trial: RunTrial) -> Callable[[dict[str, Any]], None]:
    def trial(config: dict[str, Any]) -> None:
        from ray import tune

        run_trial(config["number"], config["settings"], tune.report)

    return trial


@contextmanager
def _signals() -> Iterator[list[int]]:
    """While the block runs, the first SIGINT or SIGTERM makes Tune stop its trials and return, the second ends this process.

    Yields the exit statuses to end with.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}

    def ask(number: int, frame: Any) -> None:
        received.append(128 + number)
        signal.signal(number, before[signal.Signals(number)])
        signal.raise_signal(signal.SIGUSR1)  # Tune listens to it, from when it has begun

    def not_begun(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGUSR1, not_begun)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _scheduler(rule: Rule, past: Sequence[Reports]) -> Any:
    """Ray's scheduler, deaf to a step that a trial has reported before, and told of the trials that ended earlier."""
    from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule

    shared = {"time_attr": STEP, "metric": rule.metric, "mode": "max"}
    kinds: dict[str, tuple[Any, dict[str, Any]]] = {
        "none": (FIFOScheduler, {}),
        "asha": (AsyncHyperBandScheduler, {**shared, "max_t": rule.steps, "grace_period": rule.grace,
                                           "reduction_factor": rule.reduction}),
        # never paused: it would begin anew
        "median": (MedianStoppingRule, {**shared, "grace_period": rule.grace, "min_time_slice": float("inf")}),
    }  # fmt: skip
    base, options = kinds[rule.name]

    class Once(base):  # type: ignore[valid-type, misc]
        heard: dict[str, int]

        def on_trial_result(self, controller: Any, trial: Any, result: Result) -> str:
            if result[STEP] <= self.heard.get(trial.trial_id, 0):
                return base.CONTINUE
            self.heard[trial.trial_id] = result[STEP]
            return super().on_trial_result(controller, trial, result)

    scheduler = Once(**options)
    scheduler.heard = {}
    for number, reports in enumerate(past):
        trial = _PastTrial(f"past-{number}")
        results = [{STEP: step, rule.metric: math.nan if value is None else value} for step, value in reports]
        scheduler.on_trial_add(None, trial)
        for result in results:
            scheduler.on_trial_result(None, trial, result)
        if results:
            scheduler.on_trial_complete(None, trial, results[-1])
    return scheduler


class _PastTrial:
    def __init__(self, trial_id: str) -> None:
        self.trial_id = trial_id
