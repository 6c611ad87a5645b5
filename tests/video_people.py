"""A person as the pose network sees one, and clips of one who was filmed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from films import written

from m3n import schema
from m3n.commands.ingest_pieces import FILM, FILMED, LOOKS
from m3n.io import tables
from m3n.video.landmarks import NAMES
from m3n.video.looks import look
from m3n.video.motion import motion_of
from m3n.video.tracking import Stretch, Track


def standing() -> np.ndarray:
    """Landmarks (33, 3) m about the hips of a person who stands and faces the camera: x right, y down, z away."""
    places = {
        "shoulder": (0.2, -0.5, 0.0), "elbow": (0.25, -0.25, 0.0), "wrist": (0.25, 0.0, -0.05), "hip": (0.1, 0.0, 0.0),
        "knee": (0.1, 0.4, 0.0), "ankle": (0.1, 0.8, 0.0), "heel": (0.1, 0.85, 0.03), "foot_index": (0.1, 0.85, -0.12),
        "pinky": (0.26, 0.08, -0.03), "index": (0.24, 0.08, -0.1), "thumb": (0.22, 0.04, -0.1),
    }  # fmt: skip
    points = np.zeros((33, 3))
    for k, name in enumerate(NAMES):
        side, _, part = name.partition("_")
        x, y, z = places.get(part, (0.03, -0.7, -0.1))
        points[k] = (x if side == "left" else -x), y, z
    return points


def filmed(folder: Path, row: dict[str, Any], seconds: float = 2.0, start_s: float = 0.5) -> Path:
    """A table `poses` in a folder with one clip, which came from `walk.mp4` beside it, from `start_s` on: a person who moves to the
    right by an eighth of the image a second, on a background that gets lighter."""
    size, fps = (64, 128), 20
    times = np.arange(round((start_s + seconds) * fps)) / fps
    images = (np.full((size[1], size[0], 3), 10 + 5 * k, np.uint8) for k in range(len(times)))
    film = written(folder / "walk.mp4", images, fps)
    metres = np.repeat(standing()[None], len(times), 0)
    pixels = 32 * metres[..., :2] + np.array([16, 64]) + np.stack([8 * times, 0 * times], 1)[:, None]
    track = Track(np.arange(len(times)), pixels, metres, np.ones((len(times), 33)), np.full(len(times), 60.0))
    stretch = Stretch(times, size, (track,))
    seen = look("video-walk", "walk.mp4", track, stretch, motion_of(track, stretch), [], {})
    (folder / "poses" / FILM).mkdir(parents=True)
    tables.write_table(folder / "poses", [row], schema.POSE_CLIPS, 1)
    clips = [{"clip_id": row["clip_id"], "start_s": start_s}]
    kept = {"item": "video-walk", "video": "walk.mp4", "look": json.dumps(seen), "clips": clips}
    kept |= {"file": str(film), "bytes": film.stat().st_size}
    tables.write_table(folder / "poses" / FILM, [kept], pa.schema([*LOOKS, *FILMED]), 1)
    return folder / "poses"
