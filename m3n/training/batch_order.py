"""Which windows make which batch: a pure function of the seed, the epoch and the number of windows in every shard.

Shards are shuffled, consecutive ones form pools of about `POOL` windows, and windows are shuffled within their pool; batches are
cut from the whole sequence, so that what remains of a pool goes into the next one and only the end of an epoch is dropped. A batch
can be found again without walking there, so a run can be taken up at any batch, and a reader needs the memory of one pool, however
large the corpus. A corpus smaller than a pool is shuffled as a whole.

Of a global batch of b windows, worker r of W trains on rows r * b / W to (r + 1) * b / W. Validation batches go to the workers in
turn.
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

POOL = 8192
PIECE_WINDOWS = 2048  # what a reader fetches at a time: some 40 MB
VALIDATION = -1  # the "epoch" of the validation order, which is always the same

Span = tuple[int, int]


@dataclass(frozen=True)
class Piece:
    """A few batches of one worker: spans of the sequence of a part in an epoch."""

    part: str
    epoch: int
    spans: tuple[Span, ...]


Feed = Callable[[Iterator[Piece]], Iterator[Block]]  # reads pieces, in order; the rows of all spans, one after the other


@dataclass(frozen=True)
class Plan:
    """Batches of a store for one worker (`rank` of `workers`)."""

    store: WindowStore
    seed: int
    batch: int  # windows in a global batch
    rank: int = 0
    workers: int = 1

    @cached_property
    def train_batches(self) -> int:
        """Global training batches in an epoch; what does not fill one is left out."""
        return int(self.store.counts("train").sum()) // self.batch

    @cached_property
    def val_batches(self) -> list[Span]:
        """All validation batches; the last one may be smaller, and a single window, which has nothing to compare with, is none."""
        windows = int(self.store.counts("val").sum())
        spans = [(start, min(start + self.batch, windows)) for start in range(0, windows, self.batch)]
        return [(start, stop) for start, stop in spans if stop - start >= 2]

    def pieces(self, epoch: int, batch: int, epochs: int) -> Iterator[Piece]:
        """All that this worker reads from `batch` of `epoch` to the end of the last epoch."""
        share, width = self.batch // self.workers, max(1, PIECE_WINDOWS // self.batch)
        validation = self.val_batches[self.rank :: self.workers]
        for current in range(epoch, epochs):
            start = batch if current == epoch else 0
            first = [i * self.batch + self.rank * share for i in range(start, self.train_batches)]
            for i in range(0, len(first), width * self.workers):
                yield Piece("train", current, tuple((f, f + share) for f in first[i : i + width * self.workers]))
            for i in range(0, len(validation), width):
                yield Piece("val", VALIDATION, tuple(validation[i : i + width]))

    def batches(self, epoch: int, batch: int, epochs: int, feed: Feed) -> Iterator[Block]:
        """The same, batch by batch, as `feed` reads it; views, not copies."""
        asked, read = tee(self.pieces(epoch, batch, epochs))
        for piece, block in zip(asked, feed(read), strict=True):
            offset = 0
            for start, stop in piece.spans:
                yield {name: values[offset : offset + stop - start] for name, values in block.items()}
                offset += stop - start

    def load(self, piece: Piece) -> Block:
        """Read a piece."""
        found = [_windows(self, piece.part, piece.epoch, *span) for span in piece.spans]
        shard, position = (np.concatenate(values) for values in zip(*found, strict=True))
        return self.store.read(piece.part, shard, position)

    def in_process(self, pieces: Iterator[Piece]) -> Iterator[Block]:
        """A feed that reads in this process, when asked."""
        return map(self.load, pieces)


def global_batch(wanted: int, windows: int, workers: int) -> int:
    """Windows in a batch over all workers, the same number on each; InputError where there are too few to share."""
    batch = min(wanted, windows) // workers * workers
    if batch < 2:
        raise InputError(f"{windows} training windows are too few for batches on {workers} workers")
    return batch


def _windows(plan: Plan, part: str, epoch: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """(shard, position in the shard's windows of the part) of places `start` to `stop` of an epoch's sequence."""
    _, ends = _shard_order(plan, part, epoch)
    begins = np.concatenate([[0], ends[:-1]])
    pool_of = begins // POOL
    touched = (ends > start) & (begins < stop)
    found = []
    for pool in np.unique(pool_of[touched]):
        members = np.flatnonzero(pool_of == pool)
        offset = begins[members[0]]
        shard, position = _pool(plan, part, epoch, int(pool))
        piece = slice(max(start - offset, 0), max(stop - offset, 0))
        found.append((shard[piece], position[piece]))
    shard, position = (np.concatenate(values) for values in zip(*found, strict=True))
    return shard, position


@lru_cache(maxsize=4)
def _shard_order(plan: Plan, part: str, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    """Shards of an epoch in order, and where in the sequence each one ends; those without windows are left out."""
    counts = plan.store.counts(part)
    shards = generator(plan.seed, "pretrain", part, "shards", epoch).permutation(np.flatnonzero(counts))
    return shards, np.cumsum(counts[shards])


@lru_cache(maxsize=4)
def _pool(plan: Plan, part: str, epoch: int, pool: int) -> tuple[np.ndarray, np.ndarray]:
    shards, ends = _shard_order(plan, part, epoch)
    counts = plan.store.counts(part)[shards]
    members = np.flatnonzero((ends - counts) // POOL == pool)
    shard = np.repeat(shards[members], counts[members])
    position = np.concatenate([np.arange(counts[m]) for m in members])
    order = generator(plan.seed, "pretrain", part, "pool", epoch, pool).permutation(len(shard))
    return shard[order], position[order]
