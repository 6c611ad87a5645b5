"""One job at a time per output folder: a second job reports who holds the lock, and the lock of a dead process is taken over.

On a disk the kernel keeps the lock (flock) and releases it when its holder ends, however it ends. Object stores, and network
disks without flock, use a folder of small files instead: each contender writes its own and rewrites it every `HEARTBEAT_S`. A
contender that has written its file and then finds no other live one holds the lock. A listing shows every earlier write, so two
that arrive at the same moment both give way, and never both hold it.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from m3n.errors import InputError, LockedError, MissingError
from m3n.io import storage
from m3n.io.storage import Location

HEARTBEAT_S, STALE_S = 10.0, 60.0
NO_FLOCK = (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS)


class _NoFlockError(Exception):
    """The disk cannot lock files."""


@contextmanager
def held(out: Location) -> Iterator[Callable[[], None]]:
    """Hold the lock of an output folder, `OUT.partial.lock` beside it; LockedError, naming the holder, if another job has it.

    Yields a function that raises LockedError if the lock has been lost meanwhile; call it before the final step.
    """
    place = out.with_name(f"{out.name}.partial.lock")
    if isinstance(place, Path) and not place.is_dir():
        with suppress(_NoFlockError), _flock(place, out):
            yield lambda: None
            return
    with _heartbeat(place, out) as confirm:
        yield confirm


def _locked(out: Location, holder: dict[str, Any]) -> LockedError:
    who = f"process {holder.get('pid', 'unknown')} on {holder.get('host', 'an unknown host')}, since {holder.get('since', '?')}"
    return LockedError(f"another job is writing {out}: {who}; wait for it, or choose another --out")


def _identity() -> dict[str, Any]:
    """What a lock says about its holder; `machine` identifies the kernel and the process namespace."""
    machine = f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": since, "machine": machine}


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:  # still being written, or truncated
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def _flock(path: Path, out: Location) -> Iterator[None]:
    while True:
        with storage.writing(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same_file(path, descriptor):
                break
        except OSError as error:
            holder = _parsed(os.pread(descriptor, 4096, 0))
            os.close(descriptor)
            if error.errno in NO_FLOCK:
                path.unlink(missing_ok=True)
                raise _NoFlockError from None
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise _locked(out, holder) from None
        os.close(descriptor)  # its holder has just removed the file, so a lock on it would guard nothing
    try:
        with suppress(OSError):  # a full disk: the lock still holds, without a name in it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(_identity()).encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _same_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@contextmanager
def _heartbeat(folder: Location, out: Location) -> Iterator[Callable[[], None]]:
    if isinstance(folder, Path):
        folder.mkdir(exist_ok=True)
    me, mine = _identity(), folder / f"{uuid4().hex}.json"
    content, ended = json.dumps(me).encode(), threading.Event()

    def claim() -> None:
        """Write our file, and give way if another one has a live owner."""
        storage.write(mine, content)
        now = storage.changed_at(mine)  # the store's clock, not ours
        for other in storage.files(folder, ".json"):
            if other.name == mine.name:
                continue
            try:
                holder, silent_s = _parsed(storage.read(other)), now - storage.changed_at(other)
            except MissingError:  # its owner removed it since the listing
                continue
            if silent_s <= STALE_S and not _dead(holder, me):
                mine.unlink(missing_ok=True)
                raise _locked(out, holder)
            other.unlink(missing_ok=True)

    def confirm() -> None:
        """Claim again if our file is gone: others take us for dead when this process or the store was stalled for long."""
        if not mine.exists():
            claim()

    def renew() -> None:
        while not ended.wait(HEARTBEAT_S):
            with suppress(InputError, OSError):  # a store that does not answer for a moment
                confirm()
                storage.write(mine, content)

    renewal = threading.Thread(target=renew, daemon=True, name="m3n-lock")
    try:
        claim()
        renewal.start()
        yield confirm
    finally:
        ended.set()
        if renewal.is_alive():
            renewal.join()
        with suppress(InputError):
            mine.unlink(missing_ok=True)
            if not storage.files(folder):
                _remove_empty(folder)


def _remove_empty(folder: Location) -> None:
    if isinstance(folder, Path):
        with suppress(OSError):  # another job has arrived meanwhile
            folder.rmdir()
    else:
        storage.remove(folder)  # pyarrow leaves a marker of an empty folder; a job that has arrived meanwhile claims again


def _dead(holder: dict[str, Any], me: dict[str, Any]) -> bool:
    """Whether the holder is a process of this machine that has ended; on other machines only a missing heartbeat shows that."""
    if holder.get("machine") != me["machine"]:
        return False
    return not Path(f"/proc/{holder.get('pid')}").exists()
