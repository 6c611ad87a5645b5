"""Videos: a file, or a folder of them, becomes pose clips through pose networks on the CPU and the body fit.

Nothing but the videos is needed: the networks are MediaPipe's (`m3n setup video` fetches them), the body is the licence-free
stand-in. A long video is read in stretches of `stretch_s`, each on its own, so that memory does not grow with its length and
stretches can be made in any order. Who, what and the words come from the names of files (`path=`) or from the settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from m3n.config import Positive
from m3n.config.base import Share
from m3n.errors import InputError
from m3n.schema import Rejected
from m3n.sources.shared.fitted_rows import FittedClip, fitted_clips
from m3n.sources.shared.gaps import part_id
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.joint_names import smpl_joints
from m3n.sources.shared.path_pattern import FIELDS, PathPattern
from m3n.sources.shared.plausibility import PoseOptions
from m3n.sources.shared.pose_rows import pose_row
from m3n.video import decoding
from m3n.video.landmarks import NAMES
from m3n.video.motion import Motion, in_sight, joints_of, motion_of
from m3n.video.network_files import checked_folder
from m3n.video.networks import PoseNetworks
from m3n.video.tracking import Stretch, Track, follow

SOURCE = "video"
LEAST_S = 0.5  # of a clip: what is shorter shows no activity


class Options(PoseOptions):
    """Settings of `m3n ingest video`."""

    path: str | None = Field(
        default=None,
        description="pattern of a file's name below the folder, as {label}/{subject}_*.mp4; null: names say nothing",
    )
    model: Literal["lite", "full", "heavy"] = Field(
        default="full", description="landmark network; `m3n setup video` fetches full, the others are put beside it"
    )
    person: Literal["longest", "largest", "all"] = Field(
        default="longest",
        description="who becomes clips where several people are seen: the one seen longest, or largest, or all",
    )
    arms: Literal["both", "left", "right"] = Field(
        default="both",
        description="which arm must be seen: where it is hidden, the clip is cut; of the other one, a guess will do",
    )
    text: str | None = Field(default=None, description="what the videos show, in words; null: the label's words")
    label: str | None = Field(default=None, description="activity label of every clip; null: that of the name, or none")
    subject: str | None = Field(default=None, description="who moves in every clip; null: that of the name, or unknown")
    max_fps: Positive = Field(default=60.0, ge=5, le=240, description="frames beyond this rate are skipped [Hz]")
    stretch_s: Positive = Field(default=60.0, ge=5, le=600, description="longest clip; longer videos are cut into several [s]")
    max_rejected: Share = Field(
        default=0.5, description="largest share of the videos, and of their time, that may go to quarantine before ingest fails"
    )


@dataclass(frozen=True)
class Piece:
    """A stretch of a video that is read by itself: the file, its name below the folder, and its start and stop (s)."""

    file: Path
    name: str
    start_s: float
    stop_s: float | None
    subject: str | None = None
    label: str | None = None
    text: str = ""

    @property
    def clip_id(self) -> str:
        """The id of its clip."""
        whole = self.start_s == 0 and self.stop_s is None
        return f"{SOURCE}-{self.name}" + ("" if whole else f"-{self.start_s:g}s")


def pose_clips(path: Path, options: Options, notes: Notes | None = None) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `pose_clips`, in the order of the files' names and of time; a video of a folder that cannot be read is Rejected.

    Raises InputError where `path` holds no video, the networks are missing, and for a single file that cannot be read.
    """
    single = Path(path).is_file()
    notes = Notes() if notes is None else notes
    networks = None
    for piece in pieces(Path(path), options):
        if isinstance(piece, Rejected):
            if single:
                raise InputError(piece.reason)
            yield piece
            continue
        networks = networks or PoseNetworks(checked_folder(options.model), options.model)
        yield from clips(piece, options, networks, notes)


def pieces(path: Path, options: Options) -> Iterator[Piece | Rejected]:
    """The stretches of the videos of `path`, in order; a file without a video is Rejected.

    Raises InputError if there is no video, or if a file name does not match the pattern.
    """
    pattern = PathPattern(options.path, (*FIELDS, "text")) if options.path else None
    for file, name in _videos(path):
        known: dict[str, str] = pattern.match(name if path.is_dir() else file.absolute()) if pattern else {}
        label = known.get("label") or options.label
        text = options.text if options.text is not None else known.get("text") or (label or "").replace("_", " ")
        subject = known.get("subject") or options.subject
        clip = str(Path(name).with_suffix(""))
        try:
            length = decoding.facts(file).duration_s
        except InputError as error:
            yield Rejected(name, str(error))
            continue
        if length is None or length <= 1.5 * options.stretch_s:
            yield Piece(file, clip, 0.0, None, subject, label, text)
            continue
        starts = np.arange(0, length - options.stretch_s / 2, options.stretch_s)
        for start, stop in zip(starts, [*starts[1:], None], strict=True):
            yield Piece(file, clip, float(start), None if stop is None else float(stop), subject, label, text)


def clips(piece: Piece, options: Options, networks: PoseNetworks, notes: Notes) -> Iterator[dict[str, Any] | Rejected]:
    """The rows of one stretch: usually one; none where nobody is seen, several where an arm is hidden or several people are taken.

    `notes` counts what was put right or left out.
    """
    where = piece.file.name
    try:
        stretch = follow(decoding.frames(piece.file, piece.start_s, piece.stop_s, options.max_fps), networks)
    except InputError as error:
        yield Rejected(piece.clip_id, str(error))
        return
    tracks = _chosen(stretch, options.person)
    if not tracks:
        seconds = float(np.ptp(stretch.times_s)) if len(stretch.times_s) > 1 else None
        yield Rejected(piece.clip_id, f"{where}: nobody is seen in {len(stretch.times_s)} frames", seconds)
    others = sum(len(track.frames) for track in stretch.tracks) - sum(len(track.frames) for track in tracks)
    notes.count(f"frames of people left out (person={options.person})", others, where)
    for number, track in enumerate(tracks):
        several = options.person == "all" and len(tracks) > 1
        person = f"person{number + 1}" if several else None
        subject = "-".join(filter(None, (piece.subject, person))) or None
        clip_id = "-".join(filter(None, (piece.clip_id, person)))
        motion = motion_of(track, stretch)
        notes.count("frames whose left and right were exchanged and put right", motion.swapped, where)
        yield from _rows(piece, clip_id, subject, motion, options)


def _rows(
    piece: Piece, clip_id: str, subject: str | None, motion: Motion, options: Options
) -> Iterator[dict[str, Any] | Rejected]:
    where = piece.file.name
    spans, hidden = in_sight(motion, ("left", "right") if options.arms == "both" else (options.arms,))
    for out in hidden:
        yield _left_out(clip_id, motion, out.start, out.stop, f"{where}: {out.reason}")
    for number, span in enumerate(spans):
        part = part_id(clip_id, number, len(spans))
        if span.stop - span.start < LEAST_S * motion.fps:
            yield _left_out(part, motion, span.start, span.stop, f"{where}: seen for less than {LEAST_S} s")
            continue
        try:
            joints, names = smpl_joints(joints_of(motion, span), list(NAMES), where)
            found = list(fitted_clips(where, part, joints, names, motion.fps, options, 0.0))
        except InputError as error:
            yield _left_out(part, motion, span.start, span.stop, str(error))
            continue
        for clip in found:
            if not isinstance(clip, FittedClip):
                yield clip
                continue
            yield pose_row(
                clip.clip_id, SOURCE, motion.fps, clip.fit.poses, clip.fit.trans, clip.fit.betas, subject=subject,
                text=piece.text, label=piece.label, repairs=clip.repairs,
            )  # fmt: skip


def _left_out(clip_id: str, motion: Motion, start: int, stop: int, reason: str) -> Rejected:
    first, last = (motion.start_s + frame / motion.fps for frame in (start, stop))
    return Rejected(f"{clip_id}, {first:.2f}-{last:.2f} s", reason, (stop - start) / motion.fps)


def _chosen(stretch: Stretch, person: str) -> list[Track]:
    """The tracks to make clips of: one person's, or everybody's from the one seen longest on."""
    by_length = sorted(stretch.tracks, key=lambda track: -len(track.frames))
    if person == "all":
        return by_length
    if person == "largest":
        by_length.sort(key=lambda track: -float(np.sum(track.sides)))
    return by_length[:1]


def _videos(path: Path) -> list[tuple[Path, str]]:
    """(file, name below the folder) of `path`, or of every video in it, by name."""
    if path.is_file():
        return [(path, path.name)]
    found = sorted(f for f in path.rglob("*") if f.suffix.lower() in decoding.SUFFIXES and f.is_file())
    if not found:
        raise InputError(f"{path}: no video in it; expected files ending in {', '.join(decoding.SUFFIXES)}")
    return [(file, file.relative_to(path).as_posix()) for file in found]
