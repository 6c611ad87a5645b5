"""Joints of any skeleton become clips through the body fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import clip, world_joints
from fuzz.source_files import (
    body_joints,
    write_joints,
)

from m3n.body.model import SMPL_JOINTS
from m3n.errors import InputError
from m3n.sources.poses import joints
from m3n.sources.shared.pose_rows import TURN_UP


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
        (
            {"joint_names": [*SMPL_JOINTS[:20], *SMPL_JOINTS[20:22], *SMPL_JOINTS[20:22]]},
            "joint_names holds 'left_wrist' twice",
        ),
        ({"joint_names": list(SMPL_JOINTS[:5])}, "5 joint names for 24 joints"),
        ({"joint_names": np.arange(24)}, "expected one text each"),
        ({"fps": -1.0}, "expected a positive frame rate"),
        ({"fps": np.nan}, "fps is nan"),
        ({"fps": "30 Hz"}, "fps holds text, such as '30 Hz'; expected numbers"),
        ({"joints": body_joints().astype(str)}, "joints holds text, such as .*; expected numbers"),
        ({"up": "x"}, "up is 'x'"),
        ({"unit": "furlong"}, "unit is 'furlong'"),
        ({"joints": body_joints()[:0]}, "holds no frames"),
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


def image(up: str, confidence: np.ndarray) -> np.ndarray:
    """What a 2-D estimator gives of a person seen from the front: x and y in metres, and a confidence for every joint."""
    world = body_joints()
    sign = {"y": 1.0, "-y": -1.0}[up]
    return np.stack([-world[..., 1], sign * world[..., 2], np.broadcast_to(confidence, world.shape[:2])], axis=-1)


@pytest.mark.parametrize("up", ["y", "-y"])
@pytest.mark.parametrize(("low", "high"), [(0.3, 1.0), (0.9, 1.0), (1.0, 1.0), (0.6, 0.95)])
def test_a_visibility_in_the_place_of_z_is_named(tmp_path: Path, up: str, low: float, high: float) -> None:
    seen = np.random.default_rng(0).uniform(low, high, (1, 24))
    with pytest.raises(InputError, match=r"a\.npz: .*z looks like a visibility or confidence .* are these 2-D poses\?"):
        list(joints.pose_clips(write_joints(tmp_path / "a.npz", joints=image(up, seen), up=up), joints.Options()))


def test_a_depth_between_0_and_1_is_a_depth(tmp_path: Path) -> None:
    deep = body_joints() @ TURN_UP["y"]
    deep[..., 2] += 0.5 - deep[..., 2].mean()
    assert 0 < deep[..., 2].min() < deep[..., 2].max() < 1
    clip(*joints.pose_clips(write_joints(tmp_path / "a.npz", joints=deep, up="y"), joints.Options()))


def test_the_user_and_the_file_may_not_name_two_people(tmp_path: Path) -> None:
    file = write_joints(tmp_path / "a.npz", subject="anna")
    with pytest.raises(
        InputError, match=r"a\.npz: subject is 'anna' in the file but 'ben' in the options; leave the option out"
    ):
        list(joints.pose_clips(file, joints.Options(subject="ben")))
