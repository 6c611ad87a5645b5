"""The load of the machine, under the names that MLflow's page "System metrics" shows.

Read from Linux's /proc (and nvidia-smi, if there is one) six times a minute, in well under a millisecond; for the machine on
which the command runs, not for the other nodes of a cluster.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SAMPLE_S = 10.0
SHORTEST_S = 1.0  # between two samples: a load over less time means little
GPU_FIELDS = ("utilization.gpu", "memory.used", "memory.total")


class Sampler:
    """Calls `write(values, step)` every `SAMPLE_S` until it is closed."""

    def __init__(self, write: Callable[[dict[str, float], int], None]) -> None:
        self._write = write
        self._closed = threading.Event()
        self._step = 0
        self._before = _cpu_ticks()
        self._at = time.monotonic()
        self._smi = shutil.which("nvidia-smi")
        self._thread = threading.Thread(target=self._sample, daemon=True, name="m3n-system-metrics")
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        if time.monotonic() - self._at > SHORTEST_S:
            self._take()

    def _sample(self) -> None:
        while not self._closed.wait(SAMPLE_S):
            self._take()

    def _take(self) -> None:
        values: dict[str, float] = {}
        with suppress(OSError, ValueError, KeyError, subprocess.SubprocessError):  # not Linux, or nvidia-smi fails
            now, self._at = _cpu_ticks(), time.monotonic()
            busy, total = (a - b for a, b in zip(now, self._before, strict=True))
            self._before = now
            values["system/cpu_utilization_percentage"] = 100 * busy / max(total, 1)
            values |= _memory()
            if self._smi:
                values |= _gpus(self._smi)
        if values:
            self._write(values, self._step)
            self._step += 1


def _cpu_ticks() -> tuple[int, int]:
    """(busy, total) ticks of all cores since the machine started."""
    with suppress(OSError):
        ticks = [int(value) for value in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        return sum(ticks) - ticks[3] - ticks[4], sum(ticks)
    return 0, 0


def _memory() -> dict[str, float]:
    lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    total, free = (int(lines[name].split()[0]) / 1024 for name in ("MemTotal", "MemAvailable"))
    own = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    return {
        "system/system_memory_usage_megabytes": total - free,
        "system/system_memory_usage_percentage": 100 * (1 - free / total),
        "system/process_memory_megabytes": own,
    }


def _gpus(smi: str) -> dict[str, float]:
    command = [smi, f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader,nounits"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
    values: dict[str, float] = {}
    for number, line in enumerate(found.splitlines()):
        busy, used, total = map(float, line.split(","))
        values[f"system/gpu_{number}_utilization_percentage"] = busy
        values[f"system/gpu_{number}_memory_usage_megabytes"] = used
        values[f"system/gpu_{number}_memory_usage_percentage"] = 100 * used / total
    return values
