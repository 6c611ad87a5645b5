"""TRC files of joints and of anatomical markers, as Pose2Sim and OpenCap write them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import clip, world_joints
from fuzz.source_files import body_joints, opencap_markers, pose2sim_text, standing_pose, trc_text
from scipy.spatial.transform import Rotation

from m3n.errors import InputError
from m3n.sources.poses.trc import Options, pose_clips


def test_joints_of_pose2sim_are_where_the_file_has_them(tmp_path: Path) -> None:
    (tmp_path / "trial.trc").write_text(pose2sim_text())
    row = clip(*pose_clips(tmp_path / "trial.trc", Options(subject="anna")))
    assert (row["fps"], row["subject"], row["clip_id"]) == (60, "anna", "trc-trial")
    assert np.abs(world_joints(row)[:, 20:22] - body_joints()[:, 20:22]).max() < 0.03


@pytest.mark.parametrize("unit", ["m", "mm"])
def test_both_wrist_markers_of_opencap_show_the_twist_of_the_forearm(tmp_path: Path, unit: str) -> None:
    labels, points = opencap_markers()
    points[3, 0] = np.nan  # a marker that was not seen
    (tmp_path / "trial.trc").write_text(trc_text(labels, points, unit))
    row = clip(*pose_clips(tmp_path / "trial.trc", Options()))
    assert np.abs(world_joints(row)[:, 20:22] - body_joints()[:, 20:22]).max() < 0.05
    known, found = (np.asarray(poses).reshape(-1, 24, 3) for poses in (standing_pose(), row["poses"]))
    for upper, lower in ((16, 18), (17, 19)):
        arms = [Rotation.from_rotvec(of[:, upper]) * Rotation.from_rotvec(of[:, lower]) for of in (known, found)]
        assert np.degrees((arms[0].inv() * arms[1]).magnitude()).max() < 25


def test_labels_of_two_people_are_two_clips(tmp_path: Path) -> None:
    labels, points = opencap_markers()
    both = [f"{who}:{label}" for who in ("anna", "ben") for label in labels]
    (tmp_path / "a.trc").write_text(trc_text(both, np.concatenate([points, points + np.array([1.0, 0, 0])], axis=1)))
    rows = [row for row in pose_clips(tmp_path / "a.trc", Options()) if isinstance(row, dict)]
    assert [(row["clip_id"], row["subject"]) for row in rows] == [("trc-a-anna", "anna"), ("trc-a-ben", "ben")]


def test_a_set_of_ones_own_is_described_by_its_landmarks(tmp_path: Path) -> None:
    labels, points = opencap_markers()
    (tmp_path / "a.trc").write_text(trc_text([label.replace("wrist", "WJ") for label in labels], points))
    held = {
        "elbow_lateral": ["{s}_LELBOW_STUDY"], "wrist_radial": ["{s}_LWJ_STUDY"], "wrist_ulnar": ["{s}_MWJ_STUDY"],
        "asis": ["{s}.ASIS_STUDY"], "psis": ["{s}.PSIS_STUDY"], "acromion": ["{s}_SHOULDER_STUDY"],
    }  # fmt: skip
    written = {name: f"[{labels[0]}]" for name, labels in held.items()}  # as YAML leaves it
    row = clip(*pose_clips(tmp_path / "a.trc", Options.model_validate({"landmarks": written})))
    assert np.abs(world_joints(row)[:, 20:22] - body_joints()[:, 20:22]).max() < 0.06


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\tm\t", "\tfeet\t", "its unit is 'feet'"),
        ("\n60\t", "\n120\t", "DataRate is 120 Hz, but its times are"),
        ("LElbow\t", "RElbow\t", "17 labels, 16 of them different"),
        ("DataRate", "Rate", "expected DataRate"),
        ("\t0.016667\t", "\tx\t", "line 7, column 2: 'x' stands where a number belongs"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = pose2sim_text()
    assert old in text
    (tmp_path / "a.trc").write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message):
        list(pose_clips(tmp_path / "a.trc", Options()))
