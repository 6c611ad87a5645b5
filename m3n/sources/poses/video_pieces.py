"""Which stretches of which videos are read, and what they show, before any frame is looked at.

A stretch is read by itself, so that memory does not grow with a video's length and stretches can be made in any order, by anybody.
Where they begin and end depends on the videos and the settings alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

import numpy as np

from m3n.errors import InputError
from m3n.io import object_store, storage
from m3n.io.storage import Location
from m3n.schema import Rejected
from m3n.sources.poses.video_options import Options
from m3n.sources.shared.ingest_notes import Notes
from m3n.video import decoding, spans
from m3n.video.decoder import Decoder
from m3n.video.spans import Span

SOURCE = "video"
_LONGEST = 1.5  # a span is cut from so many times `stretch_s` on


@dataclass(frozen=True)
class Piece:
    """A stretch of a video: the file as `m3n.io.storage.location` reads it, its name below the folder, its SHA-256, the id
    that its clips begin with, its start and stop (s, None: the end), how long it is (s, 0 where the file does not say), and what is
    known of it."""

    file: str
    video: str
    sha256: str
    name: str
    start_s: float
    stop_s: float | None
    seconds: float
    subject: str | None = None
    label: str | None = None
    text: str = ""

    @property
    def clip_id(self) -> str:
        """The id of its clip."""
        return self.name if self.start_s == 0 and self.stop_s is None else self.id_at(self.start_s)

    def id_at(self, start_s: float) -> str:
        """The id of a clip of it that begins at a time."""
        return f"{self.name}-{round(start_s, 3):.12g}s"


@dataclass(frozen=True)
class _Video:
    place: Location
    name: str  # below the folder
    clip: str


def pieces(path: Location, options: Options, notes: Notes | None = None) -> Iterator[Piece | Rejected]:
    """The stretches of the videos of `path`, by name and time; a video of a folder that cannot be read is Rejected,
    and one that has no row in the labels is left out, and counted.

    Words: a row's or caption's come first, then those of `path=` or the settings; a text that nobody gave is the label's words.
    Raises InputError if there is no video, for a single video that cannot be read, for a name that does not match the pattern, and
    for labels or subtitles that do not fit the videos.
    """
    videos, single, pattern = _videos(path), not path.is_dir(), options.pattern()
    wanted = _spans(options, videos, single, notes)
    with Decoder() as decoder:
        for video in videos:
            given = wanted if wanted is None else wanted.get(video.name)
            if given == []:
                if notes is not None:
                    notes.count("videos left out, because the labels have no row for them", 1, video.name)
                continue
            known = pattern.match(video.name if not single else _whole_name(video.place)) if pattern else {}
            try:
                with storage.local_copy(video.place) as file:
                    length, sha256 = decoder.facts(file).duration_s, storage.sha256(file)
            except InputError as error:
                if single:
                    raise
                yield Rejected(video.name, str(error))
                continue
            for span in given or [Span(video.name, 0.0, None)]:
                for start, stop in _stretches(spans.inside(span, length, video.name), length, options.stretch_s):
                    label = span.label or known.get("label") or options.label
                    text = span.text or known.get("text") or options.text
                    yield Piece(
                        storage.full_name(video.place), video.name, sha256, f"{SOURCE}-{video.clip}", start, stop,
                        max(0.0, (length or 0.0 if stop is None else stop) - start),
                        span.subject or known.get("subject") or options.subject, label,
                        (label or "").replace("_", " ") if text is None else text,
                    )  # fmt: skip


def _spans(options: Options, videos: list[_Video], single: bool, notes: Notes | None) -> dict[str, list[Span]] | None:
    """Spans of each video, none for one that is left out; None where nothing says what is wanted."""
    if options.labels:
        return {video.name: [] for video in videos} | spans.labelled(options.labels, [video.name for video in videos])
    if not options.subtitles:
        return None
    if not single:
        raise InputError(f"subtitles={options.subtitles} belong to one video: give the video, not its folder")
    captions, early = spans.captioned(options.subtitles)
    if notes is not None:
        notes.count("captions that end early, where the next one begins", early, PurePath(options.subtitles).name)
    return {videos[0].name: captions}


def _stretches(span: Span, length: float | None, stretch_s: float) -> list[tuple[float, float | None]]:
    stop = length if span.stop_s is None else span.stop_s
    if stop is None or stop - span.start_s <= _LONGEST * stretch_s:
        return [(span.start_s, span.stop_s)]
    starts = [float(start) for start in np.arange(span.start_s, stop - stretch_s / 2, stretch_s)]
    return list(zip(starts, [*starts[1:], span.stop_s], strict=True))


def _videos(path: Location) -> list[_Video]:
    """`path`, or every video in it, by name."""
    if not path.is_dir():
        return [_Video(path, path.name, str(PurePath(path.name).with_suffix("")))]
    if isinstance(path, Path):
        names = [file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()]
    else:
        names = object_store.files_in(path, recursive=True)
    names = sorted(name for name in names if PurePath(name).suffix.lower() in decoding.SUFFIXES)
    if not names:
        raise InputError(f"{path}: no video in it; expected files ending in {', '.join(decoding.SUFFIXES)}")
    stems = Counter(PurePath(name).with_suffix("") for name in names)
    alone = {name: str(stem) for name in names if stems[stem := PurePath(name).with_suffix("")] == 1}
    return [_Video(path / name, name, alone.get(name, name)) for name in names]


def _whole_name(place: Location) -> PurePath | str:
    return place.absolute() if isinstance(place, Path) else f"/{place.path}"
