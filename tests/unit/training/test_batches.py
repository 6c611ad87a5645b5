"""Batches as the model reads them: normalised, with their sentences, and the same whichever worker takes which rows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from m3n.config import AugmentConfig
from m3n.data.corpora import Mixture
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


# windows that lack something


@pytest.fixture(scope="module")
def mixed(window_store, real_recordings, tmp_path_factory) -> WindowStore:
    folder = tmp_path_factory.mktemp("mixed")
    return window_store(folder, 4, 1, 0.0, real_recordings, mixture=Mixture(unknown_mounting=["watch"]))


@pytest.fixture(scope="module")
def mixed_block(mixed) -> Block:
    return BatchSampler(mixed, 0, 24).load(Chunk("train", 0, ((0, 24),)))


def test_what_was_not_recorded_stays_zero_and_is_not_worn(mixed, mixed_block):
    made = BatchMaker(mixed, CPU, 40.0, views=True).augmented(mixed_block, STRENGTH, (0, 0, 0), 0, 24)
    recorded = torch.from_numpy(mixed_block["signals"])
    for kind in range(2):
        missing = made["imu_bpt6"][..., 3 * kind : 3 * kind + 3][~recorded[..., kind]]
        assert missing.numel() > 0
        assert (missing == 0).all()
    assert (made["worn_bp"] <= recorded[..., 0]).all()
    assert made["worn_bp"].any(1).all()
    assert (made["rate_b"] <= torch.from_numpy(mixed_block["rate"])).all()


def test_the_second_view_is_another_one_of_the_recorded_windows(mixed, mixed_block):
    made = BatchMaker(mixed, CPU, 40.0, views=True).augmented(mixed_block, STRENGTH, (0, 0, 0), 0, 24)
    first = made["imu_bpt6"][made["recorded_b"]]
    assert made["view_rpt6"].shape == first.shape
    assert len(first) == 16
    assert ((made["view_rpt6"] - first).abs().amax((1, 2, 3)) > 0.05).all()
    checked = BatchMaker(mixed, CPU, 40.0, views=True)
    one, two = (checked.validated(mixed_block, STRENGTH, (0, number)) for number in (0, 1))
    assert torch.equal(one["imu_bpt6"], two["imu_bpt6"])
    assert not torch.equal(one["view_rpt6"], two["view_rpt6"])


def test_a_worker_gets_its_rows_of_a_batch_that_lacks_something(mixed, mixed_block):
    maker = BatchMaker(mixed, CPU, 40.0, views=True)
    whole = maker.augmented(mixed_block, STRENGTH, (0, 0, 0), 0, 24)
    parts = [
        maker.augmented({k: v[12 * rank : 12 * rank + 12] for k, v in mixed_block.items()}, STRENGTH, (0, 0, 0), rank, 24)
        for rank in range(2)
    ]
    for name, value in whole.items():
        torch.testing.assert_close(torch.cat([part[name] for part in parts]), value, rtol=0, atol=1e-6)


def test_an_unknown_mounting_is_turned_by_right_angles_and_others_are_not(mixed, mixed_block):
    off = AugmentConfig(**dict.fromkeys(("turn_rad", "tilt_rad", "scale", "noise", "warp", "mask", "low_rate"), 0.0))
    made = BatchMaker(mixed, CPU, 40.0).augmented(mixed_block, off, (0, 0, 0), 0, 24)
    unknown, before, after = made["unknown_b"], made["ideal_bpt6"], made["imu_bpt6"]
    assert torch.equal(after[~unknown], before[~unknown])
    sizes = [x[unknown].unflatten(-1, (2, 3)).abs().sort(-1).values for x in (before, after)]
    torch.testing.assert_close(*sizes)  # the axes have changed places and signs, and nothing else
    assert (after[unknown] - before[unknown]).abs().amax((1, 2, 3)).gt(0.1).float().mean() > 0.8
