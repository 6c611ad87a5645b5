"""The exceptions that the command line turns into a single line on stderr.

`InputError` is a mistake that the user can fix (exit status 2); `StoppedError` carries an exit status of its own. Any other
exception is a bug in m3n (exit status 1). Code that reacts to one kind of mistake catches the subclass for it, never `InputError`
itself: a NaN in a clip must not be taken for a missing label, nor a full disk for a lock that somebody holds.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from m3n.logins import without_logins

LONGEST = 900  # characters in a message; files from elsewhere may contain names of any length
TERMINATED, INTERRUPTED = 143, 130  # 128 + SIGTERM, 128 + SIGINT


class InputError(ValueError):
    """Bad input or configuration. The message says what is wrong, where, what was expected and what to do.

    It is always one printable line, whatever names the user's files contain, and holds no login.
    """

    def __init__(self, message: str) -> None:
        super().__init__(one_line(without_logins(message), LONGEST))


class LockedError(InputError):
    """Another job holds the lock of an output folder; waiting helps."""


class MissingError(InputError):
    """A file that does not exist, or no longer."""


class NoWindowsError(InputError):
    """No labelled window is left to train or test on."""


class NoTextModelError(InputError):
    """The model of sentence embeddings is not there; what can do without meanings goes on without."""


class UnwritableError(InputError):
    """A disk that is full, read-only or forbidden: no verdict on the data or the settings, so finished work is kept."""


class StoppedError(Exception):
    """A job that ended early and kept its work; the message says what was kept and how to resume."""

    def __init__(self, message: str, status: int) -> None:
        message = without_logins(message)
        super().__init__(message, status)
        self.message, self.status = message, status


def one_line(text: str, longest: int) -> str:
    """Text without line breaks, control characters and broken Unicode, at most `longest` characters."""
    flat = " ".join(text[: 8 * longest].split())
    flat = "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in flat)
    return flat if len(flat) <= longest else f"{flat[: longest - 1]}…"


def shown(value: Any) -> str:
    """A name or value from a file as one short line; anything but text and ordinary numbers is shown as its type."""
    if getattr(value, "shape", None) == () and hasattr(value, "item"):  # a scalar of NumPy's, as pickles hold them
        value = value.item()
    if isinstance(value, str | float) or (isinstance(value, int) and abs(value) < 10**20):
        return one_line(str(value), 60)
    return "nothing" if value is None else type(value).__name__


def nearest(name: str, known: Iterable[str]) -> str:
    """The end of a message, ", did you mean 'x'?", for the known name closest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f", did you mean '{close[0]}'?" if close else ""
