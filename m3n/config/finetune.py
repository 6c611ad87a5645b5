"""Config of `m3n finetune`: labels, subjects, freezing and budget."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from m3n.config.base import AnyPlacements, Count, Options, Positive, Share, Weight, as_names
from m3n.config.learning import AugmentConfig, ModelConfig, WindowsConfig


class FreezeOptions(Options):
    """What the freeze strategies can be told."""

    first: Count = Field(2, description="first_k: blocks of the encoder, from the sensor up, that stay frozen")
    probe: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.3, description="lp_ft: share of the training before everything learns; gradual: before the lowest block does"
    )
    decay: Annotated[float, Field(gt=0, le=1)] = Field(
        0.75, description="layer_decay: learning rate, from a block to the next below"
    )
    rank: Count = Field(8, description="adapters: rank of the learned change of a weight")


class FinetuneConfig(Options):
    """Classifier of real, labelled recordings."""

    freeze: Literal["none", "all", "first_k", "gradual", "lp_ft", "layer_decay", "adapters"] = Field(
        "none",
        description="what of the encoder learns. none: everything; all: nothing, a linear probe; first_k: all but the lowest "
        "blocks; gradual: unfrozen from the top; lp_ft: a probe first, then everything; layer_decay: slower deeper down; adapters: "
        "low-rank changes alone",
    )
    freeze_options: FreezeOptions = FreezeOptions()
    head: Literal["linear", "mlp", "attention", "experts", "text"] = Field(
        "linear",
        description="classifier on the features. attention: pools over time anew; experts: a mixture, balanced; text: cosine with "
        "the classes' sentences in the pretrained joint embedding, so that it starts from zero-shot classification",
    )
    sentences: str | None = Field(
        None, description="head=text: YAML file, label -> list of sentences; null: those of the recordings' source"
    )
    targets: Literal["majority", "dense"] = Field(
        "majority",
        description="what a window is trained to say. majority: the label of most of its time; dense: the label at each of its "
        "steps (8 samples), of which the mean counts",
    )
    rehearse: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="share of every batch that is windows of synthetic clips (--clips, those of the checkpoint) with the classes' "
        "labels, so that little real data is not all there is to learn from; from scratch: any clips. Clips of the recordings' own "
        "data set are drawn as often as all others",
    )
    label_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0, description="share of the training labels used, stratified"
    )
    labels_per_class: Count | None = Field(None, description="labelled examples of every class, in place of label_fraction")
    ignore_labels: list[str] = Field([], description="labels that are neither trained nor scored, such as a null class")
    class_weights: Literal["balanced", "none"] = Field(
        "balanced", description="balanced: rare classes count as much as frequent ones"
    )
    allow_seen: bool = Field(False, description="whether test subjects' poses may have been pretrained on (the scores flatter)")
    train_subjects: int | list[str] | None = Field(
        None, description="subjects with labels: a list, or how many to draw; null: all that are not held out"
    )
    val_subjects: list[str] = Field([], description="subjects for model selection, taken from the training subjects")
    test_subjects: list[str] | None = Field(None, description="held-out subjects; null: those of `fold`")
    folds: Annotated[int, Field(ge=2)] = Field(5, description="subject folds, where test_subjects is null")
    fold: Annotated[int, Field(ge=0)] = Field(0, description="which fold is held out")
    placements: AnyPlacements | None = Field(None, description="placements to use; null: all that the recordings have")
    windows: WindowsConfig | None = Field(None, description="null: the checkpoint's; from scratch: the defaults")
    model: ModelConfig | None = Field(None, description="architecture; null: the checkpoint's; from scratch: the defaults")
    augment: AugmentConfig = AugmentConfig(turn_rad=0.3, mask=0.0, drop=0.0, slow=0.0)
    epochs: Count = Field(60, description="passes over the labelled windows (no fewer than min_steps steps)")
    min_steps: Annotated[int, Field(ge=0)] = Field(400, description="smallest number of optimiser steps")
    batch_size: Count = Field(64, description="windows in a batch")
    lr: Positive = Field(1e-3, description="peak learning rate of the head, and of everything from scratch")
    encoder_lr: Positive = Field(1e-3, description="peak learning rate of a pretrained encoder that is not frozen")
    weight_decay: Weight = Field(0.01, description="decoupled weight decay")
    label_smoothing: Share = Field(0.1, description="label smoothing of the cross entropy")
    seed: int = Field(0, ge=0, description="seed of weights, order, augmentation and label draw")

    @field_validator("train_subjects", "val_subjects", "test_subjects", "ignore_labels", mode="before")
    @classmethod
    def _subjects_are_names(cls, value: Any) -> Any:
        return as_names(value)

    @model_validator(mode="after")
    def _fold_in_range(self) -> FinetuneConfig:
        if self.head == "attention" and self.targets == "dense":
            raise ValueError("head=attention pools the steps of a window, targets=dense labels each: choose another head")
        if self.test_subjects is None and self.fold >= self.folds:
            raise ValueError(f"fold is {self.fold}, expected below folds = {self.folds} (folds count from 0)")
        if isinstance(self.train_subjects, int) and self.train_subjects < 1:
            raise ValueError(f"train_subjects is {self.train_subjects}, expected at least 1")
        return self
