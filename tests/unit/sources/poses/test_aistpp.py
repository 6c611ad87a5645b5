"""AIST++: a translation of another scale, names that say who dances what, and pickles that are not run."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from clips import clip, world_joints
from fuzz.source_files import aist_dance

from m3n.errors import InputError
from m3n.sources.poses.aistpp import Options, pose_clips


def test_the_pelvis_moves_by_metres_whatever_the_scale_of_the_file(tmp_path: Path) -> None:
    for scale in (1.0, 93.0):
        file = tmp_path / "gBR_sBM_cAll_d04_mBR0_ch01.pkl"
        file.write_bytes(pickle.dumps(aist_dance(scale=scale)))
        row = clip(*pose_clips(file, Options()))
        moved = world_joints(row)[-1, 0] - world_joints(row)[0, 0]
        np.testing.assert_allclose(moved, (0.2, -0.1, 0.0), atol=1e-5)  # y up: the file's z is m3n's -y
        assert (row["subject"], row["label"], row["text"], row["fps"]) == ("d04", "break", "a person dances break", 60)


def test_files_without_a_scale_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "a.pkl"
    file.write_bytes(pickle.dumps({key: held for key, held in aist_dance().items() if key != "smpl_scaling"}))
    with pytest.raises(InputError, match="smpl_scaling missing"):
        list(pose_clips(file, Options()))
