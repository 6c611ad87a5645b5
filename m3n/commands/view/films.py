"""Which video the clips of a table came from, as `m3n ingest video` wrote it down beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa

from m3n.commands.ingest_pieces import FILM, FILMED, LOOKS
from m3n.io import storage, tables
from m3n.io.storage import Location
from m3n.reports.view.clip import Entry
from m3n.reports.view.film import Film, film_of


class Films:
    """The videos of the clips of `place`: of pose clips, or of what was simulated from the poses beside it. Videos on a store are
    not shown. `notice`: which are gone."""

    def __init__(self, place: Location) -> None:
        self._clips: dict[str, tuple[Path, int, Path, float]] = {}
        gone: set[str] = set()
        for shard in _shards(place):
            names = tables.read_schema(shard).names
            if not set(FILMED.names) <= set(names):
                continue  # of an earlier m3n
            for number, row in enumerate(tables.rows(tables.read_shard(shard, FILMED))):
                if not row["bytes"]:
                    continue
                file = Path(row["file"])
                if not (file.is_file() and file.stat().st_size == row["bytes"]):
                    gone.add(row["file"])
                    continue
                for clip in row["clips"]:
                    self._clips[clip["clip_id"]] = shard, number, file, clip["start_s"]
        first = min(gone, default="")
        many = (
            f"{len(gone)} videos are gone or changed, such as {first}" if len(gone) > 1 else f"{first} is gone or has changed"
        )
        self.notice = f"{many}: clips are shown without it." if gone else ""

    def __contains__(self, clip_id: str) -> bool:
        return clip_id in self._clips

    def film(self, entry: Entry, most_bytes: float) -> Film:
        """The film of an entry that there is; InputError for a video that cannot be decoded."""
        shard, number, file, start_s = self._clips[entry.name]
        look = json.loads(tables.row_at(shard, pa.schema([LOOKS.field("look")]), number)["look"])
        return film_of(file, look, start_s + entry.start_s, start_s + entry.stop_s, most_bytes)


def _shards(place: Location) -> list[Path]:
    if not isinstance(place, Path) or not place.is_dir():
        return []
    folders = place / FILM, place.parent / "poses" / FILM
    return next(filter(None, (storage.files(folder, ".parquet") for folder in folders)), [])
