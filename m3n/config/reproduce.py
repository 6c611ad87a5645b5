"""Config of `m3n reproduce`: the protocol of a dataset, and the grid of methods, label budgets and seeds to run on it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from m3n.config import names
from m3n.config.base import AnyPlacements, Count, Options, as_names
from m3n.config.finetune import FinetuneConfig
from m3n.config.pretrain import PretrainConfig
from m3n.config.simulate import SimulateConfig
from m3n.errors import nearest


def method_name(name: str) -> str:
    """The name of a method; ValueError for an unknown one."""
    if name not in names.METHODS:
        raise ValueError(f"unknown method '{name}'{nearest(name, names.METHODS)}; expected some of {', '.join(names.METHODS)}")
    return name


def budget_name(labels: str) -> str:
    """A label budget as text; ValueError for anything else."""
    if not re.fullmatch(r"[1-9]\d*|(100|[1-9]\d?)%", labels):
        raise ValueError(f"labels is '{labels}': expected a share of all (10%) or labelled examples of every class (1)")
    return labels


class ProtocolConfig(Options):
    """Which recordings are trained on and which are tested on."""

    source: str = Field(description="source of the dataset, as in `m3n ingest`")
    ingest: dict[str, Any] = Field({}, description="settings of that source")
    placements: AnyPlacements = Field(description="placements that the classifiers use")
    split: Literal["leave_one_subject_out", "k_fold", "official"] = Field(
        "leave_one_subject_out", description="how subjects are divided; official: by the lists below"
    )
    folds: Annotated[int, Field(ge=2)] = Field(
        5, description="k_fold: number of folds of subjects; fewer subjects than folds are tested one by one"
    )
    train_subjects: list[str] | None = Field(
        None, description="official: training subjects; null: all that are not named below"
    )
    val_subjects: list[str] = Field([], description="official: validation subjects")
    test_subjects: list[str] = Field([], description="official: test subjects")
    unseen_subjects: list[str] = Field([], description="official: more test subjects, scored as a fold of their own")

    @field_validator("train_subjects", "val_subjects", "test_subjects", "unseen_subjects", mode="before")
    @classmethod
    def _subjects_are_names(cls, value: Any) -> Any:
        return as_names(value)

    @model_validator(mode="after")
    def _official_names_someone(self) -> ProtocolConfig:
        if (self.split == "official") != bool(self.test_subjects):
            raise ValueError("test_subjects must be given if split is official, and only then")
        parts = [set(self.train_subjects or ()), set(self.val_subjects), set(self.test_subjects), set(self.unseen_subjects)]
        for i, part in enumerate(parts):
            for other in parts[i + 1 :]:
                if part & other:
                    raise ValueError(f"subject '{min(part & other)}' is in two of the lists: a subject may be in only one")
        return self


class GridConfig(Options):
    """What grids have in common: label budgets may be written as numbers, and every list names something."""

    @field_validator("labels", mode="before", check_fields=False)
    @classmethod
    def _labels_are_text(cls, value: Any) -> Any:
        return as_names(value)

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        for part in ("settings", "methods", "labels", "seeds"):
            if part in type(self).model_fields and not getattr(self, part):
                raise ValueError(f"{part} is empty: name at least one")
        return self


class ReproduceConfig(GridConfig):
    """Pretraining compared with training from scratch, on unseen subjects."""

    protocol: ProtocolConfig
    settings: list[Literal["same_corpus", "cross_corpus", "all_corpora"]] = Field(
        ["same_corpus", "cross_corpus"],
        description="poses to pretrain on. same_corpus: those of the training subjects; cross_corpus: other datasets only; "
        "all_corpora: both",
    )
    corpora: dict[str, dict[str, Any]] = Field(
        {"choreography": {}, "msr_action3d": {}, "bandai_namco": {}},
        description="other datasets with poses: source -> its settings; their files are given by --corpus, or lie beside --data",
    )
    recordings: dict[str, dict[str, Any]] = Field(
        {},
        description="other datasets' labelled recordings to pretrain on as well: source -> its settings; files as for corpora",
    )
    sketch_clips: Annotated[int, Field(ge=0)] = Field(
        0,
        description="clips authored from the sketches that match the classes, to pretrain on and to rehearse (cross_corpus and "
        "all_corpora)",
    )
    methods: list[Annotated[str, AfterValidator(method_name)]] = Field(
        [*names.BASELINES, *names.PRETRAINED], description="rows of the table; co_trained needs clips of every class"
    )
    labels: list[Annotated[str, AfterValidator(budget_name)]] = Field(
        ["1", "5%", "10%", "25%", "50%", "100%"],
        description="label budgets: share of all labels (10%), or examples of every class (1)",
    )
    seeds: list[Annotated[int, Field(ge=0)]] = Field(
        [0, 1, 2], description="seeds of weights, order of windows and draw of labels"
    )
    simulate: SimulateConfig = SimulateConfig()
    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    workers: Count = Field(2, description="cells to run at a time")
