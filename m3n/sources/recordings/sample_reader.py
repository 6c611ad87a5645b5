"""How the columns of a file of samples become the stretches of recordings: which columns, which units, which rate, where to cut.

Nothing about a unit is guessed; what the whole file shows about its rate and its units is checked against what was declared before
the first sample is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field, field_validator

from m3n.config import Options as BaseOptions
from m3n.config import Positive
from m3n.errors import InputError, shown
from m3n.schema import CHANNELS, PLACEMENTS, check_placements
from m3n.sources.recordings.sample_files import SampleFile
from m3n.sources.shared.recording_rows import MAX_GAP_S, FloatArray
from m3n.sources.shared.unit_checks import ACC_UNITS, GYRO_UNITS, UnitCheck, required

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_RATES_HZ = (2.0, 10_000.0)  # slower ones have a gap between any two samples, faster ones are a wrong unit of time
_LIKELY_HZ = (5.0, 2_000.0)
_KEPT_STEPS = 4096  # steps of time kept of a batch for the median


class Options(BaseOptions):
    """Settings of `m3n ingest recordings`."""

    acc_unit: Literal["m/s2", "g", "mg"] | None = Field(
        default=None, description="unit of acceleration: m/s2, g or mg; must be given"
    )
    gyro_unit: Literal["rad/s", "deg/s"] | None = Field(
        default=None, description="unit of angular rate: rad/s or deg/s; must be given where the file has a gyroscope"
    )
    rate_hz: Positive | None = Field(
        default=None, description="sampling rate [Hz]; null: the median rate of the file's time stamps, which it then must have"
    )
    time: str | None = Field(
        default="time", description="column of time stamps, used where the file has it; null: rows are 1 / rate_hz apart"
    )
    time_unit: Literal["s", "ms", "us", "ns"] = Field(default="s", description="unit of the time stamps: s, ms, us or ns")
    placement: str = Field(default="right_wrist", description="where the sensor of columns ax ay az gx gy gz was worn")
    columns: dict[str, list[str]] = Field(
        default={},
        description="columns.<placement>=[...]: its 3 columns of acceleration, or 6 with angular rate; {}: ax ay az gx gy gz, or "
        "right_wrist_ax ... for several placements",
    )
    subject: str | None = Field(
        default=None, coerce_numbers_to_str=True, description="who moves, where no column says so; null: the file's name"
    )
    subject_column: str = Field(default="subject", description="column that says who moves, used where the file has it")
    session_column: str = Field(default="session", description="column of the session, used where the file has it")
    label_column: str = Field(
        default="label", description="column of activity labels, used where the file has it; empty: no label"
    )
    delimiter: Literal[",", ";", "tab"] = Field(
        default=",", description="what stands between the columns of a CSV: , or ; or tab"
    )

    @field_validator("placement")
    @classmethod
    def _known_placement(cls, value: str) -> str:
        check_placements([value])
        return value

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


@dataclass(frozen=True)
class Stretch:
    """Rows of one recording as they stand in the file: `opens` where it is a new one."""

    opens: bool
    subject: str
    session: str | None
    times: FloatArray  # (n,) s, increasing
    values: FloatArray  # (n, 3 or 6 a placement) m/s² and rad/s
    labels: NDArray[Any] | None


class SampleReader:
    """A file and how its columns are to be read."""

    def __init__(self, file: Path, options: Options) -> None:
        self._options, self._name = options, file.name
        self._file = SampleFile(file, "\t" if options.delimiter == "tab" else options.delimiter)
        self._sensors = self._found_sensors()
        has_gyro = any(len(names) == 6 for names in self._sensors.values())
        acc = required(file.name, "acc_unit", options.acc_unit, ACC_UNITS)
        gyro = required(file.name, "gyro_unit", options.gyro_unit, GYRO_UNITS) if has_gyro else 1.0
        self._channels = [name for names in self._sensors.values() for name in names]
        self._factors = np.concatenate([[acc] * 3 + [gyro] * (len(names) - 3) for names in self._sensors.values()])
        own = {name: self._one(name) for name in (options.subject_column, options.session_column, options.label_column)}
        if len(own) != 3:
            raise InputError(f"{file.name}: subject_column, session_column and label_column must be three different columns")
        self._subject, self._session, self._label = own.values()
        self._time = None if options.time is None else self._one(options.time)
        if self._time is None and options.rate_hz is None:
            raise InputError(
                f"{file.name}: no column '{shown(options.time or 'time')}' and no rate_hz; give rate_hz=<Hz> or time=<column> of "
                f"{self._listed()}"
            )
        self._first_stamp: float | None = None
        self._fallback_subject = options.subject or file.stem

    def by_placement(self, values: FloatArray) -> dict[str, NDArray[np.float32]]:
        """(n, channels of the file) -> (n, 6) for every placement."""
        made, at = {}, 0
        for placement, names in self._sensors.items():
            made[placement] = np.full((len(values), 6), np.nan, np.float32)
            made[placement][:, : len(names)] = values[:, at : at + len(names)]
            at += len(names)
        return made

    def surveyed_rate(self) -> float:
        """Rate of the grid, after a look at the time stamps and the units of the whole file."""
        checks = {placement: UnitCheck() for placement in self._sensors}
        kept: list[FloatArray] = []
        still = rows = whole = 0
        empty = np.zeros(len(self._channels), int)
        last: float | None = None
        for first, batch in self._file.batches(self._wanted):
            values = self._values(batch, first)
            missing = ~np.isfinite(values)
            kept_rows = ~missing.any(axis=1)
            for placement, samples in self.by_placement(values[kept_rows]).items():
                checks[placement].add(samples.astype(float))
            rows, whole, empty = rows + len(values), whole + int(kept_rows.sum()), empty + missing.sum(axis=0)
            if self._time is not None:
                times = self._times(batch, first)
                times = times[kept_rows & np.isfinite(times)]
                steps = np.diff(times if last is None else np.r_[last, times])
                last = times[-1] if len(times) else last
                still += int((steps == 0).sum())
                steps = steps[steps > 0]
                kept.append(steps[:: max(1, -(-len(steps) // _KEPT_STEPS))])
        if rows < 2:
            raise InputError(f"{self._name}: {rows} rows of samples, expected at least 2")
        if whole < 2:
            raise InputError(
                f"{self._name}: {whole} of {rows} rows have a value in every channel, expected at least 2; "
                f"{shown(self._channels[int(empty.argmax())])} is empty in {empty.max()}"
            )
        rate = self._rate_of(np.concatenate([*kept, np.zeros(0)]), still, rows)
        for placement, check in checks.items():
            where = self._name if len(checks) == 1 else f"{self._name}, {placement}"
            gyro = self._options.gyro_unit if len(self._sensors[placement]) == 6 else None
            check.judge(where, str(self._options.acc_unit), gyro)
        return rate

    def _rate_of(self, steps: FloatArray, still: int, rows: int) -> float:
        given, unit = self._options.rate_hz, self._options.time_unit
        if self._time is None and given is not None:
            rate = given
        else:
            where = f"{self._name}: the time stamps in {shown(self._time)}"
            if not len(steps) or 4 * still > rows:
                raise InputError(
                    f"{where} stand still in {still} of {rows} rows, too coarse for samples; give time=null and rate_hz=<Hz>"
                )
            step = float(np.median(steps))  # s, if the unit is right
            found = 1 / step
            if not _RATES_HZ[0] < found <= _RATES_HZ[1]:
                raw = step / _SECONDS[unit]
                likely = [u for u, size in _SECONDS.items() if u != unit and _LIKELY_HZ[0] <= 1 / (raw * size) <= _LIKELY_HZ[1]]
                hint = f"; time_unit={likely[0]} would make it {1 / (raw * _SECONDS[likely[0]]):.4g} Hz" if likely else ""
                raise InputError(f"{where} have a median step of {raw:.6g} {unit}, which is {found:.3g} Hz{hint}")
            if given is not None and given > 4 * found:
                raise InputError(f"{where} run at {found:.4g} Hz, too slow for rate_hz={given:g}: leave it out")
            if given is not None and given < 0.9 * found:
                raise InputError(
                    f"{where} run at {found:.4g} Hz, but rate_hz is {given:g}: leave it out; later stages resample with a low pass"
                )
            rate = found if given is None else given
        if not _RATES_HZ[0] < rate <= _RATES_HZ[1]:
            raise InputError(f"{self._name}: rate_hz is {rate:g}, expected {_RATES_HZ[0]:g} to {_RATES_HZ[1]:,g} Hz")
        return rate

    def stretches(self, rate_hz: float) -> Iterator[Stretch]:
        """The usable rows of the file, cut at every new recording and at every batch."""
        last: tuple[Any, Any, float] | None = None  # subject, session and time of the last row
        for first, batch in self._file.batches(self._wanted):
            values = self._values(batch, first)
            times = (first + np.arange(len(values))) / rate_hz if self._time is None else self._times(batch, first)
            kept = np.flatnonzero(np.isfinite(values).all(axis=1) & np.isfinite(times))
            subjects, sessions, labels = (
                None if name is None else self._file.words(batch, name) for name in (self._subject, self._session, self._label)
            )
            who = np.full(len(values), self._fallback_subject, object) if subjects is None else subjects
            what = np.full(len(values), None, object) if sessions is None else sessions
            opened = []  # places in `kept` at which a recording starts
            used: list[int] = []
            for row in kept.tolist():
                key = who[row], what[row], times[row]
                if last is None or key[:2] != last[:2] or times[row] - last[2] > MAX_GAP_S:
                    opened.append(len(used))
                elif times[row] <= last[2]:
                    if times[row] < last[2]:
                        raise InputError(
                            f"{self._file.line(first + row)}: time goes back by {last[2] - times[row]:.6g} s; sort the rows, or "
                            "mark where a recording ends by a column 'session'"
                        )
                    continue  # the same sample twice
                used.append(row)
                last = key
            cuts = [0, *(place for place in opened if place), len(used)]
            for a, b in pairwise(cuts):
                rows = used[a:b]
                if rows:
                    yield Stretch(
                        a in opened, str(who[rows[0]] or self._fallback_subject), what[rows[0]], times[rows], values[rows],
                        None if labels is None else labels[rows],
                    )  # fmt: skip

    @property
    def _wanted(self) -> list[str]:
        own = (self._time, self._subject, self._session, self._label)
        return [*self._channels, *(name for name in own if name is not None)]

    def _values(self, batch: pa.RecordBatch, first: int) -> FloatArray:
        columns = [self._file.numbers(batch, name, first) for name in self._channels]
        values = np.stack(columns, axis=1) * self._factors
        with np.errstate(invalid="ignore"):
            huge = np.isfinite(values) & (np.abs(values) > 1e6)
        if huge.any():
            row, column = (int(k) for k in np.argwhere(huge)[0])
            raise InputError(
                f"{self._file.line(first + row)}: {shown(self._channels[column])} is {columns[column][row]:.6g}; is the file "
                "damaged?"
            )
        return values

    def _times(self, batch: pa.RecordBatch, first: int) -> FloatArray:
        """Seconds since the first time stamp of the file, which is taken off before Unix times lose their last digits."""
        column, scale = batch.column(str(self._time)), _SECONDS[self._options.time_unit]
        if pa.types.is_timestamp(column.type):
            ticks = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
            stamps, scale = np.asarray(ticks.to_numpy(zero_copy_only=False), float), _SECONDS["us"]
        else:
            stamps = self._file.numbers(batch, str(self._time), first)
        if self._first_stamp is None and np.isfinite(stamps).any():
            self._first_stamp = float(stamps[np.isfinite(stamps)][0])
        return (stamps - (self._first_stamp or 0.0)) * scale

    def _one(self, name: str) -> str | None:
        """The name, if the file has the column."""
        count = self._file.columns.count(name)
        if count > 1:
            raise InputError(f"{self._name}: {count} columns are called '{shown(name)}'")
        return name if count else None

    def _found_sensors(self) -> dict[str, list[str]]:
        if self._options.columns:
            sensors = dict(self._options.columns)
        else:
            prefixes = {placement: f"{placement}_" for placement in PLACEMENTS}
            sensors = {p: self._channels_of(x) for p, x in prefixes.items() if f"{x}ax" in self._file.columns}
            if "ax" in self._file.columns:
                if self._options.placement in sensors:
                    raise InputError(
                        f"{self._name}: columns ax and {self._options.placement}_ax are both of placement={self._options.placement}"
                    )
                sensors[self._options.placement] = self._channels_of("")
        for placement, names in sensors.items():
            for name in names:
                if self._one(name) is None:
                    raise InputError(
                        f"{self._name}: column '{shown(name)}' of {placement} is missing; there are {self._listed()}"
                    )
        if not sensors:
            other = next((d for d in (";", "tab", ",") if ("\t" if d == "tab" else d) in "".join(self._file.columns[:1])), None)
            hint = f"; delimiter='{other}' would part them" if len(self._file.columns) == 1 and other else ""
            raise InputError(
                f"{self._name}: no columns ax ay az or right_wrist_ax ...; name them by columns.right_wrist=[...]; there are "
                f"{self._listed()}{hint}"
            )
        return sensors

    def _channels_of(self, prefix: str) -> list[str]:
        has_gyro = any(f"{prefix}{name}" in self._file.columns for name in CHANNELS[3:])
        return [f"{prefix}{name}" for name in (CHANNELS if has_gyro else CHANNELS[:3])]

    def _listed(self) -> str:
        return ", ".join(shown(name) for name in self._file.columns[:12]) + (" ..." if len(self._file.columns) > 12 else "")
