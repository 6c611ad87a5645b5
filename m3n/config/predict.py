"""Config of `m3n predict`."""

from __future__ import annotations

from pydantic import Field

from m3n.config.base import Count, Options, Positive, Share


class PredictConfig(Options):
    """A timeline of activities."""

    hop_s: Positive | None = Field(
        None, description="step from one window to the next, and length of a cell of the timeline [s]; null: half a window"
    )
    min_confidence: Share = Field(0.0, description="mean probability below which a cell is labelled 'unknown'")
    mounting_unknown: bool = Field(
        False,
        description="the recordings' sensors were mounted in an unknown way: the encoder gets a flag, as "
        "it always does where the classifier was fine-tuned with mounting_unknown",
    )
    batch_size: Count = Field(256, description="windows classified at a time")
