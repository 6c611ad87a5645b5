"""Config of `m3n view`."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from m3n.config.base import AnyPlacements, Count, Options, Positive, as_names


def _listed(value: Any) -> Any:
    """One name, or several; labels, people and clips are often called 1, 2, 3, which YAML reads as numbers."""
    return as_names(value if value is None or isinstance(value, list) else [value])


Names = Annotated[list[str], BeforeValidator(_listed)]


class ViewConfig(Options):
    """Which clips the page lists, and how those without samples are simulated."""

    id: Names | None = Field(None, description="show these clip_ids or recording_ids alone, as in id=walk-3 or id=[a,b]")
    label: Names | None = Field(None, description="show clips and recordings with one of these labels alone")
    subject: Names | None = Field(None, description="show these people alone")
    most: Count | None = Field(
        None, description="list so many at most; null: 5,000, and 12 with --save, spread evenly over all there are"
    )
    placements: AnyPlacements | None = Field(
        None, description="placements to show; null: all in the table, or both wrists for poses and sketches"
    )
    rate_hz: Positive = Field(60.0, description="sampling rate of sensors that are simulated for poses and sketches [Hz]")
    film_mb: float = Field(
        12.0, ge=0, description="of a saved page: largest size of the pictures of its videos, all clips together [MB]; 0: none"
    )
    clips: Count | None = Field(
        None, description="of a file of sketches: clips to author, the first ones of `m3n ingest sketch`; null: 4 per sketch"
    )
    seed: int = Field(0, ge=0, description="seed of these clips")
    port: int = Field(8765, ge=0, le=65535, description="port on loopback; 0: any that is free")
