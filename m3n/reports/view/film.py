"""The video of a clip on the page of `m3n view`: small pictures and the landmarks that were seen in them."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from m3n.errors import InputError
from m3n.video.decoder import Decoder
from m3n.video.landmarks import BODY, BONES
from m3n.video.looks import jpeg, track_of

PICTURES_HZ, LONGER_SIDE = 10.0, 360  # of the pictures; pixels
_NEAR_S = 0.06  # landmarks are those of a frame so near, or none


@dataclass(frozen=True)
class Film:
    """Pictures of a clip at `times_s` (n,) from its start: JPEG files; landmarks `points` (n, 22, 2) in shares of the picture, and
    their `visibility` (n, 22), which is 0 if nobody was seen."""

    times_s: np.ndarray
    pictures: list[bytes]
    points: np.ndarray
    visibility: np.ndarray


def film_of(file: Path, look: dict[str, Any], start_s: float, stop_s: float, most_bytes: float) -> Film:
    """The video from `start_s` to `stop_s`, 10 pictures a second, or fewer where they would need more than `most_bytes`.

    Raises InputError for a video that cannot be decoded, and for a look without landmarks.
    """
    try:
        seen_s, seen, shown = track_of(look)
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{file.name}: the landmarks kept with its clips cannot be read; ingest it again") from None
    times, pictures = [], []
    with Decoder() as decoder:
        for frame in decoder.frames(file, start_s, stop_s, PICTURES_HZ, LONGER_SIDE):
            times.append(frame.time_s)
            pictures.append(jpeg(frame.image))
    every = max(1, int(np.ceil(sum(map(len, pictures)) / max(most_bytes, 1))))
    at, pictures = np.array(times)[::every], pictures[::every]
    nearest = np.abs(at[:, None] - seen_s).argmin(1) if len(seen_s) else np.zeros(len(at), int)
    points, visibility = seen[nearest], shown[nearest]
    visibility[np.abs(seen_s[nearest] - at) > _NEAR_S] = 0.0
    return Film(at - start_s, pictures, points, visibility)


def plain_film(film: Film) -> dict[str, Any]:
    """As the page takes it."""
    return {
        "times": film.times_s.round(3).tolist(),
        "pictures": [base64.b64encode(picture).decode("ascii") for picture in film.pictures],
        "points": film.points.round(4).tolist(),
        "visibility": film.visibility.round(2).tolist(),
        "bones": [[a - BODY.start, b - BODY.start, side] for a, b, side in BONES],
    }
