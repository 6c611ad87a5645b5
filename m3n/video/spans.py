"""What of a video is wanted, and what it shows: a table of labels, or subtitles.

Both are written by hand or by other programs, so everything in them is checked: a time that cannot be read, a row that overlaps
another, a file that is not there. Subtitles are SubRip (.srt) and WebVTT (.vtt, W3C 2019).
"""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import PurePosixPath

from m3n.errors import InputError, nearest, shown
from m3n.io import storage

COLUMNS = ("file", "start_s", "stop_s", "label", "text", "subject")
SUBTITLES = (".srt", ".vtt")
BEYOND_S = 0.5  # by which a row may end after its video does: people round
_CLOCK = re.compile(r"(?:(?:(\d+):)?([0-5]?\d):)?(\d+(?:\.\d*)?|\.\d+)")
_CUE = re.compile(r"((?:\d+:)?\d\d:\d\d[.,]\d{1,3})\s+-->\s+((?:\d+:)?\d\d:\d\d[.,]\d{1,3})(?:\s.*)?")
_TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")
_NO_CUES = ("WEBVTT", "NOTE", "STYLE", "REGION")


@dataclass(frozen=True)
class Span:
    """A stretch of a video from `start_s` to `stop_s` (None: to its end), and what is known of it (None: nothing); `where`: the
    file and row that say so."""

    where: str
    start_s: float
    stop_s: float | None
    label: str | None = None
    text: str | None = None
    subject: str | None = None


def labelled(place: str, videos: Collection[str]) -> dict[str, list[Span]]:
    """Spans by video, in order of time, of a CSV with the columns `COLUMNS`; only `file` and one of label and text must be there.

    `videos`: names below the folder that is read. A row names one by it or, where no other has it, by the last part of it. A row
    without times is the whole video. Raises InputError, naming the file and row, for anything that cannot be meant.
    """
    name = place.rsplit("/", 1)[-1]
    found: dict[str, list[Span]] = {}
    for where, row in _rows(place, name):
        video = _meant(where, row["file"], videos)
        start, stop = (_seconds(where, column, row.get(column, "")) for column in ("start_s", "stop_s"))
        start = start or 0.0
        if stop is not None and stop <= start:
            raise InputError(f"{where}: stop_s={row['stop_s']} is not after start_s={row.get('start_s') or 0}")
        said = {column: row.get(column) or None for column in ("label", "text", "subject")}
        if said["label"] is None and said["text"] is None:
            raise InputError(f"{where}: has neither label nor text; give one of them, or remove the row")
        found.setdefault(video, []).append(Span(where, start, stop, **said))
    if not found:
        raise InputError(f"{name}: has no row below its line of names")
    for video, spans in found.items():
        spans.sort(key=lambda span: span.start_s)
        for one, other in pairwise(spans):
            if one.stop_s is None or one.stop_s > other.start_s:
                raise InputError(f"{other.where}: overlaps {one.where.rpartition(', ')[2]}, which is of {video} too")
    return found


def _rows(place: str, name: str) -> list[tuple[str, dict[str, str]]]:
    text = _text(place, name)
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except csv.Error as error:
        raise InputError(f"{name}: cannot be read as CSV ({error}); expected the columns {', '.join(COLUMNS)}") from None
    names = lines[0][1] if lines else []
    for column in names:
        if column not in COLUMNS:
            raise InputError(
                f"{name}: unknown column '{shown(column)}'{nearest(column, COLUMNS)}; expected {', '.join(COLUMNS)}"
            )
        if names.count(column) > 1:
            raise InputError(f"{name}: has the column {column} twice")
    if "file" not in names or not {"label", "text"} & set(names):
        raise InputError(
            f"{name}: expected the columns {', '.join(COLUMNS)} in its first line, of which file and label or text must be there"
        )
    found = []
    for number, cells in lines[1:]:
        if not any(cells):
            continue
        if len(cells) != len(names):
            raise InputError(
                f"{name}, line {number}: has {len(cells)} cells, expected {len(names)}; is there text to be quoted?"
            )
        found.append((f"{name}, line {number}", dict(zip(names, cells, strict=True))))
    return found


def _meant(where: str, said: str, videos: Collection[str]) -> str:
    wanted = said.replace("\\", "/").removeprefix("./")
    if not wanted:
        raise InputError(f"{where}: file is empty; expected the name of a video")
    for part in (PurePosixPath.as_posix, lambda video: video.name, lambda video: video.with_suffix("").as_posix()):
        found = [video for video in videos if part(PurePosixPath(video)) == wanted]
        if len(found) > 1:
            raise InputError(f"{where}: file={shown(said)} may be {found[0]} or {found[1]}; give the folder too")
        if found:
            return found[0]
    raise InputError(f"{where}: there is no video {shown(said)}{nearest(wanted, videos)}")


def _seconds(where: str, column: str, said: str) -> float | None:
    if not said:
        return None
    clock = _CLOCK.fullmatch(said)
    if clock is None:
        raise InputError(
            f"{where}: {column}={shown(said)} is no time; expected seconds, as 12.5, or minutes and seconds, as 1:05.2"
        )
    return _sum(clock.group(1), clock.group(2), clock.group(3))


def _sum(hours: str | None, minutes: str | None, seconds: str) -> float:
    return 3600 * int(hours or 0) + 60 * int(minutes or 0) + float(seconds)


def captioned(place: str) -> tuple[list[Span], int]:
    """A span for each caption of an .srt or .vtt file, in order, and how many had to end early because the next one begins.

    Markup and empty captions are left out. Raises InputError, naming the file and line, for a time that cannot be read.
    """
    name = place.rsplit("/", 1)[-1]
    if not name.lower().endswith(SUBTITLES):
        raise InputError(f"subtitles={place}: expected a file ending in {' or '.join(SUBTITLES)}")
    lines = _text(place, name).splitlines()
    found: list[Span] = []
    at = 0
    while at < len(lines):
        start = at
        while at < len(lines) and lines[at].strip():
            at += 1
        found += _cue(name, lines[start:at], start)
        at += 1
    if not found:
        raise InputError(f"{name}: holds no caption; expected lines like 00:00:01,000 --> 00:00:03,500 with text below them")
    found.sort(key=lambda span: span.start_s)
    early = 0
    for number, (one, other) in enumerate(pairwise(found)):
        if one.stop_s is not None and one.stop_s > other.start_s:
            found[number] = replace(one, stop_s=other.start_s)
            early += 1
    return [span for span in found if span.stop_s is None or span.stop_s > span.start_s], early


def _cue(name: str, block: Sequence[str], first: int) -> list[Span]:
    timed = next((k for k, line in enumerate(block) if "-->" in line), None)
    if timed is None or timed > 1:
        if block and not block[0].startswith(_NO_CUES):
            raise InputError(
                f"{name}, line {first + 1}: expected a caption's times, as 00:00:01,000 --> 00:00:03,500, found {shown(block[0])}"
            )
        return []
    where = f"{name}, line {first + timed + 1}"
    cue = _CUE.fullmatch(block[timed].strip())
    if cue is None:
        raise InputError(f"{where}: {shown(block[timed])} are no times; expected 00:00:01,000 --> 00:00:03,500")
    start, stop = (_of_cue(said) for said in cue.groups())
    if stop <= start:
        raise InputError(f"{where}: the caption ends before it begins")
    text = " ".join(html.unescape(_TAG.sub("", " ".join(block[timed + 1 :]))).split())
    return [Span(where, start, stop, text=text)] if text else []


def _of_cue(said: str) -> float:
    *larger, seconds = said.replace(",", ".").split(":")
    hours, minutes = ([None, *larger])[-2:]
    return round(_sum(hours, minutes, seconds), 3)


def _text(place: str, name: str) -> str:
    content = storage.read(storage.location(place))
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: byte {error.start} is no UTF-8 text; save it as UTF-8") from None


def inside(span: Span, length_s: float | None, video: str) -> Span:
    """The span, without its end where that is the video's; InputError where it lies outside a video of `length_s` (None:
    unknown)."""
    if length_s is None:
        return span
    if span.start_s >= length_s or (span.stop_s is not None and span.stop_s > length_s + BEYOND_S):
        far = span.start_s if span.start_s >= length_s else span.stop_s
        raise InputError(f"{span.where}: {far:g} s is outside {video}, which ends at {length_s:.2f} s")
    return replace(span, stop_s=None) if span.stop_s is not None and span.stop_s >= length_s else span
