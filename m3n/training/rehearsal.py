"""Rehearsal: synthetic clips in every batch while a classifier is fine-tuned, so that it does not forget its pretraining."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from m3n.config import WindowsConfig
from m3n.config.names import SKETCH
from m3n.data.splits import Person, some
from m3n.data.windows import RecordingWindows, cut_recordings
from m3n.errors import NoWindowsError
from m3n.io import tables
from m3n.io.storage import Location


def rehearsal(
    clips: Location,
    shape: WindowsConfig,
    placements: Sequence[str],
    classes: Sequence[str],
    pretrained: Mapping[str, Collection[str]] | None,
    held_out: Collection[Person] = (),
) -> RecordingWindows:
    """Windows of the clips that may be trained on and are labelled with one of the classes; NoWindowsError if there are none.

    Of a clip with segments, those with one of the classes are used; the rest of it counts as unlabelled.
    `pretrained`: source -> subjects of the pretraining, whose clips may be used. Without a pretraining (None) all clips may, except
    those of the people `held_out`. Clips of sketches may always be used.
    Raises InputError for a table that cannot be read, and for a clip with bad values.
    """

    def may(source: str, subject: str) -> bool:
        if source == SKETCH:  # shows no real person, so nothing of anybody held out can leak
            return True
        return subject in pretrained.get(source, ()) if pretrained is not None else (source, subject) not in held_out

    def segments(row: Mapping[str, Any]) -> list[dict[str, Any]]:
        return [segment for segment in row["segments"] or () if segment["label"] in classes]

    rows = (
        row | {"recording_id": row["clip_id"], "subject": row["subject"] or row["clip_id"], "segments": segments(row)}
        for shard in tables.shard_paths(clips)
        for row in tables.synthetic_rows(shard, placements)
        if (segments(row) if row["segments"] else row["label"] in classes)
        and may(row["source"], row["subject"] or row["clip_id"])
    )
    try:
        return cut_recordings(rows, shape, placements, classes)
    except NoWindowsError:
        usable = "was used in pretraining" if pretrained is not None else "is of a subject that is not held out"
        raise NoWindowsError(
            f"{clips} has no clip that {usable} and has one of the recordings' labels ({some(classes)}): give the clips that the "
            "checkpoint was pretrained on, or set rehearse=0"
        ) from None
