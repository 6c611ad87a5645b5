"""Joints that are no person's are refused with the likely cause; missing ones are bridged or cut by one rule."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from people import INDEX, STAND, came_in, joints_of, repaired, walker, write_skeleton
from scipy.spatial.transform import Rotation

from m3n.body.kinematics import joint_transforms
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.body.segments import LIMBS
from m3n.errors import InputError
from m3n.sources.shared.fitted_rows import FittedClip, fitted_clips
from m3n.sources.shared.plausibility import PoseOptions

NAMES = list(SMPL_JOINTS)
PLAIN = [name for name in NAMES if not name.startswith("spine") and "collar" not in name]
SWAPPED = [
    name.replace("left", "x").replace("right", "left").replace("x", "right") for name in NAMES
]  # fmt: skip


@pytest.mark.parametrize(
    "names", [NAMES, PLAIN, [n for n in PLAIN if n not in ("left_foot", "right_foot")]], ids=["all", "plain", "toeless"]
)
@pytest.mark.parametrize("fps", [20.0, 60.0])
def test_a_walker_comes_in_whole(tmp_path: Path, names: list[str], fps: float) -> None:
    joints = joints_of(*walker(fps), names)
    (row,), manifest = came_in("joints", write_skeleton(tmp_path / "a.npz", joints, names, fps=fps), tmp_path / "out")
    assert row["n_frames"] == len(joints)
    assert repaired(manifest) == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda j: j * [-1, 1, 1], "mirrored"),
        (lambda j: j * [1, -1, 1], "mirrored"),
        (lambda j: j @ STAND.as_matrix(), "with up=y the person stands: give up=y"),
        (lambda j: j * [1, -1, -1], "upside down"),
        (lambda j: np.concatenate([j[..., :2] * 300 + 500, 0 * j[..., :1] + 0.9], axis=-1), "2-D"),
        (lambda j: np.concatenate([j[..., 1:] * 300 + 500, 0.1 * np.sin(50 * j[..., :1]) + 0.8], axis=-1), "2-D"),
        (lambda j: np.concatenate([j[..., 1:], 0 * j[..., :1]], axis=-1), "2-D"),
        (lambda j: j * 1000, "unit=mm would fit"),
        (lambda j: j * 100, "unit=cm would fit"),
        (lambda j: j / 0.0254, "unit=in would fit"),
        (lambda j: j / 0.056444, r"none of m, cm, mm, in fits: give scale="),
        (lambda j: j[:, np.random.default_rng(1).permutation(24)], r"names those of the joints|no body fits|jumps|measures"),
    ],
    ids=["mirrored x", "mirrored y", "y up", "upside down", "visibility", "confidence", "flat", "mm", "cm", "in", "cmu", "mixed"],
)  # fmt: skip
def test_what_is_no_person_is_refused(tmp_path: Path, change: Any, message: str) -> None:
    file = write_skeleton(tmp_path / "a.npz", change(joints_of(*walker())))
    with pytest.raises(InputError, match=message):
        came_in("joints", file, tmp_path / "out")


@pytest.mark.parametrize("names", [NAMES, PLAIN])
def test_names_with_left_and_right_exchanged_are_refused(tmp_path: Path, names: list[str]) -> None:
    joints = joints_of(*walker(), names)
    exchanged = [SWAPPED[NAMES.index(name)] for name in names]
    with pytest.raises(InputError, match="are left and right exchanged in the names"):
        came_in("joints", write_skeleton(tmp_path / "a.npz", joints, exchanged), tmp_path / "out")


def test_exchanged_arms_alone_are_refused(tmp_path: Path) -> None:
    names = [
        SWAPPED[k] if NAMES[k].split("_")[-1] in ("shoulder", "elbow", "wrist", "hand", "collar") else NAMES[k]
        for k in range(24)
    ]
    with pytest.raises(InputError, match="left"):
        came_in("joints", write_skeleton(tmp_path / "a.npz", joints_of(*walker()), names), tmp_path / "out")


def test_scale_multiplies_the_unit(tmp_path: Path) -> None:
    joints = joints_of(*walker())
    (plain,), _ = came_in("joints", write_skeleton(tmp_path / "a.npz", joints), tmp_path / "plain")
    for unit, size in (("m", 1.0), ("cm", 0.01)):
        file = write_skeleton(tmp_path / "a.npz", joints / 0.056444, unit=unit)
        (row,), _ = came_in("joints", file, tmp_path / unit, scale=0.056444 / size)
        np.testing.assert_allclose(row["trans"], plain["trans"], atol=1e-5)


@pytest.mark.parametrize(("missing", "expected"), [(3, {"bridged_frames": 3}), (5, {"bridged_frames": 5})])
def test_short_gaps_are_bridged(tmp_path: Path, missing: int, expected: dict[str, int]) -> None:
    joints = joints_of(*walker())
    joints[100 : 100 + missing, INDEX["right_wrist"]] = np.nan
    (row,), manifest = came_in("joints", write_skeleton(tmp_path / "a.npz", joints), tmp_path / "out")
    assert (row["n_frames"], repaired(manifest)) == (240, expected)


@pytest.mark.parametrize("joint", ["right_wrist", "left_elbow", "right_hip", "left_knee", "every one"])
def test_long_gaps_are_cut_out_and_never_invented(tmp_path: Path, joint: str) -> None:
    joints = joints_of(*walker(seconds=170 / 60))
    joints[30:150, slice(None) if joint == "every one" else INDEX[joint]] = np.nan
    if joint == "left_knee":
        joints[80:150, INDEX[joint]] = joints_of(*walker(seconds=170 / 60))[80:150, INDEX[joint]]
    rows, manifest = came_in("joints", write_skeleton(tmp_path / "a.npz", joints), tmp_path / "out")
    gap = 50 if joint == "left_knee" else 120
    assert [row["n_frames"] for row in rows] == [30, 170 - 30 - gap]
    assert repaired(manifest) == {"cut_frames": gap, "split_clips": 1}


def test_a_joint_that_is_hardly_ever_seen_is_left_out(tmp_path: Path) -> None:
    joints = joints_of(*walker())
    joints[:, [INDEX["left_foot"], INDEX["right_foot"], INDEX["head"]]] = np.nan
    joints[:40, INDEX["head"]] = joints_of(*walker())[:40, INDEX["head"]]
    (row,), manifest = came_in("joints", write_skeleton(tmp_path / "a.npz", joints), tmp_path / "out")
    assert (row["n_frames"], repaired(manifest)) == (240, {})


def test_max_gap_frames_is_a_setting(tmp_path: Path) -> None:
    joints = joints_of(*walker())
    joints[100:112] = np.nan
    (row,), _ = came_in("joints", write_skeleton(tmp_path / "a.npz", joints), tmp_path / "out", max_gap_frames=12)
    assert row["n_frames"] == 240


def test_any_two_joints_at_one_point_give_limbs_that_point_as_given_or_one_line() -> None:
    joints, body = joints_of(*walker(30.0, 2.0)), load_body("smpl")
    for one, other in list(combinations(NAMES, 2))[::3]:
        moved = joints.copy()
        moved[:, INDEX[one]] = moved[:, INDEX[other]]
        try:
            (clip,) = fitted_clips("a.npz", "a", moved, NAMES, 30.0, PoseOptions(), 0.0, declared="m")
        except InputError:
            continue
        assert isinstance(clip, FittedClip)
        found = joint_transforms(body, clip.fit.poses, clip.fit.trans, clip.fit.betas)[1]
        for limb, start, end in LIMBS:
            given, bone = (points[:, INDEX[end]] - points[:, INDEX[start]] for points in (moved, found))
            length = np.linalg.norm(given, axis=1) * np.linalg.norm(bone, axis=1)
            cosine = np.median((given * bone).sum(1) / np.maximum(length, 1e-9)) if length.min() > 1e-6 else 1.0
            assert cosine > np.cos(np.radians(20)), (one, other, limb)


def test_a_rig_that_faces_another_way_is_no_mirror(tmp_path: Path) -> None:
    joints = joints_of(*walker()) @ Rotation.from_euler("z", 2.0).as_matrix().T
    came_in("joints", write_skeleton(tmp_path / "a.npz", joints), tmp_path / "out")
