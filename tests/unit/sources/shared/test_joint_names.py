"""Names of common skeletons lead to SMPL's joints."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.sources.shared.joint_names import smpl_joints


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("ShoulderLeft ElbowLeft WristLeft HandLeft HipLeft KneeLeft SpineBase Head", "shoulder elbow wrist hand hip knee"),
        ("left_shoulder left_elbow left_wrist left_index left_pinky left_hip left_knee left_foot_index left_ear right_ear",
         "shoulder elbow wrist hand index1 pinky1 hip knee foot"),
        ("mixamorig:Hips mixamorig:LeftShoulder mixamorig:LeftArm mixamorig:LeftForeArm mixamorig:LeftHand LeftUpLeg LeftLeg",
         "collar shoulder elbow wrist hip knee"),
        ("Hips Shoulder_L UpperArm_L LowerArm_L Hand_L UpperLeg_L LowerLeg_L Foot_L Toes_L",
         "collar shoulder elbow wrist hip knee ankle foot"),
        ("Bip01_Pelvis Bip01_L_Clavicle Bip01_L_UpperArm Bip01_L_Forearm Bip01_L_Hand Bip01_L_Thigh Bip01_L_Calf Bip01_L_Foot",
         "collar shoulder elbow wrist hip knee ankle"),
        ("pelvis clavicle_l upperarm_l lowerarm_l hand_l thigh_l calf_l foot_l ball_l",
         "collar shoulder elbow wrist hip knee ankle foot"),
        ("hips shoulder.L upper_arm.L forearm.L hand.L thigh.L shin.L foot.L", "collar shoulder elbow wrist hip knee ankle"),
    ],
)  # fmt: skip
def test_joint_names_of_common_skeletons_are_known(names: str, expected: str) -> None:
    listed = names.split()
    _, found = smpl_joints(np.ones((2, len(listed), 3)), listed, "x")
    assert {name for name in found if name.startswith("left_")} == {f"left_{part}" for part in expected.split()}
