"""Recordings of loggers that `devices` knows: how each file is to be read, or several joined into one.

A logger with one file a recording only gets the settings of the table reader, which streams it. One that keeps accelerometer,
gravity and gyroscope in files of their own, at rates of their own, is joined: the others are interpolated at the
accelerometer's time stamps, across gaps of up to half a second, and written as Parquet in m/s² and rad/s. Every check of the
table reader applies to both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from m3n.errors import InputError, shown
from m3n.schema import Rejected
from m3n.sources.recordings.devices import DEVICES, Device, Part
from m3n.sources.recordings.joined_sensors import (
    PLAIN,
    found_columns_of,
    head_of,
    joined_samples,
    missing_columns,
    write_joined,
)
from m3n.sources.recordings.sample_files import SampleFile
from m3n.sources.recordings.table_columns import ColumnNames
from m3n.sources.recordings.table_options import Options
from m3n.sources.shared.ingest_notes import Notes
from m3n.untrusted.archives import zip_or_folder

_LARGEST = 2 << 30  # bytes of a file in an archive
_ACTIGRAPH_RATE = re.compile(r"at\s+([\d.]+)\s*hz", re.IGNORECASE)


@dataclass(frozen=True)
class Opened:
    """A file for the table reader, with its settings; `names` are what a pattern of paths may be matched against."""

    file: Path
    below: PurePath
    options: Options
    names: tuple[PurePath, ...]

    @property
    def label(self) -> str:
        """What the manifest calls it."""
        return self.below.as_posix() if self.names[0].is_absolute() else self.names[-1].as_posix()


def opened(path: Path, options: Options, folder: Path, notes: Notes | None = None) -> Iterator[Opened | Rejected]:
    """The recordings of a device in a file, folder or zip; what is joined or unpacked goes to `folder`.

    Raises InputError where `path` holds no file of the device, and for its only recording where that cannot be read.
    """
    device = DEVICES[str(options.device)]
    if path.is_file() and path.suffix.lower() == ".zip":
        path = unpacked(path, folder / "unpacked", (".csv", ".txt"))
    groups = _groups(path, device, str(options.device))
    for number, (below, held) in enumerate(groups.items()):
        parts = {part: held[part] for part in device.parts if part in held}
        main = next(iter(parts.values()))
        both = [part for part in parts if part.acc]
        if len(both) > 1 and notes is not None:  # a watch's and a phone's
            notes.count(f"files beside {both[0].file.replace(chr(92), '')}, left out", len(both) - 1, below.as_posix())
        names = (below, main.relative_to(path)) if path.is_dir() else (PurePath(path.absolute()),)
        try:
            if device.joined or _needs_gravity(device, main, options):
                place = folder / f"{number}"
                place.mkdir(parents=True)
                file = place / f"{below.name}.parquet"
                times, samples = joined_samples(device, parts, options)
                if notes is not None and any(part.gyro for part in device.parts) and np.isnan(samples[:, 3:]).all():
                    notes.count("recordings without a file of the gyroscope: acceleration alone", 1, below.as_posix())
                write_joined(file, (times, samples))
                known = {**PLAIN, "acc_unit": "m/s2", "gyro_unit": "rad/s", "time": "time", "time_unit": "s", "path": None}
                yield Opened(file, below, options.model_copy(update=known), names)
            else:
                yield Opened(main, below, _settings(device, main, options), names)
        except InputError as error:
            if len(groups) == 1:
                raise
            yield Rejected(below.as_posix(), str(error))


def _groups(path: Path, device: Device, name: str) -> dict[PurePath, dict[Part, Path]]:
    """What a recording is called below `path` -> its files by the device's parts."""
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file() and not f.name.startswith("."))
    groups: dict[PurePath, dict[Part, Path]] = {}
    for file in files:
        below = PurePath(file.name) if path.is_file() else file.relative_to(path)
        for part in device.parts:
            found = re.search(rf"(?:^|(?<=/)|(?=_)){part.file}$", below.as_posix(), re.IGNORECASE) or (
                re.search(rf"{part.file}$", below.as_posix(), re.IGNORECASE) if part.file.startswith((r"\.", "_")) else None
            )
            if found is None:
                continue
            stem = below.as_posix()[: found.start()]
            key = PurePath(stem.rstrip("/")) if len(device.parts) > 1 or name == "empatica" else below.with_suffix("")
            if not key.name:
                key = PurePath(path.resolve().name if path.is_dir() else path.stem)
            held = groups.setdefault(key, {})
            if part in held:
                raise InputError(f"{below}: {held[part].name} is of the same sensor; keep each recording in its own folder")
            held[part] = file
            break
    whole = {key: parts for key, parts in groups.items() if any(part.acc or not part.gyro for part in parts)}
    if not whole:
        expected = " or ".join(re.sub(r"\\|\(\?:|\)|\[\^/\]\*|\?", "", part.file) for part in device.parts)
        raise InputError(f"{path}: no file of device={name}; expected {expected}: {device.help}")
    return whole


def unpacked(archive: Path, folder: Path, suffixes: tuple[str, ...]) -> Path:
    """`folder`, into which the files of a zip with these endings were unpacked; InputError for one that would lie outside it."""
    with zip_or_folder(archive, "", _LARGEST, "a zip of such files") as (names, read):
        for name in names:
            if name.endswith("/") or not name.lower().endswith(suffixes):
                continue
            place = PurePath(name)
            if place.is_absolute() or ".." in place.parts:
                raise InputError(f"{archive}: {shown(name)} would be unpacked outside its folder; it was not read")
            data = read(name)
            try:
                (folder / place).parent.mkdir(parents=True, exist_ok=True)
                (folder / place).write_bytes(data)
            except (OSError, ValueError) as error:  # names that no file can have
                raise InputError(f"{archive}: {shown(name)} cannot be unpacked") from error
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _settings(device: Device, file: Path, options: Options) -> Options:
    """Settings with which the table reader reads a file."""
    (part,) = device.parts
    written: dict[str, Any] = dict(device.settings)
    head = head_of(file)
    bare = head[:1].isdigit()  # samples from the first line on
    if options.device == "axivity" and bare:
        written["names"] = ["time", "x", "y", "z", "gx", "gy", "gz"][: max(4, min(7, head.split("\n")[0].count(",") + 1))]
    given = {key: getattr(options, key) for key in options.model_fields_set}
    written |= {key: given[key] for key in ("names", "skip_rows", "delimiter", "decimal") if key in given}
    held = SampleFile(file, options.model_copy(update={**PLAIN, **written}))
    look = ColumnNames(file.name, held.columns)
    acc, gyro = (found_columns_of(look, choices) for choices in (part.acc, part.gyro))
    if acc is None:
        raise missing_columns(look, part.acc, str(options.device))
    made = {**PLAIN, **written, "acc_unit": acc.unit, "gyro_unit": gyro.unit if gyro else None, "path": None}
    made["columns"] = {options.placement: [*acc.names, *(gyro.names if gyro else [])]}
    made["acc_scale"] = options.acc_scale if "acc_scale" in given else device.sign
    made["gyro_scale"] = options.gyro_scale
    if options.device == "arduino":
        made |= _counts(file.name, options, gyro is not None)
    time = next((found for name in part.time if (found := look.find(name)) is not None), None)
    if time is not None:
        made["time"], made["time_unit"] = time, given.get("time_unit", part.time_unit)
    elif options.device == "actigraph":
        rate = _ACTIGRAPH_RATE.search(head)
        made["time"], made["rate_hz"] = None, options.rate_hz or (float(rate[1]) if rate else None)
    made |= {key: given[key] for key in ("time", "time_format", "rate_hz") if key in given}
    return options.model_copy(update=made)


def _counts(where: str, options: Options, has_gyro: bool) -> dict[str, float]:
    """Scales of raw 16-bit counts."""
    made = {}
    for sensor, full, known in (("acc", options.acc_range, True), ("gyro", options.gyro_range, has_gyro)):
        scale = f"{sensor}_scale"
        if full is not None and scale in options.model_fields_set:
            raise InputError(f"{where}: {sensor}_range= and {scale}= both say how counts become units; leave one out")
        if known and full is None and scale not in options.model_fields_set:
            wanted = f"{sensor}_range={'2, 4, 8 or 16 (±g)' if sensor == 'acc' else '250, 500, 1000 or 2000 (±deg/s)'}"
            raise InputError(f"{where}: device=arduino holds counts of a chip; give {wanted}, or {scale}=")
        made[scale] = full / 32768 if full is not None else getattr(options, scale)
    return made


def _needs_gravity(device: Device, file: Path, options: Options) -> bool:
    if not any(choice.gravity for choice in device.parts[0].acc):
        return False
    found = found_columns_of(
        ColumnNames(file.name, SampleFile(file, options.model_copy(update=PLAIN)).columns), device.parts[0].acc
    )
    return found is not None and bool(found.gravity)
