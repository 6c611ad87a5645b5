"""The exceptions that the command line turns into a single line on stderr.

`InputError`, for mistakes a user can mend, ends with exit status 2, `StoppedError` with its own; anything else that escapes is a
fault of m3n's own and ends with exit status 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input or configuration; the message names what was wrong, where, what was expected and what to do."""


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
