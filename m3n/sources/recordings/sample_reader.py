"""From the rows of a file to the stretches of recordings, cut wherever another one begins.

A file is read twice: `sample_survey` looks at all of it, then its usable rows are given out here. A new recording begins at another
subject or session, at a line without values and after a gap; time that goes back anywhere else is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from m3n.errors import InputError, shown
from m3n.sources.recordings.sample_rows import SampleRows
from m3n.sources.recordings.sample_survey import Survey, surveyed
from m3n.sources.recordings.table_columns import Columns
from m3n.sources.recordings.table_options import Options
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.recording_rows import FloatArray


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
    """A file and how its columns are to be read; `said` is what its path says of subject, session and label."""

    def __init__(self, file: Path, options: Options, said: Mapping[str, str] | None = None, notes: Notes | None = None) -> None:
        self._options, self._name, self._said = options, file.name, dict(said or {})
        self._notes = Notes() if notes is None else notes
        self._rows = SampleRows(file, options, self._said)
        self._subject = self._said.get("subject") or options.subject
        if self._subject is None and self.columns.subject is None:
            raise InputError(
                f"{file.name}: nothing says who wore the sensor; give subject=NAME, subject_column=COLUMN, or for files with "
                "names that say it path={subject}/*.csv: splits by person need it"
            )
        self._found = Survey()

    @property
    def columns(self) -> Columns:
        """What the columns of the file are."""
        return self._rows.columns

    @property
    def unix_s(self) -> float | None:
        """When time 0 of the stretches was; None where the file does not say."""
        return None if self._rows.clock is None else self._rows.clock.unix_s

    def by_placement(self, values: FloatArray) -> dict[str, NDArray[np.float32]]:
        """(n, channels of the file) -> (n, 6) for every placement."""
        return self._rows.by_placement(values)

    def surveyed_rate(self, *, vouched: bool = False) -> float:
        """Rate of the grid, after a look at the time stamps and the units of the whole file; `vouched` as in `surveyed`."""
        self._found = surveyed(self._rows, self._notes, vouched=vouched)
        if self._options.subject and self.columns.subject:
            said = f"{self._name}: {shown(self.columns.subject)}"
            self._notes.count("files whose column says who wore the sensor; subject= fills its empty rows only", 1, said)
        return self._found.rate_hz

    def stretches(self) -> Iterator[Stretch]:
        """The usable rows of the file, cut at every new recording and at every batch."""
        last: tuple[Any, Any, float, int] | None = None  # subject, session, time and ends of recordings before the last row
        ends = stamped = 0
        found, first = self._found, 0
        for batch, raw in self._rows.batches():
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
        local = self._rows.clock is not None and self._rows.clock.is_local
        if local:
            shifted = np.flatnonzero((np.abs(np.abs(steps) - 3600) < 2.0) & (back | (steps > 0)))
            if len(shifted):
                row = int(shifted[0])
                went = "goes back" if steps[row] < 0 else "jumps"
                raise InputError(
                    f"{self._rows.file.line(first + int(used[row]))}: local time {went} by an hour, as clocks do in "
                    "spring or autumn; give timezone=<zone>, as Europe/Berlin, or export UTC"
                )
        if back.any():
            row = int(np.argmax(back))
            raise InputError(
                f"{self._rows.file.line(first + int(used[row]))}: time goes back by {-steps[row]:.6g} s; sort the rows, or mark "
                "where a recording ends by a column 'session' or an empty line"
            )

    def _words(
        self, raw: pa.RecordBatch, first: int, used: NDArray[Any]
    ) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any] | None]:
        """Subject, session and label of the rows."""
        columns = self._rows.columns
        if columns.subject is None:
            who = np.full(len(used), self._subject, object)
        else:
            who = self._rows.file.words(raw, columns.subject)[used]
            missing = np.array([word is None for word in who])
            if missing.any():
                if self._subject is None:
                    row = int(used[int(np.argmax(missing))])
                    raise InputError(
                        f"{self._rows.file.line(first + row)}: {shown(columns.subject)} is empty, expected who wore the sensor"
                    )
                who[missing] = self._subject
        session = self._said.get("session") or self._options.session
        what = (
            np.full(len(used), session, object)
            if columns.session is None
            else self._rows.file.words(raw, columns.session)[used]
        )
        if columns.label is not None:
            return who, what, self._rows.file.words(raw, columns.label)[used]
        label = self._said.get("label")
        return who, what, None if label is None else np.full(len(used), label, object)


def _increasing(times: FloatArray, opens: NDArray[np.bool_]) -> FloatArray:
    """Times that go on within a recording, where one that was moved on passes the next."""
    steps = np.diff(times)
    for place in np.flatnonzero((steps <= 0) & ~opens[1:]):
        times[place + 1] = max(times[place + 1], times[place] + 1e-6)
    return times
