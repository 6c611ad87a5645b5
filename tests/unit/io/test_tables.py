"""Tables on disk: rows come back as they were, nothing is half-written, and nobody's folder is overwritten."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from m3n import schema
from m3n.errors import InputError, UnwritableError
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


def write_result(out: Path, content: str, **options: Any) -> None:
    with tables.staged(out, **options) as staging:
        (staging / "result.txt").write_text(content)
        tables.write_manifest(staging, table="test", totals={}, inputs={}, config={})


def write_half(out: Path, fault: BaseException, **options: bool) -> None:
    with tables.staged(out, **options) as staging:
        (staging / "result.txt").write_text("half")
        raise fault


def test_a_result_appears_at_once_and_replaces_the_earlier_one(tmp_path):
    out = tmp_path / "deep" / "out"
    with tables.staged(out) as staging:
        (staging / "result.txt").write_text("first")
        tables.write_manifest(staging, table="test", totals={}, inputs={}, config={})
        assert not out.exists()
    assert names(tmp_path / "deep") == ["out", "out/manifest.json", "out/result.txt"]
    write_result(out, "second")
    assert (out / "result.txt").read_text() == "second"
    assert names(tmp_path / "deep") == ["out", "out/manifest.json", "out/result.txt"]


def write_shard_and_fail(out: Path, fault: BaseException, rows: list[int], **options: bool) -> None:
    with tables.staged(out, **options) as staging:
        tables.write_shard(staging / "part-00000.parquet", pa.table({"a": rows}))
        raise fault


def write_state_and_fail(out: Path, error: Exception) -> None:
    with tables.staged(out, resume=True) as staging:
        (staging / "last.safetensors").write_bytes(b"hours of training")
        raise error


@pytest.mark.parametrize("resume", [False, True])
def test_bad_input_leaves_nothing_and_the_earlier_result_untouched(tmp_path, resume):
    write_result(tmp_path / "out", "first")
    with pytest.raises(InputError, match=r"^bad$"):
        write_half(tmp_path / "out", InputError("bad"), resume=resume)
    assert names(tmp_path) == ["out", "out/manifest.json", "out/result.txt"]
    assert (tmp_path / "out" / "result.txt").read_text() == "first"


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt, InputError])
def test_any_fault_keeps_the_earlier_result_and_the_shards_that_a_stage_can_resume(tmp_path, fault):
    write_result(tmp_path / "out", "first")
    for resume, rows, kept in ((False, [1], False), (True, [], False), (True, [1], True)):
        with pytest.raises(fault):
            write_shard_and_fail(tmp_path / "out", fault("bad"), rows, resume=resume)
        assert (tmp_path / "out" / "result.txt").read_text() == "first"
        assert (tmp_path / "out.partial").exists() == kept
    with tables.staged(tmp_path / "out", resume=True) as staging:
        assert names(staging) == ["part-00000.parquet"]
    with tables.staged(tmp_path / "out2") as staging:
        assert names(staging) == []


def test_a_full_disk_keeps_the_state_that_bad_input_would_remove(tmp_path):
    for error, kept in ((InputError("bad"), False), (UnwritableError("no space"), True)):
        with pytest.raises(type(error)):
            write_state_and_fail(tmp_path / "out", error)
        assert (tmp_path / "out.partial" / "last.safetensors").exists() == kept


def test_bad_input_says_that_finished_shards_are_kept(tmp_path):
    with pytest.raises(InputError, match=r"^bad; finished shards are kept in .*out\.partial"):
        write_shard_and_fail(tmp_path / "out", InputError("bad"), [1], resume=True)


def test_a_stage_that_cannot_resume_starts_from_an_empty_folder(tmp_path):
    (tmp_path / "out.partial").mkdir()
    (tmp_path / "out.partial" / "stale").write_text("x")
    with tables.staged(tmp_path / "out") as staging:
        assert names(staging) == []


def test_a_folder_that_is_not_a_result_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    (tmp_path / "file").write_text("x")
    for out, message in (("thesis", "was not made by m3n"), ("file", "is a file"), ("file/below", "file is a file")):
        with pytest.raises(InputError, match=message):
            write_result(tmp_path / out, "x")
    assert names(tmp_path) == ["file", "thesis", "thesis/chapter.tex"]
    (tmp_path / "empty").mkdir()
    write_result(tmp_path / "empty", "x")
    assert (tmp_path / "empty" / "result.txt").exists()


def test_a_result_never_takes_the_place_of_what_it_was_made_from(tmp_path):
    write_result(tmp_path / "data", "all I have")
    write_result(tmp_path / "data" / "poses", "poses")
    for out in ("data", "data/poses", "data/poses/../../data"):
        with pytest.raises(InputError, match="holds the input"):
            write_result(tmp_path / out, "x", inputs=[tmp_path / "data" / "poses"])
    assert (tmp_path / "data" / "result.txt").read_text() == "all I have"
    write_result(tmp_path / "data" / "synthetic", "x", inputs=[tmp_path / "data" / "poses"])
    write_result(tmp_path / "data2", "x", inputs=[tmp_path / "data"])


def test_a_result_never_takes_the_place_of_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    for out in (".", "..", str(tmp_path / "a")):
        with pytest.raises(InputError, match="holds the working folder"):
            write_result(Path(out), "x")
    write_result(Path("c"), "y")
    assert names(tmp_path / "a") == ["b", "b/c", "b/c/manifest.json", "b/c/result.txt"]


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
