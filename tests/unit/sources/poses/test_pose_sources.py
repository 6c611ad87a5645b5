"""Pose sources: each format becomes valid clips, a damaged file one clear line.

The files are synthetic, of known rotations or of joints of the stand-in body, but written as each tool writes its own: by
joblib, torch.save, pickle, numpy.savez and as text in the layout of the data set.
"""

from __future__ import annotations

import os
import pickle
import zipfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from fuzz.source_files import (
    BENT,
    FRAMES,
    body_joints,
    glamr_person,
    gvhmr_params,
    phalp_frame,
    romp_image,
    smplx_arrays,
    standing_pose,
    wham_person,
    write_bvh,
    write_joints,
    write_msr,
    write_smplx,
)
from scipy.spatial.transform import Rotation

from m3n.body.kinematics import joint_transforms
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.config.names import SOURCES
from m3n.errors import InputError
from m3n.imu.smoothing import KINDS
from m3n.schema import POSE_CLIPS, Rejected, check_pose_clip
from m3n.sources import load
from m3n.sources.poses import bandai_namco, bvh, glamr, gvhmr, hmr4d, joints, msr_action3d, romp, smplx_npz, wham
from m3n.sources.shared.joint_names import smpl_joints
from m3n.sources.shared.pose_rows import TURN_UP

ALL = ("joints", "bvh", "bandai_namco", "msr_action3d", "smplx_npz", "wham", "gvhmr", "hmr4d", "romp", "glamr")


class Evil:
    """Pickles into a call of os.system, as a hostile file would."""

    def __init__(self, command: str = "true") -> None:
        self.command = command

    def __reduce__(self) -> Any:
        return os.system, (self.command,)


def clip(row: Any) -> dict[str, Any]:
    assert isinstance(row, dict), row
    assert list(row) == POSE_CLIPS.names
    assert check_pose_clip(row) is None
    return row


def world_joints(row: dict[str, Any]) -> np.ndarray:
    poses = row["poses"].reshape(row["n_frames"], -1, 3)
    return joint_transforms(load_body("smpl"), poses, row["trans"], row["betas"])[1]


def stands_upright(row: dict[str, Any]) -> bool:
    points = world_joints(row)
    head, foot = points[:, SMPL_JOINTS.index("head")], points[:, SMPL_JOINTS.index("left_ankle")]
    return bool((head[:, 2] - foot[:, 2] > 1.0).all())


def faces(row: dict[str, Any]) -> np.ndarray:
    """Mean direction (3,) the person looks in: from the heels to the toes."""
    points = world_joints(row)
    return (points[:, SMPL_JOINTS.index("left_foot")] - points[:, SMPL_JOINTS.index("left_ankle")]).mean(0)


def test_every_source_is_registered_and_loads() -> None:
    for name in ALL:
        assert name in SOURCES
        assert load(name).Options()
        assert SOURCES[name].poses_from in KINDS


@pytest.mark.parametrize("up", ["z", "y", "-y"])
def test_turning_a_world_upright_is_a_rotation_that_raises_its_vertical(up: str) -> None:
    axis = {"z": (0, 0, 1), "y": (0, 1, 0), "-y": (0, -1, 0)}[up]
    np.testing.assert_allclose(TURN_UP[up] @ axis, (0, 0, 1))
    assert np.linalg.det(TURN_UP[up]) == pytest.approx(1.0)


# joints ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["m", "cm", "mm", "in"])
@pytest.mark.parametrize("up", ["z", "y", "-y"])
def test_joints_in_any_unit_and_world_give_the_same_body(tmp_path: Path, unit: str, up: str) -> None:
    size = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254}[unit]
    file = write_joints(
        tmp_path / "a.npz", joints=body_joints() @ TURN_UP[up] / size, unit=unit, up=up, text="waves", subject=7
    )
    row = clip(*joints.pose_clips(file, joints.Options(smooth_frames=0)))
    assert (row["clip_id"], row["text"], row["subject"], row["fps"]) == ("joints-a", "waves", "7", 30.0)
    miss = np.linalg.norm(world_joints(row) - body_joints(), axis=-1)
    assert miss.mean() < 0.01


def test_joints_take_from_the_options_what_the_file_lacks_and_refuse_a_contradiction(tmp_path: Path) -> None:
    file = write_joints(tmp_path / "a.npz", fps=None, up=None, unit=None)
    with pytest.raises(InputError, match="fps is not known; give fps="):
        list(joints.pose_clips(file, joints.Options()))
    row = clip(*joints.pose_clips(file, joints.Options(fps=25, up="z", unit="m", label="walk")))
    assert (row["fps"], row["label"]) == (25.0, "walk")
    with pytest.raises(InputError, match=r"a\.npz: unit is m in the file but cm in the options"):
        list(joints.pose_clips(write_joints(tmp_path / "a.npz"), joints.Options(unit="cm")))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"joints": None}, "joints missing"),
        ({"joints": np.zeros((5, 24, 2))}, r"joints has shape \(5, 24, 2\), expected \(any, any, 3\)"),
        ({"joints": np.array([{}, {}], dtype=object)}, "plain arrays"),
        ({"joints": np.full((5, 24, 3), np.nan)}, "seen in under"),
        ({"joints": np.full((5, 24, 3), 1e30)}, "over a million"),
        ({"joints": body_joints() * 100}, "unit=cm would fit"),
        ({"joints": body_joints()[:1]}, "expected at least 2"),
        ({"joints": np.ones((5, 24, 3))}, "the forearm measures 0 m"),
        ({"joint_names": ["a"] * 24}, "only 0 are known"),
        ({"joint_names": list(SMPL_JOINTS[:5])}, "5 joint names for 24 joints"),
        ({"joint_names": np.arange(24)}, "expected one text each"),
        ({"fps": -1.0}, "expected a positive frame rate"),
        ({"fps": np.nan}, "fps is nan"),
        ({"up": "x"}, "up is 'x'"),
        ({"unit": "furlong"}, "unit is 'furlong'"),
    ],
)
def test_joints_name_what_is_wrong(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    file = write_joints(tmp_path / "a.npz", **changed)
    with pytest.raises(InputError, match=message):
        list(joints.pose_clips(file, joints.Options()))


def test_a_joint_that_drops_out_is_bridged(tmp_path: Path) -> None:
    holey = body_joints()
    holey[4:6, SMPL_JOINTS.index("left_wrist")] = np.nan
    clip(*joints.pose_clips(write_joints(tmp_path / "a.npz", joints=holey), joints.Options()))


@pytest.mark.parametrize("cut", [0, 10, 200, 3000])
def test_truncated_and_foreign_npz_files_are_one_clear_line(tmp_path: Path, cut: int) -> None:
    file = write_joints(tmp_path / "a.npz")
    file.write_bytes(file.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"a\.npz") as raised:
        list(joints.pose_clips(file, joints.Options()))
    assert "\n" not in str(raised.value)


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


# MSR Action3D ---------------------------------------------------------------------------------------------------------------


def test_msr_file_becomes_a_clip_with_a_label_and_a_sentence(tmp_path: Path) -> None:
    row = clip(*msr_action3d.pose_clips(write_msr(tmp_path / "msr"), msr_action3d.Options()))
    assert (row["clip_id"], row["subject"], row["label"]) == ("msr_action3d-a05_s01_e02", "s01", "forward punch")
    assert row["fps"] == 15.0
    assert "punch" in row["text"] or "fist" in row["text"] or "arm" in row["text"] or "boxes" in row["text"]
    assert stands_upright(row)


def test_msr_empty_damaged_and_foreign_files_are_rejected_with_their_name(tmp_path: Path) -> None:
    folder = write_msr(tmp_path / "msr")
    (folder / "a13_s09_e02_skeleton3D.txt").write_text("0 0 0 0\n" * 40)
    (folder / "a01_s01_e01_skeleton3D.txt").write_text("1 2 3 1\n" * 39)
    (folder / "a01_s01_e02_skeleton3D.txt").write_text("1 2 nan 1\n" * 40)
    (folder / "a01_s01_e03_skeleton3D.txt").write_bytes(b"\xff\x00junk\n")
    (folder / "a02_s01_e01_skeleton3D.txt").write_text("")
    rows = list(msr_action3d.pose_clips(folder, msr_action3d.Options()))
    rejected = {row.item: row.reason for row in rows if isinstance(row, Rejected)}
    assert len(rejected) == 5
    assert "every position is zero" in rejected["msr_action3d-a13_s09_e02"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected names like"):
        list(msr_action3d.pose_clips(tmp_path / "empty", msr_action3d.Options()))


def test_every_msr_and_bandai_class_has_at_least_four_sentences() -> None:
    for action in msr_action3d._actions().values():
        assert len(set(action["texts"])) >= 4
    assert len(msr_action3d._actions()) == 20
    table = bandai_namco._texts()
    assert all(len(set(texts)) >= 4 for texts in table["contents"].values())
    some = {bandai_namco.sentence(f"clip{k}", "walk", "tired") for k in range(40)}
    assert len(some) >= 4
    assert bandai_namco.sentence("x", "juggle", "odd").endswith(".")


# BVH ------------------------------------------------------------------------------------------------------------------------


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


def test_bandai_namco_names_give_label_and_text_and_bad_files_are_rejected(tmp_path: Path) -> None:
    good = write_bvh(tmp_path / "good.bvh", BENT, inner=True).read_text()
    archive = tmp_path / "bandai.zip"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("d/data/dataset-2_wave-left-hand_tired_001.bvh", good)
        made.writestr("d/data/dataset-1_walk_happy_002.bvh", good[: len(good) // 2])
        made.writestr("d/data/dataset-1_walk_happy_002.json", "{}")
    bad, row = bandai_namco.pose_clips(archive, bandai_namco.Options())
    assert isinstance(bad, Rejected)
    assert "dataset-1_walk_happy_002.bvh" in bad.reason
    row = clip(row)
    assert (row["clip_id"], row["label"]) == ("bandai_namco-dataset-2_wave-left-hand_tired_001", "wave left hand")
    assert "left" in row["text"]
    with pytest.raises(InputError, match="no content 'swim'"):
        list(bandai_namco.pose_clips(archive, bandai_namco.Options(contents=["swim"])))


# video pose estimators ------------------------------------------------------------------------------------------------------


def test_smplx_npz_keeps_smplx_joint_order_and_stands_up(tmp_path: Path) -> None:
    row = clip(*smplx_npz.pose_clips(write_smplx(tmp_path / "a.npz"), smplx_npz.Options(fps=24, text="signs")))
    poses = row["poses"].reshape(FRAMES, 55, 3)
    np.testing.assert_allclose(poses[:, 22], 0.3, rtol=1e-6)
    assert not poses[:, 23:25].any()
    np.testing.assert_allclose(poses[:, 25:40], 0.1, rtol=1e-6)
    np.testing.assert_allclose(poses[:, 40:], 0.2, rtol=1e-6)
    np.testing.assert_allclose(poses[:, 1:22], standing_pose()[:, 1:22], rtol=1e-5, atol=1e-6)
    assert row["body_model"] == "smplx"
    assert stands_upright({**row, "poses": poses[:, :24].reshape(FRAMES, -1)})
    assert faces({**row, "poses": poses[:, :24].reshape(FRAMES, -1)})[1] < -0.05  # towards the camera, which looks along +y


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"smplx_body_pose": None}, "smplx_body_pose missing"),
        ({"smplx_body_pose": np.zeros((FRAMES, 62))}, "smplx_body_pose has shape"),
        ({"smplx_lhand_pose": np.zeros((FRAMES - 1, 45))}, "frame counts differ"),
        ({"smplx_root_pose": np.full((FRAMES, 3), np.inf)}, "smplx_root_pose is inf"),
        ({"smplx_root_pose": np.array(["a", "b"])}, "expected an array of numbers"),
        ({"cam_trans": np.array([None, {}], dtype=object)}, "plain arrays"),
    ],
)
def test_smplx_npz_names_what_is_wrong(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    file = write_smplx(tmp_path / "a.npz", **changed)
    with pytest.raises(InputError, match=message):
        list(smplx_npz.pose_clips(file, smplx_npz.Options(fps=24)))
    write_smplx(tmp_path / "good.npz")
    kinds = [type(row) for row in smplx_npz.pose_clips(tmp_path, smplx_npz.Options(fps=24))]
    assert kinds == [Rejected, dict]


@pytest.mark.parametrize("ending", ["npz", "pkl"])
def test_a_folder_of_smplx_frames_is_the_clip_that_a_stacked_file_is(tmp_path: Path, ending: str) -> None:
    stacked = smplx_arrays()
    whole = clip(*smplx_npz.pose_clips(write_smplx(tmp_path / "a.npz"), smplx_npz.Options(fps=24)))
    folder = tmp_path / "clips" / "hello_world"
    folder.mkdir(parents=True)
    for k in range(FRAMES):
        if k == 5:
            continue  # a frame without a person is bridged
        frame = {key: value[k] for key, value in stacked.items()}
        file = folder / f"hello_{k + 8}.{ending}"  # 8, 9, 10: by number, not by name
        if ending == "npz":
            np.savez(file, **frame)
        else:
            file.write_bytes(pickle.dumps(frame))
    row = clip(*smplx_npz.pose_clips(tmp_path / "clips", smplx_npz.Options(fps=24, text_from_name=True)))
    assert (row["clip_id"], row["text"], row["n_frames"]) == ("smplx_npz-hello_world", "hello world", FRAMES)
    kept = np.arange(FRAMES) != 5
    np.testing.assert_allclose(row["poses"][kept], whole["poses"][kept], atol=1e-6)
    np.testing.assert_allclose(row["trans"], whole["trans"], atol=1e-6)
    (folder / f"hello_{FRAMES + 8}.{ending}").write_bytes(b"damaged")
    bad, row = smplx_npz.pose_clips(folder, smplx_npz.Options(fps=24))
    assert isinstance(bad, Rejected)
    assert f"hello_{FRAMES + 8}.{ending}" in bad.reason
    assert clip(row)["clip_id"] == "smplx_npz-hello_world"


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3), ("bz2", 3), ("xz", 1)])
def test_wham_joblib_file_gives_a_clip_per_person_in_a_z_up_world(tmp_path: Path, compress: Any) -> None:
    results: dict[Any, Any] = defaultdict(dict)
    results[0], results[7] = wham_person(), wham_person(np.array([0, 1, 2, 4, 5, 50, 51, 52]))
    joblib.dump(results, tmp_path / "wham_output.pkl", compress=compress)
    rows = [clip(row) for row in wham.pose_clips(tmp_path / "wham_output.pkl", wham.Options(fps=30))]
    assert [row["clip_id"] for row in rows] == ["wham-wham_output-0", "wham-wham_output-7-part1", "wham-wham_output-7-part2"]
    assert [row["n_frames"] for row in rows] == [FRAMES, 6, 3]  # the missing frame 3 is bridged, 6 to 49 split
    assert all(stands_upright(row) for row in rows)
    moved = rows[0]["trans"][-1] - rows[0]["trans"][0]
    np.testing.assert_allclose(moved, (0, -1, 0), atol=1e-6)  # +z of a y-up world
    camera = clip(next(iter(wham.pose_clips(tmp_path / "wham_output.pkl", wham.Options(fps=30, frame="camera")))))
    assert stands_upright(camera)


def test_a_world_is_turned_about_its_origin_not_about_the_body(tmp_path: Path) -> None:
    """The pelvis of SMPL is at J + trans; turned, it must be where the turn takes that point."""
    person = wham_person()
    joblib.dump({0: person}, tmp_path / "w.pkl")
    row = clip(*wham.pose_clips(tmp_path / "w.pkl", wham.Options(fps=30)))
    rest = np.array((-0.0022, -0.2408, 0.0286))  # official neutral SMPL
    np.testing.assert_allclose(row["trans"] + rest, (person["trans_world"] + rest) @ TURN_UP["y"].T, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pose_world": np.zeros((FRAMES, 71), np.float32)}, "pose_world has shape"),
        ({"trans_world": np.zeros((3, 3), np.float32)}, "trans_world has shape"),
        ({"pose_world": np.full((FRAMES, 72), np.nan)}, "pose_world is nan"),
        ({"frame_ids": np.zeros(FRAMES)}, "frame numbers do not increase"),
        ({"frame_ids": np.arange(FRAMES) + 0.5}, "no frame numbers"),
        ({"pose_world": "text"}, "pose_world holds str"),
        ({"betas": [[1], [2]]}, "betas holds list"),
    ],
)
def test_wham_rejects_one_bad_person_and_keeps_the_other(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    joblib.dump({0: wham_person() | change, 1: wham_person()}, tmp_path / "w.pkl")
    bad, good = wham.pose_clips(tmp_path / "w.pkl", wham.Options(fps=30))
    assert isinstance(bad, Rejected)
    assert message in bad.reason
    clip(good)


def test_gvhmr_file_of_tensors_becomes_a_smplx_clip(tmp_path: Path) -> None:
    results = {"smpl_params_global": gvhmr_params(), "smpl_params_incam": gvhmr_params(), "K_fullimg": torch.eye(3)}
    torch.save({**results, "net_outputs": {"model": [torch.zeros(2)]}}, tmp_path / "hmr4d_results.pt")
    row = clip(*gvhmr.pose_clips(tmp_path / "hmr4d_results.pt", gvhmr.Options(fps=30)))
    assert row["body_model"] == "smplx"
    assert stands_upright({**row, "poses": row["poses"].reshape(FRAMES, 55, 3)[:, :24].reshape(FRAMES, -1)})
    del results["smpl_params_global"]["transl"]
    torch.save(results, tmp_path / "hmr4d_results.pt")
    with pytest.raises(InputError, match="transl missing"):
        list(gvhmr.pose_clips(tmp_path / "hmr4d_results.pt", gvhmr.Options(fps=30)))


def test_hmr4d_follows_tracks_leaves_predictions_out_and_holds_the_depth(tmp_path: Path) -> None:
    frames = {f"img/{k:06d}.jpg": phalp_frame(k, [1] if k < 4 else [1, 2], None if k != 6 else [3, 0]) for k in range(FRAMES)}
    joblib.dump(frames, tmp_path / "demo.pkl", compress=3)
    first, second = (clip(row) for row in hmr4d.pose_clips(tmp_path / "demo.pkl", hmr4d.Options(fps=30)))
    assert (first["n_frames"], second["n_frames"]) == (FRAMES, FRAMES - 4)
    assert stands_upright(first)
    assert np.ptp(first["trans"][:, 1]) < 1e-5
    loose = clip(next(iter(hmr4d.pose_clips(tmp_path / "demo.pkl", hmr4d.Options(fps=30, depth="estimated")))))
    assert np.ptp(loose["trans"][:, 1]) > 1


@pytest.mark.parametrize(
    ("key", "value"),
    [("smpl", [1]), ("smpl", "x"), ("camera", []), ("tid", [1, 2]), ("tid", 3), ("camera", ["a"]), ("smpl", [{}]),
     ("smpl", [{"global_orient": np.zeros((1, 3, 3)), "body_pose": np.zeros((23, 3, 3))}])],
)  # fmt: skip
def test_hmr4d_damaged_frames_are_one_clear_line(tmp_path: Path, key: str, value: Any) -> None:
    frames = {f"{k}.jpg": {**phalp_frame(k, [1]), key: value} for k in range(3)}
    joblib.dump(frames, tmp_path / "demo.pkl")
    reasons: list[str] = []
    try:
        rows = list(hmr4d.pose_clips(tmp_path / "demo.pkl", hmr4d.Options(fps=30)))
        reasons = [row.reason for row in rows if isinstance(row, Rejected)]
        assert len(reasons) == len(rows)
    except InputError as error:
        reasons = [str(error)]
    assert reasons
    assert all("demo.pkl" in reason and "\n" not in reason for reason in reasons)


def test_romp_video_gives_a_clip_per_track_and_a_folder_of_images_one_clip(tmp_path: Path) -> None:
    video = {f"frames/{k:08d}.png": romp_image(2, [4, 9]) for k in range(5)}
    np.savez(tmp_path / "video_results.npz", results=np.array(video, dtype=object))
    rows = [clip(row) for row in romp.pose_clips(tmp_path / "video_results.npz", romp.Options(fps=25))]
    assert [row["clip_id"] for row in rows] == ["romp-video_results-4", "romp-video_results-9"]
    assert all(stands_upright(row) for row in rows)
    folder = tmp_path / "images"
    folder.mkdir()
    for k in (1, 2, 4):
        np.savez(folder / f"{k:06d}.npz", results=np.array(romp_image(), dtype=object))
    (row,) = romp.pose_clips(folder, romp.Options(fps=25))
    assert clip(row)["n_frames"] == 4


def test_romp_people_that_cannot_be_told_apart_and_single_images_are_rejected(tmp_path: Path) -> None:
    for name, results, message in (
        ("two", {"a1.png": romp_image(2), "a2.png": romp_image(2)}, "without track_ids"),
        ("one", romp_image(), "seen in 1 frame"),
        ("bad", {"a1.png": {"smpl_thetas": 1}, "a2.png": romp_image()}, "cam_trans missing"),
    ):
        np.savez(tmp_path / f"{name}.npz", results=np.array(results, dtype=object))
        (row,) = romp.pose_clips(tmp_path / f"{name}.npz", romp.Options(fps=25))
        assert isinstance(row, Rejected)
        assert message in row.reason


def test_glamr_position_is_the_pelvis(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"person_data": {0: glamr_person(), 3: glamr_person()}}, protocol=3))
    rows = [clip(row) for row in glamr.pose_clips(tmp_path / "a.pkl", glamr.Options(fps=30))]
    assert [row["clip_id"] for row in rows] == ["glamr-a-0", "glamr-a-3"]
    assert stands_upright(rows[0])
    rest = np.array((-0.0022, -0.2408, 0.0286))  # official neutral SMPL
    np.testing.assert_allclose(rows[0]["trans"] + rest, np.tile((1, 2, 0.9), (FRAMES, 1)), atol=1e-6)


@pytest.mark.parametrize("source", ["wham", "gvhmr", "hmr4d", "romp", "glamr", "smplx_npz"])
def test_frame_rate_must_be_given(tmp_path: Path, source: str) -> None:
    module = load(source)
    with pytest.raises(InputError, match="give fps="):
        list(module.pose_clips(tmp_path, module.Options()))


@pytest.mark.parametrize(
    ("source", "name"),
    [("wham", "a.pkl"), ("hmr4d", "a.pkl"), ("glamr", "a.pkl"), ("gvhmr", "a.pt"), ("romp", "a.npz")],
)
def test_hostile_pickles_are_refused_without_running_them(tmp_path: Path, source: str, name: str) -> None:
    mark, file = tmp_path / "was_run", tmp_path / name
    evil = Evil(f"touch {mark}")
    if source == "romp":
        np.savez(file, results=np.array(evil, dtype=object))
    elif source == "gvhmr":
        torch.save({"smpl_params_global": evil}, file)
    elif source == "glamr":
        file.write_bytes(pickle.dumps({"person_data": {0: evil}}))
    else:
        joblib.dump({0: {"pose_world": np.zeros(3), "x": evil}}, file)
    module = load(source)
    with pytest.raises(InputError, match=name.replace(".", r"\.")) as raised:
        list(module.pose_clips(file, module.Options(fps=30)))
    assert "\n" not in str(raised.value)
    assert not mark.exists()
