"""What a fine-tuning learns from beside labelled windows: synthetic clips, and windows of the same people without a label."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from m3n.config import FinetuneConfig, WindowsConfig
from m3n.config.names import AS_SET, AUTO
from m3n.data.splits import Person
from m3n.data.windows import RecordingWindows, cut_recordings
from m3n.errors import InputError, NoWindowsError
from m3n.io.storage import Location
from m3n.training.checkpoint import Checkpoint
from m3n.training.rehearsal import rehearsal
from m3n.training.starting_point import WITH_CHECKPOINT, WITH_CLIPS

log = logging.getLogger(__name__)


def clip_windows(
    clips: Location | None,
    shape: WindowsConfig,
    config: FinetuneConfig,
    windows: RecordingWindows,
    pretrained: Checkpoint | None,
    held_out: Collection[Person],
) -> RecordingWindows | None:
    """Windows of clips that may be rehearsed, or None; InputError where the start needs a checkpoint or clips that are not given.

    Clips of people who are held out are never among them. Where `rehearse` alone says so, only clips that were pretrained on are.
    """
    if config.start in WITH_CHECKPOINT and pretrained is None:
        raise InputError(
            f"start={config.start} needs --checkpoint, a folder made by `m3n pretrain`: give one, or set start=auto"
        )
    as_set = config.start == AS_SET
    if clips is None:
        if config.start in WITH_CLIPS or (as_set and config.rehearse):
            asked, instead = (
                (f"rehearse={config.rehearse:g}", "rehearse=0") if as_set else (f"start={config.start}", "start=auto")
            )
            raise InputError(f"{asked} needs --clips, a table of synthetic clips: give one, or set {instead}")
        return None
    if as_set:
        known = pretrained.subjects if pretrained else None
        return rehearsal(clips, shape, windows.placements, windows.classes, known, held_out) if config.rehearse else None
    if config.start not in (AUTO, *WITH_CLIPS):
        return None
    try:
        return rehearsal(clips, shape, windows.placements, windows.classes, None, held_out)
    except NoWindowsError as error:
        if config.start != AUTO:
            raise
        log.warning("the clips are not used: %s", error)
        return None


def unlabelled_windows(
    rows: Sequence[dict[str, Any]], shape: WindowsConfig, train: RecordingWindows, ignore: Collection[str]
) -> RecordingWindows:
    """Windows of the training subjects' checked `imu_recordings` rows that are not in `train`: beyond the label budget, or without
    a label.

    Windows with a label in `ignore` are left out, since they are known to show none of the classes.
    """
    whole = cut_recordings([row | {"label": "", "segments": None} for row in rows], shape, train.placements)
    left_out = set(_places(train))
    if ignore:
        labelled = cut_recordings(rows, shape, train.placements)
        ignored = [i for i, name in enumerate(labelled.classes) if name in ignore]
        left_out |= set(_places(labelled.subset(np.isin(labelled.label, ignored))))
    found = whole.subset(np.array([place not in left_out for place in _places(whole)]))
    if not len(found.label):
        log.warning("unlabelled=true, but every window of the training subjects has a label within the budget")
    return replace(found, classes=train.classes)


def _places(windows: RecordingWindows) -> list[tuple[str, float]]:
    """(recording, start) of every window."""
    return [(windows.recording_ids[r], t) for r, t in zip(windows.recording, windows.start_s.tolist(), strict=True)]
