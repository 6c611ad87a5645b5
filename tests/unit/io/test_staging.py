"""Staging folders: a result appears whole, and nobody's folder is overwritten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from staged_results import names, write_result

from m3n.errors import InputError, UnwritableError
from m3n.io import object_store, storage, tables
from m3n.io.staging import staged


def test_a_result_appears_whole_and_replaces_the_earlier_one(place):
    write_result(place / "out", "first")
    with staged(place / "out") as staging:
        tables.write_text(staging / "second.txt", "second")
        tables.write_manifest(staging, table="test", totals={}, inputs={}, config={})
        assert names(place / "out") == ["first.txt", "manifest.json", "part-00000.parquet"]
    assert names(place / "out") == ["manifest.json", "second.txt"]
    assert not (place / "out.partial").exists()
    assert not (place / "out.partial.lock").exists()


def test_a_result_that_is_not_ours_or_holds_the_input_is_left_alone(place):
    storage.write(place / "mine.txt", b"years of work")
    with pytest.raises(InputError, match="was not made by m3n"):
        write_result(place, "x")
    write_result(place / "data", "all I have")
    with pytest.raises(InputError, match="holds the input"), staged(place / "data", inputs=[place / "data"]):
        pytest.fail("let in")
    with pytest.raises(InputError, match="is a file"):
        write_result(place / "mine.txt", "x")
    assert storage.read(place / "mine.txt") == b"years of work"


def test_a_publication_that_was_cut_off_is_refused_by_readers_and_done_again(bucket):
    """What a kill between the copies leaves: the mark, a part of the result without its manifest, and the whole staging folder."""
    place = storage.location(bucket)
    write_result(place / "out", "first")
    storage.write(place / "out" / object_store.PUBLISHING, b"")
    (place / "out" / "manifest.json").unlink()
    with pytest.raises(InputError, match="is being published, or its publication was interrupted"):
        tables.shard_paths(place / "out")
    write_result(place / "out", "second", resume=True)
    assert tables.shard_paths(place / "out") == [place / "out" / "part-00000.parquet"]
    assert names(place / "out") == ["manifest.json", "part-00000.parquet", "second.txt"]


def tree(folder) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def write_small_result(out: Path, content: str, **options: Any) -> None:
    with staged(out, **options) as staging:
        (staging / "result.txt").write_text(content)
        tables.write_manifest(staging, table="test", totals={}, inputs={}, config={})


def write_half(out: Path, fault: BaseException, **options: bool) -> None:
    with staged(out, **options) as staging:
        (staging / "result.txt").write_text("half")
        raise fault


def test_a_result_appears_at_once_and_replaces_the_earlier_one(tmp_path):
    out = tmp_path / "deep" / "out"
    with staged(out) as staging:
        (staging / "result.txt").write_text("first")
        tables.write_manifest(staging, table="test", totals={}, inputs={}, config={})
        assert not out.exists()
    assert tree(tmp_path / "deep") == ["out", "out/manifest.json", "out/result.txt"]
    write_small_result(out, "second")
    assert (out / "result.txt").read_text() == "second"
    assert tree(tmp_path / "deep") == ["out", "out/manifest.json", "out/result.txt"]


def write_shard_and_fail(out: Path, fault: BaseException, rows: list[int], **options: bool) -> None:
    with staged(out, **options) as staging:
        tables.write_shard(staging / "part-00000.parquet", pa.table({"a": rows}))
        raise fault


def write_state_and_fail(out: Path, error: Exception) -> None:
    with staged(out, resume=True) as staging:
        (staging / "last.safetensors").write_bytes(b"hours of training")
        raise error


@pytest.mark.parametrize("resume", [False, True])
def test_bad_input_leaves_nothing_and_the_earlier_result_untouched(tmp_path, resume):
    write_small_result(tmp_path / "out", "first")
    with pytest.raises(InputError, match=r"^bad$"):
        write_half(tmp_path / "out", InputError("bad"), resume=resume)
    assert tree(tmp_path) == ["out", "out/manifest.json", "out/result.txt"]
    assert (tmp_path / "out" / "result.txt").read_text() == "first"


@pytest.mark.parametrize("fault", [RuntimeError, KeyboardInterrupt, InputError])
def test_any_fault_keeps_the_earlier_result_and_the_shards_that_a_stage_can_resume(tmp_path, fault):
    write_small_result(tmp_path / "out", "first")
    for resume, rows, kept in ((False, [1], False), (True, [], False), (True, [1], True)):
        with pytest.raises(fault):
            write_shard_and_fail(tmp_path / "out", fault("bad"), rows, resume=resume)
        assert (tmp_path / "out" / "result.txt").read_text() == "first"
        assert (tmp_path / "out.partial").exists() == kept
    with staged(tmp_path / "out", resume=True) as staging:
        assert tree(staging) == ["part-00000.parquet"]
    with staged(tmp_path / "out2") as staging:
        assert tree(staging) == []


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
    with staged(tmp_path / "out") as staging:
        assert tree(staging) == []


def test_a_folder_that_is_not_a_result_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    (tmp_path / "file").write_text("x")
    for out, message in (("thesis", "was not made by m3n"), ("file", "is a file"), ("file/below", "file is a file")):
        with pytest.raises(InputError, match=message):
            write_small_result(tmp_path / out, "x")
    assert tree(tmp_path) == ["file", "thesis", "thesis/chapter.tex"]
    (tmp_path / "empty").mkdir()
    write_small_result(tmp_path / "empty", "x")
    assert (tmp_path / "empty" / "result.txt").exists()


def test_a_result_never_takes_the_place_of_what_it_was_made_from(tmp_path):
    write_small_result(tmp_path / "data", "all I have")
    write_small_result(tmp_path / "data" / "poses", "poses")
    for out in ("data", "data/poses", "data/poses/../../data"):
        with pytest.raises(InputError, match="holds the input"):
            write_small_result(tmp_path / out, "x", inputs=[tmp_path / "data" / "poses"])
    assert (tmp_path / "data" / "result.txt").read_text() == "all I have"
    write_small_result(tmp_path / "data" / "synthetic", "x", inputs=[tmp_path / "data" / "poses"])
    write_small_result(tmp_path / "data2", "x", inputs=[tmp_path / "data"])


def test_a_result_never_takes_the_place_of_the_working_folder(tmp_path, monkeypatch):
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    for out in (".", "..", str(tmp_path / "a")):
        with pytest.raises(InputError, match="holds the working folder"):
            write_small_result(Path(out), "x")
    write_small_result(Path("c"), "y")
    assert tree(tmp_path / "a") == ["b", "b/c", "b/c/manifest.json", "b/c/result.txt"]
