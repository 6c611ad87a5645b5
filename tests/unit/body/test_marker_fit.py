"""Markers on a body whose motion is known give that motion back, the twist of its forearms included."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from fuzz.source_files import body_markers
from scipy.spatial.transform import Rotation

from m3n.body.hidden_markers import part_shapes, with_hidden
from m3n.body.joint_fit import fit_joints
from m3n.body.kinematics import joint_transforms, rest_joints
from m3n.body.marker_fit import marker_joints
from m3n.body.marker_sets import MARKER_SETS
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.errors import InputError
from m3n.sources.poses.ui_prmd import MARKERS

INDEX = {name: k for k, name in enumerate(SMPL_JOINTS)}
SET = MARKER_SETS["plug_in_gait"]


def motion(pronation: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses (F, 24, 3) and trans of somebody who lowers, bends and turns both arms; `pronation` (F,) rad about the forearm."""
    frames = len(pronation)
    time = np.linspace(0, 2 * np.pi, frames)
    poses = np.zeros((frames, 24, 3))
    poses[:, 0] = (
        Rotation.from_euler("z", 0.4 * np.sin(time)[:, None]) * Rotation.from_euler("x", 90, degrees=True)
    ).as_rotvec()
    rest = rest_joints(load_body("smpl"))
    for side, sign in (("left", 1.0), ("right", -1.0)):
        arm = Rotation.from_euler("ZX", np.stack([sign * (-0.9 + 0.3 * np.sin(time)), 0.3 * np.cos(time)], axis=1))
        poses[:, INDEX[f"{side}_shoulder"]] = arm.as_rotvec()
        along = rest[INDEX[f"{side}_wrist"]] - rest[INDEX[f"{side}_elbow"]]
        bent = Rotation.from_rotvec(np.outer(-sign * (1.0 + 0.5 * np.sin(time)), (0, 1, 0)))
        twist = Rotation.from_rotvec(np.outer(pronation, along / np.linalg.norm(along)))
        poses[:, INDEX[f"{side}_elbow"]] = (bent * twist).as_rotvec()
        poses[:, INDEX[f"{side}_hip"], 0], poses[:, INDEX[f"{side}_knee"], 0] = -0.4, 0.7 + 0.2 * np.sin(time)
    return poses, np.tile([0.3, 0.2, 1.0], (frames, 1))


def turns_apart(markers: np.ndarray, poses: np.ndarray, joint: str) -> np.ndarray:
    """Angle (F,), degrees, between the fitted and the true rotation of a joint in the world."""
    joints, names = marker_joints(markers, MARKERS, SET)
    fit = fit_joints(joints, names, smooth_frames=0)
    found, true = (
        joint_transforms(load_body("smpl"), p, np.zeros((len(p), 3)), joints=[INDEX[joint]])[0][:, 0]
        for p in (fit.poses, poses)
    )
    return np.degrees((Rotation.from_matrix(found) * Rotation.from_matrix(true).inv()).magnitude())


@pytest.mark.parametrize("degrees", [-70, 0, 70])
def test_pronation_comes_back_from_the_two_wrist_markers(degrees: float) -> None:
    pronation = np.radians(degrees) * np.sin(np.linspace(0, np.pi, 60))
    poses, trans = motion(pronation)
    markers = body_markers(poses, trans)
    for side in ("left", "right"):
        assert np.median(turns_apart(markers, poses, f"{side}_elbow")) < 3
        assert turns_apart(markers, poses, f"{side}_elbow").max() < 5


def test_joint_centres_lie_inside_the_body() -> None:
    poses, trans = motion(np.zeros(60))
    joints, names = marker_joints(body_markers(poses, trans), MARKERS, SET)
    true = joint_transforms(load_body("smpl"), poses, trans)[1]
    for name, largest_m in (
        ("hip", 0.001),
        ("shoulder", 0.02),
        ("elbow", 0.01),
        ("wrist", 0.001),
        ("knee", 0.02),
        ("ankle", 0.02),
    ):
        for side in ("left", "right"):
            joint = f"{side}_{name}"
            off = np.linalg.norm(joints[:, names.index(joint)] - true[:, INDEX[joint]], axis=-1)
            assert np.median(off) < largest_m, joint


def test_a_hidden_marker_is_found_from_the_others_of_its_bone_even_if_lost_for_a_whole_clip() -> None:
    poses, trans = motion(np.linspace(-1, 1, 30))
    markers = body_markers(poses, trans)
    lost = markers.copy()
    lost[:, [MARKERS.index("STRN"), MARKERS.index("LASI")]] = np.nan
    lost[:, [MARKERS.index("RHEE"), MARKERS.index("RANK")]] = np.nan  # these are on no rigid part of four
    full, found = with_hidden(lost, MARKERS, SET, part_shapes(markers, MARKERS, SET))
    assert {MARKERS[k] for k in np.flatnonzero(found.all(0))} == {"STRN", "LASI"}
    np.testing.assert_allclose(full[found], markers[found], atol=1e-6)
    assert np.isnan(full[:, MARKERS.index("RHEE")]).all()
    assert ("LASI", "RASI", "LPSI", "RPSI") not in part_shapes(lost, MARKERS, SET)


def test_a_set_needs_its_wrist_markers_and_reads_labels_with_a_subjects_name() -> None:
    poses, trans = motion(np.zeros(5))
    markers = body_markers(poses, trans)
    joints, names = marker_joints(markers, MARKERS, SET)
    named, _ = marker_joints(markers, [f"Anna:{label.lower()}" for label in MARKERS], SET)
    np.testing.assert_array_equal(named, joints)
    with pytest.raises(InputError, match="marker LWRB is missing"):
        marker_joints(markers, [label if label != "LWRB" else "X" for label in MARKERS], SET)
    no_legs = dataclasses.replace(SET, landmarks={k: v for k, v in SET.landmarks.items() if not k.startswith(("knee", "toe"))})
    assert set(names) - set(marker_joints(markers, MARKERS, no_legs)[1]) == {
        f"{side}_{joint}" for side in ("left", "right") for joint in ("knee", "ankle", "foot")
    }
