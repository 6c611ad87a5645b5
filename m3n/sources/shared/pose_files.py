"""Who moves and what is shown, for sources with a clip a file: from the settings, or from the names of the files (`path=`)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from m3n.errors import InputError, shown
from m3n.schema import Rejected
from m3n.sources.shared.path_pattern import FIELDS, PathPattern
from m3n.sources.shared.plausibility import PoseOptions
from m3n.sources.shared.pose_rows import files_in

_FIELDS = (*FIELDS, "text")


class PoseFileOptions(PoseOptions):
    """Settings of sources with a clip a file."""

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

    @field_validator("path")
    @classmethod
    def _known_pattern(cls, value: str | None) -> str | None:
        if value is not None:
            PathPattern(value, _FIELDS)
        return value


class NamedFiles:
    """The files of a source below `path`, in order, and what is said of each."""

    def __init__(self, path: Path, suffixes: Sequence[str], expected: str, options: PoseFileOptions) -> None:
        self.single = Path(path).is_file()
        self.found = files_in(path, suffixes, expected)
        self._options = options
        self._pattern = PathPattern(options.path, _FIELDS) if options.path else None

    def rows(self, read: Callable[[Path, str], Iterable[dict[str, Any] | Rejected]]) -> Iterator[dict[str, Any] | Rejected]:
        """What `read(file, name)` gives of each file. One that it raises InputError for is Rejected, unless it is the only one."""
        for file, name in self.found:
            try:
                yield from read(file, name)
            except InputError as error:
                if self.single:
                    raise
                yield Rejected(name, str(error))

    def said(self, file: Path, name: str, **own: str | None) -> dict[str, str | None]:
        """subject, label and text of a file; `own` is what it says itself. InputError where two of them differ."""
        known: dict[str, str] = {}
        if self._pattern is not None:
            known = self._pattern.match(file.absolute() if self.single else f"{name}{file.suffix}")
        made: dict[str, str | None] = {}
        for key in ("subject", "label", "text"):
            told = {
                where: value
                for where, value in (
                    ("in the file", own.get(key)), ("in its name", known.get(key)), ("in the options", getattr(self._options, key))
                )
                if value is not None
            }  # fmt: skip
            if len(set(told.values())) > 1:
                said = " but ".join(f"'{shown(value)}' {where}" for where, value in told.items())
                raise InputError(f"{file.name}: {key} is {said}; leave the option out")
            made[key] = next(iter(told.values()), None)
        if made["text"] is None and made["label"]:
            words = re.findall(r"[^\W_]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", made["label"]))
            made["text"] = " ".join(word.lower() for word in words if word.isalpha())  # a number says nothing
        return made
