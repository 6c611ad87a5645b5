"""Which windows form which batch: a pure function of the seed, the epoch and the number of windows in every shard.

Shards are shuffled, then windows are shuffled within buffers of consecutive shards, of about `SHUFFLE_BUFFER` windows each. Batches
are cut from the whole sequence, across buffers, so only the end of an epoch is dropped. Any batch can be computed without the ones
before it, so a run resumes at any batch; and a reader needs the memory of one buffer, however large the dataset. A dataset smaller
than a buffer is shuffled as a whole.

Where corpora are weighted, an epoch takes more or fewer windows of a shard than it has (`WindowStore.epoch_counts`).

Of a global batch of b windows, worker r of W trains on rows r * b / W to (r + 1) * b / W. The workers take turns with validation
batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import tee

import numpy as np

from m3n.data.window_store import Block, WindowStore
from m3n.errors import InputError
from m3n.randomness import generator

SHUFFLE_BUFFER = 8192  # windows
CHUNK_WINDOWS = 2048  # windows that a reader fetches at a time: about 40 MB
VALIDATION = -1  # the "epoch" of the validation order, which is always the same

Span = tuple[int, int]


@dataclass(frozen=True)
class Chunk:
    """A few batches of one worker, read at once: spans of an epoch's sequence of a part."""

    part: str
    epoch: int
    spans: tuple[Span, ...]


ChunkReader = Callable[[Iterator[Chunk]], Iterator[Block]]  # reads chunks in order; a block has the rows of all spans in turn


@dataclass(frozen=True)
class BatchSampler:
    """The batches of a store for one worker (`rank` of `workers`)."""

    store: WindowStore
    seed: int
    batch: int  # windows in a global batch
    rank: int = 0
    workers: int = 1

    @cached_property
    def train_batches(self) -> int:
        """Global training batches in an epoch; windows that do not fill a batch are left out."""
        return self.store.epoch_windows // self.batch

    @cached_property
    def val_batches(self) -> list[Span]:
        """All validation batches; the last one may be smaller, but not a single window, which has nothing to be compared with."""
        windows = int(self.store.counts("val").sum())
        spans = [(start, min(start + self.batch, windows)) for start in range(0, windows, self.batch)]
        return [(start, stop) for start, stop in spans if stop - start >= 2]

    def chunks(self, epoch: int, batch: int, epochs: int) -> Iterator[Chunk]:
        """Everything that this worker reads from `batch` of `epoch` to the end of the last epoch."""
        share, width = self.batch // self.workers, max(1, CHUNK_WINDOWS // self.batch)
        validation = self.val_batches[self.rank :: self.workers]
        for current in range(epoch, epochs):
            start = batch if current == epoch else 0
            first = [i * self.batch + self.rank * share for i in range(start, self.train_batches)]
            for i in range(0, len(first), width * self.workers):
                yield Chunk("train", current, tuple((f, f + share) for f in first[i : i + width * self.workers]))
            for i in range(0, len(validation), width):
                yield Chunk("val", VALIDATION, tuple(validation[i : i + width]))

    def batches(self, epoch: int, batch: int, epochs: int, reader: ChunkReader) -> Iterator[Block]:
        """The same, batch by batch, as `reader` reads it; views, not copies."""
        chunks, asked = tee(self.chunks(epoch, batch, epochs))
        for chunk, block in zip(chunks, reader(asked), strict=True):
            offset = 0
            for start, stop in chunk.spans:
                yield {name: values[offset : offset + stop - start] for name, values in block.items()}
                offset += stop - start

    def load(self, chunk: Chunk) -> Block:
        """Read a chunk."""
        found = [_windows(self, chunk.part, chunk.epoch, *span) for span in chunk.spans]
        shard, position = (np.concatenate(values) for values in zip(*found, strict=True))
        return self.store.read(chunk.part, shard, position)

    def in_process(self, chunks: Iterator[Chunk]) -> Iterator[Block]:
        """A reader that works in this process, chunk by chunk as needed."""
        return map(self.load, chunks)


def global_batch(wanted: int, windows: int, workers: int) -> int:
    """Windows in a batch over all workers, the same number on each; InputError if there are too few."""
    batch = min(wanted, windows) // workers * workers
    if batch < 2:
        raise InputError(
            f"{windows} training windows are too few for batches on {workers} workers: add clips, or lower workers"
        )
    return batch


def _windows(sampler: BatchSampler, part: str, epoch: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """(shard, position in the shard's windows of the part) at places `start` to `stop` of an epoch's sequence."""
    _, ends = _shard_order(sampler, part, epoch)
    begins = np.concatenate([[0], ends[:-1]])
    buffer_of = begins // SHUFFLE_BUFFER
    touched = (ends > start) & (begins < stop)
    found = []
    for buffer in np.unique(buffer_of[touched]):
        members = np.flatnonzero(buffer_of == buffer)
        offset = begins[members[0]]
        shard, position = _shuffled(sampler, part, epoch, int(buffer))
        rows = slice(max(start - offset, 0), max(stop - offset, 0))
        found.append((shard[rows], position[rows]))
    shard, position = (np.concatenate(values) for values in zip(*found, strict=True))
    return shard, position


@lru_cache(maxsize=4)
def _shard_order(sampler: BatchSampler, part: str, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """The shards of an epoch that have windows, in order, and where in the sequence each one ends."""
    drawn = _drawn(sampler, part)
    shards = generator(sampler.seed, "pretrain", part, "shards", epoch).permutation(np.flatnonzero(drawn))
    return shards, np.cumsum(drawn[shards])


@lru_cache(maxsize=4)
def _shuffled(sampler: BatchSampler, part: str, epoch: int, buffer: int) -> tuple[np.ndarray, np.ndarray]:
    """(shard, position) of the windows of one buffer, shuffled."""
    shards, ends = _shard_order(sampler, part, epoch)
    drawn, counts = _drawn(sampler, part)[shards], sampler.store.counts(part)[shards]
    members = np.flatnonzero((ends - drawn) // SHUFFLE_BUFFER == buffer)
    shard = np.repeat(shards[members], drawn[members])
    position = np.concatenate([_positions(sampler, epoch, shards[m], counts[m], drawn[m]) for m in members])
    order = generator(sampler.seed, "pretrain", part, "pool", epoch, buffer).permutation(len(shard))
    return shard[order], position[order]


def _drawn(sampler: BatchSampler, part: str) -> np.ndarray:
    """Windows that an epoch takes from every shard."""
    return sampler.store.epoch_counts if part == "train" else sampler.store.counts(part)


def _positions(sampler: BatchSampler, epoch: int, shard: int, count: int, drawn: int) -> np.ndarray:
    """The windows that an epoch takes from a shard of `count`: all of them or, weighted, the next `drawn` of a sequence in which
    every window comes once before any comes again."""
    if drawn == count:
        return np.arange(count)
    place = epoch * drawn + np.arange(drawn)
    rounds = place // count
    found = [
        generator(sampler.seed, "pretrain", "mix", int(shard), int(number)).permutation(count)[place[rounds == number] % count]
        for number in np.unique(rounds)
    ]
    return np.concatenate(found)
