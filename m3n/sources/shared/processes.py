"""Work on many items by several processes, results in the order of the items: Python runs in one thread of a process at a time.

Forking is quick (nothing is imported again) and safe while no other thread runs, so only then is it done; elsewhere, and on one
core, everything happens here. Results are the same.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")
_BATCH = 16  # items in one message: fewer would spend their time on messages


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(work: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """`work`, a function of a module, of every item, by so many processes; at most a few batches are ahead of whoever takes the
    results."""
    if workers < 2 or not sys.platform.startswith("linux") or threading.active_count() > 1:
        yield from map(work, items)
        return
    remaining = iter(items)
    ahead: deque[Future[list[R]]] = deque()
    with ProcessPoolExecutor(workers, multiprocessing.get_context("fork")) as pool:
        try:
            while True:
                while len(ahead) < 3 * workers and (batch := list(islice(remaining, _BATCH))):
                    ahead.append(pool.submit(_done, work, batch))
                if not ahead:
                    return
                yield from ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


def _done(work: Callable[[T], R], batch: list[T]) -> list[R]:
    return [work(item) for item in batch]
