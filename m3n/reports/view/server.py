"""Serves the page of `m3n view` on loopback: `/` is the page, `/clip/N` the data of one clip, `/film/N` its video.

Requests that name another host than loopback are refused: a page of a stranger in the same browser could otherwise read the
recordings by pointing a name of its own at 127.0.0.1 (DNS rebinding).
"""

from __future__ import annotations

import errno
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

from m3n.errors import InputError
from m3n.reports.view.clip import Clip, Entry, plain_clip
from m3n.reports.view.film import Film, plain_film
from m3n.reports.view.page import as_json, page

LOOPBACK = "127.0.0.1"
FILM_BYTES = 16e6  # of a clip's pictures
_OWN_NAMES = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d+)?")


class Shown(Protocol):
    """A place that is looked at: its list, and the data of one of its entries."""

    title: str
    notice: str
    entries: list[Entry]
    moves: bool  # whether any clip may have a body

    def clip(self, number: int) -> Clip:
        """The data of one entry; InputError for a damaged row."""

    def film(self, number: int, most_bytes: float) -> Film:
        """The video of an entry that has one; InputError for one that cannot be decoded."""


def serve(opened: Shown, reopen: Callable[[], Shown], port: int) -> ThreadingHTTPServer:
    """A server that is bound to loopback and not running yet; `reopen` reads the place again when the page is reloaded.

    Raises InputError where the port is in use or forbidden.
    """

    class Answers(_Answers):
        place = _Place(opened, reopen)

    try:
        return ThreadingHTTPServer((LOOPBACK, port), Answers)
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        reason = "is in use, perhaps by another `m3n view`" if in_use else f"cannot be opened ({error.strerror})"
        raise InputError(f"port {port} {reason}: give another, as in port=8766, or port=0 for any that is free") from None


class _Place:
    """What is shown now; one request at a time reads tables, so memory is that of one clip."""

    def __init__(self, opened: Shown, reopen: Callable[[], Shown]) -> None:
        self._shown: Shown = opened
        self._fresh, self._reopen = True, reopen
        self._lock, self._films = threading.Lock(), threading.Lock()

    def page(self) -> str:
        with self._lock:
            try:
                if not self._fresh:
                    self._shown = self._reopen()
                self._fresh = False
            except InputError as error:
                return page(self._shown.title, [], str(error), body=False)
            return page(self._shown.title, self._shown.entries, self._shown.notice, body=self._shown.moves)

    def clip(self, number: int) -> Clip:
        with self._lock:
            return self._shown.clip(number)

    def film(self, number: int) -> Film:
        with self._films:  # one at a time is decoded, while clips are read
            return self._shown.film(number, FILM_BYTES)

    def __len__(self) -> int:
        return len(self._shown.entries)


class _Answers(BaseHTTPRequestHandler):
    place: _Place
    timeout = 30  # seconds that a client may keep a thread waiting

    def do_GET(self) -> None:
        if not _OWN_NAMES.fullmatch(self.headers.get("Host", "")):
            self._answer(403, "text/plain", "this page is for this machine alone: open it at http://127.0.0.1")
        elif (path := self.path.split("?")[0]) == "/":
            self._answer(200, "text/html", self.place.page())
        elif (found := re.fullmatch(r"/(clip|film)/(\d{1,9})", path)) and int(found[2]) < len(self.place):
            number = int(found[2])
            try:
                data = plain_clip(self.place.clip(number)) if found[1] == "clip" else plain_film(self.place.film(number))
                self._answer(200, "application/json", as_json(data))
            except InputError as error:
                self._answer(422, "text/plain", str(error))
        else:
            self._answer(404, "text/plain", "not here: the page is at /")

    def _answer(self, status: int, kind: str, text: str) -> None:
        content = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        with suppress(ConnectionError):  # the visitor has left
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line for every click helps nobody."""
