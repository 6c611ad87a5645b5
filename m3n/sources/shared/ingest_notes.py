"""What a source did to its input that its user should know, though nothing was wrong enough to refuse: counted, for the manifest.

A reader that takes `notes` is given one by `m3n ingest`, which prints the totals and writes all of it into `manifest.json`. What
was repaired in a row, the row itself carries (`m3n.schema.RepairedRow`), because rows come from other processes too; `m3n ingest`
notes it when the row is written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

_PLACES = 200  # files that are named for each kind of note


class Notes:
    """Counts by kind, the first places of each, and how the columns of files were understood."""

    def __init__(self) -> None:
        self._totals: dict[str, float] = defaultdict(float)
        self._places: dict[str, list[str]] = defaultdict(list)
        self._columns: dict[str, list[str]] = defaultdict(list)  # how columns were used -> files

    def count(self, what: str, times: float = 1, where: str = "") -> None:
        """Note that `what` happened so many times in a file."""
        if times:
            self._totals[what] += times
            self._add_place(what, where)

    def add(self, noted: Mapping[str, Any]) -> None:
        """Add what other Notes have counted, as `facts` has it under "notes"."""
        for what, held in noted.items():
            self.count(what, held["count"])
            for where in held["first"]:
                self._add_place(what, where)

    def _add_place(self, what: str, where: str) -> None:
        places = self._places[what]
        if where and len(places) < _PLACES and where not in places[-1:]:
            places.append(where)

    def columns(self, used: str, where: str) -> None:
        """Note how the columns of a file were used, in words."""
        self._columns[used].append(where)

    def figures(self) -> dict[str, Any]:
        """What the command prints: a line for the columns, and a line for each kind of note."""
        lines: dict[str, Any] = {}
        for number, (used, files) in enumerate(self._columns.items()):
            if number == 3:
                lines["columns, other files"] = f"{len(self._columns) - 3} more layouts, see manifest.json"
                break
            lines["columns" if len(self._columns) == 1 else f"columns of {files[0]} ({len(files)} files)"] = used
        totals = {what: int(total) if total == int(total) else round(total, 3) for what, total in self._totals.items()}
        return lines | totals

    def facts(self) -> dict[str, Any]:
        """What the manifest keeps."""
        made: dict[str, Any] = {}
        if self._columns:
            made["columns"] = [
                {"used": used, "files": len(files), "first": files[:_PLACES]} for used, files in self._columns.items()
            ]
        if self._totals:
            made["notes"] = {
                what: {"count": total, "first": self._places[what]} for what, total in sorted(self._totals.items())
            }
        return made
