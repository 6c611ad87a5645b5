"""The cells of a grid as Ray tasks: as many at a time as asked, each result handed over as it comes.

A cell that is lost with its worker or its node is started again elsewhere; a cell that fails for a reason of its own ends the grid,
after the cells that are under way have been handed over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from m3n.errors import InputError

Cell = TypeVar("Cell")
Result = TypeVar("Result")
RETRIES = 3  # of a cell whose worker dies


def run_cells(
    run: Callable[[Cell], Result], cells: Sequence[Cell], at_a_time: int, cpus: float = 1
) -> Iterator[tuple[Cell, Result]]:
    """(cell, result of `run(cell)`) in the order in which cells end; `cpus`: logical ones that each takes for itself."""
    import ray

    task = ray.remote(num_cpus=cpus, max_retries=RETRIES)(run)
    waiting = list(reversed(cells))
    running: dict[Any, Cell] = {}
    failure: Exception | None = None
    while running or (waiting and failure is None):
        while waiting and len(running) < at_a_time and failure is None:
            cell = waiting.pop()
            running[task.remote(cell)] = cell
        (done, *_), _ = ray.wait(list(running), num_returns=1)
        cell = running.pop(done)
        try:
            result = ray.get(done)
        except ray.exceptions.RayTaskError as error:
            failure = failure or (error.cause if isinstance(error.cause, InputError) else error.as_instanceof_cause())
            continue
        yield cell, result
    if failure is not None:
        raise failure
