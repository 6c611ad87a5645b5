"""What a whole file of samples shows before any of it is used: its rate, its units, and which of its rows are no data.

Nothing about a unit is guessed; what is seen is checked against what was declared. Rows of zeros, values that stand still for half
a second and rows written twice are counted, so that a user hears of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.errors import InputError, shown
from m3n.sources.recordings.arrival_times import EvenStamps, Step, StepCounts, gap_s, step_of
from m3n.sources.recordings.sample_rows import SampleRows
from m3n.sources.recordings.still_values import Frozen
from m3n.sources.recordings.time_stamps import SECONDS
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.recording_rows import MAX_GAP_S, FloatArray
from m3n.sources.shared.unit_checks import STUCK, UnitCheck

_RATES_HZ = (2.0, 10_000.0)  # slower ones have a gap between any two samples, faster ones are a wrong unit of time
_LIKELY_HZ = (5.0, 2_000.0)  # of a sensor that is worn: a faster one must be declared
_HINTED_HZ = (10.0, 1_100.0)  # of another unit that is suggested
_WHOLE_HZ = 1e-3  # a rate this near to a whole number is that number: samples come onto the grid by their times anyway
_COARSE_STEPS = (0.01, 0.003)  # m/s² and rad/s: larger than the noise of good sensors
_OFTEN_BLANK = 0.2  # share of rows that are empty: then these lines are a way to write, and no ends of recordings
_STOOD_STILL = 0.9  # share of rows: more, and there is no recording
_MOST_PARTS = 200
_DAY_S = 86_400.0


@dataclass
class Survey:
    """What was found: rate of the grid, the longest step that is no gap, and how rows are to be read."""

    rate_hz: float = 0.0
    gap_s: float = MAX_GAP_S
    even: EvenStamps | None = None  # stamps in place of those of arrivals
    blanks_end: bool = True  # whether lines without values end recordings
    frozen: Frozen = field(default_factory=Frozen)


def surveyed(rows: SampleRows, notes: Notes, *, vouched: bool = False) -> Survey:
    """A look at the time stamps and the units of the whole file; one that runs from newest to oldest is turned round.

    `vouched`: other files of the same study show that its acceleration includes gravity.
    """
    found = _survey(rows, notes, vouched)
    if found is None:
        rows.file.reverse()
        notes.count("files that ran from newest to oldest, read backwards", 1, rows.name)
        found = _survey(rows, notes, vouched)
    assert found is not None
    return found


def _survey(rows: SampleRows, notes: Notes, vouched: bool) -> Survey | None:
    """None where the rows run backwards and have not been turned round yet."""
    checks = {placement: UnitCheck() for placement in rows.sensors}
    triples = [
        (names[at : at + 3], Frozen(coarse=_COARSE_STEPS[at // 3]))
        for names in rows.sensors.values()
        for at in range(0, len(names), 3)
    ]
    steps, counts = StepCounts(), dict.fromkeys(("rows", "whole", "blank", "again", "zero", "huge"), 0)
    empty = np.zeros(len(rows.channels), int)
    last: float | None = None
    for batch, _ in rows.batches():
        good = batch.whole & ~batch.again
        for what, more in (
            ("rows", len(good)), ("whole", good.sum()), ("blank", batch.blank.sum()), ("again", batch.again.sum()),
            ("zero", batch.zero), ("huge", batch.huge),
        ):  # fmt: skip
            counts[what] += int(more)
        empty += (~np.isfinite(batch.values) & ~batch.blank[:, None]).sum(axis=0)
        for number, (_, runs) in enumerate(triples):
            runs.add(batch.values[:, 3 * number : 3 * number + 3], good)
        if rows.clock is not None:
            times = batch.times[np.isfinite(batch.times) & ~batch.again]
            if len(times):
                steps.add(times, last)
                last = float(times[-1])
        about = rows.options.rate_hz or _rate_of_batch(batch.times[good])
        for placement, samples in rows.by_placement(batch.values[good]).items():
            for part in _parts(samples, batch.times[good], batch.blank, good):
                checks[placement].add(part.astype(float), about)
    samples_held = counts["rows"] - counts["blank"]
    if samples_held < 2:
        raise InputError(f"{rows.name}: {samples_held} rows of samples, expected at least 2")
    backwards = steps.back > 9 * max(steps.forwards, 1) and steps.back > 0.5 * counts["rows"]
    if backwards and rows.clock is not None and not rows.file.reversed:
        return None
    if counts["whole"] < 2:
        raise InputError(
            f"{rows.name}: {counts['whole']} of {counts['rows']} rows have a value in every channel, expected at least 2; "
            f"{shown(rows.channels[int(empty.argmax())])} is empty in {empty.max()}"
            + (f", and {counts['zero']} rows are 0, 0, 0" if counts["zero"] else "")
        )
    found = _concluded(rows, notes, steps, counts["rows"])
    still = [(names, runs.longer_than(MAX_GAP_S * found.rate_hz)) for names, runs in triples]
    for names, runs in still:
        if runs.rows > _STOOD_STILL * counts["whole"]:
            alone = "; without a gyroscope, name the three columns of acceleration alone" if names in _gyroscopes(rows) else ""
            raise InputError(
                f"{rows.name}: the values stand still in {runs.rows} of {counts['whole']} rows of "
                f"{', '.join(map(shown, names))}: the sensor was off{alone}"
            )
    found.frozen = Frozen.together([runs for _, runs in still])
    found.blanks_end = counts["blank"] <= _OFTEN_BLANK * counts["rows"]
    for placement, check in checks.items():
        names = rows.sensors[placement]
        where = rows.name if len(checks) == 1 else f"{rows.name}, {placement}"
        check.check(
            where, str(rows.options.acc_unit), rows.options.gyro_unit if len(names) == 6 else None, names[:3],
            stated=rows.options.gravity == "included", vouched=vouched,
        )  # fmt: skip
        if stuck := check.stuck():
            notes.count(STUCK, 1, f"{where}: {stuck}")
    _note(rows, notes, found, counts)
    return found


def _gyroscopes(rows: SampleRows) -> list[list[str]]:
    return [names[3:] for names in rows.sensors.values() if len(names) == 6]


def _note(rows: SampleRows, notes: Notes, found: Survey, counts: dict[str, int]) -> None:
    notes.columns(rows.columns.told(), rows.name)
    left = counts["rows"] - counts["whole"] - counts["blank"] - counts["again"] - counts["zero"] - counts["huge"]
    notes.count("rows with an empty channel, left out", max(left, 0), rows.name)
    notes.count("rows written twice, left out", counts["again"], rows.name)
    notes.count("rows of 0, 0, 0, left out", counts["zero"], rows.name)
    notes.count("rows beyond what a worn sensor measures, left out", counts["huge"], rows.name)
    notes.count("rows whose values stand still, left out", found.frozen.rows, rows.name)
    ends = "empty lines that end a recording" if found.blanks_end else "empty lines between rows"
    notes.count(ends, counts["blank"], rows.name)
    notes.count("lines above the samples that are no names", int(bool(rows.file.untold)), f"{rows.name}: {rows.file.untold}")
    if rows.clock is not None:
        notes.count("counters of time that started again at 0", rows.clock.wraps, rows.name)


def _concluded(rows: SampleRows, notes: Notes, steps: StepCounts, count: int) -> Survey:
    """The rate, and even stamps where those of the file are of arrivals."""
    given, found = rows.options.rate_hz, Survey()
    if rows.clock is None:
        rate = float(given or 0.0)
    else:
        where = f"{rows.name}: the time stamps in {shown(rows.columns.time)}"
        if not steps.forwards:
            raise InputError(
                f"{where} stand still in {steps.still} of {count} rows: export them with all their digits, or give time=null and "
                "rate_hz=<Hz>"
            )
        found.gap_s = gap_s(steps, MAX_GAP_S)
        unit = None if rows.clock.is_text else rows.clock.unit
        step = step_of(steps, found.gap_s)
        if (steps.median() > 1 / _RATES_HZ[0] and steps.still <= steps.forwards) or step.step_s <= 0:
            step = Step(steps.median())
        rate = _rate_of(where, step.step_s, unit, given)
        notes.count(f"gaps of up to {found.gap_s:g} s where samples were lost, bridged", step.lost, rows.name)
        if step.follows_s is not None:
            found.even = _even(rows, notes, EvenStamps(step.step_s, found.gap_s, step.follows_s))
            rate = _rate_of(where, found.even.step_s, unit, given)
        rate = given or rate
    if not _RATES_HZ[0] < rate <= _RATES_HZ[1]:
        raise InputError(f"{rows.name}: rate_hz is {rate:g}, expected {_RATES_HZ[0]:g} to {_RATES_HZ[1]:,g} Hz")
    found.rate_hz = rate
    return found


def _even(rows: SampleRows, notes: Notes, even: EvenStamps) -> EvenStamps:
    for batch, _ in rows.batches():
        stamped = np.isfinite(batch.times) & ~batch.again
        if stamped.any():
            even.add(batch.times[stamped])
    jitter = even.finish()
    said = f"{rows.name}: {1 / even.step_s:.4g} Hz, jitter {1000 * jitter:.3g} ms"
    notes.count("files with stamps of arrival, made even", 1, said)
    return even


def _rate_of(where: str, step: float, unit: str | None, given: float | None) -> float:
    found = 1 / step
    if not _RATES_HZ[0] < found <= (_LIKELY_HZ[1] if given is None else _RATES_HZ[1]):
        if unit is None:
            raise InputError(f"{where} are {step:.3g} s apart, expected 1/{_LIKELY_HZ[1]:,g} to 1/{_RATES_HZ[0]:g} s")
        raise InputError(
            f"{where} have a median step of {step / SECONDS[unit]:.6g} {unit}, which is {found:.3g} Hz"
            f"{_likely_unit(step / SECONDS[unit], unit)}"
        )
    if given is not None and given > 4 * found:
        raise InputError(f"{where} run at {found:.4g} Hz, too slow for rate_hz={given:g}: leave it out")
    if given is not None and given < 0.9 * found:
        raise InputError(
            f"{where} run at {found:.4g} Hz, but rate_hz is {given:g}: leave it out; later stages resample with a low pass"
        )
    return float(round(found)) if abs(round(found) / found - 1) < _WHOLE_HZ else found


def _likely_unit(raw: float, unit: str) -> str:
    """What the step of stamps that cannot be in `unit` suggests; whole steps of 1 may be numbers of samples."""
    likely = [other for other, size in SECONDS.items() if other != unit and _HINTED_HZ[0] <= 1 / (raw * size) <= _HINTED_HZ[1]]
    hint = f"time_unit={likely[0]} would make it {1 / (raw * SECONDS[likely[0]]):.4g} Hz" if likely else ""
    if abs(raw - 1) < 1e-6:
        return f"; if they number the samples, give time=null rate_hz=<Hz>{'; if they are times, ' if hint else ''}{hint}"
    if not hint and _HINTED_HZ[0] <= 1 / (raw * _DAY_S) <= _HINTED_HZ[1]:
        hint = "they may be days, as spreadsheets keep dates: export them as dates or seconds"
    if 1 / (raw * SECONDS[unit]) > _LIKELY_HZ[1]:
        hint = f"if it is right, state it by rate_hz=<Hz>{'; ' if hint else ''}{hint}"
    return f"; {hint}" if hint else ""


def _rate_of_batch(times: FloatArray) -> float:
    """About how many rows a second there are."""
    steps = np.diff(times[np.isfinite(times)])
    steps = steps[(np.abs(steps) <= MAX_GAP_S)]
    return 1 / max(float(np.abs(steps).mean()), 1e-4) if len(steps) else 50.0


def _parts(samples: NDArray[Any], times: FloatArray, blank: NDArray[np.bool_], good: NDArray[np.bool_]) -> list[NDArray[Any]]:
    """Samples cut where they do not follow each other, unless that is everywhere."""
    steps = np.diff(times)
    ended = np.cumsum(blank)[good]
    cuts = np.flatnonzero((steps > MAX_GAP_S) | (steps < 0) | (np.diff(ended) != 0)) + 1
    return np.split(samples, cuts) if len(cuts) < _MOST_PARTS else [samples]
