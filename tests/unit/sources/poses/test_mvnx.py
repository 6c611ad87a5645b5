"""MVNX: joints where the segments begin, and the forearm's twist out of its own orientation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import clip, world_joints
from fuzz.source_files import body_joints, mvnx_text
from scipy.spatial.transform import Rotation

from m3n.errors import InputError
from m3n.sources.poses.mvnx import Options, pose_clips


def test_segments_of_a_suit_become_the_body_that_wore_it(tmp_path: Path) -> None:
    (tmp_path / "a.mvnx").write_text(mvnx_text())
    row = clip(*pose_clips(tmp_path / "a.mvnx", Options(label="walk")))
    assert (row["fps"], row["subject"], row["label"], row["n_frames"]) == (60, "anna", "walk", 12)
    assert np.abs(world_joints(row)[:, 20:22] - body_joints()[:, 20:22]).max() < 0.03


def test_a_forearm_that_turns_about_itself_does_so_in_the_clip(tmp_path: Path) -> None:
    elbows = []
    for twist in (0.0, 0.7):
        (tmp_path / "a.mvnx").write_text(mvnx_text(twist_rad=twist))
        row = clip(*pose_clips(tmp_path / "a.mvnx", Options()))
        elbows.append(Rotation.from_rotvec(np.asarray(row["poses"]).reshape(-1, 24, 3)[:, 18]))
    turned = (elbows[0].inv() * elbows[1]).as_rotvec()
    assert np.abs(np.linalg.norm(turned, axis=1) - 0.7).max() < 0.1
    assert np.abs(np.abs(turned[:, 0]) - 0.7).max() < 0.1  # about the forearm, which lies along x at rest


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<?xml", "<!DOCTYPE x [<!ENTITY a 'b'>]><?xml", "document type or entities"),
        ("</frame>", "", "XML is damaged"),
        ('frameRate="60"', 'frameRate="fast"', "frameRate is 'fast'"),
        ("<position>", "<position>1 ", "frame 0: position has 64 values, expected 63"),
        ("subject", "person", "holds no subject"),
    ],
)
def test_damage_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    (tmp_path / "a.mvnx").write_text(mvnx_text().replace(old, new, -1 if old == "subject" else 1))
    with pytest.raises(InputError, match=message):
        list(pose_clips(tmp_path / "a.mvnx", Options()))
