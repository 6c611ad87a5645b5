"""Shards without Ray: what a worker writes, what it rejects, and when an earlier result still holds."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import m3n
from m3n import schema
from m3n.cluster import items, simulate
from m3n.cluster.simulate import ShardSimulator, _finished, simulation_sha256
from m3n.commands.simulate.command import simulation_settings
from m3n.config import SimulateConfig, resolve
from m3n.io import tables

BOTH = ("left_wrist", "right_wrist")


def settings(*overrides: str) -> dict[str, Any]:
    return simulation_settings(resolve(SimulateConfig, "simulate", None, list(overrides) or ["rate_hz=60"]))


@pytest.fixture
def shard(tmp_path: Path, pose_clip) -> Path:
    """Clips `a`, `b`, `a` again, and one with a frame rate of 0."""
    rows = [pose_clip("a"), pose_clip("b", frames=60), pose_clip("a", text="again"), pose_clip("c", fps=30.0) | {"fps": 0.0}]
    tables.write_table(tmp_path, rows, schema.POSE_CLIPS, rows_per_shard=8)
    (tmp_path / "out").mkdir()
    return tmp_path / "part-00000.parquet"


def test_good_clips_become_rows_and_the_others_are_rejected_with_their_reason(shard):
    result = ShardSimulator(str(shard.parent / "out"), settings()).simulate(shard, {})
    assert (result["clips"], result["frames"]) == (2, 180)
    assert result["seconds"] == pytest.approx(119 / 30 + 59 / 30)
    assert result["samples"] == (119 * 2 + 1) + (59 * 2 + 1)  # at 60 Hz, the last not later than the last frame
    assert result["sha256"] == hashlib.sha256(shard.read_bytes()).hexdigest()
    assert result["rejected"] == [
        ["part-00000.parquet row 2 (clip 'a')", "duplicate clip_id 'a' in this shard"],
        ["part-00000.parquet row 3 (clip 'c')", "fps is 0.0, expected a frame rate from 1 to 10,000 Hz"],
    ]
    rows = list(tables.synthetic_rows(shard.parent / "out" / shard.name, BOTH))
    assert [row["clip_id"] for row in rows] == ["a", "b"]


def test_the_samples_are_those_of_the_function_for_notebooks(shard, pose_clip):
    ShardSimulator(str(shard.parent / "out"), settings() | {"sensor": None, "low_pass": {"": None}}).simulate(shard, {})
    row = next(iter(tables.synthetic_rows(shard.parent / "out" / shard.name, BOTH)))
    clip = pose_clip("a")
    expected = m3n.simulate(clip["poses"], clip["trans"], fps=30.0, placements=BOTH, rate_hz=60.0)
    for placement in BOTH:
        np.testing.assert_allclose(row[schema.imu_column(placement)].reshape(-1, 6), expected[placement], atol=1e-6)


def test_segments_are_kept_and_follow_the_tempo_of_a_randomised_clip(tmp_path: Path, pose_clip):
    segments = [{"start_s": 0.5, "stop_s": 2.0, "label": "sit", "text": "a person sits down"}]
    rows = [pose_clip("a", segments=segments), pose_clip("b"), pose_clip("c", segments=[segments[0] | {"stop_s": 5.0}])]
    tables.write_table(tmp_path, rows, schema.POSE_CLIPS, rows_per_shard=8)
    (tmp_path / "out").mkdir()
    for drawn in (False, True):
        simulator = ShardSimulator(str(tmp_path / "out"), settings(f"randomise={drawn}"))
        rejected = simulator.simulate(tmp_path / "part-00000.parquet", {})["rejected"]
        assert [reason for _, reason in rejected] == ["segment 'sit' ends at 5 s, but the clip lasts 4 s"]
        row, other = tables.synthetic_rows(tmp_path / "out" / "part-00000.parquet", BOTH)
        assert other["segments"] is None
        assert (row["fps"] != 30) == drawn
        (found,) = row["segments"]
        assert (found["label"], found["text"]) == ("sit", "a person sits down")
        np.testing.assert_allclose([found[t] * row["fps"] for t in ("start_s", "stop_s")], [15, 60], rtol=1e-6)


def test_a_clip_that_an_earlier_shard_holds_is_rejected_with_its_name(shard):
    result = ShardSimulator(str(shard.parent / "out"), settings()).simulate(shard, {"b": "part-00007.parquet"})
    assert ["part-00000.parquet row 1 (clip 'b')", "duplicate clip_id 'b': part-00007.parquet holds it too"] in result[
        "rejected"
    ]


def test_a_finished_shard_counts_only_for_the_same_input_settings_and_duplicates(shard):
    out = shard.parent / "out"
    result = ShardSimulator(str(out), settings()).simulate(shard, {})
    assert _finished(shard, {}, out, settings()) == json.loads(json.dumps(result))
    assert _finished(shard, {}, out, settings("seed=1")) is None
    assert _finished(shard, {"b": "part-00007.parquet"}, out, settings()) is None
    whole = (out / shard.name).read_bytes()
    (out / shard.name).write_bytes(whole[:-20])  # cut off by a full disk
    assert _finished(shard, {}, out, settings()) is None
    (out / shard.name).write_bytes(whole)
    shard.write_bytes(shard.read_bytes()[:-1] + b"2")
    assert _finished(shard, {}, out, settings()) is None


def test_the_digest_of_settings_depends_on_values_and_not_on_their_order():
    one = settings()
    assert simulation_sha256(one) == simulation_sha256(dict(reversed(one.items()))) != simulation_sha256(settings("rate_hz=61"))


@pytest.fixture
def todo(tmp_path: Path, pose_clip) -> deque[dict[str, str]]:
    """Four shards of a short clip each."""
    tables.write_table(tmp_path, [pose_clip(name, 5) for name in "abcd"], schema.POSE_CLIPS, rows_per_shard=1)
    (tmp_path / "out").mkdir()
    return deque({"path": str(shard), "repeated": "{}"} for shard in tables.shard_paths(tmp_path))


def test_a_small_table_starts_no_ray_and_workers_that_are_named_do(todo, tmp_path, monkeypatch):
    class AskedForRayError(Exception): ...

    def connect(address: str | None, workers: int) -> None:
        raise AskedForRayError(workers)

    monkeypatch.setattr(items, "connect", connect)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    shards = tables.shard_paths(tmp_path)
    assert len(list(simulate.run_shards(shards, tmp_path / "out", settings(), "auto"))) == 4
    assert len(list(simulate.run_shards(shards, tmp_path / "out", settings(), 3))) == 4  # all of them are finished
    with pytest.raises(AskedForRayError, match="3"):
        list(simulate.run_shards(shards, tmp_path / "out", settings("seed=1"), 3))
