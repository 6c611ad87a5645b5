"""Object stores: URIs, settings of the environment, and errors in one line; on a real S3 server on loopback."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from throttling import THROTTLED

from m3n.cli import main
from m3n.errors import InputError
from m3n.io import storage, tables


def test_the_endpoint_of_the_surroundings_travels_with_the_place(monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000/")
    assert "endpoint_override=127.0.0.1%3A9000&scheme=http" in storage.location("s3://b/c").uri
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://minio.lab")
    assert "endpoint_override=minio.lab&scheme=https" in storage.location("s3://b/c").uri
    assert "endpoint_override=own&scheme=https" in storage.location("s3://b/c?endpoint_override=own").uri


def test_where_only_local_paths_will_do_a_uri_is_refused(capfd):
    assert main(["demo", "--out", "s3://bucket/data"]) == 2
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
