"""Files on disks and on object stores behave alike: a real S3 server on loopback, reached as a user would reach one."""

from __future__ import annotations

import hashlib
import pickle

import pyarrow as pa
import pytest

from m3n.errors import InputError
from m3n.io import storage, tables
from m3n.io.object_store import ObjectPath


def names(folder: storage.Location) -> list[str]:
    return [path.name for path in storage.files(folder)]


def test_a_file_is_what_was_written_last(place):
    path = place / "a b" / "ü#1.txt" if isinstance(place, ObjectPath) else place / "ü#1.txt"
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
    if not isinstance(below, ObjectPath):
        below.mkdir()
    storage.write(below / "d.parquet", b"x")
    assert names(place) == ["a.parquet", "b.parquet", "c.json"]
    assert [p.name for p in storage.files(place, ".parquet")] == ["a.parquet", "b.parquet"]
    assert names(place / "absent") == []
    storage.remove(below)
    assert names(below) == []
    assert names(place) == ["a.parquet", "b.parquet", "c.json"]


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


def test_a_file_that_is_kept_has_both_names_and_what_is_written_later_has_one(tmp_path):
    path, kept = tmp_path / "state", tmp_path / "state.previous"
    path.write_text("first")
    for _ in range(2):
        storage.keep(path, kept)
        assert (path.read_text(), kept.read_text()) == ("first", "first")
    storage.write(path, b"second")
    assert (path.read_text(), kept.read_text()) == ("second", "first")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["state", "state.previous"]
