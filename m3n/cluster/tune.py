"""A search on Ray Tune with Optuna: each trial pretrains on Ray Train workers of its own, fine-tunes, and reports one score."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

TRIAL_CPUS = 0.01  # a trial's driver only waits; its Ray Train workers ask for what they need

Score = Callable[[dict[str, Any]], dict[str, float]]


def run_trials(
    score: Score,
    space: Callable[[Any], None],
    first: list[dict[str, Any]],
    *,
    metric: str,
    trials: int,
    concurrent: int,
    seed: int,
    storage: Path,
    on_result: Callable[[int, dict[str, Any], dict[str, float]], None],
) -> None:
    """Maximise `metric` of `score(settings)` over `trials` draws from a define-by-run space.

    `on_result(number, settings, figures)` is called in this process as each trial ends; figures of a failed trial are empty.
    """
    from optuna.samplers import TPESampler
    from ray import tune
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    class Listener(tune.Callback):
        def __init__(self, tell: Callable[..., None], metric: str) -> None:
            self.tell, self.metric, self.done = tell, metric, 0

        def __getstate__(self) -> dict[str, Any]:  # Tune saves its callbacks; the caller's function stays in this process
            return {"metric": self.metric, "done": self.done}

        def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            self.done += 1
            last = trial.last_result
            self.tell(self.done, dict(trial.config), {self.metric: last[self.metric], "elapsed_s": last["time_total_s"]})

        def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
            self.done += 1
            self.tell(self.done, dict(trial.config), {})

    search = OptunaSearch(
        space=space, metric=metric, mode="max", points_to_evaluate=first or None, sampler=TPESampler(seed=seed)
    )
    tuner = tune.Tuner(
        tune.with_resources(score, {"cpu": TRIAL_CPUS}),
        tune_config=tune.TuneConfig(
            search_alg=ConcurrencyLimiter(search, max_concurrent=concurrent),
            num_samples=trials,
            max_concurrent_trials=concurrent,
        ),
        run_config=tune.RunConfig(
            name="tune", storage_path=str(storage.resolve()), callbacks=[Listener(on_result, metric)], verbose=0
        ),
    )
    tuner.fit()
