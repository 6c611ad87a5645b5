"""Public datasets whose files are tables of numbers without names: what a `Published` says about one is all that differs.

A file is a recording, or a part of one where several belong together. Its rows are placed by its time column or by its rate; the
columns of each placement become m/s² and rad/s in the sensors' own axes; runs of a label become segments, and a code without a
name is no label. A placement that a file lacks is left out.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from m3n.errors import InputError, shown
from m3n.schema import Rejected
from m3n.sources.shared.pose_rows import misread
from m3n.sources.shared.recording_rows import FloatArray, common_clock, ordered, recording_row, six_channels
from m3n.sources.shared.unit_checks import ACC_UNITS, GYRO_UNITS, check_units
from m3n.untrusted.archives import zip_or_folder

_LARGEST = 2 << 30  # bytes of one file


@dataclass(frozen=True)
class Channels:
    """First of three columns of acceleration, and of angular rate, counted from 0."""

    acc: int
    gyro: int | None = None


@dataclass(frozen=True)
class Published:
    """A dataset as its makers publish it. `files`: pattern of names with the group subject, and session or label if they say it."""

    source: str
    title: str
    files: str
    example: str
    columns: int
    rate_hz: float
    channels: Mapping[str, Channels]
    acc_unit: str
    gyro_unit: str | None = None
    gyro_scale: float = 1.0
    delimiter: str | None = None  # None: blanks
    time: tuple[int, float] | None = None  # column, and seconds of its unit
    label: int | None = None  # column of its code
    labels: Mapping[str, str] = field(default_factory=dict)  # code -> name
    left_handed: frozenset[str] = frozenset()  # subjects whose sensor of the right wrist was on the left one


def published_rows(of: Published, path: Path, label: int | None = None) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `imu_recordings` of a dataset's zip, or of the folder it was unpacked into; a damaged file is Rejected.

    `label`: another column of labels. Raises InputError if no file of the dataset is there.
    """
    pattern = re.compile(rf"(?:^|/){of.files}$")
    suffix = "." + of.example.rsplit(".", 1)[-1]
    with zip_or_folder(path, suffix, _LARGEST, f"{of.title}'s zip") as (names, read):
        groups: dict[tuple[str, str, str], list[str]] = {}
        for name in sorted(names):
            if (found := pattern.search(name)) is not None:
                told = found.groupdict()
                groups.setdefault((told["subject"], told.get("session") or "", told.get("label") or ""), []).append(name)
        if not groups:
            raise InputError(f"{path}: no {of.title} files in it; expected names like {of.example}")
        for (subject, session, code), files in groups.items():
            try:
                yield from _recording(of, files, read, subject, session, code, of.label if label is None else label)
            except InputError as error:
                yield Rejected(files[0], str(error))


def _recording(
    of: Published, files: list[str], read: Callable[[str], bytes], subject: str, session: str, code: str, label: int | None
) -> Iterator[dict[str, Any]]:
    where = files[0].rsplit("/", 1)[-1] if len(files) == 1 else files[0]
    table = np.concatenate([_table(of, name, read(name)) for name in files])
    times = np.arange(len(table)) / of.rate_hz if of.time is None else table[:, of.time[0]] * of.time[1]
    streams = {}
    for placement, at in of.channels.items():
        acc = table[:, at.acc : at.acc + 3] * ACC_UNITS[of.acc_unit]
        gyro = np.full_like(acc, np.nan)
        if at.gyro is not None and of.gyro_unit is not None:
            gyro = table[:, at.gyro : at.gyro + 3] * GYRO_UNITS[of.gyro_unit] * of.gyro_scale
        values = np.concatenate([acc, gyro], axis=1) if at.gyro is not None else acc
        if np.isfinite(values).all(axis=1).sum() < 2:
            continue
        held = ordered(f"{where}, {placement}", times, values)
        samples = held[1] if values.shape[1] == 6 else six_channels(held[1])
        check_units(f"{where}, {placement}", samples, of.rate_hz, of.acc_unit, of.gyro_unit if at.gyro is not None else None)
        other = "left_wrist" if placement == "right_wrist" and subject in of.left_handed else placement
        streams[other] = held
    if not streams:
        raise InputError(f"{where}: no row has a value in every channel of a placement")
    for number, (start, values_of) in enumerate(common_clock(list(streams.values()), of.rate_hz)):
        made = {
            placement: held if held.shape[1] == 6 else six_channels(held)
            for placement, held in zip(streams, values_of, strict=True)
        }
        count = len(values_of[0])
        name, segments = of.labels.get(code), None
        if label is not None:
            name, segments = _labelled(of, table[:, label], times, start + np.arange(count) / of.rate_hz, where)
        yield recording_row(
            "-".join(part for part in (of.source, subject, session, code, str(number)) if part), of.source, subject, of.rate_hz,
            made, session=session or None, label=name, segments=segments,
        )  # fmt: skip


def _labelled(
    of: Published, codes: FloatArray, times: FloatArray, grid: FloatArray, where: str
) -> tuple[str | None, list[dict[str, Any]] | None]:
    """The label of a whole recording, or its segments."""
    known = np.isfinite(times)
    row = np.clip(np.searchsorted(times[known], grid + 1e-6, side="right") - 1, 0, None)
    here = codes[known][row]
    edges = np.flatnonzero(np.r_[True, here[1:] != here[:-1]])
    segments: list[dict[str, Any]] = []
    for start, stop in zip(edges, [*edges[1:], len(here)], strict=True):
        code = f"{here[start]:g}" if abs(here[start]) < 1e6 else f"{here[start]:.0f}"
        if code not in of.labels and code != "0":
            raise InputError(f"{where}: the label {shown(code)} is not among {', '.join(of.labels)}")
        if code in of.labels:
            segments.append(
                {"start_s": float(start / of.rate_hz), "stop_s": float(stop / of.rate_hz), "label": of.labels[code]}
            )
    if len(edges) == 1:
        return (segments[0]["label"] if segments else None), None
    return None, segments or None


def _table(of: Published, name: str, data: bytes) -> FloatArray:
    where = name.rsplit("/", 1)[-1]
    try:
        text = io.StringIO(data.decode("ascii"))
        table = np.loadtxt(text, delimiter=of.delimiter, ndmin=2, comments=None)
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: is no text; it is damaged or another file") from error
    except Exception as error:  # a damaged table can fail in any way at all
        raise InputError(f"{where}: {misread(error)}") from error
    if table.ndim != 2 or table.shape[1] != of.columns:
        raise InputError(f"{where}: has {table.shape[-1]} columns, expected {of.columns}")
    return table
