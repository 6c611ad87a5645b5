"""`m3n simulate`: which low pass a source's motion gets, and which rows are repeated."""

from __future__ import annotations

import pytest

from m3n import schema
from m3n.commands.simulate.command import _repeated_ids, motion_low_pass, simulation_settings
from m3n.config import SimulateConfig
from m3n.imu.smoothing import LOW_PASSES, LowPass
from m3n.io import tables


def test_a_cutoff_is_a_frequency_none_or_that_of_the_source():
    assert motion_low_pass(6.0, "amass") == LowPass(6.0)
    assert motion_low_pass("none", "wham") is None
    assert motion_low_pass("source", "wham") == LOW_PASSES["video"]
    assert motion_low_pass("source", "a source of another maker") is None


def test_only_the_sites_of_simulated_placements_travel_to_the_workers():
    sites = {name: {"joint": "left_elbow", "offset_m": [0.1, 0, 0]} for name in ("mine", "unused")}
    config = SimulateConfig.model_validate({"placements": ["mine"], "sites": sites})
    assert list(simulation_settings(config)["sites"]) == ["mine"]


def test_a_repeated_clip_is_taken_from_the_first_shard(tmp_path, pose_clip):
    rows = [pose_clip(name, 5) for name in ("a", "b", "c", "b", "d", "a")]
    tables.write_table(tmp_path, rows, schema.POSE_CLIPS, rows_per_shard=2)
    found = _repeated_ids(tables.shard_paths(tmp_path))
    assert found == {"part-00001.parquet": {"b": "part-00000.parquet"}, "part-00002.parquet": {"a": "part-00000.parquet"}}


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"]])
def test_different_clips_are_not_repeated(tmp_path, pose_clip, names):
    tables.write_table(tmp_path, [pose_clip(name, 5) for name in names], schema.POSE_CLIPS, rows_per_shard=2)
    assert _repeated_ids(tables.shard_paths(tmp_path)) == {}
