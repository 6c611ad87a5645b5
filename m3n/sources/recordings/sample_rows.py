"""Batches of a file's rows as numbers: times, values in m/s² and rad/s, and which rows hold no measurement.

Nothing is left out here. Rows are marked: lines without values, which end a recording, rows written twice, rows of zeros, which no
sensor reads, and rows larger than any worn sensor measures, as -9999 where a logger had nothing to write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from m3n.errors import InputError, shown
from m3n.schema import GRAVITY
from m3n.sources.recordings.sample_files import SampleFile
from m3n.sources.recordings.table_columns import Columns, found_columns
from m3n.sources.recordings.table_options import Options
from m3n.sources.recordings.time_stamps import TimeStamps
from m3n.sources.shared.recording_rows import FloatArray
from m3n.sources.shared.unit_checks import ACC_UNITS, GYRO_UNITS, required

_MOST = (60 * GRAVITY, 120.0)  # m/s² and rad/s: beyond the range of sensors that are worn
_SELDOM = 0.2  # share of a batch: where more rows are that large, their unit is wrong, which is the survey's to say


@dataclass(frozen=True)
class Rows:
    """A batch: for every row its time (NaN: unknown), values, whether these are whole, and whether it is a line without values."""

    times: FloatArray
    values: FloatArray
    whole: NDArray[np.bool_]
    blank: NDArray[np.bool_]
    again: NDArray[np.bool_]  # the row before, written again
    zero: int
    huge: int


class SampleRows:
    """A file, what its columns are, and its rows."""

    def __init__(self, file: Path, options: Options, said: Mapping[str, str]) -> None:
        self.options, self.name = options, file.name
        self.file = SampleFile(file, options)
        types = {name: self.file.stored_type(name) for name in self.file.columns}
        self.columns: Columns = found_columns(file.name, self.file.columns, types, options, said)
        self.sensors = self.columns.sensors
        has_gyro = any(len(names) == 6 for names in self.sensors.values())
        acc = required(file.name, "acc_unit", options.acc_unit, ACC_UNITS) * options.acc_scale
        gyro = required(file.name, "gyro_unit", options.gyro_unit, GYRO_UNITS) * options.gyro_scale if has_gyro else 1.0
        self.channels = [name for names in self.sensors.values() for name in names]
        self._factors = np.concatenate([[acc] * 3 + [gyro] * (len(names) - 3) for names in self.sensors.values()])
        self._most = np.concatenate([[_MOST[0]] * 3 + [_MOST[1]] * (len(names) - 3) for names in self.sensors.values()])
        if self.columns.time is None and options.rate_hz is None:
            raise InputError(f"{file.name}: time=null needs rate_hz=<Hz>: nothing else says how far apart its rows are")
        self.clock = None if self.columns.time is None else TimeStamps(self.file, self.columns.time, options)
        self._row_before: FloatArray | None = None
        self._time_before: float | None = None

    def by_placement(self, values: FloatArray) -> dict[str, NDArray[np.float32]]:
        """(n, channels of the file) -> (n, 6) for every placement."""
        made, at = {}, 0
        for placement, names in self.sensors.items():
            made[placement] = np.full((len(values), 6), np.nan, np.float32)
            made[placement][:, : len(names)] = values[:, at : at + len(names)]
            at += len(names)
        return made

    def batches(self) -> Iterator[tuple[Rows, pa.RecordBatch]]:
        """The whole file from its first row on, with the columns as they were read beside the numbers."""
        if self.clock is not None:
            self.clock.restart()
        self._row_before, self._time_before = None, None
        own = (self.columns.time, self.columns.subject, self.columns.session, self.columns.label)
        wanted = [*self.channels, *(name for name in own if name is not None)]
        for first, raw in self.file.batches(wanted, set(self.channels)):
            yield self._rows(raw, first), raw

    def _rows(self, raw: pa.RecordBatch, first: int) -> Rows:
        values = self._values(raw, first)
        if self.clock is not None:
            times = self.clock.seconds(raw, first)
        else:
            times = (first + np.arange(len(values))) / float(self.options.rate_hz or 1.0)
        whole = np.isfinite(values).all(axis=1)
        zero = np.zeros(len(values), bool)
        at = 0
        for names in self.sensors.values():
            zero |= (values[:, at : at + 3] == 0).all(axis=1)
            at += len(names)
        huge = (np.abs(values) > self._most).any(axis=1) & whole
        if huge.sum() > _SELDOM * len(values):
            huge = np.zeros(len(values), bool)
        blank = self.file.empty_rows(raw) if not whole.all() else np.zeros(len(values), bool)
        blank |= self.file.blank_before(first, len(values))
        again = np.zeros(len(values), bool)
        if self.clock is not None and len(values):
            same = times[1:] == times[:-1]
            if same.any():
                again[1:] = same & (values[1:] == values[:-1]).all(axis=1)
            if self._row_before is not None:
                again[0] = bool(times[0] == self._time_before and (values[0] == self._row_before).all())
            self._row_before, self._time_before = values[-1].copy(), float(times[-1])
        return Rows(times, values, whole & ~zero & ~huge, blank, again & whole, int((zero & whole).sum()), int(huge.sum()))

    def _values(self, batch: pa.RecordBatch, first: int) -> FloatArray:
        columns = [self.file.numbers(batch, name, first) for name in self.channels]
        values = np.stack(columns, axis=1) * self._factors
        with np.errstate(invalid="ignore"):
            huge = np.isfinite(values) & (np.abs(values) > 1e6)
        if huge.any():
            row, column = (int(k) for k in np.argwhere(huge)[0])
            raise InputError(
                f"{self.file.line(first + row)}: {shown(self.channels[column])} is {columns[column][row]:.6g}; is the file damaged?"
            )
        return values
