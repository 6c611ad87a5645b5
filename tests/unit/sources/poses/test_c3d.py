"""C3D files of markers, written and read by ezc3d; without it, what to install."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import clip, world_joints
from fuzz.source_files import body_joints, opencap_markers

from m3n.errors import InputError
from m3n.sources.poses.c3d import Options, pose_clips

HERE = find_spec("ezc3d") is not None


def write(file: Path, labels: list[str], points: np.ndarray) -> Path:
    """Points (F, M, 3) m in mm, 100 Hz."""
    ezc3d: Any = pytest.importorskip("ezc3d")
    made = ezc3d.c3d()
    made["parameters"]["POINT"]["RATE"]["value"] = [100.0]
    made["parameters"]["POINT"]["LABELS"]["value"] = tuple(labels)
    made["parameters"]["POINT"]["UNITS"]["value"] = ("mm",)
    made["data"]["points"] = np.concatenate([1000 * points.transpose(2, 1, 0), np.ones((1, len(labels), len(points)))])
    made.write(str(file))
    return file


@pytest.mark.skipif(HERE, reason="ezc3d is there")
def test_without_ezc3d_the_message_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "a.c3d").write_bytes(b"x")
    with pytest.raises(InputError, match="pip install ezc3d"):
        list(pose_clips(tmp_path / "a.c3d", Options()))


@pytest.mark.skipif(not HERE, reason="needs ezc3d")
def test_markers_in_millimetres_become_a_body_and_damage_is_named(tmp_path: Path) -> None:
    labels, points = opencap_markers()
    file = write(tmp_path / "a.c3d", labels, points)
    row = clip(*pose_clips(file, Options(subject="anna")))
    assert (row["fps"], row["subject"]) == (100, "anna")
    assert np.abs(world_joints(row)[:, 20:22] - body_joints()[:, 20:22]).max() < 0.05
    file.write_bytes(file.read_bytes()[:700])
    with pytest.raises(InputError, match=r"a\.c3d"):
        list(pose_clips(file, Options()))
