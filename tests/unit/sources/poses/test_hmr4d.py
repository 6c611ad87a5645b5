"""PHALP's tracks become clips; predictions are left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from clips import clip, stands_upright
from fuzz.source_files import (
    FRAMES,
    phalp_frame,
)

from m3n.errors import InputError
from m3n.schema import Rejected
from m3n.sources.poses import hmr4d


def test_hmr4d_follows_tracks_leaves_predictions_out_and_holds_the_depth(tmp_path: Path) -> None:
    frames = {f"img/{k:06d}.jpg": phalp_frame(k, [1] if k < 4 else [1, 2], None if k != 6 else [3, 0]) for k in range(FRAMES)}
    joblib.dump(frames, tmp_path / "demo.pkl", compress=3)
    first, second = (clip(row) for row in hmr4d.pose_clips(tmp_path / "demo.pkl", hmr4d.Options(fps=30)))
    assert (first["n_frames"], second["n_frames"]) == (FRAMES, FRAMES - 4)
    assert stands_upright(first)
    assert np.ptp(first["trans"][:, 1]) < 1e-5
    loose = clip(next(iter(hmr4d.pose_clips(tmp_path / "demo.pkl", hmr4d.Options(fps=30, depth="estimated")))))
    assert np.ptp(loose["trans"][:, 1]) > 1


@pytest.mark.parametrize(
    ("key", "value"),
    [("smpl", [1]), ("smpl", "x"), ("camera", []), ("tid", [1, 2]), ("tid", 3), ("camera", ["a"]), ("smpl", [{}]),
     ("smpl", [{"global_orient": np.zeros((1, 3, 3)), "body_pose": np.zeros((23, 3, 3))}])],
)  # fmt: skip
def test_hmr4d_damaged_frames_are_one_clear_line(tmp_path: Path, key: str, value: Any) -> None:
    frames = {f"{k}.jpg": {**phalp_frame(k, [1]), key: value} for k in range(3)}
    joblib.dump(frames, tmp_path / "demo.pkl")
    reasons: list[str] = []
    try:
        rows = list(hmr4d.pose_clips(tmp_path / "demo.pkl", hmr4d.Options(fps=30)))
        reasons = [row.reason for row in rows if isinstance(row, Rejected)]
        assert len(reasons) == len(rows)
    except InputError as error:
        reasons = [str(error)]
    assert reasons
    assert all("demo.pkl" in reason and "\n" not in reason for reason in reasons)


def test_ids_and_frames_out_of_numpy_name_their_clips(tmp_path: Path) -> None:
    frames = {np.str_(f"{k:06d}.jpg"): phalp_frame(k, [np.int64(1), np.int64(2)]) for k in range(FRAMES)}
    joblib.dump(frames, tmp_path / "demo.pkl")
    rows = [clip(row) for row in hmr4d.pose_clips(tmp_path / "demo.pkl", hmr4d.Options(fps=30))]
    assert [row["clip_id"] for row in rows] == ["hmr4d-demo-1", "hmr4d-demo-2"]
