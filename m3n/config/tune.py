"""Config of `m3n tune`: the budget of a sweep, how it draws settings, and when it stops a trial early."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from m3n.config.base import Count, Options, Positive
from m3n.config.finetune import FinetuneConfig
from m3n.config.names import AS_SET, AUTO
from m3n.config.pretrain import PretrainConfig


class TuneConfig(Options):
    """A sweep over settings of pretraining and fine-tuning for the best macro F1 on validation subjects."""

    trials: Count | None = Field(None, description="trials to run; null: as many as `hours` allows (8 if that is null too)")
    hours: Positive | None = Field(
        None, description="start no trial after this time, interruptions not counted; running trials are finished [h]"
    )
    concurrent: Count = Field(1, description="trials at a time, each on pretrain.workers Ray Train workers of its own")
    sampler: Literal["tpe", "random", "grid"] = Field(
        "tpe", description="how settings are drawn. tpe: guided by the earlier trials; random; grid: every combination"
    )
    grid_points: Count = Field(3, description="sampler=grid: values to try of a setting that is a range")
    scheduler: Literal["none", "asha", "median"] = Field(
        "none",
        description="which trials are stopped early. asha: at 1, reduction, reduction^2, … times `grace` reports, all but the best "
        "1/reduction; median: trials whose best report is below the median of the other trials' means",
    )
    reports: Count = Field(
        3,
        description="reports of a trial during pretraining (a linear probe on the encoder; only with a scheduler), and the same "
        "number again during fine-tuning",
    )
    grace: Count = Field(1, description="reports before a trial can be stopped")
    reduction: Annotated[float, Field(gt=1)] = Field(3.0, description="scheduler=asha: one trial in this many continues")
    objectives: list[Literal["latency_ms", "parameters"]] = Field(
        [],
        description="further quantities to minimise; the result is then a Pareto front. latency_ms: time for one window on one "
        "core [ms]; parameters: of the classifier",
    )
    test: bool = Field(
        False,
        description="after the sweep, train the best settings on all but the test subjects and score the test subjects once",
    )
    registered: bool = Field(
        False, description="as test=true, which also registers the classifier in MLflow; may be written register=true"
    )
    restarts: Annotated[int, Field(ge=0)] = Field(3, description="restarts of a trial after its process or node is lost")
    seed: int = Field(0, ge=0, description="seed of the sampler")
    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig(start=AS_SET)

    @model_validator(mode="before")
    @classmethod
    def _register(cls, values: Any) -> Any:
        """Take `register`, a name that pydantic's classes have for something else."""
        if isinstance(values, dict) and "register" in values and "registered" not in values:
            return {("registered" if key == "register" else key): value for key, value in values.items()}
        return values

    @field_validator("finetune")
    @classmethod
    def _from_own_pretraining(cls, value: FinetuneConfig) -> FinetuneConfig:
        """A trial starts from its own pretraining: there is nothing to decide."""
        if value.unlabelled or value.start not in (AUTO, AS_SET):
            raise ValueError("a sweep starts from its own pretraining, with labels: leave start and unlabelled out")
        return value.model_copy(update={"start": AS_SET})

    @model_validator(mode="after")
    def _objectives_once(self) -> TuneConfig:
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError(f"objectives names '{self.objectives[0]}' twice")
        if self.scheduler != "none" and self.grace >= self.steps:
            raise ValueError(f"grace is {self.grace}, expected fewer than the {self.steps} reports of a trial (2 x reports)")
        if self.finetune.unlabelled or self.finetune.start not in (AUTO, AS_SET):
            raise ValueError(
                "a sweep starts from its own pretraining, with labels: leave finetune.start and finetune.unlabelled out"
            )
        return self

    @property
    def steps(self) -> int:
        """Reports of a whole trial."""
        return 2 * self.reports

    @property
    def most_trials(self) -> int | None:
        """Trials to run, None where only the hours count."""
        return self.trials if self.trials or self.hours else 8
