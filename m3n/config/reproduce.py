"""Config of `m3n reproduce`: a dataset's protocol, and the grid of methods, label budgets and seeds that runs over it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from m3n.config.base import AnyPlacements, Count, Options, as_names
from m3n.config.finetune import FinetuneConfig
from m3n.config.pretrain import PretrainConfig
from m3n.config.simulate import SimulateConfig
from m3n.errors import nearest

# name -> (what it is, settings of the fine-tuning that make it); a baseline has no pretraining
BASELINE_METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "scratch": ("the same network, from random weights", {"head": "linear"}),
    "deepconvlstm": ("DeepConvLSTM, from random weights", {"head": "linear", "model.imu_encoder": "conv_lstm"}),
    "random_forest": ("random forest on statistics of the windows", {}),
    "minirocket": ("MiniRocket and a ridge classifier", {}),
}


PRETRAINED_METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "zero_shot": ("sentences alone, no real label", {"head": "text"}),
    "frozen": ("the encoder stays as it was pretrained", {"freeze": "all"}),
    "not_frozen": ("everything learns", {"freeze": "none"}),
    "first_k": ("all but the lowest blocks learns", {"freeze": "first_k"}),
    "gradual": ("unfrozen from the top", {"freeze": "gradual"}),
    "lp_ft": ("a probe first, then everything", {"freeze": "lp_ft"}),
    "layer_decay": ("slower deeper down", {"freeze": "layer_decay"}),
    "adapters": ("low-rank changes alone", {"freeze": "adapters"}),
    "not_frozen_linear": ("everything learns, under a linear head with random weights", {"freeze": "none", "head": "linear"}),
    "paper": ("the authors' preset of pretraining and fine-tuning, not frozen", {"head": "linear"}),
}


# learns from the clips, but from no checkpoint
CO_TRAINED = "co_trained"


METHODS = {
    **BASELINE_METHODS,
    **PRETRAINED_METHODS,
    CO_TRAINED: ("random weights, taught by the labels and the synthetic clips together", {"head": "linear"}),
}


def _method(name: str) -> str:
    if name not in METHODS:
        raise ValueError(f"unknown method '{name}'{nearest(name, METHODS)}; expected some of {', '.join(METHODS)}")
    return name


def _budget(labels: str) -> str:
    if not re.fullmatch(r"[1-9]\d*|(100|[1-9]\d?)%", labels):
        raise ValueError(f"labels is '{labels}': expected a share of all (10%) or labelled examples of every class (1)")
    return labels


class ProtocolConfig(Options):
    """Whose recordings are learned from and whose are tested on."""

    source: str = Field(description="source of the data set, as in `m3n ingest`")
    ingest: dict[str, Any] = Field({}, description="settings of that source")
    placements: AnyPlacements = Field(description="placements that the classifiers see")
    split: Literal["leave_one_subject_out", "k_fold", "official"] = Field(
        "leave_one_subject_out", description="official: the subjects named below"
    )
    folds: Annotated[int, Field(ge=2)] = Field(5, description="k_fold: number of folds, of subjects")
    train_subjects: list[str] | None = Field(None, description="official: subjects with labels; null: all the others")
    val_subjects: list[str] = Field([], description="official: subjects set aside for model selection")
    test_subjects: list[str] = Field([], description="official: held-out subjects")
    unseen_subjects: list[str] = Field([], description="official: more of them, scored as a fold of their own")

    @field_validator("train_subjects", "val_subjects", "test_subjects", "unseen_subjects", mode="before")
    @classmethod
    def _subjects_are_names(cls, value: Any) -> Any:
        return as_names(value)

    @model_validator(mode="after")
    def _official_names_someone(self) -> ProtocolConfig:
        if (self.split == "official") != bool(self.test_subjects):
            raise ValueError("test_subjects are named where split is official, and nowhere else")
        parts = [set(self.train_subjects or ()), set(self.val_subjects), set(self.test_subjects), set(self.unseen_subjects)]
        for i, part in enumerate(parts):
            for other in parts[i + 1 :]:
                if part & other:
                    raise ValueError(f"subject '{min(part & other)}' is named in two parts: a subject may be in one only")
        return self


class ReproduceConfig(Options):
    """The evidence: pretraining against training from scratch, on subjects never seen."""

    protocol: ProtocolConfig
    settings: list[Literal["same_corpus", "cross_corpus", "all_corpora"]] = Field(
        ["same_corpus", "cross_corpus"],
        description="poses to pretrain on. same_corpus: the training subjects' own; cross_corpus: of other data sets alone; "
        "all_corpora: both",
    )
    corpora: dict[str, dict[str, Any]] = Field(
        {"choreography": {}, "msr_action3d": {}, "bandai_namco": {}},
        description="other corpora: sources of poses, each with its own settings; their files are given by --corpus, or lie beside "
        "--data",
    )
    methods: list[Annotated[str, AfterValidator(_method)]] = Field(
        [*BASELINE_METHODS, *PRETRAINED_METHODS], description="rows of the table; co_trained needs clips of every class"
    )
    labels: list[Annotated[str, AfterValidator(_budget)]] = Field(
        ["1", "5%", "10%", "25%", "50%", "100%"], description="label budgets: a share of all, or examples of every class"
    )
    seeds: list[Annotated[int, Field(ge=0)]] = Field([0, 1, 2], description="seeds of weights, order and label draw")
    simulate: SimulateConfig = SimulateConfig()
    pretrain: PretrainConfig = PretrainConfig()
    finetune: FinetuneConfig = FinetuneConfig()
    workers: Count = Field(2, description="cells at a time")

    @field_validator("labels", mode="before")
    @classmethod
    def _labels_are_text(cls, value: Any) -> Any:
        return as_names(value)

    @model_validator(mode="after")
    def _something_to_do(self) -> ReproduceConfig:
        for name in ("settings", "methods", "labels", "seeds"):
            if not getattr(self, name):
                raise ValueError(f"{name} is empty: name at least one")
        return self
