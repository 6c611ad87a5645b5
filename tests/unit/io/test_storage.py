"""Places on disks and on object stores behave alike: a real S3 server on loopback, reached as a user would reach one."""

from __future__ import annotations

import hashlib
import json
import pickle
import threading
from time import sleep

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from throttling import THROTTLED

from m3n.cli import main
from m3n.errors import InputError
from m3n.io import locks, storage, tables


@pytest.fixture(params=["disk", "store"])
def place(request, tmp_path) -> storage.Location:
    """A folder that holds nothing yet."""
    if request.param == "disk":
        return tmp_path
    return storage.location(request.getfixturevalue("bucket"))


def names(folder: storage.Location) -> list[str]:
    return [path.name for path in storage.files(folder)]


def write_result(out: storage.Location, content: str, **options: bool) -> None:
    with tables.staged(out, **options) as staging:
        tables.write_text(staging / f"{content}.txt", content)
        tables.write_shard(staging / "part-00000.parquet", pa.table({"a": [content]}))
        tables.write_manifest(staging, table="test", totals={}, inputs={}, config={})


def test_a_file_is_what_was_written_last(place):
    path = place / "a b" / "ü#1.txt" if isinstance(place, storage.ObjectPath) else place / "ü#1.txt"
    assert not path.exists()
    storage.write(path, b"first")
    storage.write(path, b"second")
    assert storage.read(path) == b"second"
    assert storage.sha256(path) == hashlib.sha256(b"second").hexdigest()
    with storage.open_input(path) as stream:
        stream.seek(3)
        assert stream.read() == b"ond"
    with storage.local_copy(path) as local:
        assert (local.name, local.read_bytes()) == ("ü#1.txt", b"second")
    path.unlink()
    path.unlink(missing_ok=True)
    with pytest.raises(InputError, match=r"ü#1\.txt"):
        storage.read(path)


def test_files_are_those_of_the_folder_itself_in_order(place):
    for name in ("b.parquet", "a.parquet", "c.json"):
        storage.write(place / name, b"x")
    below = place / "below"
    if not isinstance(below, storage.ObjectPath):
        below.mkdir()
    storage.write(below / "d.parquet", b"x")
    assert names(place) == ["a.parquet", "b.parquet", "c.json"]
    assert [p.name for p in storage.files(place, ".parquet")] == ["a.parquet", "b.parquet"]
    assert names(place / "absent") == []
    storage.remove(below)
    assert names(below) == []
    assert names(place) == ["a.parquet", "b.parquet", "c.json"]


def test_a_result_appears_whole_and_replaces_the_earlier_one(place):
    write_result(place / "out", "first")
    with tables.staged(place / "out") as staging:
        tables.write_text(staging / "second.txt", "second")
        tables.write_manifest(staging, table="test", totals={}, inputs={}, config={})
        assert names(place / "out") == ["first.txt", "manifest.json", "part-00000.parquet"]
    assert names(place / "out") == ["manifest.json", "second.txt"]
    assert not (place / "out.partial").exists()
    assert not (place / "out.partial.lock").exists()


def test_a_shard_reads_back_and_a_damaged_one_is_named(place):
    path = place / "part-00000.parquet"
    tables.write_shard(path, pa.table({"a": [1.0, 2.0]}), {"fact": "kept"})
    assert tables.read_schema(path).metadata[b"fact"] == b"kept"
    assert tables.read_shard(path, pa.schema([("a", pa.float32())])).to_pydict() == {"a": [1.0, 2.0]}
    assert tables.read_column(path, "a").to_pylist() == [1.0, 2.0]
    assert tables.shard_paths(place) == tables.shard_paths(path) == [path]
    assert tables.data_sha256(place) == hashlib.sha256(tables.file_sha256(path).encode()).hexdigest()
    storage.write(path, storage.read(path)[:-9])
    with pytest.raises(InputError, match=r"part-00000\.parquet cannot be read as Parquet"):
        tables.read_schema(path)


def test_a_result_that_is_not_ours_or_holds_the_input_is_left_alone(place):
    storage.write(place / "mine.txt", b"years of work")
    with pytest.raises(InputError, match="was not made by m3n"):
        write_result(place, "x")
    write_result(place / "data", "all I have")
    with pytest.raises(InputError, match="holds the input"), tables.staged(place / "data", inputs=[place / "data"]):
        pytest.fail("let in")
    with pytest.raises(InputError, match="is a file"):
        write_result(place / "mine.txt", "x")
    assert storage.read(place / "mine.txt") == b"years of work"


def test_a_publication_that_was_cut_off_is_refused_by_readers_and_done_again(bucket):
    """What a kill between the copies leaves: the mark, a part of the result without its manifest, and the whole staging folder."""
    place = storage.location(bucket)
    write_result(place / "out", "first")
    storage.write(place / "out" / storage.PUBLISHING, b"")
    (place / "out" / "manifest.json").unlink()
    with pytest.raises(InputError, match="is being published, or that was cut off"):
        tables.shard_paths(place / "out")
    write_result(place / "out", "second", resume=True)
    assert tables.shard_paths(place / "out") == [place / "out" / "part-00000.parquet"]
    assert names(place / "out") == ["manifest.json", "part-00000.parquet", "second.txt"]


# locks


def test_the_second_job_is_told_who_the_first_is_and_touches_nothing(place):
    with tables.staged(place / "out") as staging:
        storage.write(staging / "a", b"x")
        with pytest.raises(InputError, match=rf"another job is writing .*out: process {locks._me()['pid']} on .*, since 20"):
            write_result(place / "out", "second")
        assert names(staging) == ["a"]
        write_result(place / "out2", "beside it")
    assert names(place / "out") == ["a"]


def test_only_one_of_many_that_come_at_once_gets_in(place, monkeypatch):
    inside, most, refused, start = [0], [0], [], threading.Barrier(8)

    def job() -> None:
        start.wait()
        try:
            with locks.held(place / "out"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                sleep(0.05)
                inside[0] -= 1
        except InputError:
            refused.append(1)

    threads = [threading.Thread(target=job) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 1
    assert len(refused) >= 1


@pytest.fixture(params=["a folder on a disk", "a store"])
def beaten(request, tmp_path) -> storage.Location:
    """An output whose lock is kept by signs of life; on a disk that is what one without flock gets."""
    if request.param == "a store":
        return storage.location(request.getfixturevalue("bucket")) / "out"
    (tmp_path / "out.partial.lock").mkdir()
    return tmp_path / "out"


def test_a_lock_is_kept_alive_and_one_that_gives_no_sign_of_life_is_taken_over(beaten, monkeypatch):
    stale_s = 2.0 if isinstance(beaten, storage.ObjectPath) else 0.5  # the clock of S3 counts whole seconds
    monkeypatch.setattr(locks, "STALE_S", stale_s)
    folder = beaten.with_name("out.partial.lock")
    elsewhere = {"host": "node7", "pid": 1, "since": "yesterday", "machine": "another"}
    storage.write(folder / "a.json", json.dumps(elsewhere).encode())
    with pytest.raises(InputError, match="process 1 on node7, since yesterday"), locks.held(beaten):
        pytest.fail("let in")
    sleep(1.5 * stale_s + 0.1)
    monkeypatch.setattr(locks, "BEAT_S", stale_s / 4)
    with locks.held(beaten) as confirm:
        assert names(folder) != ["a.json"]
        sleep(1.5 * stale_s + 0.1)
        with pytest.raises(InputError, match="another job is writing"), locks.held(beaten):
            pytest.fail("let in")
        confirm()
    assert names(folder) == []


def test_a_sign_of_life_that_cannot_be_read_is_not_taken_for_a_missing_one(beaten, monkeypatch):
    """Otherwise a store that refuses one read would let two jobs in."""
    folder = beaten.with_name("out.partial.lock")
    storage.write(folder / "a.json", json.dumps({"host": "node7", "machine": "another"}).encode())
    real = storage.read

    def read(path: storage.Location) -> bytes:
        if path.name == "a.json":
            raise InputError(f"{path}: the store does not answer")
        return real(path)

    monkeypatch.setattr(storage, "read", read)
    with pytest.raises(InputError, match="does not answer"), locks.held(beaten):
        pytest.fail("let in")


def test_a_lock_of_a_process_of_this_machine_that_has_ended_is_taken_over_at_once(beaten):
    folder = beaten.with_name("out.partial.lock")
    storage.write(folder / "a.json", json.dumps(locks._me() | {"pid": 2**22 + 1}).encode())  # above the highest pid there is
    with locks.held(beaten):
        assert len(names(folder)) == 1


def test_who_lost_the_lock_finds_out_before_anything_final(beaten):
    folder = beaten.with_name("out.partial.lock")
    with locks.held(beaten) as confirm:
        (mine,) = storage.files(folder)
        mine.unlink()
        confirm()  # taken for dead, but nobody else is there
        assert [path.name for path in storage.files(folder)] == [mine.name]
        mine.unlink()
        storage.write(folder / "b.json", json.dumps({"host": "node7", "machine": "another"}).encode())
        with pytest.raises(InputError, match=r"another job is writing .* on node7"):
            confirm()
    assert names(folder) == ["b.json"]


# what a user types


def test_a_place_is_a_local_path_or_a_uri_of_a_known_store(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert str(storage.location("a/b")) == "a/b"
    assert str(storage.location("file:///a/b")) == "/a/b"
    place = storage.location("s3://key:secret@bucket/some@where/?region=eu-west-1")
    assert str(place) == "s3://bucket/some@where"
    assert (str(place / "x"), place.name, str(place.with_name("y"))) == (
        "s3://bucket/some@where/x",
        "some@where",
        "s3://bucket/y",
    )
    assert (place / "x").uri == "s3://key:secret@bucket/some@where/x?allow_delayed_open=true&region=eu-west-1"
    assert storage.location((place / "x").uri) == pickle.loads(pickle.dumps(place / "x")) == place / "x"
    assert str(storage.location("gs://bucket/a").filesystem.type_name) == "gcs"
    for text, message in (("s3://", "names no bucket"), ("https://a/b", "expected a local path, s3://bucket/key or gs://")):
        with pytest.raises(InputError, match=message):
            storage.location(text)
    with pytest.raises(InputError, match="whole bucket"):
        storage.location("s3://bucket").with_name("out.partial")


def test_the_endpoint_of_the_surroundings_travels_with_the_place(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000/")
    assert "endpoint_override=127.0.0.1%3A9000&scheme=http" in storage.location("s3://b/c").uri
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://minio.lab")
    assert "endpoint_override=minio.lab&scheme=https" in storage.location("s3://b/c").uri
    assert "endpoint_override=own&scheme=https" in storage.location("s3://b/c?endpoint_override=own").uri


def test_where_only_local_paths_will_do_a_uri_is_refused(capfd):
    assert main(["ingest", "choreography", "--out", "s3://bucket/data"]) == 2
    assert "s3://bucket/data: expected a local path here" in capfd.readouterr().err


def test_a_store_that_refuses_or_is_not_there_is_one_line(bucket, monkeypatch):
    nowhere = storage.location("s3://no-such-bucket/data")
    with pytest.raises(InputError, match=r"^s3://no-such-bucket/data.*bucket does not exist"):
        storage.write(nowhere / "x", b"x")
    with pytest.raises(InputError, match="s3://no-such-bucket/data does not exist"):
        tables.shard_paths(nowhere)
    with pytest.raises(InputError, match=r"Unexpected query parameter.*check the bucket"):
        tables.shard_paths(storage.location("s3://bucket/data?colour=red"))


def test_parquet_of_other_tools_is_read_from_a_store(bucket):
    place = storage.location(bucket)
    pq.write_table(pa.table({"a": [1]}), place.path + "/x.parquet", filesystem=place.filesystem)
    assert tables.read_shard(place / "x.parquet", pa.schema([("a", pa.int64())])).to_pydict() == {"a": [1]}


def test_a_small_read_that_a_store_answers_with_an_error_first_is_read_again(bucket, throttled):
    """pyarrow cannot: the answer that says so is longer than what was asked for."""
    file = storage.location(f"{bucket}/part-00000.parquet")
    tables.write_shard(file, pa.table({"clip_id": ["a", "b"]}))
    for _ in range(3 * THROTTLED):
        assert tables.read_column(file, "clip_id").to_pylist() == ["a", "b"]
