"""Frames of a video file as upright RGB images with their time stamps, through PyAV (FFmpeg's libraries).

Time comes from the file's time stamps alone: phones record at a rate that varies, and a header's frame rate is only a promise.
Rotation comes from the display matrix that phones write. Frames above `max_fps` are skipped and frames larger than `LARGEST_SIDE`
are scaled down, because neither tells more about a body; both happen before a frame is converted.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.errors import InputError, one_line

SUFFIXES = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".mts", ".3gp", ".wmv", ".gif")
LARGEST_SIDE = 1920  # pixels of a decoded image
_LARGEST_PIXELS = 1 << 26  # of a frame, 8K has half of it: a header that says more is damaged
_LONGEST_S = 24 * 3600.0
_LEAST_FRAMES = 2
_RATE_SHARE = 0.9  # a frame is skipped if it comes earlier than this share of the least interval after the last one


@dataclass(frozen=True)
class Facts:
    """What a file says about its video: duration (s, None where it says nothing), size (pixels, upright), codec."""

    duration_s: float | None
    width: int
    height: int
    codec: str


@dataclass(frozen=True)
class Frame:
    """A decoded frame: seconds from the start of the video, and the upright image (height, width, 3) RGB uint8."""

    time_s: float
    image: NDArray[np.uint8]


def facts(file: Path) -> Facts:
    """What the header of a file says; InputError for a file without a video that can be decoded."""
    with _opened(file) as (container, stream):
        start = 0 if stream.start_time is None else stream.start_time
        duration = None
        if stream.duration:
            duration = float(stream.duration * stream.time_base)
        elif container.duration:
            duration = container.duration / 1e6 - float(start * stream.time_base)
        if duration is not None and not 0 <= duration <= _LONGEST_S:
            duration = None
        codec = stream.codec_context
        return Facts(duration, codec.width, codec.height, codec.name)


def frames(
    file: Path, start_s: float = 0.0, stop_s: float | None = None, max_fps: float = 60.0, largest_side: int = LARGEST_SIDE
) -> Iterator[Frame]:
    """The frames of a video from `start_s` up to, not including, `stop_s`, in the order of their time stamps, no side of an image
    longer than `largest_side`.

    A damaged packet is passed over. Raises InputError for a file that cannot be decoded.
    """
    least = least_step(max_fps)
    with _opened(file) as (container, stream):
        base = float(stream.time_base)
        origin = 0 if stream.start_time is None else stream.start_time
        if start_s > 0:
            container.seek(origin + int((start_s - 0.001) / base), stream=stream)
        last = -np.inf
        for decoded in _decoded(file, container, stream):
            if decoded.pts is None:
                continue
            time_s = (decoded.pts - origin) * base
            if stop_s is not None and time_s >= stop_s:
                return
            if time_s < start_s or time_s < last + least:
                continue
            last = time_s
            yield Frame(time_s, _image(decoded, largest_side))


def least_step(max_fps: float) -> float:
    """Seconds after a frame within which another one is skipped."""
    return _RATE_SHARE / max_fps


def _decoded(file: Path, container: Any, stream: Any) -> Iterator[Any]:
    import av

    damaged = sound = 0
    try:
        for packet in container.demux(stream):
            try:
                for frame in packet.decode():
                    sound += 1
                    yield frame
            except av.error.EOFError:
                return
            except av.error.FFmpegError as error:
                damaged += 1
                if damaged > 100 and damaged > sound:
                    raise InputError(f"{file.name}: most of its packets are damaged ({_said(error)})") from None
    except av.error.FFmpegError as error:
        if not sound:
            raise InputError(f"{file.name}: cannot be decoded ({_said(error)}); is it damaged?") from None


def _image(frame: Any, largest_side: int) -> NDArray[np.uint8]:
    shrink = largest_side / max(frame.width, frame.height)
    size = {}
    if shrink < 1:
        size = {"width": max(2, round(frame.width * shrink)), "height": max(2, round(frame.height * shrink))}
    image = frame.reformat(format="rgb24", **size).to_ndarray()
    quarter_turns = round(frame.rotation / 90) % 4  # counter-clockwise, as the display matrix has it
    return np.ascontiguousarray(np.rot90(image, quarter_turns)) if quarter_turns else image


@contextmanager
def _opened(file: Path) -> Iterator[tuple[Any, Any]]:
    import av

    if file.stat().st_size == 0:
        raise InputError(f"{file.name}: is empty")
    try:
        container = av.open(str(file), options={"protocol_whitelist": "file"}, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError, OSError) as error:
        raise InputError(f"{file.name}: is no video that can be read ({_said(error)})") from None
    with container:
        if not container.streams.video:
            raise InputError(f"{file.name}: holds no video, only {_others(container)}")
        stream = container.streams.video[0]
        codec = stream.codec_context
        if codec is None or not codec.width or not codec.height:
            raise InputError(f"{file.name}: its video has no size; is it damaged, or of a kind that cannot be decoded?")
        if codec.width * codec.height > _LARGEST_PIXELS:
            raise InputError(f"{file.name}: says that its frames have {codec.width} x {codec.height} pixels; is it damaged?")
        codec.thread_count = 1  # workers share the cores
        codec.options = {"max_pixels": str(_LARGEST_PIXELS)}  # of frames that say otherwise than the header
        yield container, stream


def _others(container: Any) -> str:
    return " and ".join(sorted({stream.type for stream in container.streams})) or "nothing"


def _said(error: Exception) -> str:
    return one_line(getattr(error, "strerror", None) or str(error), 120)
