"""Joints that are noisy in depth come closer to where they were, because bones keep their lengths."""

from __future__ import annotations

import numpy as np
from video_people import standing

from m3n.video.depth import DEPTH_AXIS, with_steady_bones
from m3n.video.landmarks import NAMES

FPS, FRAMES = 30.0, 90
ELBOW, WRIST = NAMES.index("right_elbow"), NAMES.index("right_wrist")


def waving() -> np.ndarray:
    """Landmarks (F, 33, 3) m (right, away, up) of somebody who moves the right forearm towards the camera and back, twice."""
    joints = np.repeat(standing()[None], FRAMES, 0)[..., [0, 2, 1]] * np.array([1, 1, -1])
    angle = 0.8 * (1 - np.cos(2 * np.pi * np.arange(FRAMES) / 45))
    swing = 0.25 * np.stack([0 * angle, -np.sin(angle), -np.cos(angle)], axis=1)
    moved = joints[:, ELBOW] + swing - joints[:, WRIST]
    for name in ("wrist", "pinky", "index", "thumb"):
        joints[:, NAMES.index(f"right_{name}")] += moved
    return joints


def test_noise_of_depth_shrinks_and_bones_keep_their_lengths():
    true = waving()
    noisy = true.copy()
    noisy[..., DEPTH_AXIS] += np.random.default_rng(0).normal(0, 0.08, true.shape[:2])
    found = with_steady_bones(noisy, FPS)

    def miss(joints: np.ndarray) -> float:
        return float(np.sqrt(np.mean((joints - true)[:, WRIST, DEPTH_AXIS] ** 2)))

    assert miss(found) < 0.5 * miss(noisy)
    length = np.linalg.norm(found[:, WRIST] - found[:, ELBOW], axis=1)
    assert np.std(length) < 0.01


def test_a_motion_that_is_right_already_stays():
    true = waving()
    assert np.abs(with_steady_bones(true, FPS) - true).max() < 0.03  # what is assumed of joints across the image
