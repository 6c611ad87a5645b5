"""The joint order of skeletons that files of bare positions do not name: `joint_names=smpl22` and its like.

Orders from the documentation of each: SMPL (Loper et al., 2015), Human3.6M with 17 joints as lifters such as MotionBERT give
them, COCO keypoints, MediaPipe's pose landmarks, the SDKs of Kinect v1 (20), Kinect v2 (25) and Azure Kinect (32). Left and right
are the person's.
"""

from __future__ import annotations

from m3n.body.model import SMPL_JOINTS


def _arms_and_legs(*order: str) -> list[str]:
    return [f"{side}_{part}" for side, *parts in (entry.split() for entry in order) for part in parts]


_KINECT_ARM = "shoulder elbow wrist hand"
_KINECT_LEG = "hip knee ankle foot"
_AZURE_ARM = "clavicle shoulder elbow wrist hand handtip thumb"

SKELETONS: dict[str, list[str]] = {
    "smpl22": list(SMPL_JOINTS[:22]),
    "smpl24": list(SMPL_JOINTS),
    "h36m17": [
        "pelvis", *_arms_and_legs("right hip knee ankle", "left hip knee ankle"), "belly", "neck", "nose", "head",
        *_arms_and_legs("left shoulder elbow wrist", "right shoulder elbow wrist"),
    ],
    "coco17": [
        "nose", *(f"{side}_{part}" for part in ("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle")
                  for side in ("left", "right")),
    ],
    "mediapipe33": [
        "nose", *_arms_and_legs("left eye_inner eye eye_outer", "right eye_inner eye eye_outer"), "left_ear", "right_ear",
        "mouth_left", "mouth_right",
        *(f"{side}_{part}" for part in ("shoulder", "elbow", "wrist", "pinky", "index", "thumb", "hip", "knee", "ankle", "heel",
                                        "foot_index") for side in ("left", "right")),
    ],
    "kinect20": [
        "hip_center", "spine", "shoulder_center", "head",
        *_arms_and_legs(f"left {_KINECT_ARM}", f"right {_KINECT_ARM}", f"left {_KINECT_LEG}", f"right {_KINECT_LEG}"),
    ],
    "kinect25": [
        "spine_base", "spine_mid", "neck", "head",
        *_arms_and_legs(f"left {_KINECT_ARM}", f"right {_KINECT_ARM}", f"left {_KINECT_LEG}", f"right {_KINECT_LEG}"),
        "spine_shoulder", *_arms_and_legs("left handtip thumb", "right handtip thumb"),
    ],
    "azure32": [
        "pelvis", "spine_navel", "spine_chest", "neck",
        *_arms_and_legs(f"left {_AZURE_ARM}", f"right {_AZURE_ARM}", f"left {_KINECT_LEG}", f"right {_KINECT_LEG}"),
        "head", "nose", *_arms_and_legs("left eye ear", "right eye ear"),
    ],
}  # fmt: skip
