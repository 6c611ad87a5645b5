"""Synthetic clips that go on teaching while a classifier is fine-tuned."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from m3n.config import WindowsConfig
from m3n.data.splits import Person, some
from m3n.data.windows import RecordingWindows, cut_recordings
from m3n.errors import InputError
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
    """Windows of the clips that may be learned from and have one of the classes' labels; InputError where there is none.

    May: what was pretrained on (source -> subjects), or where nothing was (None) all but the clips of the people `held_out`
    (source, subject).
    """

    def may(source: str, subject: str) -> bool:
        return subject in pretrained.get(source, ()) if pretrained is not None else (source, subject) not in held_out

    rows = (
        row | {"recording_id": row["clip_id"], "subject": row["subject"] or row["clip_id"], "segments": None}
        for shard in tables.shard_paths(clips)
        for row in tables.synthetic_rows(shard, placements)
        if row["label"] in classes and may(row["source"], row["subject"] or row["clip_id"])
    )
    try:
        return cut_recordings(rows, shape, placements, classes)
    except InputError:
        raise InputError(
            f"{clips} has no clip that {'was pretrained on' if pretrained is not None else 'is not of a held-out subject'} and is "
            f"labelled as the recordings are ({some(classes)}): give the clips of the checkpoint, or rehearse=0"
        ) from None
