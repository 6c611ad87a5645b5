"""Batches as the model reads them: normalised, with their sentences, and the same whichever worker takes which rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from m3n.config import AugmentConfig
from m3n.data.window_store import Block, WindowStore
from m3n.training.batch_order import BatchSampler, Chunk
from m3n.training.batches import BatchMaker

CPU = torch.device("cpu")
STRENGTH = AugmentConfig(signal_dropout=0.3)


@pytest.fixture(scope="module")
def store(window_store, tmp_path_factory) -> WindowStore:
    return window_store(tmp_path_factory.mktemp("noise"), clips=12, shards=2)


@pytest.fixture(scope="module")
def block(store) -> Block:
    return BatchSampler(store, 0, 8).load(Chunk("train", 0, ((0, 8),)))


def test_signals_are_normalised_and_sentences_looked_up(store, block):
    made = BatchMaker(store, CPU, 40.0)(block)
    expected = block["imu"] / np.repeat([store.normaliser.acc, store.normaliser.gyro], 3).astype(np.float32)
    np.testing.assert_allclose(made["imu_bpt6"], expected, rtol=1e-6)
    for name in ("ideal_bpt6", "clean_bpt6"):
        assert torch.equal(made[name], made["imu_bpt6"])
    assert made["worn_bp"].all()
    np.testing.assert_array_equal(made["text_bc"], store.sentences[block["keys"][:, 1]])
    np.testing.assert_array_equal(made["keys_bk"], block["keys"])
    np.testing.assert_array_equal(made["pose_bfd"], block["pose"])


def test_augmentation_leaves_the_target_of_pose2imu_alone(store, block):
    maker = BatchMaker(store, CPU, 40.0)
    plain, changed = maker(block), maker.augmented(block, STRENGTH, (0, 0, 0), 0, 8)
    assert torch.equal(changed["ideal_bpt6"], plain["ideal_bpt6"])
    assert torch.equal(changed["pose_bfd"], plain["pose_bfd"])
    assert (changed["imu_bpt6"] - plain["imu_bpt6"]).abs().max() > 0.1
    assert changed["rate_b"].shape == (8,)


def test_draws_follow_seed_epoch_and_batch_and_nothing_else(store, block):
    maker = BatchMaker(store, CPU, 40.0)
    first = maker.augmented(block, STRENGTH, (3, 1, 2), 0, 8)["imu_bpt6"]
    assert torch.equal(first, maker.augmented(block, STRENGTH, (3, 1, 2), 0, 8)["imu_bpt6"])
    for draw in ((4, 1, 2), (3, 2, 2), (3, 1, 3)):
        assert not torch.equal(first, maker.augmented(block, STRENGTH, draw, 0, 8)["imu_bpt6"])


@pytest.mark.parametrize("workers", [2, 4])
def test_a_worker_gets_its_rows_of_the_global_batch(store, block, workers):
    maker, share = BatchMaker(store, CPU, 40.0), 8 // workers
    whole = maker.augmented(block, STRENGTH, (0, 0, 0), 0, 8)
    for rank in range(workers):
        rows = slice(rank * share, (rank + 1) * share)
        own = maker.augmented({name: values[rows] for name, values in block.items()}, STRENGTH, (0, 0, 0), rank, 8)
        for name, value in whole.items():
            torch.testing.assert_close(own[name], value[rows], rtol=0, atol=1e-6)


def test_a_block_is_left_as_it_was(store, block):
    before = {name: values.copy() for name, values in block.items()}
    BatchMaker(store, CPU, 40.0).augmented(block, STRENGTH, (0, 0, 0), 0, 8)
    for name, values in before.items():
        np.testing.assert_array_equal(block[name], values)
