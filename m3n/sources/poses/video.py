"""Videos: a file, or a folder of them, becomes pose clips through pose networks on the CPU and the body fit.

Nothing but the videos is needed: the networks are MediaPipe's (`m3n setup video` fetches them), the body is the licence-free
stand-in. Stretches of videos (`m3n.sources.poses.video_pieces`) are read one by one; each shot of one becomes clips of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np

from m3n.errors import InputError
from m3n.io import storage
from m3n.io.storage import Location
from m3n.schema import Rejected
from m3n.sources.poses.video_options import Options
from m3n.sources.poses.video_pieces import SOURCE, Piece, pieces
from m3n.sources.shared.fitted_rows import FittedClip, fitted_clips
from m3n.sources.shared.gaps import part_id
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.joint_names import smpl_joints
from m3n.sources.shared.pose_rows import pose_row
from m3n.video.decoder import Decoder
from m3n.video.landmarks import NAMES
from m3n.video.looks import Pictures, look, pictured
from m3n.video.motion import Hidden, Motion, in_sight, joints_of, motion_of
from m3n.video.network_files import checked_folder
from m3n.video.networks import PoseNetworks
from m3n.video.shots import shots
from m3n.video.tracking import Stretch, Track, follow

__all__ = ["SOURCE", "Options", "Piece", "Reader", "pieces", "pose_clips"]

_PICTURES = 8  # that are kept of a piece
LEAST_S = 0.5  # of a clip: what is shorter shows no activity


def pose_clips(path: Location, options: Options, notes: Notes | None = None) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `pose_clips`, in the order of the files' names and of time, made here and now.

    Raises InputError as `pieces` does, and where the networks are missing.
    """
    notes = Notes() if notes is None else notes
    with ExitStack() as stack:
        reader = None
        for piece in pieces(path, options, notes):
            if isinstance(piece, Rejected):
                yield piece
                continue
            reader = reader or stack.enter_context(closing(Reader(options)))
            yield from reader.clips(piece, notes)


class Reader:
    """Reads pieces of videos, one after the other; holds the networks, a process that decodes, and the last video where it came
    from a store.

    `frames`: how many it has looked at; `looks`: what it saw (`m3n.video.looks`), until somebody takes it. Raises MissingError
    where the networks are missing.
    """

    def __init__(self, options: Options) -> None:
        self.options, self.frames = options, 0
        self.looks: list[dict[str, Any]] = []
        self._networks = PoseNetworks(checked_folder(options.model), options.model)
        self._decoder = Decoder()
        self._copies, self._copied = ExitStack(), ("", Path())

    def close(self) -> None:
        """End the process that decodes, and remove the copy of a video."""
        self._decoder.close()
        self._copies.close()

    def clips(self, piece: Piece, notes: Notes) -> Iterator[dict[str, Any] | Rejected]:
        """The rows of one piece: usually one; none where nobody is seen, several where the film is cut, an arm is hidden or several
        people are taken. `notes` counts what was put right or left out."""
        try:
            file = self._local(storage.location(piece.file))
            found = self._decoder.frames(file, piece.start_s, piece.stop_s, self.options.max_fps)
            cuts = -1
            for shot in shots(found):
                kept: Pictures = {}
                stretch = follow(pictured(shot, piece.seconds / _PICTURES, kept), self._networks)
                self.frames += len(stretch.times_s)
                cuts += 1
                clip_id = piece.id_at(float(stretch.times_s[0])) if cuts else piece.clip_id
                yield from self._shot(piece, clip_id, stretch, kept, notes)
            notes.count("cuts between shots", max(0, cuts), piece.video)
            if cuts < 0:
                yield Rejected(piece.clip_id, f"{piece.video}: holds no frame from {piece.start_s:g} s on")
        except InputError as error:
            yield Rejected(piece.clip_id, str(error))

    def _local(self, place: Location) -> Path:
        if isinstance(place, Path):
            return place
        if self._copied[0] != place.uri:
            self._copies.close()
            self._copied = place.uri, self._copies.enter_context(storage.local_copy(place))
        return self._copied[1]

    def _shot(
        self, piece: Piece, clip_id: str, stretch: Stretch, kept: Pictures, notes: Notes
    ) -> Iterator[dict[str, Any] | Rejected]:
        options, where = self.options, piece.video
        tracks = _chosen(stretch, options.person)
        if not tracks:
            seconds = float(np.ptp(stretch.times_s)) if len(stretch.times_s) > 1 else None
            yield Rejected(clip_id, f"{where}: nobody is seen in {len(stretch.times_s)} frames", seconds)
        others = sum(len(track.frames) for track in stretch.tracks) - sum(len(track.frames) for track in tracks)
        notes.count(f"frames of people left out (person={options.person})", others, where)
        for number, track in enumerate(tracks):
            several = options.person == "all" and len(tracks) > 1
            person = f"person{number + 1}" if several else None
            subject = "-".join(filter(None, (piece.subject, person))) or None
            motion = motion_of(track, stretch)
            notes.count("frames whose left and right were exchanged and put right", motion.swapped, where)
            item = "-".join(filter(None, (clip_id, person)))
            spans, hidden = in_sight(motion, ("left", "right") if options.arms == "both" else (options.arms,))
            seen = look(item, where, track, stretch, motion, hidden, kept)
            self.looks.append(seen)
            yield from _rows(piece, item, subject, motion, spans, hidden, options, seen["clips"])


def _rows(
    piece: Piece, clip_id: str, subject: str | None, motion: Motion, spans: list[slice], hidden: list[Hidden], options: Options,
    starts: dict[str, float],
) -> Iterator[dict[str, Any] | Rejected]:  # fmt: skip
    where = piece.video
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
            starts[clip.clip_id] = round(motion.start_s + (span.start + clip.frames.start) / motion.fps, 4)
            yield pose_row(
                clip.clip_id, SOURCE, motion.fps, clip.fit.poses, clip.fit.trans, clip.fit.betas, subject=subject,
                text=piece.text, label=piece.label, repairs=clip.repairs, file=where,
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
