"""The optical corpora on their real files: AMASS's markers, CMU's rig and its BVH conversion, UI-PRMD."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import places
import pytest
from scipy.spatial.transform import Rotation

import m3n
from m3n.body.joint_fit import fit_joints
from m3n.body.kinematics import joint_transforms
from m3n.body.marker_fit import marker_joints
from m3n.body.marker_sets import MARKER_SETS
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.imu.smoothing import low_pass
from m3n.sources.poses import asf_amc, bvh, ui_prmd
from m3n.sources.poses.acclaim import read_skeleton

UI, CMU, SAMPLES = (places.DATA / f"{name}.zip" for name in ("ui_prmd", "cmu_mocap", "smpl_samples"))
pytestmark = pytest.mark.skipif(
    not (UI.is_file() and CMU.is_file() and SAMPLES.is_file()), reason=f"real data absent in {places.DATA} (set M3N_DATA)"
)
FOREARMS = [SMPL_JOINTS.index(f"{side}_elbow") for side in ("left", "right")]


def test_amass_markers_give_the_forearms_of_its_own_poses(tmp_path: Path) -> None:
    """Twist included, and better than without it. The right wrist's markers lie 16 degrees off AMASS's forearm throughout."""
    with zipfile.ZipFile(SAMPLES) as archive:
        data = np.load(archive.extract("smpl_samples/amass_sample.npz", tmp_path), allow_pickle=False)
    frames = len(data["poses"])
    own = np.pad(data["poses"][:, :66], ((0, 0), (0, 6))).reshape(frames, 24, 3)
    joints, names = marker_joints(data["marker_data"], [label.decode() for label in data["marker_labels"]], MARKER_SETS["ssm"])
    kept = [k for k, name in enumerate(names) if not name.endswith("1")]
    with_twist = fit_joints(joints, names, smooth_frames=0)
    without = fit_joints(joints[:, kept], [names[k] for k in kept], smooth_frames=0)
    body = load_body("smpl")
    off, turning = [], []
    for poses in (with_twist.poses, without.poses):
        found, true = (joint_transforms(body, p, np.zeros((frames, 3)), joints=FOREARMS)[0] for p in (poses, own))
        between = np.einsum("fnji,fnjk->fnik", true, found)
        off.append(np.degrees(np.median(np.arccos(np.clip((np.einsum("fnii->fn", between) - 1) / 2, -1, 1)), axis=0)))
        imus = [m3n.simulate(p, np.zeros((frames, 3)), fps=120, rate_hz=60) for p in (poses, own)]
        turning.append([
            np.corrcoef(*(low_pass(imu[wrist].astype(float), 10.0, 60.0)[:, 3] for imu in imus))[0, 1]
            for wrist in ("left_wrist", "right_wrist")
        ])  # fmt: skip
    assert off[0][0] < 8
    assert off[0][1] < 20
    assert (off[0] < off[1]).all()
    assert min(turning[0]) > 0.6  # angular rate about the forearm
    assert max(turning[1]) < 0.4


def test_cmu_hinges_stay_hinges_in_the_axes_of_the_skeleton() -> None:
    """The BVH conversion keeps the skeleton's rest pose but knows nothing of its axes. In them, its knees, elbows and wrists turn
    about the one axis that the ASF gives them, by up to 126 degrees, and by nothing about the other two."""
    with zipfile.ZipFile(CMU) as archive:
        skeleton = read_skeleton(archive.read("cmu_mocap/01/01.asf"), "01.asf")
        motion = bvh.read_motion(archive.read("cmu_mocap/bvh/01_01.bvh").decode(), "01_01.bvh")
    place = {name: k for k, name in enumerate(motion.names)}
    for side, long in (("l", "Left"), ("r", "Right")):
        for bone, parent, child in (
            ("tibia", "UpLeg", "Leg"), ("radius", "Arm", "ForeArm"), ("wrist", "ForeArm", "Hand"),
        ):  # fmt: skip
            axes, dof = skeleton.bones[side + bone].axes, skeleton.bones[side + bone].dof
            above, below = (motion.rotations[1:, place[long + name]] for name in (parent, child))
            local = axes.T @ np.swapaxes(above, 1, 2) @ below @ axes
            turned = np.abs(Rotation.from_matrix(local).as_euler("xyz", degrees=True)).max(0)
            free = np.array([f"r{axis}" in dof for axis in "xyz"])
            assert free.sum() == 1
            assert turned[free] > 20
            assert (turned[~free] < 0.01).all()
        offset = skeleton.bones[side + "femur"].vector
        step = motion.positions[0, place[long + "Leg"]] - motion.positions[0, place[long + "UpLeg"]]
        assert np.linalg.norm(step) == pytest.approx(np.linalg.norm(offset), abs=0.01)


@pytest.mark.slow
def test_every_cmu_trial_becomes_an_upright_clip_and_walkers_thumbs_point_forwards() -> None:
    rows = list(asf_amc.pose_clips(CMU, asf_amc.Options()))
    assert sum(isinstance(row, dict) for row in rows) == len(rows) == 13
    walk = next(row for row in rows if isinstance(row, dict) and row["clip_id"] == "asf_amc-02_01")
    turns, points = joint_transforms(load_body("smpl"), walk["poses"], walk["trans"], walk["betas"])
    ahead = points[-1, 0] - points[0, 0]
    thumbs = turns[:, FOREARMS] @ (0, 0, 1)
    cosine = np.median(thumbs @ (ahead / np.linalg.norm(ahead)), axis=0)
    assert (cosine > 0.7).all()
    assert np.percentile(points[..., 2].min(1), 50) < 0.12  # feet near the floor at z = 0


@pytest.mark.slow
def test_ui_prmd_names_the_arm_of_each_person() -> None:
    rows = [row for row in ui_prmd.pose_clips(UI, ui_prmd.Options(movements=[10])) if isinstance(row, dict)]
    assert len(rows) == 50
    left = {row["subject"] for row in rows if " left " in row["text"]}
    named = {row["subject"] for row in rows if " left " in row["text"] or " right " in row["text"]}
    assert left == {"s07", "s10"}
    assert len(named) == 10
