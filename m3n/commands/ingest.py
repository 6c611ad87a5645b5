"""`m3n ingest`: read files of another format into tables of pose clips and IMU recordings."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from m3n import schema, sources
from m3n.commands import ingest_files, ingest_pieces
from m3n.commands.piece_files import remove_pieces
from m3n.config import IngestConfig, Options
from m3n.errors import InputError
from m3n.io import tables
from m3n.io.staging import staged
from m3n.io.storage import Location
from m3n.schema import Rejected, rejected_row, repairs_of
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.plausibility import plausible
from m3n.sources.shared.pose_files import PoseFileOptions
from m3n.sources.shared.sensor_axes import SensorAxes


class Kind(NamedTuple):
    """A table that sources give: its name, which is that of their reader too, the column that identifies a row, and its schema."""

    table: str
    identity: str
    columns: pa.Schema


KINDS = {
    "poses": Kind("pose_clips", "clip_id", schema.POSE_CLIPS),
    "recordings": Kind("imu_recordings", "recording_id", schema.imu_recordings()),
}


def options_of(source: str) -> type[Options]:
    """The config class of a source: its own settings and those that all sources share."""
    own = sources.load(source).Options
    return type(f"{own.__name__}", (own, IngestConfig), {"__doc__": own.__doc__})


def ingest(source: str, path: Location | None, out: Location, options: Options | None = None) -> dict[str, Any]:
    """Read `path` with a source into `out`/poses and / or `out`/recordings; returns the figures.

    Raises InputError if the input cannot be read or too much of it is rejected; then nothing is left in `out`.
    """
    module = sources.load(source)
    options = options_of(source)() if options is None else options
    settings: Any = options
    files = getattr(module, "FILES", None)
    if path is not None and not isinstance(path, Path) and not hasattr(module, "pieces") and files is None:
        raise InputError(f"{source} reads local files: copy {path} to this machine first")
    if path is not None and not path.exists():
        raise InputError(f"{path} does not exist")
    readers = {kind: getattr(module, of.table) for kind, of in KINDS.items() if hasattr(module, of.table)}
    if path is None and needs_file(source):
        raise InputError(f"{source} reads a file or folder: give its path, as in `m3n ingest {source} PATH --out {out}`")
    if files is None and isinstance(options, PoseFileOptions) and options.workers not in ("auto", 1):
        raise InputError(f"{source} joins files that hold a frame each, so one process reads them: leave workers= out")
    in_files = False
    if files is not None and path is not None and path.is_dir():
        in_files = settings.workers != "auto" or not ingest_files.is_small(path, files)
    in_pieces = in_files or hasattr(module, "pieces")
    figures: dict[str, Any] = {}
    inputs = {} if path is None or in_pieces else {path.name: tables.file_sha256(path)}
    axes = SensorAxes(settings.axes, settings.axes_from)
    if settings.axes_from is not None:
        inputs[settings.axes_from.name] = tables.file_sha256(settings.axes_from)
    if axes and "recordings" not in readers:
        raise InputError(f"{source} gives no recordings: axes and axes_from have nothing to turn")
    with ExitStack() as stack:  # the tables appear together, other files in `out` stay untouched
        for kind, reader in readers.items():
            staging = stack.enter_context(staged(out / kind, resume=in_pieces, inputs=[path] if path else []))
            notes = Notes()
            takes_notes = "notes" in inspect.signature(reader).parameters
            if in_files and path is not None:
                items = ingest_files.file_items(source, path, staging, options, notes, figures, inputs)
            elif in_pieces and path is not None:
                items = ingest_pieces.video_items(path, staging, options, notes, figures, inputs)
            else:
                items = reader(path, options, notes) if takes_notes else reader(path, options)
            if kind == "poses" and not in_files:  # a clip with a recording beside it must keep its length
                items = plausible(items, options, whole="recordings" in readers)
            elif axes:
                items = (item if isinstance(item, Rejected) else axes.turned(item, notes) for item in items)
            noted = {"source": source, **options.model_dump(mode="json", exclude={"workers"})}
            figures |= _written(staging, kind, items, settings, f"{path or source}", inputs, noted, notes) | notes.figures()
            if in_pieces:
                remove_pieces(staging)
    return figures


def write_poses(out: Path, items: Iterable[dict[str, Any] | Rejected], options: Options, notes: Notes) -> None:
    """A table of pose clips that a command makes itself, checked like those of a source; its manifest has `options` and `notes`.

    Raises InputError if too much of it is rejected; then nothing is left in `out`.
    """
    with staged(out) as staging:
        noted = options.model_dump(mode="json")
        _written(staging, "poses", plausible(items, options), IngestConfig(), str(out), {}, noted, notes)


def _written(
    staging: Location,
    kind: str,
    items: Iterable[dict[str, Any] | Rejected],
    settings: IngestConfig,
    where: str,
    inputs: dict[str, str],
    noted: dict[str, Any],
    notes: Notes,
) -> dict[str, Any]:
    """Write the valid items as a table, with quarantine and manifest, in which `inputs`, the settings `noted` and `notes` are;
    returns the figures. Raises InputError, naming `where`, if too much is rejected."""
    rejected: list[Rejected] = []
    totals = {"rows": 0, "seconds": 0.0}
    tables.write_table(staging, _checked(items, kind, rejected, totals, notes), KINDS[kind].columns, settings.rows_per_shard)
    _check_rejected(rejected, totals, settings.max_rejected, where)
    tables.write_quarantine(staging, rejected)
    tables.write_manifest(
        staging, table=KINDS[kind].table, totals=totals, inputs=inputs, config=noted, rejected=rejected, facts=notes.facts()
    )
    return {kind: totals["rows"], f"{kind}_seconds": totals["seconds"], f"{kind}_rejected": len(rejected)}


def _check_rejected(rejected: list[Rejected], totals: dict[str, float], limit: float, where: str) -> None:
    """InputError where too much was rejected: whole items by their number, pieces of recordings by their share of the time."""
    pieces = [item for item in rejected if item.seconds is not None]
    whole = [item for item in rejected if item.seconds is None]
    lost = sum(item.seconds or 0.0 for item in pieces)
    share = lost / max(lost + totals["seconds"], 1e-9)
    if pieces and (share > limit or not totals["rows"]):
        raise InputError(
            f"{pieces[0].reason} ({len(pieces)} such pieces, {100 * share:.0f} % of the time); correct the file, or raise "
            "max_rejected to leave them out"
        )
    tables.check_rejected(whole, int(totals["rows"]), limit, where)


def needs_file(source: str) -> bool:
    """Whether no reader of a source accepts None as its path."""
    module = sources.load(source)
    readers = [getattr(module, kind.table) for kind in KINDS.values() if hasattr(module, kind.table)]
    return all("None" not in str(inspect.signature(reader).parameters["path"].annotation) for reader in readers)


def _note_repairs(row: dict[str, Any], notes: Notes) -> None:
    for one in repairs_of(row):
        is_split = one.what == "split"
        what, times = ("split_clips", 1) if is_split else (f"{one.what}_frames", one.frames)
        notes.count(what, times, f"{one.item}: {one.reason}" if is_split else f"{one.item}, {one.frames} frames: {one.reason}")


def _checked(
    items: Iterable[dict[str, Any] | Rejected],
    kind: str,
    rejected: list[Rejected],
    totals: dict[str, float],
    notes: Notes,
) -> Iterator[dict[str, Any]]:
    """The valid rows, which `totals` counts; others go to `rejected`, and what was repaired in rows to `notes`."""
    identity = KINDS[kind].identity
    seen: set[str] = set()
    for item in items:
        if isinstance(item, Rejected):
            rejected.append(item)
            continue
        if kind == "poses":
            reason, seconds = schema.check_pose_clip(item), (item["n_frames"] - 1) / max(item["fps"], 1e-9)
        else:
            reason = schema.check_imu_recording(item, schema.PLACEMENTS)
            seconds = item["n_samples"] / max(item["rate_hz"], 1e-9)
        if reason is None and item[identity] in seen:
            reason = f"duplicate {identity} '{item[identity]}'"
        if reason is not None:
            rejected.append(rejected_row(item, identity, reason))
            continue
        seen.add(item[identity])
        _note_repairs(item, notes)
        totals["rows"] += 1
        totals["seconds"] += seconds
        yield item
