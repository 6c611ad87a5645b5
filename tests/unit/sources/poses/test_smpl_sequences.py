"""3DPW's and EMDB's pickles: people, genders, and frames that their makers call bad."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from clips import world_joints
from fuzz.source_files import emdb_sequence, threedpw_sequence

from m3n.errors import InputError
from m3n.sources.poses.smpl_sequences import Options, pose_clips


def test_3dpw_gives_a_clip_a_person_in_a_world_turned_z_up(tmp_path: Path) -> None:
    file = tmp_path / "courtyard_arguing_00.pkl"
    file.write_bytes(pickle.dumps(threedpw_sequence(), protocol=2))
    first, second = (row for row in pose_clips(file, Options(path="*_{text}_*.pkl")) if isinstance(row, dict))
    assert (first["clip_id"], first["gender"], second["gender"]) == ("smpl_pickle-courtyard_arguing_00-0", "male", "female")
    assert (first["n_frames"], second["n_frames"], first["fps"], first["text"]) == (12, 10, 30, "arguing")
    joints = world_joints(first)
    assert joints[0, 15, 2] - joints[0, 0, 2] > 0.5  # the head is above the pelvis
    np.testing.assert_allclose(world_joints(second)[0, 0] - joints[0, 0], (1, 0, 0), atol=1e-5)


def test_emdb_bridges_a_frame_marked_as_bad(tmp_path: Path) -> None:
    file = tmp_path / "P0_00_data.pkl"
    file.write_bytes(pickle.dumps(emdb_sequence()))
    (row,) = pose_clips(file, Options(subject="P0"))
    assert isinstance(row, dict)
    assert (row["n_frames"], row["gender"], row["subject"]) == (12, "female", "P0")
    assert [done.what for done in row.repairs] == ["bridged"]  # type: ignore[attr-defined]


def test_another_layout_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"poses": np.zeros((5, 72)), "trans": np.zeros((5, 3))}))
    with pytest.raises(InputError, match=r"a\.pkl: poses holds no list with an entry a person"):
        list(pose_clips(tmp_path / "a.pkl", Options()))
