"""Ray Data between tables and the training loop: it cuts shards into windows, and reads windows in the order of a batch sampler.

Both are streams of small descriptions, one for a shard or a chunk of batches, which any free node works on. A chunk becomes one
block, so batches reach PyTorch as views of shared memory. Each Ray Train worker runs a stream of its own over all remaining epochs,
in order and a few chunks ahead, so its memory does not depend on the size of the dataset.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from m3n.cluster.start import SchedulerPause
from m3n.data.corpora import Shard
from m3n.data.window_store import Block, cut_shard
from m3n.errors import InputError
from m3n.io.storage import full_name, location
from m3n.training.batch_order import CHUNK_WINDOWS, BatchSampler, Chunk, ChunkReader

if TYPE_CHECKING:
    from m3n.config import WindowsConfig

READ_CPUS = 0.5  # logical, for reading ahead, beside the training worker
AT_ONCE = 2  # chunks that are read at the same time
IN_MEMORY = 6  # chunks of each worker that are being read, waiting or in use
CHUNKS = 4000  # in one stream: starting another one takes a second, and each chunk costs the driver some memory


def cut_here(
    shards: Sequence[Shard], folder: Path, shape: WindowsConfig, placements: tuple[str, ...], excluded: list[str]
) -> Iterator[str]:
    """`cut_shards` in this process, one shard after the other."""
    for shard in shards:
        cut_shard(shard, folder, shape, placements, excluded)
        yield shard.folder


def cut_shards(
    shards: Sequence[Shard], folder: Path, shape: WindowsConfig, placements: tuple[str, ...], excluded: list[str]
) -> Iterator[str]:
    """Cut every shard into its folder below `folder`, in parallel; yields the names of those folders that are done.

    Raises InputError for the first shard that is found to be bad.
    """
    import ray.data

    from m3n.cluster.start import configure_data

    configure_data()
    folder = folder.resolve()  # workers have a working folder of their own

    def cut(batch: dict[str, Any]) -> dict[str, list[str]]:
        shard = shards[int(batch["number"][0])]
        try:
            cut_shard(shard, folder, shape, placements, excluded)
        except InputError as error:  # an exception would lose its one clear line
            return {"name": [shard.folder], "error": [str(error)]}
        return {"name": [shard.folder], "error": [""]}

    shards = [replace(shard, location=location(full_name(shard.location))) for shard in shards]
    items = [{"number": number} for number in range(len(shards))]
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


def ray_reader(sampler: BatchSampler) -> ChunkReader:
    """A reader that works ahead on Ray Data, for the worker of this sampler."""
    import ray.data
    from ray.data import DataContext, ExecutionResources

    from m3n.cluster.start import configure_data

    configure_data()
    context = DataContext.get_current()
    context.target_max_block_size = 2**40  # a chunk is a block, never cut in two
    chunk_bytes = max(CHUNK_WINDOWS, sampler.batch) * sampler.store.window_bytes
    context.execution_options.resource_limits = ExecutionResources(object_store_memory=IN_MEMORY * chunk_bytes)
    bare = replace(sampler)  # without its cached counts

    def load(batch: dict[str, Any]) -> Block:
        chunk = json.loads(batch["chunk"][0])
        return bare.load(Chunk(chunk["part"], chunk["epoch"], tuple(map(tuple, chunk["spans"]))))

    def read(chunks: Iterator[Chunk]) -> Iterator[Block]:
        while items := [{"chunk": json.dumps(asdict(chunk))} for chunk in islice(chunks, CHUNKS)]:
            stream = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
                load, batch_size=1, batch_format="numpy", num_cpus=READ_CPUS, concurrency=AT_ONCE
            )
            blocks = iter(stream.iter_batches(batch_size=None, batch_format="numpy", prefetch_batches=AT_ONCE))
            while (block := _awaited(blocks)) is not None:
                yield block

    return read
