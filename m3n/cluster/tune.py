"""Trials on Ray Tune: a limited number at a time, each a driver function that pretrains by itself or on Ray Train
workers of its own.

The caller decides what to try next and what to do with a result. Tune places trials, restarts those whose process or node was
lost, and stops those that a scheduler finds behind. Resuming a sweep needs nothing of Tune's own state: a trial repeats its
reports, and the scheduler is given the reports of the trials that had ended.
"""

from __future__ import annotations

import logging
import math
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m3n.cluster.start import environment
from m3n.errors import one_line

TRIAL_CPUS = 0.01  # a trial waits for its Ray Train workers, which request CPUs; without them, its machine has no other
STEP, FINISHED, ERROR = "step", "finished", "error"  # keys of a report, beside the metrics

Result = dict[str, Any]
Reports = Sequence[tuple[int, float | None]]
# number, settings, and the function that takes each report
RunTrial = Callable[[int, dict[str, Any], Callable[[Result], None]], None]


@dataclass(frozen=True)
class Rule:
    """When a trial is stopped early: the name of a scheduler and its parameters, counted in reports."""

    name: str  # none, asha or median
    metric: str
    steps: int
    grace: int
    reduction: float


@dataclass(frozen=True)
class Outcome:
    """How a trial ended: its reports by step (None for a reported failure), the last report, and the error if it failed."""

    reports: dict[int, float | None]
    last: Result
    error: str | None


def run_trials(
    run_trial: RunTrial,
    *,
    draw: Callable[[], tuple[int, dict[str, Any]] | None],
    on_end: Callable[[int, Outcome], None],
    on_report: Callable[[int, Result], None] = lambda number, result: None,
    rule: Rule,
    past: Sequence[Reports],
    concurrent: int,
    restarts: int,
    storage: Path,
) -> int:
    """Run the trials that `draw()` returns, until it returns None; returns 0, or the exit status if a signal ended the sweep.

    `on_end(number, outcome)` is called in this process when a trial ends, `on_report(number, report)` at each of its new reports.
    `past`: the reports of trials that ended in an earlier
    run. `run_trial` runs on a worker of the cluster, and starts over if that worker is lost; its steps count from 1, and steps that
    it reports again are ignored. `storage` is Tune's scratch folder.
    """
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

        def __getstate__(self) -> dict[str, Any]:  # Tune saves its parts; the caller's functions cannot be pickled
            return {}

    class Listener(tune.Callback):
        def __init__(self, on_end: Callable[[int, Outcome], None], metric: str) -> None:
            self.on_end, self.metric = on_end, metric
            self.results: dict[int, dict[int, Result]] = {}

        def __getstate__(self) -> dict[str, Any]:
            return {}

        def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Result, **info: Any) -> None:
            known = self.results.setdefault(trial.config["number"], {})
            if result[STEP] not in known:
                on_report(trial.config["number"], result)
            known[result[STEP]] = result

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
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # m3n reports failed trials and interruptions itself
    settings = {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "TUNE_DISABLE_SIGINT_HANDLER": "1"}
    with environment(**settings), _signals() as received:
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
    """While the block runs, the first SIGINT or SIGTERM makes Tune stop its trials and return; the second ends this process.

    Yields the exit statuses of the signals received.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}

    def ask(number: int, frame: Any) -> None:
        received.append(128 + number)
        signal.signal(number, before[signal.Signals(number)])
        signal.raise_signal(signal.SIGUSR1)  # the signal that Tune handles, once it has started

    def not_started(number: int, frame: Any) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGUSR1, not_started)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _scheduler(rule: Rule, past: Sequence[Reports]) -> Any:
    """Ray's scheduler, which ignores steps that a trial reports again, with the reports of earlier trials in it."""
    from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule

    shared = {"time_attr": STEP, "metric": rule.metric, "mode": "max"}
    kinds: dict[str, tuple[Any, dict[str, Any]]] = {
        "none": (FIFOScheduler, {}),
        "asha": (AsyncHyperBandScheduler, {**shared, "max_t": rule.steps, "grace_period": rule.grace,
                                           "reduction_factor": rule.reduction}),
        # min_time_slice: a trial is never paused, because it would start over
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
