"""Work on many items: in this process while that is quicker, beyond that on Ray Data, by workers that keep what takes long to load.

One item is one row of the Ray dataset. A worker that is killed is started again, and Ray gives its item to it or to another one.
"""

from __future__ import annotations

import json
import math
import os
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from typing import Any, Literal

from m3n.cluster.start import configure_data, connect, end_by_sigterm, named_cluster
from m3n.errors import InputError

RAY_S = 12.0  # to start Ray and two workers, and to stop them, on a quiet machine
RETRIES = 3  # of an item whose worker dies; Ray's default is unlimited
Item = dict[str, Any]  # as JSON has it


def run(
    make: Callable[[], Callable[[Item], Item]],
    items: Iterable[Item],
    workers: int | Literal["auto"],
    address: str | None = None,
    called: str = "item",
    remedy: str = "use fewer workers",
) -> Generator[Item, None, None]:
    """As `run_items`, by so many Ray workers on the cluster at `address`.

    "auto" begins in this process, and goes on with as many as there are CPUs once that saves more time than they cost.
    """
    todo = deque(items)
    if workers == "auto" and todo:
        processes = math.inf if named_cluster(address) else os.cpu_count() or 1
        yield from here(make, todo, saved_share=1 - 1 / processes)
    if not todo:
        return
    count = (os.cpu_count() or 1) if workers == "auto" else workers
    connect(address, count)
    if workers == "auto" and named_cluster(address):
        import ray

        count = max(1, int(ray.cluster_resources().get("CPU", 1)))
    yield from run_items(make, todo, count, called, remedy)


def here(make: Callable[[], Callable[[Item], Item]], todo: deque[Item], saved_share: float) -> Generator[Item, None, None]:
    """Work in this process on items, each taken out of `todo`, until Ray would save more than it costs: `saved_share` of the time
    that the others would take here."""
    end_by_sigterm()
    work = make()
    took: list[float] = []  # the first one is slow: it loads the compiled code
    while todo and (len(took) < 2 or min(took) * len(todo) * saved_share < RAY_S):
        started = time.perf_counter()
        result = work(todo.popleft())
        took.append(time.perf_counter() - started)
        yield result


def run_items(
    make: Callable[[], Callable[[Item], Item]],
    items: Sequence[Item],
    workers: int,
    called: str = "item",
    remedy: str = "use fewer workers",
) -> Generator[Item, None, None]:
    """What `make()(item)` returns, for each item, in their order. `make` is called once by each of the `workers`.

    The work is done when its result is taken. Raises InputError for one that the work raises, and for an item over which workers
    die, which the message calls `called` and adds a `remedy`.
    """
    import ray

    configure_data()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="`ray_remote_args` is deprecated")  # the only way to limit retries
        rows = [{"item": json.dumps(item)} for item in items]
        pipeline = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            ItemWorker,
            fn_constructor_kwargs={"make": make},
            batch_size=1,
            batch_format="numpy",
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(items))),
            num_cpus=1,
            max_task_retries=RETRIES,
        )
    try:
        for row in pipeline.iter_rows():
            result = json.loads(row["result"])
            if "error" in result:
                raise InputError(result["error"])
            yield result
    except ray.exceptions.RayActorError:
        raise InputError(
            f"a worker was killed {RETRIES + 1} times over the same {called}, perhaps because memory ran out: {remedy}"
        ) from None


class ItemWorker:
    """One worker: does items one after the other."""

    def __init__(self, make: Callable[[], Callable[[Item], Item]]) -> None:
        self._work = make()

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[str]]:
        return {"result": [json.dumps(self._attempt(json.loads(str(item)))) for item in batch["item"]]}

    def _attempt(self, item: Item) -> Item:
        """The result; an InputError becomes its `error`, because Ray would wrap an exception and lose its one clear line."""
        try:
            return self._work(item)
        except InputError as error:
            return {"error": str(error)}
