"""Config of `m3n finetune`: labels, subjects, what is frozen, and the budget."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, create_model, field_validator, model_validator

from m3n.config import names
from m3n.config.base import AnyPlacements, Count, OneOf, Options, Positive, Share, Weight, as_names, choices
from m3n.config.learning import AugmentConfig, ModelConfig, WindowsConfig

_OPTIONS: dict[str, Any] = {
    name: (type(option.default), Field(default=option.default, description=option.help, **option.limits))
    for name, option in names.FREEZE_OPTIONS.items()
}
_FreezeFields: Any = create_model("_FreezeFields", __base__=Options, **_OPTIONS)


class FreezeOptions(_FreezeFields):
    """Numbers of the freeze strategies, from the table `m3n.config.names.FREEZE_OPTIONS`."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


class FinetuneConfig(Options):
    """A classifier trained on real, labelled recordings."""

    start: Annotated[str, OneOf(names.STARTS)] = Field(
        "auto", description=f"what the training starts from. {choices(names.STARTS)}"
    )
    freeze: Annotated[str, OneOf(names.FREEZE_STRATEGIES)] = Field(
        "not_frozen", description=f"which part of the network learns. {choices(names.FREEZE_STRATEGIES)}"
    )
    freeze_options: FreezeOptions = FreezeOptions()
    head: Annotated[str, OneOf(names.HEADS)] = Field(
        "linear", description=f"classifier on top of the encoder. {choices(names.HEADS)}"
    )
    sentences: str | None = Field(
        None, description="head=text: YAML file, label -> list of sentences; null: those of the recordings' source"
    )
    targets: Literal["majority", "dense"] = Field(
        "majority",
        description="training target of a window. majority: the label that covers most of it; dense: the label at each step of the "
        "encoder, and the prediction is their mean",
    )
    rehearse: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="share of every batch that is drawn from synthetic clips with the same labels (--clips; with a checkpoint, "
        "only clips it was pretrained on): helps where labels are few. Clips of the recordings' own dataset are drawn as often as "
        "all others together. 0 with a `start` that rehearses: 0.5. With start=auto this is the most, which clips get that are "
        "recognised in the labelled recordings",
    )
    rehearse_fade: Weight | None = Field(
        None,
        description="labelled examples per class at which the rehearsed share has faded to half of `rehearse`; 0: it never fades; "
        "null: 30 with a `start` that rehearses, else 0",
    )
    unlabelled: bool = Field(
        False,
        description="also learn from windows of the training subjects that have no label, or are beyond the label budget, by "
        "pseudo-labels (FixMatch); takes about three times as long",
    )
    match: Path | None = Field(
        None,
        description="--sketches: YAML file, label -> name of its sketch, [several], or null for none; null: matched by name",
    )
    sketch_clips: Count = Field(2000, description="--sketches: number of clips to author, as many of each label")
    mounting_unknown: bool = Field(
        False,
        description="the sensors were mounted in an unknown way: every training window gets one of the 24 right-angle rotations at "
        "random, and the encoder gets a flag, if it was pretrained with mounting.unknown",
    )
    label_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="share of the training labels to use, stratified by class"
    )
    labels_per_class: Count | None = Field(
        None, description="labelled examples to use of every class, instead of label_fraction"
    )
    ignore_labels: list[str] = Field([], description="labels that are neither trained on nor scored, such as a null class")
    class_weights: Literal["balanced", "none"] = Field(
        "balanced", description="balanced: rare classes weigh as much as frequent ones"
    )
    allow_seen: bool = Field(
        False, description="accept test subjects whose poses or recordings were pretrained on (scores are then too good)"
    )
    train_subjects: int | list[str] | None = Field(
        None, description="subjects to train on: a list, or how many to draw; null: all that are not held out"
    )
    val_subjects: list[str] = Field([], description="validation subjects, taken from the training subjects")
    test_subjects: list[str] | None = Field(None, description="test subjects; null: those of `fold`")
    folds: Annotated[int, Field(ge=2)] = Field(5, description="number of folds of subjects, if test_subjects is null")
    fold: Annotated[int, Field(ge=0)] = Field(0, description="the fold to test on, from 0")
    placements: AnyPlacements | None = Field(None, description="placements to use; null: all that the recordings have")
    windows: WindowsConfig | None = Field(None, description="null: the checkpoint's; from scratch: the defaults")
    model: ModelConfig | None = Field(None, description="architecture; null: the checkpoint's; from scratch: the defaults")
    augment: AugmentConfig = AugmentConfig(turn_rad=0.3, mask=0.0, placement_dropout=0.0, low_rate=0.0)
    epochs: Count = Field(60, description="passes over the labelled windows (at least min_steps steps)")
    min_steps: Annotated[int, Field(ge=0)] = Field(400, description="smallest number of optimiser steps")
    batch_size: Count = Field(64, description="windows in a batch")
    lr: Positive = Field(1e-3, description="peak learning rate of the head; from scratch, of the whole network")
    encoder_lr: Positive = Field(1e-3, description="peak learning rate of a pretrained encoder that is not frozen")
    weight_decay: Weight = Field(0.01, description="decoupled weight decay")
    label_smoothing: Share = Field(0.1, description="label smoothing of the cross entropy")
    seed: int = Field(0, ge=0, description="seed of weights, order of windows, augmentation and draw of labels")

    @model_validator(mode="before")
    @classmethod
    def _given_settings_decide(cls, values: Any) -> Any:
        """Who says what is frozen or rehearsed has chosen the start."""
        if isinstance(values, dict) and "start" not in values and {"freeze", "rehearse"} & set(values):
            return values | {"start": names.AS_SET}
        return values

    @field_validator("train_subjects", "val_subjects", "test_subjects", "ignore_labels", mode="before")
    @classmethod
    def _subjects_are_names(cls, value: Any) -> Any:
        return as_names(value)

    @model_validator(mode="after")
    def _fold_in_range(self) -> FinetuneConfig:
        if self.head == "attention" and self.targets == "dense":
            raise ValueError(
                "head=attention pools the steps of a window, but targets=dense labels each one: choose another head"
            )
        if self.test_subjects is None and self.fold >= self.folds:
            raise ValueError(f"fold is {self.fold}, expected below folds = {self.folds} (folds count from 0)")
        if isinstance(self.train_subjects, int) and self.train_subjects < 1:
            raise ValueError(f"train_subjects is {self.train_subjects}, expected at least 1")
        return self
