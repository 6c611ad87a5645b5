"""Sources that read file by file, and what is said of each file: by the settings, or by its name (`path=`).

Each file is read by itself, so `m3n ingest` can share a folder's files among processes. One rule for all sources says what a file
that cannot be read becomes: it is Rejected, unless it is the only one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal

from pydantic import Field, field_validator

from m3n.config.base import Count
from m3n.errors import InputError, shown
from m3n.io import object_store, storage
from m3n.io.object_store import ObjectPath
from m3n.io.storage import Location
from m3n.schema import Rejected
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.path_pattern import FIELDS, PathPattern
from m3n.sources.shared.plausibility import PoseOptions

_FIELDS = (*FIELDS, "text")


class PoseFileOptions(PoseOptions):
    """Settings of sources that read file by file."""

    path: str | None = Field(
        default=None,
        description="what the names of files say, as {subject}/{label}_*.trc below the folder; {text} and * stand for any text too",
    )
    text: str | None = Field(
        default=None, description="what every clip shows, in words; null: the file's own, or the label's words"
    )
    subject: str | None = Field(default=None, description="who moves; null: that of the name or the file, or unknown")
    label: str | None = Field(
        default=None, description="activity label of every clip; null: that of the name or the file, or none"
    )
    workers: Count | Literal["auto"] = Field(
        default="auto",
        description="processes that share the files of a folder, on Ray; auto: one per core once that saves time, before that one",
    )

    @field_validator("path")
    @classmethod
    def _known_pattern(cls, value: str | None) -> str | None:
        if value is not None:
            PathPattern(value, _FIELDS)
        return value


@dataclass(frozen=True)
class PoseFile:
    """A file to read: a local path, its name below the folder without the ending, and the name that `path=` is matched with, which
    is absolute for the only file."""

    file: Path
    name: str
    named: PurePath

    @property
    def single(self) -> bool:
        """Whether it is all of the input."""
        return self.named.is_absolute()

    def said(self, options: PoseFileOptions, **own: str | None) -> dict[str, str | None]:
        """subject, label and text of the file; `own` is what it says itself. InputError where two of them differ."""
        known = PathPattern(options.path, _FIELDS).match(self.named) if options.path else {}
        made: dict[str, str | None] = {}
        for key in ("subject", "label", "text"):
            told = {
                where: value
                for where, value in (
                    ("in the file", own.get(key)), ("in its name", known.get(key)), ("in the options", getattr(options, key))
                )
                if value is not None
            }  # fmt: skip
            if len(set(told.values())) > 1:
                said = " but ".join(f"'{shown(value)}' {where}" for where, value in told.items())
                raise InputError(f"{self.file.name}: {key} is {said}; leave the option out")
            made[key] = next(iter(told.values()), None)
        if made["text"] is None and made["label"]:
            words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", made["label"]))
            made["text"] = " ".join(word.lower() for word in words if word.isalpha())  # a number says nothing
        return made


Rows = Iterator[dict[str, Any] | Rejected]
Read = Callable[[PoseFile, Any, Notes], Iterable[dict[str, Any] | Rejected]]


def _accepted(path: Location, options: Any) -> None:
    """What a source with nothing to check does."""


@dataclass(frozen=True)
class FileSource:
    """How a source reads: endings of its files (small letters), what is `expected` at its path, and `read(file, options, notes)`.

    `check(path, options)` raises InputError for settings with which no file could be read.
    """

    suffixes: Sequence[str]
    expected: str
    read: Read
    check: Callable[[Location, Any], object] = _accepted

    def rows(self, path: Location, options: Any, notes: Notes | None = None) -> Rows:
        """Rows of every file of `path`, by name; a file of a folder that cannot be read is Rejected.

        Raises InputError if there is no file, and if the only file cannot be read.
        """
        self.check(path, options)
        notes = Notes() if notes is None else notes
        for place in self.found(path):
            with storage.local_copy(place) as file:
                yield from self.of_file(file, below(place, path), options, notes)

    def of_file(self, file: Path, named: PurePath, options: Any, notes: Notes) -> Rows:
        """Rows of a local file that is called `named` below its folder, or of the only one, whose whole path that is."""
        one = PoseFile(file, file.stem if named.is_absolute() else named.with_suffix("").as_posix(), named)
        try:
            yield from self.read(one, options, notes)
        except InputError as error:
            if one.single:
                raise
            yield Rejected(one.name, str(error))

    def found(self, path: Location) -> list[Location]:
        """`path` itself or, in a folder, every file below it with one of the endings, by name; hidden ones are left out."""
        if path.is_dir():
            names = [name for name in files_below(path) if not PurePath(name).name.startswith(".")]
            found = [path / name for name in names if PurePath(name).suffix.lower() in self.suffixes]
        else:
            found = [path] if PurePath(path.name).suffix.lower() in self.suffixes and path.is_file() else []
        if not found:
            raise InputError(f"{path}: no {' or '.join(self.suffixes)} file; expected {self.expected}")
        return found


def files_below(folder: Location) -> list[str]:
    """Names of all files below a folder, relative to it, sorted."""
    if isinstance(folder, Path):
        return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    return object_store.files_in(folder, recursive=True)


def below(place: Location, path: Location) -> PurePath:
    """The name of a file below the folder `path`; the whole path of `path` itself."""
    if isinstance(place, Path) and isinstance(path, Path):
        return place.absolute() if place == path else place.relative_to(path)
    whole, folder = (PurePath("/", one.path if isinstance(one, ObjectPath) else str(one)) for one in (place, path))
    return whole if place == path else whole.relative_to(folder)
