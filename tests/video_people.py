"""A person as the pose network sees one."""

from __future__ import annotations

import numpy as np

from m3n.video.landmarks import NAMES


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
