"""Tables on disk: Parquet shards, their manifest, and the quarantine of rejected rows.

Nothing is ever half-written: a stage works in a staging folder beside its output (`OUT.partial`), and one rename makes the
result appear. A stage that can resume finds its finished shards in the staging folder of the interrupted run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from m3n.errors import InputError, one_line
from m3n.schema import SCHEMA_VERSION, Rejected

MANIFEST = "manifest.json"
QUARANTINE = "quarantine"
PACKAGES = ("m3n", "numpy", "scipy", "pyarrow", "torch", "ray")


def shard_paths(folder: Path) -> list[Path]:
    """The Parquet shards of a table, sorted by name; InputError where there are none."""
    if folder.is_file():
        return [folder]
    if not folder.exists():
        raise InputError(f"{folder} does not exist: expected a folder of Parquet shards")
    shards = sorted(p for p in folder.glob("*.parquet") if p.is_file())
    if not shards:
        raise InputError(f"{folder} holds no .parquet shard: expected a table made by `m3n ingest` or `m3n simulate`")
    return shards


def read_schema(path: Path) -> pa.Schema:
    """Schema of one shard without its data; InputError for a file that is not Parquet."""
    try:
        return pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None


def read_shard(path: Path, schema: pa.Schema) -> pa.Table:
    """One shard, cast to `schema` (its columns only); InputError for a damaged file or a value that does not fit."""
    try:
        table = pq.ParquetFile(path).read(columns=schema.names)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    try:
        return table.select(schema.names).cast(schema)
    except (pa.ArrowException, KeyError) as error:
        raise InputError(f"{path}: {' '.join(str(error).split())}") from None


def _unreadable(path: Path, error: Exception) -> InputError:
    return InputError(f"{path} cannot be read as Parquet ({' '.join(str(error).split())}): make it again, or remove it")


def rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Rows of a table as dicts; list<float32> values are flat, read-only NumPy views (null stays None)."""
    table = table.combine_chunks()
    columns = {name: _column_values(table.column(name)) for name in table.column_names}
    for i in range(table.num_rows):
        yield {name: values[i] for name, values in columns.items()}


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
    flat = np.concatenate([a for a in arrays if a is not None] or [np.empty(0, np.float32)])
    mask = pa.array([a is None for a in arrays], pa.bool_())
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat, pa.float32()), type=pa.list_(pa.float32()), mask=mask)


def write_shard(path: Path, table: pa.Table, facts: dict[str, str] | None = None) -> None:
    """Write one shard atomically (temporary name, then rename); `facts` go into its Parquet metadata."""
    if facts:
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), **facts})
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        # measured samples hardly repeat: without dictionaries, writing costs a fifth and the file is smaller
        pq.write_table(table, temporary, compression="zstd", use_dictionary=False)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file atomically."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)


def write_table(folder: Path, items: Iterable[dict[str, Any]], schema: pa.Schema, rows_per_shard: int) -> int:
    """Write rows as shards `part-00000.parquet`, …, holding one shard in memory; returns the number of rows."""
    batch: list[dict[str, Any]] = []
    shard = count = 0
    for item in items:
        batch.append(item)
        if len(batch) == rows_per_shard:
            write_shard(folder / f"part-{shard:05d}.parquet", to_table(batch, schema))
            count, shard, batch = count + len(batch), shard + 1, []
    if batch:
        write_shard(folder / f"part-{shard:05d}.parquet", to_table(batch, schema))
    return count + len(batch)


def write_quarantine(folder: Path, rejected: Sequence[Rejected], name: str = "rejected") -> None:
    """Keep what was rejected, with the reason, in `quarantine/` below a table."""
    if not rejected:
        return
    (folder / QUARANTINE).mkdir(exist_ok=True)
    table = pa.table({"item": [one_line(r.item, 300) for r in rejected], "reason": [r.reason for r in rejected]})
    write_shard(folder / QUARANTINE / f"{name}.parquet", table)


def judge_rejected(rejected: Sequence[Rejected], kept: int, limit: float, where: str) -> None:
    """Raise InputError where nothing is left, or more than the share `limit` was rejected: one reason, named."""
    total = len(rejected) + kept
    if total == 0:
        raise InputError(f"{where} is empty: expected at least one row")
    if rejected and (kept == 0 or len(rejected) > limit * total):
        first = rejected[0]
        others = f" (and {len(rejected) - 1} more of {total})" if len(rejected) > 1 else f" (1 of {total})"
        said = f"{first.item}: {first.reason}"
        named = said if Path(where).name in said else f"{where}: {said}"
        raise InputError(f"{named}{others}; mend the rows, or raise max_rejected to leave them out")


def write_manifest(
    folder: Path,
    *,
    table: str,
    totals: dict[str, float],
    inputs: dict[str, str],
    config: dict[str, Any],
    rejected: Sequence[Rejected] = (),
) -> None:
    """Write `manifest.json`: what the table holds, what it was made from, and how. It carries no clock, so that the same
    inputs give the same bytes."""
    content = {
        "schema_version": SCHEMA_VERSION,
        "table": table,
        **totals,
        "inputs": inputs,
        "config": config,
        "seed": config.get("seed"),
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


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, or of a folder's files with their names."""
    if path.is_dir():
        digest = hashlib.sha256()
        for file in sorted(p for p in path.rglob("*") if p.is_file()):
            digest.update(f"{file.relative_to(path)} {file_sha256(file)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def data_sha256(folder: Path) -> str:
    """SHA-256 over a table's shards, in order."""
    digest = hashlib.sha256()
    for shard in shard_paths(folder):
        digest.update(file_sha256(shard).encode())
    return digest.hexdigest()


@contextmanager
def staged(out: Path, *, resume: bool = False, inputs: Sequence[Path] = ()) -> Iterator[Path]:
    """A staging folder that becomes `out` when the block ends well.

    With `resume`, what an interrupted run left in staging is kept and offered again. Bad input leaves no trace; any other
    fault leaves the staging folder where the stage can resume, and removes it where it cannot. An existing `out` is replaced
    only if it is empty or holds a result of m3n, and neither any of `inputs` nor the working folder; InputError otherwise.
    """
    out = Path(os.path.abspath(out))
    for role, kept in (("working folder", Path.cwd()), *(("input", path) for path in inputs)):
        if out.resolve() in (kept.resolve(), *kept.resolve().parents):
            raise InputError(f"{out} holds the {role} {kept}, and would be replaced by the result: choose another --out")
    for folder in (out, *out.parents):
        if folder.is_file():
            raise InputError(f"{folder} is a file: --out expects a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).exists():
        raise InputError(f"{out} exists and was not made by m3n: choose another --out, or remove it")
    staging = out.with_name(f"{out.name}.partial")
    if not resume:
        shutil.rmtree(staging, ignore_errors=True)
    found_parent = staging.parent.exists()
    try:
        staging.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"cannot write {staging}: {error.strerror}") from None
    try:
        yield staging
    except BaseException as error:
        if isinstance(error, InputError) or not resume:
            shutil.rmtree(staging, ignore_errors=True)
            if not found_parent:
                with suppress(OSError):  # something else may have been put there meanwhile
                    staging.parent.rmdir()
        raise
    replaced = out.with_name(f"{out.name}.replaced")
    if out.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        os.rename(out, replaced)
    os.rename(staging, out)
    shutil.rmtree(replaced, ignore_errors=True)
