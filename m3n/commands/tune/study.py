"""A sweep's trials and results, kept as a journal of JSON lines from which an interrupted sweep resumes exactly.

The sampler's state is not saved. It is rebuilt by asking the sampler for every trial of the journal again and telling it every
result, in the journal's order: the same questions give the same answers, which is checked. A resumed sweep therefore draws the
settings it would have drawn without the interruption. An unfinished trial is handed out again with its number and settings.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from m3n.commands.tune.space import Settings, Space, grid, quiet_optuna
from m3n.config import TuneConfig
from m3n.errors import InputError
from m3n.reports.sweep_plots import Range

METRIC = "val_macro_f1"
OPEN, COMPLETE, STOPPED, FAILED = "open", "complete", "stopped", "failed"


@dataclass
class Trial:
    """One trial. `reports`: (step, macro F1) during training, None for a reported failure; `figures`: those of the last report."""

    number: int
    settings: Settings
    state: str = OPEN
    reports: list[tuple[int, float | None]] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)
    elapsed_s: float = 0.0
    error: str | None = None


class Study:
    """Draws settings within the budget and learns from results."""

    def __init__(self, journal: Path, space: Space, config: TuneConfig) -> None:
        optuna = quiet_optuna()
        self.journal, self.space, self.config = journal, space, config
        self.trials: list[Trial] = []
        samplers = {"tpe": optuna.samplers.TPESampler, "random": optuna.samplers.RandomSampler}
        sampler = samplers.get(config.sampler, optuna.samplers.RandomSampler)(seed=config.seed)
        self.optuna = optuna.create_study(directions=["maximize", *["minimize"] * len(config.objectives)], sampler=sampler)
        self._states = {COMPLETE: optuna.trial.TrialState.COMPLETE, STOPPED: optuna.trial.TrialState.PRUNED}
        self._failed = optuna.trial.TrialState.FAIL
        self._asked: list[Any] = []
        points = grid(space, config.grid_points, config.seed) if config.sampler == "grid" else []
        self.queue = [*space.first, *(settings for settings in points if settings not in space.first)]
        self._before_s, self._started = 0.0, time.monotonic()
        self._replay()
        self._again = [trial for trial in self.trials if trial.state == OPEN]

    def next(self) -> Trial | None:
        """The next trial to run, unfinished ones first; None if the budget is spent."""
        if self._again:
            return self._again.pop(0)
        if self.spent:
            return None
        trial = self._ask()
        self._write({"drawn": trial.number, "settings": trial.settings})
        return trial

    @property
    def spent(self) -> bool:
        """Whether the budget is spent, so that nothing more is drawn."""
        most = self.config.most_trials
        return (
            (most is not None and len(self.trials) >= most)
            or (self.config.hours is not None and self.clock_s >= 3600 * self.config.hours)
            or (self.config.sampler == "grid" and len(self.trials) >= len(self.queue))
        )

    @property
    def finished(self) -> bool:
        return self.spent and not self.of(OPEN)

    @property
    def clock_s(self) -> float:
        """Seconds that the sweep has run, without the pauses between interruption and resumption."""
        return self._before_s + time.monotonic() - self._started

    def ended(
        self,
        number: int,
        state: str,
        reports: Mapping[int, float | None],
        figures: dict[str, float],
        error: str | None,
        elapsed_s: float = 0.0,
    ) -> None:
        """Note how a trial ended."""
        event = {"ended": number, "state": state, "reports": sorted(reports.items()), "figures": figures,
                 "elapsed_s": elapsed_s, "error": error}  # fmt: skip
        self._write(event)
        self._tell(event)

    def of(self, state: str) -> list[Trial]:
        return [trial for trial in self.trials if trial.state == state]

    @property
    def best(self) -> Trial | None:
        """The complete trial with the highest macro F1; of equals, the first."""
        return max(self.of(COMPLETE), key=lambda trial: (trial.figures[METRIC], -trial.number), default=None)

    def front(self) -> list[Trial]:
        """The Pareto front of the complete trials, best macro F1 first; empty without objectives beside macro F1."""
        numbers = {trial.number for trial in self.optuna.best_trials} if self.config.objectives else set()
        return sorted((t for t in self.of(COMPLETE) if t.number in numbers), key=lambda t: (-t.figures[METRIC], t.number))

    @property
    def ranges(self) -> dict[str, Range]:
        """The range or choices of every setting that has been drawn."""
        found: dict[str, Range] = {}
        for trial in self.optuna.get_trials(deepcopy=False):
            for name, kind in trial.distributions.items():
                choices = tuple(getattr(kind, "choices", ()))
                found[name] = Range(choices=choices) if choices else Range(kind.low, kind.high, kind.log)
        return found

    def _ask(self) -> Trial:
        if len(self.trials) < len(self.queue):
            self.optuna.enqueue_trial(self.queue[len(self.trials)])
        asked = self.optuna.ask()
        self.space.draw(asked)
        self._asked.append(asked)
        self.trials.append(Trial(asked.number, dict(asked.params)))
        return self.trials[-1]

    def _tell(self, event: dict[str, Any]) -> None:
        trial, asked = self.trials[event["ended"]], self._asked[event["ended"]]
        trial.state, trial.figures, trial.elapsed_s = event["state"], event["figures"], event["elapsed_s"]
        trial.error, trial.reports = event["error"], [(int(step), value) for step, value in event["reports"]]
        if not self.config.objectives:  # Optuna knows no reports where there are several
            for step, value in trial.reports:
                if value is not None:
                    asked.report(value, step)
        values = [trial.figures[name] for name in (METRIC, *self.config.objectives)] if trial.state == COMPLETE else None
        self.optuna.tell(asked, values, self._states.get(trial.state, self._failed))

    def _write(self, event: dict[str, Any]) -> None:
        with self.journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps({**event, "clock_s": round(self.clock_s, 3)}) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _replay(self) -> None:
        for event in read_lines(self.journal):
            self._before_s = event["clock_s"]
            if "ended" in event:
                self._tell(event)
            elif self._ask().settings != event["settings"]:
                raise InputError(
                    f"{self.journal}: this version of Optuna draws other settings for trial {event['drawn']} than the journal "
                    "has: resume with the version that the sweep was started with (plan.json), or choose another --out"
                )
        self._started = time.monotonic()


def read_lines(file: Path) -> list[dict[str, Any]]:
    """The values of a JSON-lines file; an incomplete last line, left by a killed process, is removed."""
    if not file.is_file():
        return []
    text = file.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    if whole != text:
        file.write_text(whole, encoding="utf-8")
    return [json.loads(line) for line in whole.splitlines()]
