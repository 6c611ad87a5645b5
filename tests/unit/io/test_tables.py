"""Tables on disk: rows come back as they were, a shard is written whole or not at all, and a manifest repeats byte for byte."""

from __future__ import annotations

import hashlib
import json
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from m3n import schema
from m3n.errors import InputError
from m3n.io import tables
from m3n.schema import Rejected


def names(folder) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_rows_come_back_as_they_were_whatever_is_null(tmp_path, recording):
    segments = [{"start_s": 0.0, "stop_s": 1.5, "label": "sit"}, {"start_s": 1.5, "stop_s": 2.0, "label": "stand"}]
    first = recording("a", worn="left_wrist", session="monday", segments=segments, label=None)
    second = recording("b", seconds=1.0, worn="right_wrist")
    third = recording("c", seconds=0.5, worn="right_wrist", imu_left_wrist=np.ones((25, 6)))
    columns = schema.imu_recordings(("left_wrist", "right_wrist"))
    assert tables.write_table(tmp_path, [first, second, third], columns, rows_per_shard=2) == 3
    shards = tables.shard_paths(tmp_path)
    assert [shard.name for shard in shards] == ["part-00000.parquet", "part-00001.parquet"]
    back = [row for shard in shards for row in tables.rows(tables.read_shard(shard, columns))]
    for row, expected in zip(back, (first, second, third), strict=True):
        assert list(row) == columns.names
        for name in columns.names:
            if name.startswith("imu_") and expected.get(name) is not None:
                np.testing.assert_array_equal(row[name], np.float32(expected[name]).reshape(-1))
            else:
                assert row[name] == expected.get(name)


def test_rows_of_a_slice_are_the_sliced_ones(recording):
    columns = schema.imu_recordings(("right_wrist",))
    items = [recording(str(i), seconds=0.1 * (i + 1), imu_right_wrist=np.full((5 * (i + 1), 6), i)) for i in range(4)]
    items[2]["imu_right_wrist"] = None
    found = list(tables.rows(tables.to_table(items, columns).slice(1, 3)))
    assert [row["recording_id"] for row in found] == ["1", "2", "3"]
    np.testing.assert_array_equal(found[0]["imu_right_wrist"], np.ones(60))
    assert found[1]["imu_right_wrist"] is None
    np.testing.assert_array_equal(found[2]["imu_right_wrist"], np.full(120, 3))


def test_other_writers_types_are_cast_and_extra_columns_passed_over(tmp_path, pose_clip):
    table = tables.to_table([pose_clip()], schema.POSE_CLIPS)
    wide = {f.name: f.type for f in schema.POSE_CLIPS} | {
        "fps": pa.float64(), "n_frames": pa.int64(), "poses": pa.large_list(pa.float64()), "text": pa.large_string(),
    }  # fmt: skip
    wide_schema = pa.schema(list(wide.items()))
    pq.write_table(table.cast(wide_schema).append_column("note", pa.array(["mine"])), tmp_path / "x.parquet")
    schema.validate_pose_clips(tables.read_schema(tmp_path / "x.parquet"), "x")
    assert tables.read_shard(tmp_path / "x.parquet", schema.POSE_CLIPS).equals(table)


def test_clips_without_segments_and_segments_without_sentences_are_read_with_nulls(tmp_path, pose_clip):
    path, times = tmp_path / "x.parquet", {"start_s": 0.5, "stop_s": 1.5, "label": "sit"}
    older = tables.to_table([pose_clip()], schema.POSE_CLIPS).drop_columns(["segments"])
    schema.validate_pose_clips(older.schema, "x")
    for segments in (None, pa.array([[times]], schema.SEGMENTS)):
        tables.write_shard(path, older if segments is None else older.append_column("segments", segments))
        (row,) = tables.rows(tables.read_shard(path, schema.POSE_CLIPS))
        assert row["segments"] == (None if segments is None else [times | {"text": None}])


def test_a_shard_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "part.parquet"
    tables.write_shard(path, pa.table({"a": [1]}), {"fact": "kept"})
    assert pq.read_schema(path).metadata[b"fact"] == b"kept"

    def power_cut(*names):
        raise OSError("the power went")

    monkeypatch.setattr(os, "replace", power_cut)
    with pytest.raises(OSError, match="power went"):
        tables.write_shard(path, pa.table({"a": [2]}))
    assert names(tmp_path) == ["part.parquet"]
    assert pq.ParquetFile(path).read().to_pydict() == {"a": [1]}


@pytest.mark.parametrize("content", [b"", b"hello", b"PAR1" + 50 * b"\0" + b"PAR1"])
def test_a_file_that_is_not_parquet_is_named(tmp_path, content):
    path = tmp_path / "bad.parquet"
    path.write_bytes(content)
    for read in (tables.read_schema, lambda p: tables.read_shard(p, schema.POSE_CLIPS)):
        with pytest.raises(InputError, match=r"bad\.parquet cannot be read as Parquet"):
            read(path)


def test_a_folder_without_shards_is_named(tmp_path):
    with pytest.raises(InputError, match="absent does not exist"):
        tables.shard_paths(tmp_path / "absent")
    with pytest.raises(InputError, match=r"holds no \.parquet shard"):
        tables.shard_paths(tmp_path)


def test_quarantine_keeps_what_was_rejected_and_the_shards_stay_readable(tmp_path):
    tables.write_quarantine(tmp_path, [])
    assert names(tmp_path) == []
    tables.write_shard(tmp_path / "part-00000.parquet", pa.table({"a": [1]}))
    tables.write_quarantine(tmp_path, [Rejected("clip-3", "fps is 0"), Rejected("clip-5", "poses is nan")])
    assert [p.name for p in tables.shard_paths(tmp_path)] == ["part-00000.parquet"]
    kept = pq.ParquetFile(tmp_path / "quarantine" / "rejected.parquet").read().to_pydict()
    assert kept == {"item": ["clip-3", "clip-5"], "reason": ["fps is 0", "poses is nan"]}


def test_a_few_rejected_rows_pass_and_too_many_do_not():
    few = [Rejected("clip-3", "fps is 0")]
    tables.check_rejected(few, kept=19, limit=0.05, where="x")
    tables.check_rejected([], kept=1, limit=0.0, where="x")
    with pytest.raises(InputError, match=r"clip-3: fps is 0 \(1 of 19\).*max_rejected"):
        tables.check_rejected(few, kept=18, limit=0.05, where="x")
    with pytest.raises(InputError, match=r"clip-3: fps is 0 \(and 2 more of 3\)"):
        tables.check_rejected(few * 3, kept=0, limit=0.99, where="x")
    with pytest.raises(InputError, match="x is empty"):
        tables.check_rejected([], kept=0, limit=0.05, where="x")


def test_a_manifest_says_what_the_table_was_made_from_and_holds_no_clock(tmp_path):
    arguments = {"table": "t", "totals": {"rows": 3}, "inputs": {"in.zip": "ab"}, "config": {"seed": 7, "rate_hz": 50.0}}
    tables.write_manifest(tmp_path, **arguments, rejected=[Rejected("r", "why")])
    first = (tmp_path / "manifest.json").read_bytes()
    content = json.loads(first)
    assert content["rows"] == 3
    assert content["seed"] == 7
    assert content["inputs"] == {"in.zip": "ab"}
    assert content["config"] == {"seed": 7, "rate_hz": 50.0}
    assert content["quarantined"] == [{"item": "r", "reason": "why"}]
    assert content["schema_version"] == schema.SCHEMA_VERSION
    assert content["packages"]["numpy"] == np.__version__
    tables.write_manifest(tmp_path, **arguments, rejected=[Rejected("r", "why")])
    assert (tmp_path / "manifest.json").read_bytes() == first


def test_digests_are_those_of_the_bytes_and_of_the_names(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert tables.file_sha256(tmp_path / "a") == hashlib.sha256(b"abc").hexdigest()
    (tmp_path / "d1").mkdir()
    (tmp_path / "d1" / "x").write_bytes(b"abc")
    (tmp_path / "d2" / "sub").mkdir(parents=True)
    (tmp_path / "d2" / "x").write_bytes(b"abc")
    assert tables.file_sha256(tmp_path / "d1") == tables.file_sha256(tmp_path / "d2")
    (tmp_path / "d2" / "x").rename(tmp_path / "d2" / "y")
    assert tables.file_sha256(tmp_path / "d1") != tables.file_sha256(tmp_path / "d2")


def test_a_shard_ends_early_only_where_its_samples_are_many(tmp_path, recording, monkeypatch):
    rows = [recording(f"r{k}", 2.0, 50.0, "right_wrist") for k in range(5)]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    columns = schema.imu_recordings()
    assert tables.write_table(tmp_path / "a", iter(rows), columns, 4) == 5
    assert [tables.row_count(shard) for shard in tables.shard_paths(tmp_path / "a")] == [4, 1]
    size = sum(value.nbytes for value in rows[0].values() if isinstance(value, np.ndarray))
    monkeypatch.setattr(tables, "SHARD_BYTES", size + 1)
    assert tables.write_table(tmp_path / "b", iter(rows), columns, 4) == 5
    assert [tables.row_count(shard) for shard in tables.shard_paths(tmp_path / "b")] == [2, 2, 1]
    found = [
        row["recording_id"]
        for shard in tables.shard_paths(tmp_path / "b")
        for row in tables.rows(tables.read_shard(shard, columns))
    ]
    assert found == [f"r{k}" for k in range(5)]
