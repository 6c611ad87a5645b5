"""Config of `m3n report mounting`: which way round a wrist sensor was worn."""

from __future__ import annotations

from pydantic import Field

from m3n.config.base import Options, Placements


class MountingConfig(Options):
    """Rotation from each person's sensor axes to m3n's, from unlabelled recordings."""

    placements: Placements | None = Field(None, description="placements to look at; null: all that were worn")
