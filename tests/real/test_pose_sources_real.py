"""Pose sources on real files: MSR Action3D, Bandai Namco, a GLAMR pickle and a ROMP result."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import places
import pytest

from m3n.body.kinematics import joint_transforms
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.schema import Rejected, check_pose_clip
from m3n.sources.poses import bandai_namco, bvh, glamr, msr_action3d, romp
from m3n.sources.shared.joint_names import smpl_joints
from m3n.sources.shared.pose_rows import TURN_UP

FOLDER = places.DATA
MSR, BANDAI, SAMPLES = (FOLDER / f"{name}.zip" for name in ("msr_action3d", "bandai_namco", "smpl_samples"))
pytestmark = pytest.mark.skipif(
    not (MSR.is_file() and BANDAI.is_file() and SAMPLES.is_file()), reason=f"real data absent in {FOLDER} (set M3N_DATA)"
)


def joint(row: dict[str, Any], name: str) -> np.ndarray:
    """Position (F, 3) m, z up, of a clip's joint."""
    assert check_pose_clip(row) is None
    index, poses = SMPL_JOINTS.index(name), row["poses"]
    _, points = joint_transforms(load_body("smpl"), poses, row["trans"], row["betas"], [index])
    return points[:, 0]


def stands_upright(row: dict[str, Any]) -> bool:
    return bool(np.median(joint(row, "head")[:, 2] - joint(row, "left_foot")[:, 2]) > 1.0)


def travel(points: np.ndarray) -> float:
    return float(np.linalg.norm(points.std(axis=0)))


def sample(tmp_path: Path, name: str) -> Path:
    with zipfile.ZipFile(SAMPLES) as archive:
        return Path(archive.extract(f"smpl_samples/{name}", tmp_path))


def test_msr_people_face_the_camera_and_act_with_the_right_arm() -> None:
    """The protocol has one-armed actions done with the right arm: it is the one that moves, so nobody is mirrored."""
    rows = list(msr_action3d.pose_clips(MSR, msr_action3d.Options(actions=[1, 5])))
    clips = [row for row in rows if isinstance(row, dict)]
    assert len(clips) == len(rows) > 50
    ratio = [travel(joint(row, "right_wrist")) / travel(joint(row, "left_wrist")) for row in clips[::4]]
    assert np.median(ratio) > 4
    assert all(stands_upright(row) for row in clips[::4])
    forwards = np.mean([(joint(row, "left_foot") - joint(row, "left_ankle")).mean(0) for row in clips[::4]], axis=0)
    assert forwards[1] > 0.08


def test_msr_recording_of_zeros_is_the_only_one_rejected_in_its_action() -> None:
    rows = msr_action3d.pose_clips(MSR, msr_action3d.Options(actions=[13]))
    assert [row.item for row in rows if isinstance(row, Rejected)] == ["msr_action3d-a13_s09_e02"]


def test_bandai_namco_arms_point_where_the_capture_has_them() -> None:
    rows = list(bandai_namco.pose_clips(BANDAI, bandai_namco.Options(contents=["wave-right-hand"])))
    clips = [row for row in rows if isinstance(row, dict)]
    assert len(clips) == len(rows) == 14
    for row in clips[::5]:
        assert row["fps"] == pytest.approx(30)
        assert row["label"] == "wave right hand"
        assert stands_upright(row)
        assert travel(joint(row, "right_wrist")) > 2 * travel(joint(row, "left_wrist"))
    stem = clips[0]["clip_id"].removeprefix("bandai_namco-")
    with zipfile.ZipFile(BANDAI) as archive:
        name = next(name for name in archive.namelist() if name.endswith(f"{stem}.bvh"))
        motion = bvh.read_motion(archive.read(name).decode(), stem)
    points, names = smpl_joints(0.01 * motion.positions @ TURN_UP["y"].T, motion.names, stem)
    for side in ("left", "right"):
        elbow, wrist = names.index(f"{side}_elbow"), names.index(f"{side}_wrist")
        captured = points[:, wrist] - points[:, elbow]
        fitted = joint(clips[0], f"{side}_wrist") - joint(clips[0], f"{side}_elbow")
        cosine = (captured * fitted).sum(1) / np.linalg.norm(captured, axis=1) / np.linalg.norm(fitted, axis=1)
        assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).max() < 1.0


def test_bandai_namco_walkers_carry_their_palms_towards_the_thighs() -> None:
    """Arms hang with the thumb forwards: near m3n's neutral, and turned inwards (pronated) rather than outwards."""
    options = {"contents": ["walk"]}
    with_hand, neutral = (
        list(bandai_namco.pose_clips(BANDAI, bandai_namco.Options.model_validate({**options, "forearm_twist": twist})))[:8:4]
        for twist in ("hand", "neutral")
    )
    for hand, plain in zip(with_hand, neutral, strict=True):
        assert isinstance(hand, dict)
        assert isinstance(plain, dict)
        elbows = [SMPL_JOINTS.index("left_elbow"), SMPL_JOINTS.index("right_elbow")]
        turned, _ = joint_transforms(load_body("smpl"), hand["poses"], hand["trans"], None, elbows)
        straight, _ = joint_transforms(load_body("smpl"), plain["poses"], plain["trans"], None, elbows)
        angle = np.degrees(np.arccos(np.clip((turned[..., 1] * straight[..., 1]).sum(-1), -1, 1)))
        assert np.median(angle) < 60


def test_glamr_runner_is_upright_and_runs_at_a_runners_pace(tmp_path: Path) -> None:
    (row,) = glamr.pose_clips(sample(tmp_path, "glamr_running_seed1.pkl"), glamr.Options(fps=30))
    assert isinstance(row, dict)
    assert row["n_frames"] == 203
    assert stands_upright(row)
    pelvis = joint(row, "pelvis")
    speed = np.linalg.norm(pelvis[-1, :2] - pelvis[0, :2]) / (202 / 30)
    assert 1.5 < speed < 6
    lowest = np.minimum(joint(row, "left_foot")[:, 2], joint(row, "right_foot")[:, 2])
    assert abs(np.median(lowest)) < 0.15  # the floor is at z = 0
    ahead = (joint(row, "left_foot") - joint(row, "left_ankle")).mean(0)[:2]
    assert ahead @ (pelvis[-1] - pelvis[0])[:2] > 0


def test_romp_image_is_rejected_alone_and_a_clip_as_one_of_a_folder(tmp_path: Path) -> None:
    file = sample(tmp_path, "romp_output.npz")
    (alone,) = romp.pose_clips(file, romp.Options(fps=25))
    assert isinstance(alone, Rejected)
    assert "1 frame" in alone.reason
    folder = tmp_path / "images"
    folder.mkdir()
    for k in range(3):
        (folder / f"{k:04d}.npz").write_bytes(file.read_bytes())
    (row,) = romp.pose_clips(folder, romp.Options(fps=25))
    assert isinstance(row, dict)
    assert row["n_frames"] == 3
    assert stands_upright(row)
