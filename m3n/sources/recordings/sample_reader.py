"""From the rows of a file to the stretches of recordings: what the whole file shows of its rate and units, then its usable rows.

A file is read twice. The survey finds the rate, checks the units, and finds what is no data: rows of zeros, values that stand still
for half a second, rows written twice. Nothing about a unit is guessed; what the survey sees is checked against what was declared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from m3n.errors import InputError, shown
from m3n.sources.recordings.arrival_times import EvenStamps, StepCounts, gap_s, step_of
from m3n.sources.recordings.sample_files import SampleFile
from m3n.sources.recordings.still_values import Frozen
from m3n.sources.recordings.table_columns import Columns, found_columns
from m3n.sources.recordings.table_options import Options
from m3n.sources.recordings.time_stamps import SECONDS, TimeStamps
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.recording_rows import MAX_GAP_S, FloatArray
from m3n.sources.shared.unit_checks import ACC_UNITS, GYRO_UNITS, UnitCheck, required

_RATES_HZ = (2.0, 10_000.0)  # slower ones have a gap between any two samples, faster ones are a wrong unit of time
_LIKELY_HZ = (5.0, 2_000.0)
_WHOLE_HZ = 1e-3  # a rate this near to a whole number is that number: samples come onto the grid by their times anyway
_COARSE_STEPS = (0.01, 0.003)  # m/s² and rad/s: larger than the noise of good sensors
_OFTEN_BLANK = 0.2  # share of rows that are empty: then these lines are a way to write, and no ends of recordings


@dataclass(frozen=True)
class Stretch:
    """Rows of one recording as they stand in the file: `opens` where it is a new one."""

    opens: bool
    subject: str
    session: str | None
    times: FloatArray  # (n,) s, increasing
    values: FloatArray  # (n, 3 or 6 a placement) m/s² and rad/s
    labels: NDArray[Any] | None


@dataclass
class _Survey:
    rate_hz: float = 0.0
    gap_s: float = MAX_GAP_S
    even: EvenStamps | None = None
    blanks_end: bool = True
    frozen: Frozen = field(default_factory=Frozen)


@dataclass(frozen=True)
class _Rows:
    """A batch: for every row its time (NaN: unknown), values, whether these are whole, and whether it is a line without values."""

    times: FloatArray
    values: FloatArray
    whole: NDArray[np.bool_]
    blank: NDArray[np.bool_]
    again: NDArray[np.bool_]  # the row before, written again
    zero: int


class SampleReader:
    """A file and how its columns are to be read; `said` is what its path says of subject, session and label."""

    def __init__(self, file: Path, options: Options, said: Mapping[str, str] | None = None, notes: Notes | None = None) -> None:
        self._options, self._name, self._said = options, file.name, dict(said or {})
        self._notes = Notes() if notes is None else notes
        self._file = SampleFile(file, options)
        types = {name: self._file.stored_type(name) for name in self._file.columns}
        self.columns: Columns = found_columns(file.name, self._file.columns, types, options, self._said)
        self._sensors = self.columns.sensors
        has_gyro = any(len(names) == 6 for names in self._sensors.values())
        acc = required(file.name, "acc_unit", options.acc_unit, ACC_UNITS) * options.acc_scale
        gyro = required(file.name, "gyro_unit", options.gyro_unit, GYRO_UNITS) * options.gyro_scale if has_gyro else 1.0
        self._channels = [name for names in self._sensors.values() for name in names]
        self._factors = np.concatenate([[acc] * 3 + [gyro] * (len(names) - 3) for names in self._sensors.values()])
        if self.columns.time is None and options.rate_hz is None:
            raise InputError(f"{file.name}: time=null needs rate_hz=<Hz>: nothing else says how far apart its rows are")
        self._subject = options.subject or self._said.get("subject")
        if self._subject is None and self.columns.subject is None:
            raise InputError(
                f"{file.name}: nothing says who wore the sensor; give subject=NAME, subject_column=COLUMN, or for files with "
                "names that "
                "say it path={subject}/*.csv: splits by person need it"
            )
        self._clock = None if self.columns.time is None else TimeStamps(self._file, self.columns.time, options)
        self._found = _Survey()
        self._row_before: FloatArray | None = None
        self._time_before: float | None = None

    @property
    def unix_s(self) -> float | None:
        """When time 0 of the stretches was; None where the file does not say."""
        return None if self._clock is None else self._clock.unix_s

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
        steps, rows = self._surveyed()
        if self._clock is not None and steps.back > 9 * max(steps.forwards, 1) and steps.back > 0.5 * rows:
            self._file.reverse()
            self._notes.count("files that ran from newest to oldest, read backwards", 1, self._name)
            steps, rows = self._surveyed()
        return self._found.rate_hz

    def _surveyed(self) -> tuple[StepCounts, int]:
        checks = {placement: UnitCheck() for placement in self._sensors}
        steps, frozen = (
            StepCounts(),
            [Frozen(coarse=_COARSE_STEPS[place]) for names in self._sensors.values() for place in range(len(names) // 3)],
        )
        rows = whole = blank = again = zero = 0
        empty = np.zeros(len(self._channels), int)
        last: float | None = None
        for batch in self._batches():
            good = batch.whole & ~batch.again
            rows, whole, again, zero = (
                rows + len(good),
                whole + int(good.sum()),
                again + int(batch.again.sum()),
                zero + batch.zero,
            )
            blank += int(batch.blank.sum())
            empty += (~np.isfinite(batch.values) & ~batch.blank[:, None]).sum(axis=0)
            for number, runs in enumerate(frozen):
                runs.add(batch.values[:, 3 * number : 3 * number + 3], good)
            stamped = np.isfinite(batch.times) & ~batch.again
            if self._clock is not None:
                times = batch.times[stamped]
                if len(times):
                    steps.add(times, last)
                    last = float(times[-1])
            about = self._options.rate_hz or _rate_of_batch(batch.times[good])
            for placement, samples in self.by_placement(batch.values[good]).items():
                for part in _parts(samples, batch.times[good], batch.blank, good):
                    checks[placement].add(part.astype(float), about)
        if rows - blank < 2:
            raise InputError(f"{self._name}: {rows - blank} rows of samples, expected at least 2")
        if steps.back > 9 * max(steps.forwards, 1) and steps.back > 0.5 * rows and not self._file.reversed:
            return steps, rows
        if whole < 2:
            raise InputError(
                f"{self._name}: {whole} of {rows} rows have a value in every channel, expected at least 2; "
                f"{shown(self._channels[int(empty.argmax())])} is empty in {empty.max()}"
                + (f", and {zero} rows are 0, 0, 0" if zero else "")
            )
        self._found = self._concluded(steps, rows)
        self._found.frozen = Frozen.together([runs.longer_than(MAX_GAP_S * self._found.rate_hz) for runs in frozen])
        self._found.blanks_end = blank <= _OFTEN_BLANK * rows
        if self._found.frozen.rows > 0.9 * whole:
            raise InputError(
                f"{self._name}: the values stand still in {self._found.frozen.rows} of {whole} rows: the sensor was off"
            )
        self._note(again, zero, blank)
        for placement, check in checks.items():
            names = self._sensors[placement]
            where = self._name if len(checks) == 1 else f"{self._name}, {placement}"
            check.check(where, str(self._options.acc_unit), self._options.gyro_unit if len(names) == 6 else None, names[:3])
        return steps, rows

    def _note(self, again: int, zero: int, blank: int) -> None:
        self._notes.columns(self.columns.told(), self._name)
        self._notes.count("rows written twice, left out", again, self._name)
        self._notes.count("rows of 0, 0, 0, left out", zero, self._name)
        self._notes.count("rows whose values stand still, left out", self._found.frozen.rows, self._name)
        self._notes.count(
            "empty lines that end a recording" if self._found.blanks_end else "empty lines between rows", blank, self._name
        )
        self._notes.count(
            "lines above the samples that are no names", int(bool(self._file.untold)), f"{self._name}: {self._file.untold}"
        )
        if self._clock is not None:
            self._notes.count("counters of time that started again at 0", self._clock.wraps, self._name)

    def _concluded(self, steps: StepCounts, rows: int) -> _Survey:
        """The rate, and even stamps where those of the file are of arrivals."""
        given, found = self._options.rate_hz, _Survey()
        if self._clock is None:
            rate = float(given or 0.0)
        else:
            where = f"{self._name}: the time stamps in {shown(self.columns.time)}"
            if not steps.forwards:
                raise InputError(f"{where} stand still in {steps.still} of {rows} rows; give time=null and rate_hz=<Hz>")
            found.gap_s = gap_s(steps, MAX_GAP_S)
            unit = None if self._clock.is_text else self._clock.unit
            step, arrivals = step_of(steps, found.gap_s)
            if (steps.median() > 1 / _RATES_HZ[0] and steps.still <= steps.forwards) or step <= 0:
                step, arrivals = steps.median(), False
            rate = self._rate_of(where, step, unit, given)
            if arrivals:
                found.even = self._even(step, found.gap_s)
                rate = self._rate_of(where, found.even.step_s, unit, given)
            rate = given or rate
        if not _RATES_HZ[0] < rate <= _RATES_HZ[1]:
            raise InputError(f"{self._name}: rate_hz is {rate:g}, expected {_RATES_HZ[0]:g} to {_RATES_HZ[1]:,g} Hz")
        found.rate_hz = rate
        return found

    def _even(self, step: float, gap: float) -> EvenStamps:
        even = EvenStamps(step, gap)
        for batch in self._batches():
            stamped = np.isfinite(batch.times) & ~batch.again
            if stamped.any():
                even.add(batch.times[stamped])
        jitter = even.finish()
        self._notes.count(
            "files with stamps of arrival, made even", 1, f"{self._name}: {1 / step:.4g} Hz, jitter {1000 * jitter:.3g} ms"
        )
        return even

    def _rate_of(self, where: str, step: float, unit: str | None, given: float | None) -> float:
        found = 1 / step
        if not _RATES_HZ[0] < found <= _RATES_HZ[1]:
            if unit is None:
                raise InputError(f"{where} are {step:.3g} s apart, expected 1/{_RATES_HZ[1]:,g} to 1/{_RATES_HZ[0]:g} s")
            raw = step / SECONDS[unit]
            likely = [u for u, size in SECONDS.items() if u != unit and _LIKELY_HZ[0] <= 1 / (raw * size) <= _LIKELY_HZ[1]]
            hint = f"; time_unit={likely[0]} would make it {1 / (raw * SECONDS[likely[0]]):.4g} Hz" if likely else ""
            raise InputError(f"{where} have a median step of {raw:.6g} {unit}, which is {found:.3g} Hz{hint}")
        if given is not None and given > 4 * found:
            raise InputError(f"{where} run at {found:.4g} Hz, too slow for rate_hz={given:g}: leave it out")
        if given is not None and given < 0.9 * found:
            raise InputError(
                f"{where} run at {found:.4g} Hz, but rate_hz is {given:g}: leave it out; later stages resample with a low pass"
            )
        return float(round(found)) if abs(round(found) / found - 1) < _WHOLE_HZ else found

    def stretches(self) -> Iterator[Stretch]:
        """The usable rows of the file, cut at every new recording and at every batch."""
        last: tuple[Any, Any, float, int] | None = None  # subject, session, time and ends of recordings before the last row
        ends = stamped = 0
        found, first = self._found, 0
        for batch, raw in self._batches(with_raw=True):
            times = batch.times
            here = np.isfinite(times) & ~batch.again
            if found.even is not None and here.any():
                times = np.full(len(times), np.nan)
                times[here] = found.even.at(stamped + np.arange(int(here.sum())))
                stamped += int(here.sum())
            frozen = found.frozen.rows_in(first, first + len(times))
            used = np.flatnonzero(batch.whole & ~batch.again & np.isfinite(times) & ~frozen)
            ended = ends + np.cumsum(batch.blank) if found.blanks_end else np.zeros(len(times), int)
            ends = int(ended[-1]) if len(ended) else ends
            if len(used):
                who, what, labels = self._words(raw, first, used)
                yield from self._cut(first, used, times[used], batch.values[used], who, what, labels, ended[used], last)
                last = who[-1], what[-1], float(times[used[-1]]), int(ended[used[-1]])
            first += len(times)

    def _cut(
        self, first: int, used: NDArray[Any], times: FloatArray, values: FloatArray, who: NDArray[Any], what: NDArray[Any],
        labels: NDArray[Any] | None, ended: NDArray[Any], last: tuple[Any, Any, float, int] | None,
    ) -> Iterator[Stretch]:  # fmt: skip
        opens = np.ones(len(used), bool)
        opens[1:] = (who[1:] != who[:-1]) | (what[1:] != what[:-1]) | (ended[1:] != ended[:-1])
        steps = np.diff(times, prepend=times[0])
        if last is not None:
            opens[0] = bool(who[0] != last[0] or what[0] != last[1] or ended[0] != last[3])
            steps[0] = times[0] - last[2]
        opens |= steps > self._found.gap_s
        self._check_order(first, used, steps, opens)
        still = np.flatnonzero(~opens & (steps == 0))
        if len(still):  # few: the next stamp lies further on, half a step is room enough
            self._notes.count("rows with the stamp of the row before, moved on by half a step", len(still), self._name)
            times = times.copy()
            times[still] += 0.5 / self._found.rate_hz
            times = _increasing(times, opens)
        for a, b in pairwise([0, *(int(place) for place in np.flatnonzero(opens) if place), len(used)]):
            if b > a:
                yield Stretch(
                    bool(opens[a]), str(who[a]), what[a], times[a:b], values[a:b], None if labels is None else labels[a:b]
                )

    def _check_order(self, first: int, used: NDArray[Any], steps: FloatArray, opens: NDArray[np.bool_]) -> None:
        back = ~opens & (steps < 0)
        local = self._clock is not None and self._clock.is_local
        if local:
            shifted = np.flatnonzero((np.abs(np.abs(steps) - 3600) < 2.0) & (back | (steps > 0)))
            if len(shifted):
                row = int(shifted[0])
                raise InputError(
                    f"{self._file.line(first + int(used[row]))}: local time {'goes back' if steps[row] < 0 else 'jumps'} by an "
                    "hour, "
                    "as clocks do in spring or autumn; give timezone=<zone>, as Europe/Berlin, or export UTC"
                )
        if back.any():
            row = int(np.argmax(back))
            raise InputError(
                f"{self._file.line(first + int(used[row]))}: time goes back by {-steps[row]:.6g} s; sort the rows, or mark where a "
                "recording ends by a column 'session' or an empty line"
            )

    def _words(
        self, raw: pa.RecordBatch, first: int, used: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        """Subject, session and label of the rows."""
        columns = self.columns
        if columns.subject is None:
            who = np.full(len(used), self._subject, object)
        else:
            who = self._file.words(raw, columns.subject)[used]
            missing = np.array([word is None for word in who])
            if missing.any():
                if self._subject is None:
                    row = int(used[int(np.argmax(missing))])
                    raise InputError(
                        f"{self._file.line(first + row)}: {shown(columns.subject)} is empty, expected who wore the sensor"
                    )
                who[missing] = self._subject
        session = self._options.session or self._said.get("session")
        what = np.full(len(used), session, object) if columns.session is None else self._file.words(raw, columns.session)[used]
        if columns.label is not None:
            return who, what, self._file.words(raw, columns.label)[used]
        label = self._said.get("label")
        return who, what, None if label is None else np.full(len(used), label, object)

    @property
    def _wanted(self) -> list[str]:
        own = (self.columns.time, self.columns.subject, self.columns.session, self.columns.label)
        return [*self._channels, *(name for name in own if name is not None)]

    def _batches(self, with_raw: bool = False) -> Iterator[Any]:
        if self._clock is not None:
            self._clock.restart()
        self._row_before, self._time_before = None, None
        numeric = set(self._channels)
        for first, raw in self._file.batches(self._wanted, numeric):
            rows = self._rows(raw, first)
            yield (rows, raw) if with_raw else rows

    def _rows(self, raw: pa.RecordBatch, first: int) -> _Rows:
        values = self._values(raw, first)
        if self._clock is not None:
            times = self._clock.seconds(raw, first)
        else:
            times = (first + np.arange(len(values))) / float(self._options.rate_hz or 1.0)
        whole = np.isfinite(values).all(axis=1)
        zero = np.zeros(len(values), bool)
        at = 0
        for names in self._sensors.values():
            zero |= (values[:, at : at + 3] == 0).all(axis=1)
            at += len(names)
        blank = self._file.empty_rows(raw) if not whole.all() else np.zeros(len(values), bool)
        blank |= self._file.blank_before(first, len(values))
        again = np.zeros(len(values), bool)
        if self._clock is not None and len(values):
            same = times[1:] == times[:-1]
            if same.any():
                again[1:] = same & (values[1:] == values[:-1]).all(axis=1)
            if self._row_before is not None:
                again[0] = bool(times[0] == self._time_before and (values[0] == self._row_before).all())
            self._row_before, self._time_before = values[-1], float(times[-1])
        return _Rows(times, values, whole & ~zero, blank, again & whole, int((zero & whole).sum()))

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


def _rate_of_batch(times: FloatArray) -> float:
    """About how many rows a second there are."""
    steps = np.diff(times[np.isfinite(times)])
    steps = steps[(np.abs(steps) <= MAX_GAP_S)]
    return 1 / max(float(np.abs(steps).mean()), 1e-4) if len(steps) else 50.0


_MOST_PARTS = 200


def _parts(samples: NDArray[Any], times: FloatArray, blank: NDArray[np.bool_], good: NDArray[np.bool_]) -> list[NDArray[Any]]:
    """Samples cut where they do not follow each other, unless that is everywhere."""
    steps = np.diff(times)
    ended = np.cumsum(blank)[good]
    cuts = np.flatnonzero((steps > MAX_GAP_S) | (steps < 0) | (np.diff(ended) != 0)) + 1
    return np.split(samples, cuts) if len(cuts) < _MOST_PARTS else [samples]


def _increasing(times: FloatArray, opens: NDArray[np.bool_]) -> FloatArray:
    """Times that go on within a recording, where one that was moved on passes the next."""
    steps = np.diff(times)
    for place in np.flatnonzero((steps <= 0) & ~opens[1:]):
        times[place + 1] = max(times[place + 1], times[place] + 1e-6)
    return times
