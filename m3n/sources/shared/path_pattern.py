"""Who, when and what, out of the names of folders and files: `path="{subject}/{session}_{label}.csv"`.

Most studies keep one file per recording and say who wore the sensor in its name alone. A pattern states it, so that six files of
one person are one subject and two files called watch.csv are two. It is matched against the whole path below the folder that is
read.
"""

from __future__ import annotations

import re
from pathlib import PurePath

from m3n.errors import InputError, nearest, shown

FIELDS = ("subject", "session", "label")


class PathPattern:
    """A pattern of text, `{field}` for any text without a slash, as short as will do, `*` likewise, `**` for any folders."""

    def __init__(self, pattern: str, fields: tuple[str, ...] = FIELDS) -> None:
        self.pattern = pattern
        self._parts = len(PurePath(pattern).parts)
        made, seen = "", set()
        for piece in re.split(r"(\{[^{}]*\}|\*\*/?|\*)", pattern.strip("/").removeprefix("./")):
            if piece.startswith("{") and piece.endswith("}"):
                name = piece[1:-1].strip()
                if name not in fields:
                    raise InputError(
                        f"path={pattern}: '{{{shown(name)}}}' is unknown{nearest(name, fields)}; expected "
                        f"{', '.join(f'{{{field}}}' for field in fields)}, or * for text that says nothing"
                    )
                made += f"(?P={name})" if name in seen else f"(?P<{name}>[^/]+?)"
                seen.add(name)
            elif piece.startswith("**"):
                made += "(?:.*/)?" if piece.endswith("/") else ".*"
            elif piece == "*":
                made += "[^/]*?"
            elif "{" in piece or "}" in piece:
                raise InputError(f"path={pattern}: a brace is open or closed alone; expected a pattern like {{subject}}/*.csv")
            else:
                made += re.escape(piece)
        if not seen:
            raise InputError(
                f"path={pattern} names no {{subject}}, {{session}} or {{label}}; expected one like {{subject}}/*.csv"
            )
        self.fields = frozenset(seen)
        self._regex = re.compile(made)

    def match(self, name: PurePath | str) -> dict[str, str]:
        """Field -> text of a path below the folder that is read; InputError, which names the file, where it does not match.

        Where only a file was given, the last parts of its whole path are compared, as many as the pattern has.
        """
        path = PurePath(name)
        text = PurePath(*path.parts[-self._parts :]).as_posix() if path.is_absolute() and "**" not in self.pattern else None
        found = self._regex.fullmatch(text or path.as_posix().lstrip("/"))
        if found is None:
            raise InputError(
                f"{text or path.as_posix()}: does not match path={self.pattern}; rename or move it, or correct the pattern"
            )
        return {field: value.strip() for field, value in found.groupdict().items()}
