"""What a file of joint positions holds, whatever format it has."""

from __future__ import annotations

from dataclasses import dataclass

from m3n.sources.shared.pose_rows import FloatArray


@dataclass(frozen=True)
class JointFile:
    """One person's joints: `positions` (F, J, 3) in the file's unit and axes, NaN where not seen, and what the file says of them.

    `person` tells several of a file apart; empty for one alone."""

    positions: FloatArray
    names: list[str] | None = None
    fps: float | None = None
    up: str | None = None
    unit: str | None = None
    text: str | None = None
    subject: str | None = None
    label: str | None = None
    person: str = ""
    is_measured: bool = False  # fps is that of time stamps
