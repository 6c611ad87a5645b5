"""A small result as a command leaves it in its output folder."""

from __future__ import annotations

import pyarrow as pa

from m3n.io import storage, tables
from m3n.io.staging import staged


def names(folder: storage.Location) -> list[str]:
    return [path.name for path in storage.files(folder)]


def write_result(out: storage.Location, content: str, **options: bool) -> None:
    with staged(out, **options) as staging:
        tables.write_text(staging / f"{content}.txt", content)
        tables.write_shard(staging / "part-00000.parquet", pa.table({"a": [content]}))
        tables.write_manifest(staging, table="test", totals={}, inputs={}, config={})
