"""Tables on disk: Parquet shards, their manifest, and the quarantine of rejected rows.

A table is a local folder or one on an object store (`m3n.io.storage`). A sequence is a flat list<float32> with its length in a
column beside it, so that reading it makes no Python objects.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import metadata
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from m3n import schema
from m3n.errors import InputError, one_line
from m3n.io import storage
from m3n.io.storage import L, Location
from m3n.logins import without_logins
from m3n.schema import ADDED_LATER, SCHEMA_VERSION, Rejected

MANIFEST = "manifest.json"
QUARANTINE = "quarantine"
SHARD_BYTES = 32 << 20  # of samples: nearly four hours of one sensor at 100 Hz; writing them takes five times that in memory
PACKAGES = ("m3n", "numpy", "scipy", "pyarrow", "torch", "ray")


def shard_paths(folder: L) -> list[L]:
    """The Parquet shards of a table, sorted by name; InputError where there are none, or the table is being published."""
    if folder.is_file():
        return [folder]
    if not folder.exists():
        raise InputError(f"{folder} does not exist: expected a folder of Parquet shards")
    storage.refuse_unfinished(folder)
    shards = storage.files(folder, ".parquet")
    if not shards:
        raise InputError(f"{folder} holds no .parquet shard: expected a table made by `m3n ingest` or `m3n simulate`")
    return shards


def read_schema(path: Location) -> pa.Schema:
    """Schema of one shard without its data; InputError for a file that is not Parquet."""
    with _readable(path), storage.open_input(path) as stream:
        return pq.read_schema(stream)


def row_count(path: Location) -> int:
    """Rows of one shard, without reading them; InputError for a file that is not Parquet."""
    with _readable(path), storage.open_input(path) as stream:
        return int(pq.ParquetFile(stream).metadata.num_rows)


def read_column(path: Location, name: str) -> pa.ChunkedArray:
    """One column of a shard; InputError for a damaged file."""
    with _readable(path), storage.open_input(path) as stream:
        return pq.ParquetFile(stream).read(columns=[name]).column(name)


def read_shard(path: Location, schema: pa.Schema, content: bytes | None = None) -> pa.Table:
    """One shard, cast to `schema` (its columns only); InputError for a damaged file or a value that does not fit.

    `content`: the bytes of the file, if they have been read already.
    """
    with _readable(path), storage.open_input(path) if content is None else pa.BufferReader(content) as stream:
        table = pq.ParquetFile(stream).read(columns=schema.names)
    return _cast(table, schema, path)


def _cast(table: pa.Table, schema: pa.Schema, path: Location) -> pa.Table:
    try:
        for field in schema:
            if field in ADDED_LATER and field.name not in table.column_names:
                table = table.append_column(field, pa.nulls(table.num_rows, field.type))
        return table.select(schema.names).cast(schema)
    except (pa.ArrowException, KeyError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from None


@contextmanager
def _readable(path: Location) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as Parquet ({reason}): make it again, or remove it") from None


def rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Rows of a table as dicts; list<float32> values are flat, read-only NumPy views (null stays None)."""
    table = table.combine_chunks()
    columns = {name: _column_values(table.column(name)) for name in table.column_names}
    for i in range(table.num_rows):
        yield {name: values[i] for name, values in columns.items()}


def checked_rows(
    shard: Location, columns: pa.Schema, check: Callable[[dict[str, Any]], str | None], advice: str = ""
) -> Iterator[dict[str, Any]]:
    """Rows of one shard, as from `rows`; InputError, ending with `advice`, for the first one in which `check` finds a problem."""
    identity = columns.names[0]  # clip_id or recording_id
    for number, row in enumerate(rows(read_shard(shard, columns))):
        problem = check(row)
        if problem:
            kind = identity.removesuffix("_id")
            raise InputError(f"{shard} row {number} ({kind} '{row[identity]}'): {problem}{advice}")
        yield row


def synthetic_rows(shard: Location, placements: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Checked rows of one shard of `synthetic_clips`, with the samples of `placements`."""
    chosen = tuple(placements)
    return checked_rows(
        shard,
        schema.synthetic_clips(chosen),
        lambda row: schema.check_synthetic_clip(row, chosen),
        "; simulate the clips again",
    )


def recording_rows(shard: Location, placements: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Checked rows of one shard of `imu_recordings`, with the samples of `placements`."""
    chosen = tuple(placements)
    return checked_rows(shard, schema.imu_recordings(chosen), lambda row: schema.check_imu_recording(row, chosen))


def rows_in_turn(shard: Location, columns: pa.Schema) -> Iterator[dict[str, Any]]:
    """Rows of one shard, as from `rows` but not checked, with a single row in memory at a time."""
    with _readable(shard), storage.open_input(shard) as stream:
        batches = pq.ParquetFile(stream, buffer_size=1 << 20, pre_buffer=False).iter_batches(
            batch_size=1, columns=columns.names
        )
        for batch in batches:
            yield from rows(_cast(pa.Table.from_batches([batch]), columns, shard))


def row_at(shard: Location, columns: pa.Schema, number: int) -> dict[str, Any]:
    """Row `number` of a shard, as from `rows` but not checked; only its row group is read, one row in memory at a time."""
    with _readable(shard), storage.open_input(shard) as stream:
        file = pq.ParquetFile(stream, buffer_size=1 << 20, pre_buffer=False)
        group, before = 0, 0
        while before + file.metadata.row_group(group).num_rows <= number:
            before += file.metadata.row_group(group).num_rows
            group += 1
        batches = file.iter_batches(batch_size=1, row_groups=[group], columns=columns.names)
        batch = next(islice(batches, number - before, None))
        return next(rows(_cast(pa.Table.from_batches([batch]), columns, shard)))


def _column_values(column: pa.ChunkedArray) -> Sequence[Any]:
    if not (pa.types.is_list(column.type) and pa.types.is_floating(column.type.value_type)):
        return column.to_pylist()
    values: list[Any] = []
    for chunk in column.chunks:
        flat, offsets = chunk.values.to_numpy(zero_copy_only=False), chunk.offsets.to_numpy()
        valid = chunk.is_valid().to_numpy(zero_copy_only=False)
        values += [flat[a:b] if ok else None for a, b, ok in zip(offsets[:-1], offsets[1:], valid, strict=True)]
    return values


def to_table(items: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.Table:
    """Rows (sequences as arrays of any shape) as a table; a column that a row lacks is null."""
    return pa.table([_column([item.get(field.name) for item in items], field.type) for field in schema], schema=schema)


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_list(kind) and pa.types.is_floating(kind.value_type):
        return sequence_column(values)
    return pa.array(values, type=kind)


def sequence_column(values: Sequence[np.ndarray | None]) -> pa.Array:
    """Arrays of any shape as one list<float32> column, each flattened; None is null."""
    arrays = [None if v is None else np.asarray(v, dtype=np.float32).reshape(-1) for v in values]
    offsets = np.concatenate([[0], np.cumsum([0 if a is None else a.size for a in arrays])]).astype(np.int32)
    known = [a for a in arrays if a is not None] or [np.empty(0, np.float32)]
    flat = known[0] if len(known) == 1 else np.concatenate(known)  # a day's recording is not copied
    mask = pa.array([a is None for a in arrays], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat, pa.float32()), type=pa.list_(pa.float32()), mask=mask)


def write_shard(path: Location, table: pa.Table, facts: dict[str, str] | None = None) -> None:
    """Write one shard whole or not at all; `facts` go into its Parquet metadata."""
    if facts:
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **facts})
    sink = pa.BufferOutputStream()
    # measured samples hardly repeat: without dictionaries, writing costs a fifth and the file is smaller
    pq.write_table(table, sink, compression="zstd", use_dictionary=False)
    storage.write(path, sink.getvalue())


def write_text(path: Location, text: str) -> None:
    """Write a small text file whole or not at all, without logins."""
    storage.write(path, without_logins(text).encode())


def write_table(folder: Location, items: Iterable[dict[str, Any]], schema: pa.Schema, rows_per_shard: int) -> int:
    """Write rows as shards `part-00000.parquet`, …, holding one shard in memory; returns the number of rows.

    A shard ends after `rows_per_shard` rows, or after the row with which its samples exceed `SHARD_BYTES`.
    """
    batch: list[dict[str, Any]] = []
    shard = count = size = 0

    def flush() -> None:
        nonlocal shard, count, size
        table = to_table(batch, schema)
        count, shard, size = count + len(batch), shard + 1, 0
        batch.clear()  # the table holds a copy
        write_shard(folder / f"part-{shard - 1:05d}.parquet", table)

    for item in items:
        batch.append(item)
        size += sum(value.nbytes for value in item.values() if isinstance(value, np.ndarray))
        del item
        if len(batch) == rows_per_shard or size > SHARD_BYTES:
            flush()
    if batch:
        flush()
    return count


def write_quarantine(folder: Location, rejected: Sequence[Rejected], name: str = "rejected") -> None:
    """Write the rejected rows, each with its reason, to `quarantine/` below a table."""
    if not rejected:
        return
    if isinstance(folder, Path):
        (folder / QUARANTINE).mkdir(exist_ok=True)
    table = pa.table({"item": [one_line(r.item, 300) for r in rejected], "reason": [r.reason for r in rejected]})
    write_shard(folder / QUARANTINE / f"{name}.parquet", table)


def check_rejected(rejected: Sequence[Rejected], kept: int, limit: float, where: str) -> None:
    """Raise InputError, naming the first reason, where no row is left or the rejected share is above `limit`."""
    total = len(rejected) + kept
    if total == 0:
        raise InputError(f"{where} is empty: expected at least one row")
    if rejected and (kept == 0 or len(rejected) > limit * total):
        first = rejected[0]
        others = f" (and {len(rejected) - 1} more of {total})" if len(rejected) > 1 else f" (1 of {total})"
        said = first.reason if first.reason.startswith(first.item) else f"{first.item}: {first.reason}"
        named = said if Path(where).name in said else f"{where}: {said}"
        raise InputError(f"{named}{others}; fix these rows, or raise max_rejected to leave them out")


def write_manifest(
    folder: Location,
    *,
    table: str,
    totals: dict[str, float],
    inputs: dict[str, str],
    config: dict[str, Any],
    rejected: Sequence[Rejected] = (),
    facts: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Write `manifest.json`: what the table holds, what it was made from, and how; `facts` are added by the stage.

    It carries no time, so that the same inputs give the same bytes.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "table": table,
        **totals,
        "inputs": inputs,
        "config": config,
        "seed": config.get("seed"),
        **facts,
        "packages": package_versions(),
        "quarantined": [{"item": r.item, "reason": r.reason} for r in rejected],
    }
    write_text(folder / MANIFEST, json.dumps(content, indent=2) + "\n")


def package_versions() -> dict[str, str]:
    """Versions of the packages that results depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def file_sha256(path: Location) -> str:
    """SHA-256 of a file, or of a folder's files with their names (on an object store, of those directly in it)."""
    if not path.is_dir():
        return storage.sha256(path)
    if not isinstance(path, Path):
        return named_sha256((item.name, storage.sha256(item)) for item in storage.files(path))
    files = sorted(file for file in path.rglob("*") if file.is_file())
    return named_sha256((file.relative_to(path), storage.sha256(file)) for file in files)


def named_sha256(files: Iterable[tuple[object, str]]) -> str:
    """`file_sha256` of a folder from the names and digests of its files, in order."""
    return hashlib.sha256("".join(f"{name} {sha256}\n" for name, sha256 in files).encode()).hexdigest()


def data_sha256(folder: Location) -> str:
    """SHA-256 over a table's shards, in order."""
    return joint_sha256(file_sha256(shard) for shard in shard_paths(folder))


def joint_sha256(shards: Iterable[str]) -> str:
    """`data_sha256` of a table from the digests of its shards, in order."""
    return hashlib.sha256("".join(shards).encode()).hexdigest()
