"""Config of `m3n evaluate`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from m3n.config.base import AnyPlacements, Count, Options, Positive, as_names


class EvaluateConfig(Options):
    """How good a pretrained Multi3Net is on held-out subjects."""

    subjects: list[str] | None = Field(
        None, description="held-out subjects to evaluate on; null: all that the checkpoint was not trained on"
    )
    allow_seen: bool = Field(False, description="whether `subjects` may name some that were trained on (the figures flatter)")
    probe_subjects: list[str] | None = Field(
        None,
        description="subjects whose recordings train kNN and linear probe; null: all the others (where there are none, the "
        "held-out subjects train and test in turn, in folds)",
    )
    placements: AnyPlacements | None = Field(
        None, description="placements to look at; null: the checkpoint's, of recordings those that were worn"
    )
    hop_s: Positive | None = Field(None, description="step from one window to the next [s]; null: the checkpoint's")
    batch_size: Count = Field(256, description="windows embedded at a time")
    neighbours: Count = Field(5, description="k of the k nearest neighbours")
    probe_c: Positive = Field(1.0, description="inverse L2 penalty of the linear probe (fixed, on standardised features)")
    sentences: str | None = Field(
        None,
        description="zero-shot sentences: YAML file, label -> list of sentences; null: those of the recordings' source; 'none': no "
        "zero-shot",
    )
    picture: Literal["tsne", "umap", "none"] = Field("tsne", description="picture of the embeddings (umap needs umap-learn)")
    max_windows: Annotated[int, Field(ge=2)] = Field(
        2000, description="windows drawn at most for figures over pairs (retrieval, alignment, uniformity)"
    )
    seed: int = Field(0, ge=0, description="seed of that draw, of the folds and of the picture")

    @field_validator("subjects", "probe_subjects", mode="before")
    @classmethod
    def _subjects_are_names(cls, value: Any) -> Any:
        return as_names(value)
