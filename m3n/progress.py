"""Progress on stderr for long work: a bar at a terminal, and elsewhere, as in a job's log, one line every half minute."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY_S = "M3N_PROGRESS_S"  # in the environment: seconds between two lines
Advance = Callable[[float, str], None]


@contextmanager
def bar(title: str, total: float) -> Iterator[Advance]:
    """A bar of `total` units; the block calls `advance(units done, note)`."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal:
        with _lines(title, total) as advance:
            yield advance
        return
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed:.0f}/{task.total:.0f}"),
        TimeElapsedColumn(), TimeRemainingColumn(), TextColumn("{task.fields[note]}"),
    )  # fmt: skip
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=total, note="")
        yield lambda by, note: progress.update(task, advance=by, note=note)


@contextmanager
def _lines(title: str, total: float) -> Iterator[Advance]:
    done, note, ended = 0.0, "", threading.Event()
    started, every_s = time.monotonic(), float(os.environ.get(EVERY_S) or 30)

    def advance(by: float, said: str) -> None:
        nonlocal done, note
        done, note = done + by, said

    def say() -> None:
        while not ended.wait(every_s):
            print(line(title, done, total, time.monotonic() - started, note), file=sys.stderr, flush=True)

    speaker = threading.Thread(target=say, daemon=True, name="m3n-progress")
    speaker.start()
    try:
        yield advance
    finally:
        ended.set()
        speaker.join()


def line(title: str, done: float, total: float, seconds: float, note: str) -> str:
    """What a log says of work that has run for some seconds: done of total, rate, time left, and the note."""
    parts = [f"{title}: {done:.0f} of {total:.0f}" if total else f"{title}: {done:.0f}"]
    if done:
        rate = done / seconds
        parts.append(f"{rate:.3g} a second" if rate >= 1 else f"{60 * rate:.3g} a minute")
        if total > done:
            parts.append(f"{_spell((total - done) / rate)} left")
    else:
        parts.append(f"begun {_spell(seconds)} ago")
    return ", ".join([*parts, note] if note else parts)


def _spell(seconds: float) -> str:
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"
