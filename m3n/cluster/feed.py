"""Ray Data between the tables and the training loop: cutting shards into windows, and reading windows in the order of a plan.

Both are streams of small descriptions, one item a shard or a piece of the plan, that become work on whatever node is free. A piece
becomes one block, so that batches reach PyTorch as views of shared memory. Each Ray Train worker runs a stream of its own over all
remaining epochs, in order, a few pieces ahead; so the memory it takes does not depend on the size of the corpus.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m3n.cluster.start import SchedulerPause
from m3n.data.window_store import Block, cut_shard
from m3n.errors import InputError
from m3n.io.storage import Location, full_name, location
from m3n.training.batch_order import PIECE_WINDOWS, Feed, Piece, Plan

if TYPE_CHECKING:
    from m3n.config import WindowsConfig

READ_CPUS = 0.5  # logical, for reading ahead, beside the training worker
AT_ONCE = 2  # pieces that are read at the same time
IN_MEMORY = 6  # pieces that are read, wait or are trained on, of each worker
PIECES = 4000  # in one stream: beginning another one takes a second, and each piece costs the driver some memory


def cut_shards(
    shards: list[Location], folder: Path, shape: WindowsConfig, placements: tuple[str, ...], excluded: list[str]
) -> Iterator[str]:
    """Cut every shard into `folder`, in parallel; yields the names of those that are done.

    Raises InputError for the first shard that is found to be bad.
    """
    import ray.data

    from m3n.cluster.start import configure_data

    configure_data()
    folder = folder.resolve()  # workers have a working folder of their own

    def cut(batch: dict[str, Any]) -> dict[str, list[str]]:
        shard = location(batch["shard"][0])
        name = shard.name.removesuffix(".parquet")
        try:
            cut_shard(shard, folder / name, shape, placements, excluded)
        except InputError as error:  # an exception would lose its one clear line
            return {"name": [name], "error": [str(error)]}
        return {"name": [name], "error": [""]}

    items = [{"shard": full_name(shard)} for shard in shards]
    pipeline = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(cut, batch_size=1, batch_format="numpy")
    for row in pipeline.iter_rows():
        if row["error"]:
            raise InputError(row["error"])
        yield row["name"]


def _awaited(blocks: Iterator[Block]) -> Block | None:
    SchedulerPause.data_wanted.set()
    try:
        return next(blocks, None)
    finally:
        SchedulerPause.data_wanted.clear()


def ray_feed(plan: Plan) -> Feed:
    """A feed that reads ahead on Ray Data, for the worker whose plan this is."""
    import ray.data
    from ray.data import DataContext, ExecutionResources

    from m3n.cluster.start import configure_data

    configure_data()
    context = DataContext.get_current()
    context.target_max_block_size = 2**40  # a piece is a block, never cut in two
    piece_bytes = max(PIECE_WINDOWS, plan.batch) * plan.store.window_bytes
    context.execution_options.resource_limits = ExecutionResources(object_store_memory=IN_MEMORY * piece_bytes)
    bare = replace(plan)  # without what it has counted so far

    def load(batch: dict[str, Any]) -> Block:
        piece = json.loads(batch["piece"][0])
        return bare.load(Piece(piece["part"], piece["epoch"], tuple(map(tuple, piece["spans"]))))

    def feed(pieces: Iterator[Piece]) -> Iterator[Block]:
        while items := [{"piece": json.dumps(asdict(piece))} for piece in islice(pieces, PIECES)]:
            stream = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
                load, batch_size=1, batch_format="numpy", num_cpus=READ_CPUS, concurrency=AT_ONCE
            )
            blocks = iter(stream.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=AT_ONCE))
            while (block := _awaited(blocks)) is not None:
                yield block

    return feed
