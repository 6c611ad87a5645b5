"""Checks of `m3n doctor` on places outside the process: disks, object stores, the MLflow server, and the clock.

A check returns (status, what was found, what to do). Every request over a network has a time limit.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import m3n
from m3n.errors import InputError, one_line
from m3n.io import storage
from m3n.io.object_store import ObjectPath
from m3n.io.storage import Location
from m3n.tracking import tracking_uri

OK, WARNING, FAILURE = "OK", "warning", "failure"
SERVER_S, STORE_S = 10.0, 60.0  # for an answer; the clients of object stores try again by themselves
SKEW_S, REFUSED_S = 5.0, 900.0  # S3 refuses requests that are signed 15 minutes too early or too late
GB = 1e9


@dataclass(frozen=True)
class Check:
    """The name of a check, its status, what was found, and what to do (empty if all is well)."""

    name: str
    status: str
    found: str
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.status:<8} {self.name:<14}  {one_line(self.found, 400)}" + (f" -> {self.advice}" if self.advice else "")


def room(folder: Path) -> tuple[str, str, str]:
    """Free space of the disk that a folder is on, or would be."""
    there = next(p for p in (folder.absolute(), *folder.absolute().parents) if p.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / GB:.1f} GB free for {folder}"
    if free < 0.5 * GB:
        return FAILURE, found, "free some space"
    if free < 5 * GB:
        return WARNING, found, "free some space: tables and checkpoints of a large corpus take gigabytes"
    return OK, found, ""


def writes(folder: Location) -> tuple[str, str, str]:
    """Write, read and remove a small file, as every stage does."""
    content = uuid4().bytes
    try:
        found = _within(STORE_S, lambda: _kept_for_a_moment(folder, content))
    except (InputError, OSError) as error:
        advice = "choose another place, or change its permissions" if isinstance(folder, Path) else "see docs/storage.md"
        return FAILURE, str(error), advice
    if found != content:
        return FAILURE, f"{folder} returns other bytes than were written", "do not trust this disk or store"
    return OK, f"{folder} can be written, read and cleaned up", ""


def _kept_for_a_moment(folder: Location, content: bytes) -> bytes:
    made = [p for p in (folder, *folder.parents) if not p.exists()] if isinstance(folder, Path) else []
    place = folder / f".m3n-doctor-{uuid4().hex}"
    try:
        if isinstance(folder, Path):
            folder.mkdir(parents=True, exist_ok=True)
        storage.write(place, content)
        try:
            return storage.read(place)
        finally:
            place.unlink(missing_ok=True)
    finally:
        with suppress(OSError):  # somebody else has put something there meanwhile
            for path in made:
                path.rmdir()


def _within(seconds: float, attempt: Callable[[], bytes]) -> bytes:
    """What `attempt` returns or raises; InputError if it takes longer."""
    outcome: list[bytes | Exception] = []

    def run() -> None:
        try:
            outcome.append(attempt())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise InputError(f"no answer within {seconds:g} s")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def tracking() -> tuple[str, str, str]:
    """The MLflow server answers, or its local file or folder can be written."""
    uri = tracking_uri()
    scheme, separator, rest = uri.partition("://")
    if scheme in ("http", "https"):
        return _tracking_server(uri)
    if separator and scheme not in ("sqlite", "file"):
        return OK, f"{scheme}://… (not checked)", ""
    path = Path(rest.removeprefix("/") if scheme == "sqlite" else rest or uri)
    if scheme == "sqlite" and path.is_file():
        try:
            with closing(sqlite3.connect(f"file:{path.absolute()}?mode=ro", uri=True)) as database:
                database.execute("select count(*) from experiments")
        except sqlite3.Error as error:
            return FAILURE, f"{path} is not an MLflow database ({error})", "move it away: MLflow makes a new one"
    nearest = next(p for p in (path.absolute(), *path.absolute().parents) if p.exists())
    if not os.access(nearest, os.W_OK):
        return FAILURE, f"{nearest} cannot be written", "set MLFLOW_TRACKING_URI to another place"
    return OK, uri, ""


def _tracking_server(uri: str) -> tuple[str, str, str]:
    shown = _server(uri) + urlsplit(uri).path.rstrip("/")
    try:
        with _open(f"{shown}/health"):
            return OK, f"{shown} answers", ""
    except urllib.error.HTTPError as error:
        return (
            WARNING,
            f"{shown} answers with status {error.code}",
            "check that it is an MLflow server, and whether it needs a login",
        )
    except (OSError, ValueError) as error:
        advice = "start it, or correct MLFLOW_TRACKING_URI; what it misses is kept, and `m3n sync` sends it"
        return FAILURE, f"{shown} does not answer ({getattr(error, 'reason', error)})", advice


def clock(store: Location | None) -> tuple[str, str, str]:
    """The clock runs evenly, is later than the installation of m3n, and agrees with the servers in use."""
    wall, steady = time.time(), time.monotonic()
    time.sleep(0.05)
    jump = (time.time() - wall) - (time.monotonic() - steady)
    now = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(wall))
    if wall < Path(m3n.__file__).stat().st_mtime - 86400:
        return FAILURE, f"{now}, which is before m3n was installed", "set the clock (NTP)"
    if abs(jump) > 0.5:
        return WARNING, f"{now}; it jumped by {jump:.1f} s during the check", "wait until NTP has settled"
    for server in _servers(store):
        theirs = _time_of(server)
        if theirs is None:
            continue
        ahead = time.time() - theirs
        if abs(ahead) <= SKEW_S:
            return OK, f"{now}, as {_server(server)} has it", ""
        found = f"{now}, {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} {_server(server)}"
        return (FAILURE if abs(ahead) > REFUSED_S else WARNING), found, "set the clock (NTP)"
    return OK, f"{now}; no server to compare it with", ""


def _servers(store: Location | None) -> Iterator[str]:
    if isinstance(store, ObjectPath) and store.scheme == "s3":
        yield os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or "https://s3.amazonaws.com"
    if tracking_uri().startswith(("http://", "https://")):
        yield tracking_uri()


def _time_of(server: str) -> float | None:
    """The Date of a server's answer, whatever it answers, in seconds; None where it gives none."""
    try:
        with _open(_server(server)) as answer:
            headers = answer.headers
    except urllib.error.HTTPError as error:
        headers = error.headers
    except (OSError, ValueError):
        return None
    try:
        return parsedate_to_datetime(headers["Date"]).timestamp()
    except (TypeError, ValueError):
        return None


def _server(uri: str) -> str:
    """Scheme, host and port of a URI, without a password."""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _open(url: str) -> Any:
    return urllib.request.urlopen(urllib.request.Request(url, headers={"User-Agent": "m3n"}), timeout=SERVER_S)
