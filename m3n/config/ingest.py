"""Config of `m3n ingest`: what every source shares."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, field_validator

from m3n.config.base import Count, Options, Share
from m3n.schema import check_placements


class IngestConfig(Options):
    """Settings that every source shares; a source adds its own."""

    rows_per_shard: Count = Field(64, description="rows in one Parquet shard")
    max_rejected: Share = Field(
        0.05,
        description="largest share of items, and of the time of recordings, that may go to quarantine before ingest fails",
    )
    axes: dict[str, list[str]] = Field(
        default={},
        description="axes.<placement>=[-x,-y,z]: which axes of a recording m3n's x (to the hand), y and z (dorsal) are; a rotation",
    )
    axes_from: Path | None = Field(
        None, description="what `m3n report mounting --json` wrote: each person's recordings are turned into m3n's frame by it"
    )

    @field_validator("axes_from")
    @classmethod
    def _known_report(cls, value: Path | None) -> Path | None:
        if value is not None and not value.is_file():
            raise ValueError(f"axes_from={value} is no file; expected what `m3n report mounting --json` wrote")
        return value

    @field_validator("axes")
    @classmethod
    def _known_axes(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        if value:
            check_placements(list(value))
        for placement, axes in value.items():
            if len(axes) != 3:
                raise ValueError(f"axes.{placement} names {len(axes)} axes, expected 3, as [-x,-y,z]")
        return value
