"""Config of `m3n report fidelity`: simulated sensors against real ones."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from m3n.config.base import Options, Placements, Positive, Weight


class FidelityConfig(Options):
    """Simulated sensors against real ones that recorded the same movements."""

    placements: Placements | None = Field(None, description="placements to compare; null: all that were worn")
    cutoff_hz: Positive = Field(6.0, description="zero-lag low pass over both signals before they are compared [Hz]")
    max_lag_s: Weight = Field(0.25, description="largest lag between the two clocks, either way [s]")
    mounting: Literal["recording", "subject", "none"] = Field(
        "recording", description="one mounting rotation per recording, or per subject and placement, or none"
    )
    motion_cutoff_hz: Positive | Literal["source", "none"] = Field(
        "source", description="low pass over the motion before it is simulated [Hz]; 'source': the pose source's own; 'none'"
    )
    along_m: Annotated[float, Field(ge=-0.5, le=0.5)] | Literal["search"] = Field(
        "search",
        description="how much further along its x axis (towards the hand) than m3n's the real sensor sat [m]; 'search': within "
        "0.05 m either way, for every subject what suits the other subjects' recordings best",
    )
