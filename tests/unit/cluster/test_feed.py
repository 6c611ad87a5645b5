"""Ray Data between tables and training: the same windows as without it, in the same order."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.cluster import feed
from m3n.cluster.feed import cut_shards, ray_reader
from m3n.cluster.start import SchedulerPause
from m3n.config import PretrainConfig, WindowsConfig
from m3n.data.corpora import Shard
from m3n.data.window_store import cut_shard
from m3n.errors import InputError
from m3n.io import storage, tables
from m3n.training.pretrain import batch_sampler

WRISTS = ("left_wrist", "right_wrist")
SHAPE = WindowsConfig(window_s=1.0, rate_hz=40, pose_fps=10)


@pytest.fixture(scope="module")
def folder(window_store, tmp_path_factory):
    found = tmp_path_factory.mktemp("feed")
    window_store(found)
    return found


def test_a_feed_reads_what_the_plain_loop_reads_in_the_same_order(ray_cluster, window_store, tmp_path, monkeypatch):
    monkeypatch.setattr(feed, "CHUNKS", 3)  # several streams, one after the other
    sampler = batch_sampler(window_store(tmp_path), PretrainConfig(windows=SHAPE, optim={"batch_size": 16}, seed=3))
    expected = list(sampler.batches(0, 1, 3, sampler.in_process))
    found = list(sampler.batches(0, 1, 3, ray_reader(sampler)))
    assert len(found) == len(expected) > 6
    for one, other in zip(found, expected, strict=True):
        assert set(one) == set(other)
        for name, values in other.items():
            np.testing.assert_array_equal(one[name], values)
    assert not SchedulerPause.data_wanted.is_set()


def test_shards_cut_in_parallel_are_those_cut_one_by_one(ray_cluster, folder, tmp_path):
    shards = [Shard(path, path.stem, WRISTS) for path in tables.shard_paths(folder / "table")]
    assert sorted(cut_shards(shards, tmp_path / "all", SHAPE, WRISTS, [])) == [shard.folder for shard in shards]
    cut_shard(shards[1], tmp_path / "one", SHAPE, WRISTS, [])
    files = storage.files(tmp_path / "one" / shards[1].folder)
    assert files
    for file in files:
        assert (tmp_path / "all" / shards[1].folder / file.name).read_bytes() == file.read_bytes()


def test_a_damaged_shard_is_one_line_that_names_it(ray_cluster, folder, tmp_path):
    bad = tmp_path / "part-00009.parquet"
    bad.write_bytes(b"not Parquet")
    paths = [*tables.shard_paths(folder / "table"), bad]
    shards = [Shard(path, path.stem, WRISTS) for path in paths]
    with pytest.raises(InputError, match=r"^.*part-00009\.parquet cannot be read as Parquet"):
        list(cut_shards(shards, tmp_path / "all", SHAPE, WRISTS, []))
