"""GVHMR's torch files become SMPL-X clips."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from clips import clip, stands_upright
from fuzz.source_files import (
    FRAMES,
    gvhmr_params,
)

from m3n.errors import InputError
from m3n.sources.poses import gvhmr


def test_gvhmr_file_of_tensors_becomes_a_smplx_clip(tmp_path: Path) -> None:
    results = {"smpl_params_global": gvhmr_params(), "smpl_params_incam": gvhmr_params(), "K_fullimg": torch.eye(3)}
    torch.save({**results, "net_outputs": {"model": [torch.zeros(2)]}}, tmp_path / "hmr4d_results.pt")
    row = clip(*gvhmr.pose_clips(tmp_path / "hmr4d_results.pt", gvhmr.Options(fps=30)))
    assert row["body_model"] == "smplx"
    assert stands_upright({**row, "poses": row["poses"].reshape(FRAMES, 55, 3)[:, :24].reshape(FRAMES, -1)})
    del results["smpl_params_global"]["transl"]
    torch.save(results, tmp_path / "hmr4d_results.pt")
    with pytest.raises(InputError, match="transl missing"):
        list(gvhmr.pose_clips(tmp_path / "hmr4d_results.pt", gvhmr.Options(fps=30)))
