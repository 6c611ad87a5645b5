"""Config of `m3n reproduce strangers`: each of several datasets in turn is the one that nothing was pretrained on."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from m3n.config import names
from m3n.config.base import Count, OneOf, Weight, choices
from m3n.config.reproduce import GridConfig, budget_name, method_name


class StrangersConfig(GridConfig):
    """Leave one dataset out: pretrain on everything else and on sketches of the classes, then fine-tune on its training people."""

    methods: list[Annotated[str, AfterValidator(method_name)]] = Field(
        ["scratch", "random_forest", "minirocket", "zero_shot", "frozen", "not_frozen", "lp_ft", "auto"],
        description="rows of the table",
    )
    labels: list[Annotated[str, AfterValidator(budget_name)]] = Field(
        ["1", "5%", "10%", "25%", "100%"],
        description="label budgets: share of all labels (10%), or examples of every class (1)",
    )
    seeds: list[Annotated[int, Field(ge=0)]] = Field(
        [0, 1, 2], description="seeds of weights, order of windows, draw of labels"
    )
    folds: Annotated[int, Field(ge=2)] | None = Field(
        None, description="folds of people at most; null: as the datasets' protocols have it"
    )
    sketch_clips: Annotated[int, Field(ge=0)] = Field(2000, description="clips of sketches that match a dataset's classes")
    corpora: dict[str, dict[str, Any]] = Field(
        {"sketch": {"clips": 2000}, "bandai_namco": {}, "msr_action3d": {}, "ui_prmd": {}, "asf_amc": {}},
        description="poses that every pretraining learns from: source -> its settings; files by --corpus, or beside a --data",
    )
    recordings_weight: Weight = Field(
        1.0, description="how often each window of the other datasets is drawn in an epoch of pretraining, as in its `mix`"
    )
    leave_out: list[Annotated[str, OneOf(names.ABLATIONS)]] = Field(
        [], description=f"also pretrain without one of these, each in turn. {choices(names.ABLATIONS)}"
    )
    datasets: dict[str, dict[str, Any]] = Field(
        {}, description="settings on top of a dataset's protocol: dataset -> settings of `reproduce`"
    )
    common: dict[str, Any] = Field({}, description="settings on top of every protocol, as in common.pretrain.optim.epochs=10")
    workers: Count = Field(2, description="cells to run at a time")
