"""Columns of time stamps, whatever they are written in, as seconds since the first: numbers, dates, ISO 8601 with zones, counters.

Dates are read with the zone they name, or with `timezone=`, and those of an hour that local clocks show twice by their order.
Counters of 16, 24 or 32 bits that start again at 0 go on. What cannot be read is named with its line, never passed over.
"""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from m3n.errors import InputError, shown
from m3n.sources.recordings.sample_files import SampleFile
from m3n.sources.recordings.table_options import Options

FloatArray = NDArray[np.float64]
SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "min": 60.0}
_DAY_S, _HOUR_S = 86_400.0, 3600.0
_WRAPS = (2.0**32, 2.0**24, 2.0**16)  # counters start again here
_LONGEST_WRAP_S = 2.0  # between the last stamp before a counter starts again and the first one after it
_YEAR_1995, _YEAR_2100 = 788_918_400.0, 4_102_444_800.0  # Unix times between these are a clock's
_NAMED_UNIT = re.compile(
    r"(?:^|[\s_.(\[])(s|secs?|seconds?|ms|msecs?|millis|milliseconds?|us|µs|micros|microseconds?|ns|nanos|nanoseconds?|mins?|minutes?)[)\]]?$"
)
_DATE = (  # of RE2, which Arrow uses
    r"^(?P<base>\d.*?\d)(?P<fraction>[.,]\d+)?\s*(?P<half>[AaPp]\.?[Mm]\.?)?\s*"
    r"(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d|[+-]\d\d)?(?:\[.*\])?$"
)
_CLOCKS = ("%H:%M:%S", "%H:%M", "%I:%M:%S %p")
_IN_THE_HOUR = "%M:%S"
_DAYS_FIRST = [f"{day} {clock}" for day in ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y", "%d.%m.%y") for clock in _CLOCKS]
_DAYS_FIRST += ["%Y%m%d %H%M%S", *(f"%d{sign}%b{sign}%Y {clock}" for sign in "- " for clock in _CLOCKS)]
_EITHER = [(f"%d{sign}%m{sign}%Y", f"%m{sign}%d{sign}%Y") for sign in "/-"]


def named_unit(name: str) -> str | None:
    """The unit that a column's name ends with, as in time_ms or "Time (s)"."""
    found = _NAMED_UNIT.search(name.strip().lower())
    if not found:
        return None
    word = found[1]
    if word.startswith("min"):
        return "min"
    return (
        "s" if word.startswith("s") else "us" if word[0] in "uµ" or word.startswith("mic") else "ns" if word[0] == "n" else "ms"
    )


class TimeStamps:
    """Reads one column, batch by batch, from the first row on; `unix_s`: when the first stamp was, where it is known."""

    def __init__(self, file: SampleFile, name: str, options: Options) -> None:
        self._file, self._name = file, name
        self.unit = options.time_unit or named_unit(name) or "s"
        self._zone, self._format = options.timezone, options.time_format
        self.is_local = False  # dates without a zone
        self.is_text = False
        self.restart()

    def restart(self) -> None:
        """Read from the first row again."""
        self.unix_s: float | None = None
        self.start_s = 0.0  # the first stamp, on the file's own clock
        self.wraps = 0
        self._first: float | None = None
        self._last: float | None = None  # raw
        self._offset = 0.0
        self._is_late = False  # in the hour that local clocks show twice: its second time

    def seconds(self, batch: pa.RecordBatch, first: int) -> FloatArray:
        """Seconds since the first stamp of the file, NaN where there is none."""
        column = batch.column(self._name)
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        kind, is_clock = column.type, False
        if pa.types.is_timestamp(kind):
            ticks = column.cast(pa.timestamp("ns", tz=kind.tz), safe=False).cast(pa.int64())
            self.is_local = kind.tz is None
            raw, scale, is_clock = _floats(ticks), SECONDS["ns"], True
        elif pa.types.is_duration(kind):
            raw, scale = _floats(column.cast(pa.int64())), SECONDS[kind.unit]
        elif pa.types.is_time(kind):
            ticks = column.cast(pa.time64("ns"), safe=False).cast(pa.int64())
            raw, scale = self._past_midnight(_floats(ticks) * 1e-9), 1.0
        elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
            raw, scale, is_clock = self._from_text(column.cast(pa.string()), batch, first)
        else:
            raw, scale = self._unwrapped(self._file.numbers(batch, self._name, first), SECONDS[self.unit]), SECONDS[self.unit]
        known = np.flatnonzero(np.isfinite(raw))
        if self._first is None and len(known):
            self._first = float(raw[known[0]])
            start = self.start_s = self._first * scale
            knows = (is_clock and not self.is_local) or (not is_clock and _YEAR_1995 < start < _YEAR_2100)
            self.unix_s = start if knows and not pa.types.is_duration(kind) and not pa.types.is_time(kind) else None
        return (raw - (self._first or 0.0)) * scale

    def _unwrapped(self, raw: FloatArray, scale: float) -> FloatArray:
        """A counter that starts again goes on where it was."""
        known = np.flatnonzero(np.isfinite(raw))
        if not len(known):
            return raw
        values = raw[known]
        steps = np.diff(values, prepend=values[0] if self._last is None else self._last)
        self._last = float(values[-1])
        added = np.zeros(len(values))
        for place in np.flatnonzero(steps < -(2.0**15)):
            for size in _WRAPS:
                if 0 <= (steps[place] + size) * scale < _LONGEST_WRAP_S and -steps[place] > 0.9 * size:
                    added[place] += size
                    self.wraps += 1
                    break
        if added.any() or self._offset:
            raw = raw.copy()
            raw[known] = values + self._offset + np.cumsum(added)
            self._offset += float(added.sum())
        return raw

    def _past_midnight(self, clock_s: FloatArray, round_s: float = _DAY_S) -> FloatArray:
        """Times of a clock that starts again at 0, after midnight or after an hour."""
        known = np.flatnonzero(np.isfinite(clock_s))
        if not len(known):
            return clock_s
        values = clock_s[known]
        steps = np.diff(values, prepend=values[0] if self._last is None else self._last)
        self._last = float(values[-1])
        rounds = np.cumsum(steps < -round_s / 2)
        made = clock_s.copy()
        made[known] = values + self._offset + round_s * rounds
        self._offset += round_s * float(rounds[-1])
        return made

    def _from_text(self, column: pa.StringArray, batch: pa.RecordBatch, first: int) -> tuple[FloatArray, float, bool]:
        """(raw, scale, whether these are dates) of a column of text: numbers, if the first word is one, or dates."""
        words = pc.utf8_trim_whitespace(column)
        words = pc.if_else(pc.is_in(words, value_set=pa.array(["", "nan", "NaN", "null", "NaT", "NA", "None"])), None, words)
        sample = next((word for word in words.to_pylist() if word is not None), None)
        if sample is None:
            return np.full(len(words), np.nan), 1.0, True
        if not self.is_text and _looks_like_number(sample):
            return self._unwrapped(self._file.numbers(batch, self._name, first), SECONDS[self.unit]), SECONDS[self.unit], False
        self.is_text = True
        points = pc.replace_substring_regex(words, r"(\d:\d\d:\d\d):(\d+)", r"\1.\2")
        parts = pc.extract_regex(points, pattern=_DATE)
        self._check(words, parts.is_null(), first, sample)
        base = pc.replace_substring(pc.utf8_trim_whitespace(pc.struct_field(parts, "base")), "T", " ")
        half = pc.utf8_upper(pc.replace_substring(pc.struct_field(parts, "half"), ".", ""))
        base = pc.if_else(pc.equal(half, ""), base, pc.binary_join_element_wise(base, half, " "))
        if self._format is None:
            self._format = self._found_format(base, sample, first)
            if self._format == "%H:%M" and pc.any(pc.not_equal(pc.struct_field(parts, "fraction"), "")).as_py():
                self._format = _IN_THE_HOUR  # 14:25.32
        stamps = pc.strptime(base, format=self._format, unit="s", error_is_null=True)
        self._check(words, stamps.is_null(), first, sample)
        fraction = pc.replace_substring_regex(pc.struct_field(parts, "fraction"), r"^[.,:]", "0.")
        part_s = np.nan_to_num(_floats(pc.if_else(pc.equal(fraction, ""), "0", fraction).cast(pa.float64())))
        whole_s = _floats(stamps.cast(pa.int64()))
        if self._format == _IN_THE_HOUR:
            return self._past_midnight(whole_s % _HOUR_S + part_s, _HOUR_S), 1.0, False
        if not any(mark in self._format for mark in ("%d", "%j", "%D")):
            return self._past_midnight(whole_s % _DAY_S + part_s), 1.0, False
        return self._in_utc(whole_s + part_s, pc.struct_field(parts, "zone")), 1.0, True

    def _in_utc(self, local_s: FloatArray, zones: pa.StringArray) -> FloatArray:
        """Unix times of dates; those without a zone in `timezone=`, or left as they are."""
        codes = zones.dictionary_encode()
        offsets = np.array([_offset_s(zone) for zone in codes.dictionary.to_pylist()] + [np.nan])
        offset = offsets[_floats(codes.indices.fill_null(len(offsets) - 1)).astype(int)]
        known = np.isfinite(offset[np.isfinite(local_s)])
        if known.all():
            return local_s - offset
        if known.any():
            raise InputError(f"{self._file.file.name}: some dates in {shown(self._name)} name a zone and others do not")
        if self._zone is None:
            self.is_local = True
            return local_s
        naive = pa.array((np.nan_to_num(local_s) * 1e6).astype(np.int64), pa.timestamp("us"))
        early, late = (
            _floats(pc.assume_timezone(naive, self._zone, ambiguous=which, nonexistent="latest").cast(pa.int64())) / 1e6
            for which in ("earliest", "latest")
        )
        if (early == late).all():
            return np.where(np.isfinite(local_s), early, np.nan)
        twice = early != late
        steps = np.diff(local_s, prepend=local_s[0] if self._last is None else self._last)
        self._last = float(local_s[np.isfinite(local_s)][-1])
        is_late = np.zeros(len(local_s), bool)
        state = self._is_late
        for place in range(len(local_s)):  # an hour a year
            state = twice[place] and (state or steps[place] < -900)
            is_late[place] = state
        self._is_late = bool(state)
        return np.where(np.isfinite(local_s), np.where(is_late, late, early), np.nan)

    def _found_format(self, base: pa.StringArray, sample: str, first: int) -> str:
        for form in (*_DAYS_FIRST, *_CLOCKS, _IN_THE_HOUR):
            if pc.strptime(base, format=form, unit="s", error_is_null=True).null_count == base.null_count:
                return form
        for forms in _EITHER:
            for clock in _CLOCKS:
                fits = [
                    form
                    for form in (f"{day} {clock}" for day in forms)
                    if pc.strptime(base, format=form, unit="s", error_is_null=True).null_count == base.null_count
                ]
                if len(fits) == 2:
                    raise InputError(
                        f"{self._file.line(first)}: '{shown(sample)}' in {shown(self._name)} may be day or month first; give "
                        f"time_format='{fits[0]}' or time_format='{fits[1]}'"
                    )
                if fits:
                    return fits[0]
        for form in (*_DAYS_FIRST, *_CLOCKS, _IN_THE_HOUR):  # all but some
            if pc.strptime(base.slice(0, 1), format=form, unit="s", error_is_null=True).null_count == 0:
                return form
        raise self._unreadable(sample, first)

    def _check(self, words: pa.StringArray, missing: pa.BooleanArray, first: int, sample: str) -> None:
        bad = pc.and_(missing, words.is_valid())
        if pc.any(bad).as_py():
            row = int(np.argmax(bad.to_numpy(zero_copy_only=False)))
            raise self._unreadable(words[row].as_py(), first + row)

    def _unreadable(self, word: str, row: int) -> InputError:
        return InputError(
            f"{self._file.line(row)}: '{shown(word)}' stands in the column {shown(self._name)}, expected a number or a date like "
            "2024-05-31 14:25:22.143+02:00; time_format= says how dates are written, as %d/%m/%Y %H:%M:%S"
        )


def _floats(column: pa.Array) -> FloatArray:
    return np.asarray(column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False), np.float64)


def _looks_like_number(word: str) -> bool:
    try:
        float(word.replace(",", "."))
    except ValueError:
        return False
    return True


def _offset_s(zone: str | None) -> float:
    if not zone:
        return np.nan
    if zone[0] not in "+-":
        return 0.0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (1 if zone[0] == "+" else -1) * (3600.0 * int(digits[:2]) + 60.0 * int(digits[2:]))
