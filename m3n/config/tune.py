"""Config of `m3n tune`: what a sweep may spend, how it draws settings, and when it stops a trial early."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from m3n.config.base import Count, Options, Positive
from m3n.config.finetune import FinetuneConfig
from m3n.config.pretrain import PretrainConfig


class TuneConfig(Options):
    """Search over settings of pretraining and fine-tuning; the objective is macro F1 on validation subjects."""

    trials: Count | None = Field(None, description="trials to run; null: as many as `hours` allow (8 where that is null too)")
    hours: Positive | None = Field(
        None, description="after so long, interruptions not counted, no trial starts any more [h]; those under way are ended"
    )
    concurrent: Count = Field(1, description="trials at a time, each on pretrain.workers Ray Train workers of its own")
    sampler: Literal["tpe", "random", "grid"] = Field(
        "tpe", description="how settings are drawn. tpe: from what the earlier trials found; random; grid: every combination"
    )
    grid_points: Count = Field(3, description="sampler=grid: values tried of a setting that is a range")
    scheduler: Literal["none", "asha", "median"] = Field(
        "none",
        description="which trials are given up on the way. asha: all but the best 1/reduction at 1, reduction, reduction^2, … "
        "times `grace` reports; median: those whose best report is below the median of the others' means",
    )
    reports: Count = Field(
        3,
        description="reports of a trial while it pretrains (a linear probe on the encoder so far; only with a scheduler), and "
        "again while it fine-tunes",
    )
    grace: Count = Field(1, description="reports before a trial can be given up")
    reduction: Annotated[float, Field(gt=1)] = Field(3.0, description="scheduler=asha: one in so many goes on")
    objectives: list[Literal["latency_ms", "parameters"]] = Field(
        [],
        description="what to keep small besides: the result is then a Pareto front. latency_ms: of one window on one core [ms]; "
        "parameters: of the classifier",
    )
    test: bool = Field(
        False, description="when the sweep is over, train the best settings on all but the test subjects and score these, once"
    )
    restarts: Annotated[int, Field(ge=0)] = Field(
        3, description="times that a trial goes on after its process or node was lost"
    )
    seed: int = Field(0, ge=0, description="seed of the sampler")
    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()

    @model_validator(mode="after")
    def _objectives_once(self) -> TuneConfig:
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError(f"objectives names '{self.objectives[0]}' twice")
        if self.scheduler != "none" and self.grace >= self.steps:
            raise ValueError(f"grace is {self.grace}, expected below the {self.steps} reports of a trial (2 x reports)")
        return self

    @property
    def steps(self) -> int:
        """Reports of a whole trial."""
        return 2 * self.reports

    @property
    def most_trials(self) -> int | None:
        """Trials to run, None where only the hours count."""
        return self.trials if self.trials or self.hours else 8
