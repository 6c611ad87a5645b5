"""Every window once an epoch, in an order of its own, shared out evenly, and found again at any batch."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from m3n.errors import InputError
from m3n.training import batch_order
from m3n.training.batch_order import VALIDATION, BatchSampler, Chunk, global_batch


class Counted:
    """A store of which only the numbers of windows are known; a window is its shard and position."""

    def __init__(self, train: list[int], val: list[int], epoch: list[int] | None = None) -> None:
        self.windows = {"train": np.array(train), "val": np.array(val)}
        self.epoch_counts = np.array(train if epoch is None else epoch)  # windows of an epoch
        self.epoch_windows = int(self.epoch_counts.sum())

    def counts(self, part: str) -> np.ndarray:
        return self.windows[part]

    def read(self, part: str, shard_n: np.ndarray, position_n: np.ndarray) -> dict[str, np.ndarray]:
        assert (position_n < self.windows[part][shard_n]).all()
        return {"window": np.stack([shard_n, position_n], 1), "part": np.full(len(shard_n), part)}


@pytest.fixture(autouse=True)
def small(monkeypatch) -> None:
    """Shuffle buffers of a few shards, chunks of a few batches."""
    monkeypatch.setattr(batch_order, "SHUFFLE_BUFFER", 50)
    monkeypatch.setattr(batch_order, "CHUNK_WINDOWS", 24)


STORE = Counted([7, 0, 31, 12, 64, 1, 20, 9, 3], [5, 0, 0, 6, 2, 0, 0, 0, 0])


def batches(sampler: BatchSampler, epoch: int = 0, batch: int = 0, epochs: int = 1) -> list[dict[str, np.ndarray]]:
    return list(sampler.batches(epoch, batch, epochs, sampler.in_process))


def windows(found: list[dict[str, np.ndarray]], part: str = "train") -> list[tuple[int, int]]:
    return [tuple(row) for b in found if b["part"][0] == part for row in b["window"].tolist()]


def test_an_epoch_holds_every_window_once_but_for_the_rest_of_a_batch():
    found = windows(batches(BatchSampler(STORE, 3, 8)))
    assert len(found) == 147 // 8 * 8
    assert max(Counter(found).values()) == 1


def test_epochs_and_seeds_have_orders_of_their_own_and_the_same_one_twice():
    first = windows(batches(BatchSampler(STORE, 3, 7)))
    assert first == windows(batches(BatchSampler(STORE, 3, 7)))
    both = windows(batches(BatchSampler(STORE, 3, 7), epochs=2))
    assert both[:147] == first
    assert sorted(both[147:]) == sorted(first)
    assert both[147:] != first
    assert windows(batches(BatchSampler(STORE, 4, 7))) != first


def test_windows_are_mixed_beyond_their_shard():
    found = batches(BatchSampler(Counted([10] * 40, [0] * 40), 0, 16))
    assert min(len({shard for shard, _ in b["window"]}) for b in found) >= 3  # of the five or so shards in a buffer


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_share_every_batch_in_rank_order_and_validation_in_turn(workers):
    alone = batches(BatchSampler(STORE, 3, 8), epochs=2)
    shares = [batches(BatchSampler(STORE, 3, 8, rank, workers), epochs=2) for rank in range(workers)]
    train = [[b for b in s if b["part"][0] == "train"] for s in shares]
    for number, whole in enumerate(b for b in alone if b["part"][0] == "train"):
        np.testing.assert_array_equal(np.concatenate([t[number]["window"] for t in train]), whole["window"])
    validated = sorted(row for s in shares for row in windows(s, "val"))
    assert validated == sorted(windows(alone, "val"))
    assert len(validated) == 2 * 13


@pytest.mark.parametrize("batch", [0, 1, 5, 17, 18])
def test_a_run_resumes_at_any_batch(batch):
    sampler = BatchSampler(STORE, 3, 8)
    whole, rest = batches(sampler, epochs=3), batches(sampler, 1, batch, 3)
    expected = whole[len(whole) // 3 + batch :]
    assert len(rest) == len(expected)
    for found, wanted in zip(rest, expected, strict=True):
        np.testing.assert_array_equal(found["window"], wanted["window"])


def test_the_validation_order_is_always_the_same():
    sampler = BatchSampler(STORE, 3, 8)
    assert {p.epoch for p in sampler.chunks(0, 0, 3) if p.part == "val"} == {VALIDATION}
    assert sampler.val_batches == [(0, 8), (8, 13)]
    assert BatchSampler(STORE, 3, 12).val_batches == [(0, 12)]  # a single window has nothing to compare with


def test_a_chunk_is_a_few_batches_and_knows_them():
    chunks = list(BatchSampler(STORE, 3, 8).chunks(0, 0, 1))
    assert chunks[0] == Chunk("train", 0, ((0, 8), (8, 16), (16, 24)))
    half = next(BatchSampler(STORE, 3, 8, rank=1, workers=2).chunks(0, 0, 1))
    assert half.spans[:2] == ((4, 8), (12, 16))


def test_only_the_buffers_that_are_asked_for_are_shuffled(monkeypatch):
    sampler, made = BatchSampler(Counted([10] * 1000, [0] * 1000), 5, 10), []
    original = batch_order._shuffled.__wrapped__
    monkeypatch.setattr(batch_order, "_shuffled", lambda *a: made.append(a[-1]) or original(*a))
    sampler.load(Chunk("train", 0, ((5000, 5010),)))
    assert made == [100]


@pytest.mark.parametrize(("wanted", "windows", "workers", "batch"), [(128, 1000, 3, 126), (128, 50, 4, 48), (2, 9, 2, 2)])
def test_every_worker_gets_as_many_windows(wanted, windows, workers, batch):
    assert global_batch(wanted, windows, workers) == batch


def test_too_few_windows_to_share_are_refused():
    with pytest.raises(InputError, match="3 training windows are too few for batches on 4 workers"):
        global_batch(128, 3, 4)


def test_samplers_of_other_stores_are_other_samplers(window_store, tmp_path: Path):
    first, second = (window_store(tmp_path / str(clips), clips=clips, shards=2) for clips in (10, 12))
    assert BatchSampler(first, 0, 4) != BatchSampler(second, 0, 4)


# weighted corpora

WEIGHTED = Counted([6, 10, 8, 5], [0, 0, 0, 0], [12, 5, 8, 0])


def test_weights_decide_how_often_an_epoch_takes_a_window():
    """Twice every window of the first shard, every other one of the second, which the next epoch takes, and none of the last."""
    epochs = [Counter(windows(batches(BatchSampler(WEIGHTED, 3, 5), epoch, epochs=epoch + 1))) for epoch in range(2)]
    both = epochs[0] + epochs[1]
    assert [epoch.total() for epoch in epochs] == [25, 25]
    assert {both[0, i] for i in range(6)} == {4}
    assert {both[1, i] for i in range(10)} == {1}
    assert {both[2, i] for i in range(8)} == {2}
    assert {both[3, i] for i in range(5)} == {0}


def test_weighted_windows_are_the_same_for_any_number_of_workers_and_after_any_interruption():
    alone = batches(BatchSampler(WEIGHTED, 3, 6), epochs=3)
    shares = [batches(BatchSampler(WEIGHTED, 3, 6, rank, 2), epochs=3) for rank in range(2)]
    for number, whole in enumerate(alone):
        np.testing.assert_array_equal(np.concatenate([share[number]["window"] for share in shares]), whole["window"])
    rest = batches(BatchSampler(WEIGHTED, 3, 6), 1, 2, 3)
    assert windows(rest) == windows(alone)[(4 + 2) * 6 :]
