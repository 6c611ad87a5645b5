"""Anybody's recordings: CSV or Parquet files with one row per sample become IMU recordings.

A file has three columns of acceleration, and three of angular rate where there is a gyroscope, for each placement; a column of
time stamps, or rate_hz; and may have `subject`, `session` and `label`, which names of folders and files may say too. It is read
twice, a batch at a time: first for its rate and its units, which are never guessed but are checked, then for its samples. Where
there is no gyroscope, the three channels of angular rate are NaN throughout, which is how `m3n.schema` says so; windows have zeros
there.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.errors import InputError
from m3n.schema import Rejected
from m3n.sources.recordings.device_files import Opened, opened
from m3n.sources.recordings.sample_reader import SampleReader, Stretch
from m3n.sources.recordings.table_options import Options
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.path_pattern import PathPattern
from m3n.sources.shared.recording_rows import MAX_GAP_S, FloatArray, interpolated, recording_row
from m3n.sources.shared.unit_checks import GravityDoubtError

__all__ = ["Options", "chunks", "imu_recordings"]

SOURCE = "recordings"
LONGEST_S = 7200.0  # of one row: the longer ones are cut, because a row is held in memory and written whole
_FEWEST_VOUCHING = 3  # files of a folder that show gravity, and at least as many as do not, speak for the others
_SUFFIXES = (".csv", ".parquet", ".tsv")  # of files in a folder


@dataclass(frozen=True)
class Chunk:
    """A stretch of one recording on a regular grid; the chunks of a recording follow each other without a gap."""

    opens: bool  # a new recording starts here
    subject: str
    session: str | None
    start_s: float  # time of the first sample since the recording's start
    rate_hz: float
    samples: dict[str, NDArray[np.float32]]  # placement -> (n, 6) m/s² and rad/s; angular rate NaN where there is no gyroscope
    labels: NDArray[Any] | None  # (n,) text, None where a sample has no label; None: the file has no labels
    started_s: float | None = None  # Unix time of the recording's first sample, where the file says it

    @property
    def duration_s(self) -> float:
        """Length of the chunk."""
        return len(next(iter(self.samples.values()))) / self.rate_hz


def imu_recordings(path: Path, options: Options, notes: Notes | None = None) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings` of a file, or of every CSV and Parquet file in a folder, where a bad one is Rejected.

    A new recording starts where the subject or the session changes, at an empty line, and after a gap of over 0.5 s; one of over
    two hours becomes several rows that follow each other. One label for all its samples is its `label`; otherwise every stretch
    of a label is one of its `segments`. `notes` collects how the columns were understood, what was left out, cut or corrected, and
    names that differ only in spelling, because a split would separate them. Raises InputError where `path` holds no such
    file, and for a single file that cannot be read, lacks a column, does not say who wore the sensor, or has units that cannot be
    right.
    """
    spelled: dict[tuple[str, str], str] = {}
    noted: set[tuple[str, str]] = set()
    for row in _recordings(path, options, notes):
        if isinstance(row, dict) and notes is not None:
            labels = [row["label"], *(segment["label"] for segment in row["segments"] or ())]
            for what, name in (("people", row["subject"]), *(("labels", label) for label in labels if label is not None)):
                other = spelled.setdefault((what, _key(name)), name)
                if other != name and (what, name) not in noted:
                    noted.add((what, name))
                    notes.count(f"{what} whose names look like another's, but count as two", 1, f"{name} and {other}")
        yield row


def _key(name: str) -> str:
    """What spellings of one name share: Anna and anna, 1, 01 and 1.0."""
    text = "".join(name.casefold().split()).removesuffix(".0")
    return re.sub(r"(?<!\d)0+(?=\d)", "", text)


def _recordings(path: Path, options: Options, notes: Notes | None) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of all files; those that are too vigorous to show gravity come last, where the others vouch for them."""
    pattern = PathPattern(options.path) if options.path else None
    if options.device is None:
        yield from _checked_rows(_files(Path(path), pattern, options), pattern, notes, single=Path(path).is_file())
        return
    with tempfile.TemporaryDirectory(prefix="m3n-device-") as folder:
        yield from _checked_rows(opened(Path(path), options, Path(folder), notes), pattern, notes, single=Path(path).is_file())


def _checked_rows(
    files: Iterable[Opened | Rejected], pattern: PathPattern | None, notes: Notes | None, *, single: bool
) -> Iterator[dict[str, Any] | Rejected]:
    doubted: list[tuple[Opened, dict[str, str], GravityDoubtError]] = []
    read = 0
    for one in files:
        if isinstance(one, Rejected):
            yield one
            continue
        file, below, options = one.file, one.below, one.options
        said: dict[str, str] = {}
        try:
            said = _matched(pattern, one.names) if pattern else {}
            yield from _rows(file, below.as_posix(), options, said, notes)
            read += 1
        except GravityDoubtError as error:
            if single:
                raise
            doubted.append((one, said, error))
        except InputError as error:
            if single:
                raise
            yield Rejected(one.label, str(error))
    vouched = read >= _FEWEST_VOUCHING and read >= len(doubted)
    for one, said, doubt in doubted:
        try:
            if not vouched:
                raise doubt
            yield from _rows(one.file, one.below.as_posix(), one.options, said, notes, vouched=True)
        except InputError as error:
            yield Rejected(one.label, str(error))
        else:
            if notes is not None:
                notes.count("files too vigorous to show gravity, which the others of the folder show", 1, one.label)


def _matched(pattern: PathPattern, names: tuple[PurePath, ...]) -> dict[str, str]:
    """What the first of the names that match says; of a joined recording, its folder or its main file."""
    for name in names[:-1]:
        try:
            return pattern.match(name)
        except InputError:
            continue
    return pattern.match(names[-1])


def _files(path: Path, pattern: PathPattern | None, options: Options) -> list[Opened]:
    """`path` itself, or the tables in a folder, by name."""
    if path.is_file():
        return [Opened(path, PurePath(path.stem), options, (PurePath(path.absolute()),))]
    suffixes = {*_SUFFIXES, *((PurePath(pattern.pattern).suffix.lower(),) if pattern else ())}
    found = sorted(f for f in path.rglob("*") if f.suffix.lower() in suffixes and f.is_file() and not f.name.startswith("."))
    if not found:
        raise InputError(
            f"{path}: no {' or '.join(sorted(suffixes))} file; expected a CSV or Parquet file with one row per sample, or a "
            "folder of "
            "them"
        )
    below = [PurePath(file.relative_to(path)) for file in found]
    return [Opened(file, name.with_suffix(""), options, (name,)) for file, name in zip(found, below, strict=True)]


def _rows(
    file: Path, name: str, options: Options, said: Mapping[str, str], notes: Notes | None, *, vouched: bool = False
) -> Iterator[dict[str, Any] | Rejected]:
    held: list[Chunk] = []
    number = 0
    for chunk in chunks(file, options, said, notes, vouched=vouched):
        long = bool(held) and chunk.start_s - held[0].start_s >= LONGEST_S and chunk.duration_s >= MAX_GAP_S
        if long and not chunk.opens and notes is not None:
            notes.count(f"cuts of recordings into rows of {LONGEST_S / 3600:g} hours", 1, file.name)
        if held and (chunk.opens or long):
            yield _row(held, f"{name}-{number:03d}", file.name)
            held, number = [], number + 1
        held.append(chunk)
    if held:
        yield _row(held, f"{name}-{number:03d}", file.name)


def _row(held: list[Chunk], name: str, where: str) -> dict[str, Any] | Rejected:
    first = held[0]
    samples = {p: np.concatenate([chunk.samples.pop(p) for chunk in held]) for p in list(first.samples)}
    count = len(next(iter(samples.values())))
    if count < MAX_GAP_S * first.rate_hz:
        reason = (
            f"{where}: {count} samples between gaps, empty lines or changes of person: under {MAX_GAP_S:g} s, too short to use"
        )
        return Rejected(name, reason, count / first.rate_hz)
    label, segments = None, None
    if first.labels is not None:
        labels = np.concatenate([chunk.labels for chunk in held if chunk.labels is not None])
        starts = np.flatnonzero(np.r_[True, labels[1:] != labels[:-1]])
        if len(starts) == 1:
            label = labels[0]
        else:
            stops = np.r_[starts[1:], count]
            segments = [
                {"start_s": float(a / first.rate_hz), "stop_s": float(b / first.rate_hz), "label": labels[a]}
                for a, b in zip(starts, stops, strict=True)
                if labels[a] is not None
            ]
    return recording_row(
        f"{SOURCE}-{name}", SOURCE, first.subject, first.rate_hz, samples, session=first.session,
        started_s=None if first.started_s is None else first.started_s + first.start_s, label=label, segments=segments,
    )  # fmt: skip


def chunks(
    file: Path, options: Options, said: Mapping[str, str] | None = None, notes: Notes | None = None, *, vouched: bool = False
) -> Iterator[Chunk]:
    """The samples of one CSV or Parquet file, in order, as regular chunks of bounded size: a file of any length can be streamed.

    Irregular time stamps are resampled linearly onto the grid of options.rate_hz, or of the rate that the file shows. Rows in
    which a value is missing are left out, and bridged where the gap is short. `said`: subject, session and label where the file's
    path says them; `vouched`: other files of its study show that the acceleration includes gravity. Raises InputError, which
    names the file and the line.
    """
    reader = SampleReader(file, options, said, notes)
    rate = reader.surveyed_rate(vouched=vouched)
    grid: _Grid | None = None
    for stretch in reader.stretches():
        if stretch.opens or grid is None:
            grid = _Grid(reader, stretch, rate)
        yield from grid.chunk(stretch)


class _Grid:
    """Brings the stretches of one recording to a regular grid: grid points between two stretches belong to the later one."""

    def __init__(self, reader: SampleReader, first: Stretch, rate_hz: float) -> None:
        self._reader, self._rate, self._start = reader, rate_hz, first.times[0]
        self._next = 0  # number of the next sample of the grid
        self._last: Stretch | None = None  # the last row seen

    def chunk(self, stretch: Stretch) -> Iterator[Chunk]:
        before, opens = self._last, self._next == 0
        self._last = Stretch(False, stretch.subject, stretch.session, *_rows_of(stretch, slice(-1, None)))
        times, values, labels = _rows_of(stretch, slice(None))
        if before is not None:
            times, values = np.r_[before.times, times], np.concatenate([before.values, values])
            labels = None if labels is None or before.labels is None else np.r_[before.labels, labels]
        stop = int(np.floor((times[-1] - self._start) * self._rate + 1e-3)) + 1
        if stop <= self._next:
            return
        number = np.arange(self._next, stop)
        grid = self._start + number / self._rate
        named = None
        if labels is not None:
            row = np.searchsorted(times, grid + 1e-3 / self._rate, side="right") - 1
            named = labels[np.clip(row, 0, None)]
        samples = self._reader.by_placement(interpolated(times, values, grid))
        unix_s = self._reader.unix_s
        yield Chunk(
            opens, stretch.subject, stretch.session, self._next / self._rate, self._rate, samples, named,
            None if unix_s is None else unix_s + float(self._start),
        )  # fmt: skip
        self._next = stop


def _rows_of(stretch: Stretch, part: slice) -> tuple[FloatArray, FloatArray, NDArray[Any] | None]:
    return stretch.times[part], stretch.values[part], None if stretch.labels is None else stretch.labels[part]
