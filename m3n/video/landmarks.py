"""The 33 landmarks of MediaPipe's pose network, and which of them are whose other side."""

from __future__ import annotations

import numpy as np

NAMES = (
    "nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer", "left_ear",
    "right_ear", "mouth_left", "mouth_right", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist",
    "right_wrist", "left_pinky", "right_pinky", "left_index", "right_index", "left_thumb", "right_thumb", "left_hip", "right_hip",
    "left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel", "right_heel", "left_foot_index", "right_foot_index",
)  # fmt: skip


def _other(name: str) -> str:
    return name.replace("left", "\0").replace("right", "left").replace("\0", "right")


OTHER_SIDE = np.array([NAMES.index(_other(name)) for name in NAMES])
TRUNK = [NAMES.index(f"{side}_{joint}") for joint in ("shoulder", "hip") for side in ("left", "right")]
BODY = slice(NAMES.index("left_shoulder"), len(NAMES))  # without the face
_LIMBS = (
    "shoulder elbow",
    "elbow wrist",
    "wrist index",
    "wrist pinky",
    "shoulder hip",
    "hip knee",
    "knee ankle",
    "ankle foot_index",
)


def _bones() -> list[tuple[int, int, str]]:
    ends = [(f"{s}_{a}", f"{s}_{b}", s) for s in ("left", "right") for a, b in (limb.split() for limb in _LIMBS)]
    ends += [(f"left_{joint}", f"right_{joint}", "") for joint in ("shoulder", "hip")]
    return [(NAMES.index(a), NAMES.index(b), side) for a, b, side in ends]


BONES = _bones()  # that are drawn: both ends, and the side of the body, empty for what joins the sides
