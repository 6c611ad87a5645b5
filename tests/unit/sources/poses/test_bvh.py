"""BVH files become clips of the pose that the rig has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import clip, faces, stands_upright
from fuzz.source_files import (
    BENT,
    bvh_text,
    write_bvh,
)
from scipy.spatial.transform import Rotation

from m3n.body.kinematics import joint_transforms
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.errors import InputError
from m3n.sources.poses import bvh
from m3n.sources.shared.pose_rows import TURN_UP


def test_bvh_kinematics_agree_with_pybvh_and_with_the_rig(tmp_path: Path) -> None:
    import pybvh

    angles = {**BENT, "Hips": (5.0, 10.0, 30.0), "LeftArm": (-70.0, 5.0, 8.0)}
    file = write_bvh(tmp_path / "a.bvh", angles)
    motion = bvh.read_motion(file.read_text(), "a.bvh")
    reference = pybvh.read_bvh_file(file, world_up="+y")
    np.testing.assert_allclose(motion.positions, reference.joint_positions(), atol=1e-9)
    inner = bvh.read_motion(write_bvh(tmp_path / "b.bvh", angles, inner=True).read_text(), "b.bvh")
    np.testing.assert_allclose(inner.positions, motion.positions, atol=1e-9)
    assert inner.names == motion.names
    turned = Rotation.from_euler("ZXY", (5, 10, 30), degrees=True).apply((9, -5, 0)) + np.array((0, 95, 0))
    np.testing.assert_allclose(motion.positions[0, motion.names.index("LeftUpLeg")], turned, atol=1e-9)
    assert motion.fps == pytest.approx(30.0)


def test_frames_that_are_missing_are_found_where_joints_have_positions(tmp_path: Path) -> None:
    text = write_bvh(tmp_path / "a.bvh", BENT, inner=True).read_text().replace("Frames: 20", "Frames: 21")
    with pytest.raises(InputError, match=r"a\.bvh: .*21 frames are declared, 20 follow"):
        bvh.read_motion(text, "a.bvh")


def test_bvh_becomes_an_upright_clip_that_faces_where_the_rig_does(tmp_path: Path) -> None:
    file = write_bvh(tmp_path / "slow_wave_01.bvh", BENT)
    row = clip(*bvh.pose_clips(file, bvh.Options(unit="cm")))
    assert (row["clip_id"], row["text"]) == ("bvh-slow_wave_01", "slow wave")
    assert stands_upright(row)
    assert faces(row)[1] < -0.05  # +z of a y-up world is -y of m3n's
    with pytest.raises(InputError, match="do not say their unit; give unit="):
        list(bvh.pose_clips(file, bvh.Options()))


def forearm_up(row: dict[str, Any], side: str) -> np.ndarray:
    """Where the back of the resting hand (+y at rest) points: rotation of the forearm applied to it."""
    rotations, _ = joint_transforms(load_body("smpl"), row["poses"], row["trans"], row["betas"])
    return rotations[0, SMPL_JOINTS.index(f"{side}_elbow")] @ (0, 1, 0)


@pytest.mark.parametrize("turn", [-50.0, 0.0, 70.0])
def test_forearm_twist_is_read_off_the_hand(tmp_path: Path, turn: float) -> None:
    # The hand turns about the forearm, the rig's x; the forearm points along z after the bend, the arm along x.
    angles = {**BENT, "LeftHand": (0.0, turn, 0.0), "RightHand": (0.0, turn, 0.0)}
    file = write_bvh(tmp_path / "a.bvh", angles)
    options = {"unit": "cm", "forearm_twist": "hand"}
    row = clip(*bvh.pose_clips(file, bvh.Options.model_validate(options)))
    for side, bend in (("left", -60), ("right", 60)):
        dorsal = Rotation.from_euler("ZXY", (0, 0, bend), degrees=True) * Rotation.from_euler("x", turn, degrees=True)
        expected = TURN_UP["y"] @ dorsal.apply((0, 1, 0))
        np.testing.assert_allclose(forearm_up(row, side), expected, atol=0.02)
    neutral = clip(*bvh.pose_clips(file, bvh.Options(unit="cm")))
    np.testing.assert_allclose(forearm_up(neutral, "left"), (0, 0, 1), atol=0.02)


@pytest.mark.parametrize(
    ("old", "new"),
    [("HIERARCHY", ""), ("MOTION", ""), ("Frames: 20", "Frames: 21"), ("OFFSET 0 95 0", "OFFSET 0 95"), ("0.0333333", "0"),
     ("CHANNELS 6", "CHANNELS 5"), ("Frame Time: 0.0333333", ""), ("LeftArm", "Tentacle"), ("0.0333333", "nan"),
     ("0.0333333", "-1"), ("95", "nan"), ("95", "1e300"), ("Frames: 20", "Frames: many")],
)  # fmt: skip
@pytest.mark.parametrize("inner", [False, True])
def test_damaged_bvh_files_are_one_clear_line(tmp_path: Path, old: str, new: str, inner: bool) -> None:
    file = write_bvh(tmp_path / "a.bvh", {**BENT}, inner=inner)
    text = file.read_text().replace(old, new)
    if new == "Tentacle":
        text = text.replace("RightArm", "Other")
    file.write_text(text)
    with pytest.raises(InputError, match=r"a\.bvh") as raised:
        list(bvh.pose_clips(file, bvh.Options(unit="cm")))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("prefix", ["mixamorig:", "CC_Base_", "Character1_", "rig|"])
def test_what_all_joints_begin_with_is_no_part_of_their_names(tmp_path: Path, prefix: str) -> None:
    text = re.sub(r"(ROOT|JOINT) ", rf"\1 {prefix}", bvh_text(BENT))
    (tmp_path / "walk.bvh").write_text(text)
    write_bvh(tmp_path / "plain.bvh", BENT)
    named, plain = (clip(*bvh.pose_clips(tmp_path / f"{name}.bvh", bvh.Options(unit="cm"))) for name in ("walk", "plain"))
    np.testing.assert_array_equal(named["poses"], plain["poses"])


def test_cmu_conversions_have_a_unit_of_their_own_and_a_map_names_odd_joints(tmp_path: Path) -> None:
    factor = 0.0254 / 0.45  # metres: their lengths are inches times 0.45
    text = re.sub(
        r"(OFFSET )(\S+) (\S+) (\S+)",
        lambda found: found[1] + " ".join(str(0.01 * float(found[k]) / factor) for k in (2, 3, 4)),
        bvh_text(BENT),
    ).replace("LeftForeArm", "Ulna7")
    (tmp_path / "a.bvh").write_text(text)
    row = clip(*bvh.pose_clips(tmp_path / "a.bvh", bvh.Options(unit="cmu", joint_map={"left_elbow": "Ulna7"})))
    write_bvh(tmp_path / "b.bvh", BENT)
    same = clip(*bvh.pose_clips(tmp_path / "b.bvh", bvh.Options(unit="cm")))
    np.testing.assert_allclose(row["poses"], same["poses"], atol=1e-4)
