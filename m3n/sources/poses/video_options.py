"""Settings of `m3n ingest video`: what the videos are, in words, and who of them becomes clips."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from m3n.config.base import Count, Positive, Share
from m3n.sources.shared.path_pattern import FIELDS, PathPattern
from m3n.sources.shared.plausibility import PoseOptions


class Options(PoseOptions):
    """Settings of `m3n ingest video`."""

    path: str | None = Field(
        default=None,
        description="pattern of a file's name below the folder, as {label}/{subject}_*.mp4; null: names say nothing",
    )
    labels: str | None = Field(
        default=None,
        description="CSV with a row per clip: file, start_s, stop_s, label, text, subject; what has no row is left out",
    )
    subtitles: str | None = Field(
        default=None, description=".srt or .vtt file of a single video: its captions become clips with their words as text"
    )
    model: Literal["lite", "full", "heavy"] = Field(
        default="full", description="landmark network; `m3n setup video` fetches full, the others are put beside it"
    )
    person: Literal["longest", "largest", "all"] = Field(
        default="longest",
        description="who becomes clips where several people are seen: the one seen longest, or largest, or all",
    )
    arms: Literal["both", "left", "right"] = Field(
        default="both",
        description="which arm must be seen: where it is hidden, the clip is cut; of the other one, a guess will do",
    )
    text: str | None = Field(default=None, description="what the videos show, in words; null: the label's words")
    label: str | None = Field(default=None, description="activity label of every clip; null: that of the name, or none")
    subject: str | None = Field(default=None, description="who moves in every clip; null: that of the name, or unknown")
    max_fps: Positive = Field(default=60.0, ge=5, le=240, description="frames beyond this rate are skipped [Hz]")
    stretch_s: Positive = Field(default=60.0, ge=5, le=600, description="longest clip; longer videos are cut into several [s]")
    workers: Count | Literal["auto"] = Field(
        default="auto",
        description="processes, each with networks of its own, on Ray; auto: one per core, and one for less than a minute of video",
    )
    max_rejected: Share = Field(
        default=0.5, description="largest share of the videos, and of their time, that may go to quarantine before ingest fails"
    )

    @model_validator(mode="after")
    def _said_once(self) -> Options:
        if self.labels and self.subtitles:
            raise ValueError("labels= and subtitles= both say where clips begin and end; leave one out")
        for name in pattern.fields if (pattern := self.pattern()) else ():
            if getattr(self, name, None) is not None:
                raise ValueError(f"{name}= and the {{{name}}} of path= both say it; leave one out")
        return self

    def pattern(self) -> PathPattern | None:
        """The pattern of `path`, or None."""
        return PathPattern(self.path, (*FIELDS, "text")) if self.path else None
