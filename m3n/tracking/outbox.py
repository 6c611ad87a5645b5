"""Values for MLflow that have not been uploaded yet: on local disk, in order, until the server has them.

A run appends every value to a journal, in microseconds, and never waits for a server; a thread uploads from there. Values that a
slow or stopped server misses therefore outlive the process, and are uploaded when the server answers again.

Below `M3N_CACHE/outbox` each process has a queue for the server it writes to (`server.json`), locked while the process lives. A
queue holds one journal per run: `journal.jsonl`, one record a line; `sent`, the number of its bytes that the server has;
`files/`, copies of artifacts. A queue whose process has ended is uploaded by the next process that looks. The layout has been the
same since version 0.1.0. Nothing in this file knows MLflow.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from m3n.data.text import cache_folder

JOURNAL, SENT, FILES, LOCK, SERVER, REJECTED = "journal.jsonl", "sent", "files", "lock", "server.json", "rejected.jsonl"
Record = dict[str, Any]


def root() -> Path:
    """The folder of all queues."""
    return cache_folder() / "outbox"


class Journal:
    """The records of one run, appended by its owner and read by the thread that uploads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ended = False  # no record follows
        self._files = 0
        self._truncated = False
        self._writing = threading.Lock()

    @classmethod
    def create(cls, folder: Path) -> Journal:
        (folder / FILES).mkdir(parents=True, mode=0o700)
        return cls(folder)

    def append(self, record: Record) -> None:
        """Add a record; OSError if the disk is full."""
        line = json.dumps(record).encode() + b"\n"
        with self._writing:
            try:
                with (self.folder / JOURNAL).open("ab", buffering=0) as file:
                    file.write(b"\n" + line if self._truncated else line)
                self._truncated = False
            except OSError:
                self._truncated = True  # perhaps half a line was written: start the next one on a new line
                raise

    def attach(self, path: Path) -> str:
        """Keep a copy of a file or folder; returns the name to put in a record."""
        name = self._place(path.name)
        copy = shutil.copytree if path.is_dir() else shutil.copyfile
        copy(path, self.folder / name)
        return name

    def attach_text(self, name: str, content: str) -> str:
        """Keep a text as a file; returns the name to put in a record."""
        target = self._place(name)
        (self.folder / target).write_text(content, encoding="utf-8")
        return target

    def unsent(self) -> Iterator[tuple[Record, int]]:
        """Records that the server does not have yet, each with the offset to acknowledge after its upload."""
        offset = self._sent()
        with suppress(FileNotFoundError), (self.folder / JOURNAL).open("rb") as file:
            file.seek(offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # still being written, or truncated
                offset += len(line)
                with suppress(ValueError):  # truncated by a full disk
                    yield json.loads(line), offset

    def acknowledge(self, offset: int) -> None:
        """The server has everything up to `offset`."""
        file = self.folder / SENT
        new = file.with_suffix(".new")
        new.write_text(str(offset))
        os.replace(new, file)

    def reject(self, record: Record, reason: str) -> None:
        """Keep a record that the server refuses, in `rejected.jsonl` beside the queues."""
        with suppress(OSError), (root() / REJECTED).open("a") as file:
            file.write(json.dumps({"refused": reason, **record}) + "\n")

    def first(self) -> Record | None:
        """The record that describes the run."""
        with suppress(OSError, ValueError), (self.folder / JOURNAL).open("rb") as file:
            return dict(json.loads(file.readline()))
        return None

    def last(self) -> Record | None:
        """The newest record."""
        found = None
        with suppress(OSError), (self.folder / JOURNAL).open("rb") as file:
            for line in file:
                with suppress(ValueError):
                    found = dict(json.loads(line))
        return found

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)

    def _place(self, name: str) -> str:
        with self._writing:
            self._files += 1
            place = f"{FILES}/{self._files:04d}"
        (self.folder / place).mkdir()
        return f"{place}/{name}"

    def _sent(self) -> int:
        with suppress(OSError, ValueError):
            return int((self.folder / SENT).read_text())
        return 0


class Queue:
    """The journals of one process for one server, oldest first; locked until `close`."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self._lock = lock

    @classmethod
    def create(cls, server: str) -> Queue:
        """A queue of this process; in a temporary folder if the cache cannot be written."""
        name = f"{time.time_ns():020d}-{uuid4().hex[:8]}"
        try:
            made = root() / f".{name}"  # other processes ignore the dot name until the lock is held
            made.mkdir(parents=True, mode=0o700)
        except OSError:
            made = Path(tempfile.mkdtemp(prefix="m3n-outbox-"))
        lock = _locked(made)
        (made / SERVER).write_text(json.dumps({"server": server, "pid": os.getpid()}))
        folder = made.rename(made.with_name(name))
        return cls(folder, -1 if lock is None else lock)

    def new_journal(self) -> Journal:
        return Journal.create(self.folder / f"{time.time_ns():020d}")

    def journals(self) -> list[Journal]:
        return [Journal(file.parent) for file in sorted(self.folder.glob(f"*/{JOURNAL}"))]

    def close(self) -> None:
        """Release the lock, and remove the queue if nothing is left to upload."""
        if not any(self.folder.glob(f"*/{JOURNAL}")):
            shutil.rmtree(self.folder, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def abandoned(server: str | None) -> Iterator[Queue]:
    """Queues of ended processes with values left, oldest first, each locked; those for `server`, or (None) for any."""
    for folder in sorted(root().glob("[0-9]*-*")):
        if server is not None and server_of(folder) != server:
            continue
        lock = _locked(folder)
        if lock is None:
            continue
        queue = Queue(folder, lock)
        if any(folder.glob(f"*/{JOURNAL}")):
            yield queue
        else:
            queue.close()


def server_of(folder: Path) -> str:
    """The server that a queue is for; "" if `server.json` cannot be read."""
    with suppress(OSError, ValueError):
        return str(json.loads((folder / SERVER).read_text())["server"])
    return ""


def _locked(folder: Path) -> int | None:
    """The lock of a queue, or None if another process holds it."""
    try:
        lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError:  # its owner has just removed the queue
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    if (folder / LOCK).exists():
        return lock
    os.close(lock)
    return None
