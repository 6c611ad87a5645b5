"""Processes as a test sees them from outside: what lives below one, and waiting for what they do."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any


def surroundings() -> dict[str, str]:
    """The environment of a command that is started by hand: what this process' own Ray has set is left out, the tests' settings of
    Ray stay."""
    own = ("RAY_TRAIN_", "RAY_worker_niceness")
    return {name: value for name, value in os.environ.items() if not name.startswith("RAY_") or name.startswith(own)}


def living() -> Iterator[tuple[int, int, str]]:
    """(pid, parent, command line) of all processes that live; one that has ended may stay in the list until somebody asks."""
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                state, parent, *_ = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                if state != "Z":
                    yield (
                        int(folder.name),
                        int(parent),
                        (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace"),
                    )
            except OSError:
                continue


def below(ancestor: int) -> dict[int, str]:
    """Command lines of a process' descendants that live."""
    everything, found, new = list(living()), {}, {ancestor}
    while new:
        children = {pid: command for pid, parent, command in everything if parent in new}
        found |= children
        new = set(children)
    return found


def wait(until: Callable[[], Any], process: subprocess.Popen[str] | None = None, *, patience_s: float) -> None:
    """Until something is so, while `process` (if any) is at work."""
    deadline = monotonic() + patience_s
    while not until():
        assert monotonic() < deadline, "waited in vain"
        assert process is None or process.poll() is None, process.communicate()
        sleep(0.02)


def listening(pid: int) -> set[str]:
    """Addresses of the TCP sockets at which a process listens, as "127.0.0.1" or, for all interfaces, "0.0.0.0" and "::"."""
    held = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            held.add(os.readlink(handle))
    found = set()
    for name, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in held:
                raw = bytes.fromhex(local.partition(":")[0])
                words = [raw[i : i + 4][::-1] for i in range(0, len(raw), 4)]  # each word is in the machine's own order
                found.add(socket.inet_ntop(family, b"".join(words)))
    return found
