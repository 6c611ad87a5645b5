"""Config of `m3n ingest`: what every source shares."""

from __future__ import annotations

from pydantic import Field

from m3n.config.base import Count, Options, Share


class IngestConfig(Options):
    """Settings that every source shares; a source adds its own."""

    rows_per_shard: Count = Field(64, description="rows in one Parquet shard")
    max_rejected: Share = Field(0.05, description="largest share of items that may go to quarantine before ingest fails")
