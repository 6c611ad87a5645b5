"""`m3n report video`: what `m3n ingest video` saw, kept and left out, to be looked at before anything is trained on it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from m3n.commands.ingest_pieces import FILM, LOOKS
from m3n.errors import InputError
from m3n.io import storage, tables
from m3n.io.staging import staged
from m3n.io.storage import Location
from m3n.reports.film_sheet import ROWS, film_sheet
from m3n.reports.markdown import markdown_table

PAGES = 12  # contact sheets that are drawn; further stretches are counted


def film_report(place: Location, out: Path) -> dict[str, Any]:
    """Write film.md and the contact sheets film-01.png, … into `out`; returns the figures.

    `place`: what `m3n ingest video` wrote, or its folder `poses`. Raises InputError for anything else.
    """
    poses = place / "poses" if (place / "poses").exists() else place
    if not (poses / tables.MANIFEST).exists():
        raise InputError(f"{place} holds no clips: expected the --out of `m3n ingest video`")
    manifest = json.loads(storage.read(poses / tables.MANIFEST))
    if not storage.files(poses / FILM, ".parquet"):
        raise InputError(f"{poses} holds no pictures of videos: expected the --out of `m3n ingest video`")
    seconds = swapped = count = 0
    drawn: list[dict[str, Any]] = []
    with staged(out, inputs=[place]) as staging:
        for look in _looks(poses):
            count, seconds, swapped = count + 1, seconds + look["stop_s"] - look["start_s"], swapped + len(look["swapped_s"])
            if len(drawn) < PAGES * ROWS:
                drawn.append(look)
        pages = -(-len(drawn) // ROWS)
        for page in range(pages):
            film_sheet(staging / f"film-{page + 1:02d}.png", drawn[page * ROWS : (page + 1) * ROWS])
        figures = {
            "videos": len(manifest["inputs"]),
            "clips": manifest["rows"],
            "clip_seconds": manifest["seconds"],
            "seen_seconds": round(seconds, 2),
            "frames_put_right": swapped,
            "left_out": len(manifest["quarantined"]),
            "people_and_stretches": count,
            "pages": pages,
        }
        tables.write_text(staging / "film.md", _text(figures, manifest))
        tables.write_manifest(staging, table="film", totals=figures, inputs={"poses": tables.data_sha256(poses)}, config={})
    return figures


def _looks(poses: Location) -> Iterator[dict[str, Any]]:
    for shard in storage.files(poses / FILM, ".parquet"):
        for row in tables.rows_in_turn(shard, LOOKS):
            try:
                yield json.loads(row["look"])
            except ValueError as error:
                raise InputError(
                    f"{shard}: the look of {row['item']} cannot be read ({error}); ingest the videos again"
                ) from None


def _text(figures: dict[str, Any], manifest: dict[str, Any]) -> str:
    parts = [
        f"{figures['clips']} clips of {figures['clip_seconds']:.1f} s from {figures['videos']} videos; people were seen for "
        f"{figures['seen_seconds']:.1f} s, and {figures['left_out']} stretches or files were left out.\n"
    ]
    drawn = min(figures["people_and_stretches"], PAGES * ROWS)
    parts += [
        f"![{drawn} of {figures['people_and_stretches']} stretches](film-{page:02d}.png)\n"
        for page in range(1, figures["pages"] + 1)
    ]
    if notes := manifest.get("notes"):
        rows = [[what, f"{noted['count']:g}", ", ".join(noted["first"][:3])] for what, noted in notes.items()]
        parts.append("What was done:\n\n" + markdown_table(["what", "times", "first in"], rows))
    if manifest["quarantined"]:
        rows = [[one["item"], one["reason"].replace("|", "/")] for one in manifest["quarantined"]]
        parts.append("What was left out, and why:\n\n" + markdown_table(["item", "reason"], rows))
    return "\n".join(parts)
