"""Damaged films: cut off, bits flipped, called something else, with huge sizes in their headers.

Somebody balances in the sound ones, which are of the kinds that phones and the web make, so that they become clips."""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from films import unpacked, written

from m3n.video import decoding

KINDS = {
    "film.mp4": "h264", "film.mov": "mjpeg", "film.avi": "mpeg4", "film.mkv": "h264", "film.webm": "vp9", "film.ts": "mpeg2video",
    "film.gif": "gif",
}  # fmt: skip
FPS, SECONDS, SMALLER = 10, 0.85, 4
HUGE = (65535, 32767, 16384, 60000)
SIZES = ("<HH", ">HH", "<ii", ">ii")


@cache
def sound() -> dict[str, bytes]:
    """A sound film of each kind, by its name."""
    with TemporaryDirectory() as folder:
        place = Path(folder)
        large = unpacked("single_cam04.mp4", place / "large.mp4")
        images = [f.image[::SMALLER, ::SMALLER] for f in decoding.frames(large, stop_s=SECONDS, max_fps=FPS)]
        return {name: written(place / name, images, FPS, codec).read_bytes() for name, codec in KINDS.items()}


def missing() -> str:
    """What is missing for `sound`, or nothing."""
    try:
        sound()
    except pytest.skip.Exception as skipped:
        return str(skipped)
    return ""


def write_damaged_film(folder: Path, rng: np.random.Generator) -> Path:
    """One of the films, with one kind of damage."""
    name = sorted(KINDS)[int(rng.integers(len(KINDS)))]
    content = bytearray(sound()[name])
    kind = int(rng.integers(5))
    if kind == 0:
        del content[int(rng.integers(len(content))) :]
    elif kind == 1:  # anywhere
        _flip(content, rng, len(content), 1 << int(rng.integers(10)))
    elif kind == 2:  # the headers
        _flip(content, rng, 2000, 1 << int(rng.integers(6)))
    elif kind == 3:
        name = "film" + [".mp4", ".avi", ".mkv", ".gif", ".mpg", ".wmv"][int(rng.integers(6))]
    else:
        content = _huge(content, rng)
    file = folder / name.replace(".ts", ".mts")
    file.write_bytes(content)
    return file


def _flip(content: bytearray, rng: np.random.Generator, within: int, times: int) -> None:
    for place in rng.integers(0, min(within, len(content)), times):
        content[place] ^= 1 << int(rng.integers(8))


def _huge(content: bytearray, rng: np.random.Generator) -> bytearray:
    """Width and height replaced, wherever two numbers are the film's."""
    width, height = 1080 // SMALLER, 1920 // SMALLER
    to = HUGE[int(rng.integers(len(HUGE)))]
    for code in SIZES:
        for size in ((width, height), (height, width)):
            content = content.replace(struct.pack(code, *size), struct.pack(code.upper(), to, to))
    return content
