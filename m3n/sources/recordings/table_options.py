"""Settings of `m3n ingest recordings`: whose samples they are, what their columns mean, in which units, and how the file is "
"written."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from m3n.config import Options as BaseOptions
from m3n.config import Positive
from m3n.config.base import OneOf
from m3n.schema import check_placements
from m3n.sources.recordings.devices import DEVICES
from m3n.sources.shared.path_pattern import PathPattern
from m3n.sources.shared.unit_checks import GRAVITY_INCLUDED

AUTO = "auto"


def _nonzero(value: float) -> float:
    if value == 0:
        raise ValueError("a scale of 0 makes every sample 0")
    return value


Scale = Annotated[float, AfterValidator(_nonzero)]


class ChannelOptions(BaseOptions):
    """Which columns are a sensor's channels, in which units, and how fast they were sampled."""

    acc_unit: Literal["m/s2", "g", "mg"] | None = Field(
        default=None, description="unit of acceleration: m/s2, g or mg; must be given"
    )
    gyro_unit: Literal["rad/s", "deg/s"] | None = Field(
        default=None, description="unit of angular rate: rad/s or deg/s; must be given where the file has a gyroscope"
    )
    acc_scale: Scale = Field(
        default=1.0,
        description="factor that turns the file's numbers into acc_unit: 0.015625 for 1/64 g, 16/32768 for counts of a ±16 g chip "
        "(0.00048828125), -1 for a phone that reads -1 g along the axis that points up",
    )
    gyro_scale: Scale = Field(
        default=1.0,
        description="factor that turns the file's numbers into gyro_unit, as 0.061035 for counts of a ±2000 deg/s chip",
    )
    gravity: Literal["included"] | None = Field(default=None, description=GRAVITY_INCLUDED)
    rate_hz: Positive | None = Field(
        default=None, description="sampling rate [Hz]; null: that of the file's time stamps, which it then must have"
    )
    columns: dict[str, list[str]] = Field(
        default={},
        description="columns.<placement>=[...]: its 3 columns of acceleration, or 6 with angular rate; {}: ax ay az gx gy gz, or "
        "right_wrist_ax ... for several placements",
    )

    @field_validator("columns")
    @classmethod
    def _known_columns(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        if value:
            check_placements(list(value))
        for placement, names in value.items():
            if len(names) not in (3, 6) or len(set(names)) != len(names):
                raise ValueError(
                    f"columns.{placement} names {len(names)} columns, expected 3 of acceleration or 6 with angular rate, x y z each"
                )
        return value


class Options(ChannelOptions):
    """Settings of `m3n ingest recordings`."""

    device: Annotated[str, OneOf(DEVICES)] | None = Field(
        default=None,
        description=f"logger whose columns, units, signs and files are known: {', '.join(DEVICES)}; null: the settings say it",
    )
    acc_range: Positive | None = Field(
        default=None, description="with device=arduino: full scale of the accelerometer's 16-bit counts, as 2, 4, 8 or 16 [g]"
    )
    gyro_range: Positive | None = Field(
        default=None, description="with device=arduino: full scale of the gyroscope's 16-bit counts, as 250 or 2000 [deg/s]"
    )
    time: str | None = Field(
        default=AUTO,
        description="column of time stamps: numbers, dates or ISO 8601; auto: time, timestamp and the like; null: rows are "
        "1 / rate_hz apart",
    )
    time_unit: Literal["s", "ms", "us", "ns", "min"] | None = Field(
        default=None,
        description="unit of time stamps that are numbers: s, ms, us, ns or min; null: as the column's name ends, else s",
    )
    time_format: str | None = Field(
        default=None,
        description="how dates are written, as %d/%m/%Y %H:%M:%S (fractions of a second may follow); null: found out",
    )
    timezone: str | None = Field(
        default=None, description="zone of dates that name none, as Europe/Berlin; null: unknown, so started_at is null"
    )
    placement: str = Field(default="right_wrist", description="where the sensor of columns ax ay az gx gy gz was worn")
    subject: str | None = Field(
        default=None, coerce_numbers_to_str=True, description="who wore the sensor, where neither a column nor path= says so"
    )
    session: str | None = Field(
        default=None, coerce_numbers_to_str=True, description="session, where neither a column nor path= says so"
    )
    path: str | None = Field(
        default=None,
        description="what the names of files say, as {subject}/{session}_{label}.csv below the folder; * stands for any text",
    )
    subject_column: str | None = Field(
        default=AUTO, description="column that says who wore the sensor; auto: subject, user, participant ...; null: none"
    )
    session_column: str | None = Field(default=AUTO, description="column of the session; auto: session, trial ...; null: none")
    label_column: str | None = Field(
        default=AUTO, description="column of activity labels, empty where there is none; auto: label, activity ...; null: none"
    )
    delimiter: Literal[",", ";", "|", "comma", "semicolon", "tab", "pipe", "space"] | None = Field(
        default=None,
        description="what stands between the columns of a CSV: comma, semicolon (;), tab, pipe (|) or space; null: found out",
    )
    decimal: Literal[".", ",", "point", "comma"] | None = Field(
        default=None, description="decimal sign of a CSV: point or comma; null: found out"
    )
    skip_rows: int | None = Field(
        default=None, ge=0, description="lines of a CSV above its line of column names; null: found out"
    )
    names: list[str] | None = Field(
        default=None, description="names of all columns, for a CSV without a line of names; null: the file has one"
    )

    @field_validator("subject", "session")
    @classmethod
    def _not_blank(cls, value: str | None) -> str | None:
        if value is not None and not value.strip():
            raise ValueError("is blank: give a name, or leave it out")
        return value

    @field_validator("path")
    @classmethod
    def _known_pattern(cls, value: str | None) -> str | None:
        if value is not None:
            PathPattern(value)
        return value

    @field_validator("placement")
    @classmethod
    def _known_placement(cls, value: str) -> str:
        check_placements([value])
        return value

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str | None) -> str | None:
        from zoneinfo import ZoneInfo

        if value is not None:
            try:
                ZoneInfo(value)
            except Exception as error:  # odd keys fail in any way at all
                raise ValueError(f"timezone '{value}' is unknown; expected a name like Europe/Berlin or UTC") from error
        return value

    @model_validator(mode="after")
    def _known_device(self) -> Options:
        if self.device is not None:
            twice = [name for name in ("acc_unit", "gyro_unit", "columns") if name in self.model_fields_set]
            if twice and any(getattr(self, name) for name in twice):
                raise ValueError(f"device={self.device} knows its {twice[0]}; leave {twice[0]} or device out")
        if self.device != "arduino" and (self.acc_range or self.gyro_range):
            raise ValueError("acc_range and gyro_range are of device=arduino; give acc_scale and gyro_scale")
        return self

    @model_validator(mode="after")
    def _said_once(self) -> Options:
        fields = PathPattern(self.path).fields if self.path else frozenset()
        for name in ("subject", "session"):
            if name in fields and getattr(self, name) is not None:
                raise ValueError(f"{name}= and the {{{name}}} of path= both say it; leave one out")
        return self
