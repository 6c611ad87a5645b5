"""The exceptions that the command line turns into a single line on stderr.

`InputError`, for mistakes a user can mend, ends with exit status 2, `StoppedError` with its own; anything else that escapes is a
fault of m3n's own and ends with exit status 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

LONGEST = 900  # characters of a message; files from elsewhere put names of any length into it


class InputError(ValueError):
    """Bad input or configuration; the message names what was wrong, where, what was expected and what to do.

    It is one printable line whatever a file's own names hold.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message, LONGEST))


class LockedError(InputError):
    """Another process is writing the same output."""


def one_line(text: str, longest: int) -> str:
    """Text without line breaks, control characters and broken Unicode, at most `longest` characters."""
    flat = " ".join(text[: 8 * longest].split())
    flat = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in flat)
    return flat if len(flat) <= longest else f"{flat[: longest - 1]}…"


def shown(value: Any) -> str:
    """A name or value out of a file as one short line; what is neither text nor a small number is shown as its type."""
    if isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 10**20):
        return one_line(str(value), 60)
    return "nothing" if value is None else type(value).__name__


TERMINATED = 143  # 128 + SIGTERM


class StoppedError(Exception):
    """Work that ended before its end but was kept; the message says what is there and how to go on."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message, status)
        self.message, self.status = message, status


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message, ", did you mean 'x'?", for the known name closest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f", did you mean '{close[0]}'?" if close else ""
