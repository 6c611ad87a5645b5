"""One job at a time in one output folder: whoever comes second is told who is at work, and a lock left by the dead is taken over.

On a disk the kernel keeps the lock (flock), and drops it when its holder ends, however it ends. Object stores, and network
disks without flock, get a folder of small files instead, one for each contender, which its owner writes anew every
`BEAT_S`. Whoever writes his file and then finds no other one alive holds the lock: since a listing shows every earlier
write, two that come at the same moment both give way, and never both hold it.
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

BEAT_S, STALE_S = 10.0, 60.0
NO_FLOCK = (errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS)


class _NoFlockError(Exception):
    """The disk cannot lock files."""


@contextmanager
def held(out: Location) -> Iterator[Callable[[], None]]:
    """Hold the lock of an output folder, `OUT.partial.lock` beside it; LockedError, naming the holder, if another job holds it.

    Yields a function that raises LockedError if the lock has been lost meanwhile, to be called before anything final.
    """
    place = out.with_name(f"{out.name}.partial.lock")
    if isinstance(place, Path) and not place.is_dir():
        with suppress(_NoFlockError), _flock(place, out):
            yield lambda: None
            return
    with _beating(place, out) as confirm:
        yield confirm


def _taken(out: Location, holder: dict[str, Any]) -> LockedError:
    who = f"process {holder.get('pid', 'unknown')} on {holder.get('host', 'an unknown host')}, since {holder.get('since', '?')}"
    return LockedError(f"another job is writing {out}: {who}; wait for it, or choose another --out")


def _me() -> dict[str, Any]:
    """Who holds a lock; `machine` tells processes of this kernel and process namespace from those of any other."""
    machine = f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    since = datetime.now(UTC).isoformat(sep=" ", timespec="seconds")
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": since, "machine": machine}


def _parsed(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError:  # not yet written, or cut short
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def _flock(path: Path, out: Location) -> Iterator[None]:
    while True:
        with storage.writing(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is(path, descriptor):
                break
        except OSError as error:
            holder = _parsed(os.pread(descriptor, 4096, 0))
            os.close(descriptor)
            if error.errno in NO_FLOCK:
                path.unlink(missing_ok=True)
                raise _NoFlockError from None
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            raise _taken(out, holder) from None
        os.close(descriptor)  # its holder removed the file at this moment: ours would guard nothing
    try:
        with suppress(OSError):  # a full disk: the lock holds without a name in it
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, json.dumps(_me()).encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _is(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


@contextmanager
def _beating(folder: Location, out: Location) -> Iterator[Callable[[], None]]:
    if isinstance(folder, Path):
        folder.mkdir(exist_ok=True)
    me, mine = _me(), folder / f"{uuid4().hex}.json"
    content, ended = json.dumps(me).encode(), threading.Event()

    def claim() -> None:
        """Write our file, and give way to any other one whose owner lives."""
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
                raise _taken(out, holder)
            other.unlink(missing_ok=True)

    def confirm() -> None:
        """Our file may have been taken for a dead one's, where this process or the store stood still for long."""
        if not mine.exists():
            claim()

    def beat() -> None:
        while not ended.wait(BEAT_S):
            with suppress(InputError, OSError):  # a store that is away for a moment
                confirm()
                storage.write(mine, content)

    beats = threading.Thread(target=beat, daemon=True, name="m3n-lock")
    try:
        claim()
        beats.start()
        yield confirm
    finally:
        ended.set()
        if beats.is_alive():
            beats.join()
        with suppress(InputError):
            mine.unlink(missing_ok=True)
            if not storage.files(folder):
                _remove_empty(folder)


def _remove_empty(folder: Location) -> None:
    if isinstance(folder, Path):
        with suppress(OSError):  # somebody has come meanwhile
            folder.rmdir()
    else:
        storage.remove(folder)  # the mark of an empty folder that pyarrow leaves; who has come meanwhile claims anew


def _dead(holder: dict[str, Any], me: dict[str, Any]) -> bool:
    """True where a process of this machine is known to have ended; of other machines only silence tells."""
    if holder.get("machine") != me["machine"]:
        return False
    return not Path(f"/proc/{holder.get('pid')}").exists()
