"""GLAMR's pickles: positions are the pelvis'."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
from clips import clip, stands_upright
from fuzz.source_files import (
    FRAMES,
    glamr_person,
)

from m3n.schema import Rejected
from m3n.sources.poses import glamr
from m3n.sources.shared.plausibility import plausible


def test_glamr_position_is_the_pelvis(tmp_path: Path) -> None:
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"person_data": {0: glamr_person(), 3: glamr_person()}}, protocol=3))
    rows = [clip(row) for row in glamr.pose_clips(tmp_path / "a.pkl", glamr.Options(fps=30))]
    assert [row["clip_id"] for row in rows] == ["glamr-a-0", "glamr-a-3"]
    assert stands_upright(rows[0])
    rest = np.array((-0.0022, -0.2408, 0.0286))  # official neutral SMPL
    np.testing.assert_allclose(rows[0]["trans"] + rest, np.tile((1, 2, 0.9), (FRAMES, 1)), atol=1e-6)


def test_ids_out_of_numpy_name_their_clips(tmp_path: Path) -> None:
    people = {np.int64(0): glamr_person(), np.int64(3): glamr_person()}
    (tmp_path / "g.pkl").write_bytes(pickle.dumps({"person_data": people}))
    rows = [clip(row) for row in glamr.pose_clips(tmp_path / "g.pkl", glamr.Options(fps=30))]
    assert [row["clip_id"] for row in rows] == ["glamr-g-0", "glamr-g-3"]


def test_a_clip_that_no_person_could_move_is_rejected_with_its_file(tmp_path: Path) -> None:
    """GLAMR's world is z up: people of a y-up world lie in it, which is known only after the file was read."""
    lying = glamr_person() | {"smpl_orient_world": np.zeros((FRAMES, 3), np.float32)}
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"person_data": {0: lying}}))
    options = glamr.Options(fps=30)
    (row,) = plausible(glamr.pose_clips(tmp_path / "a.pkl", options), options)
    assert isinstance(row, Rejected)
    assert (row.item, row.reason.startswith("a.pkl, person 0: the trunk lies level")) == ("glamr-a-0", True)
