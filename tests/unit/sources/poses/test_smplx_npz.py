"""SMPL-X parameters, one file per clip or per frame."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clips import clip, faces, stands_upright
from fuzz.source_files import (
    FRAMES,
    smplx_arrays,
    standing_pose,
    write_smplx,
)

from m3n.errors import InputError
from m3n.schema import Rejected
from m3n.sources.poses import smplx_npz


def test_smplx_npz_keeps_smplx_joint_order_and_stands_up(tmp_path: Path) -> None:
    row = clip(*smplx_npz.pose_clips(write_smplx(tmp_path / "a.npz"), smplx_npz.Options(fps=24, text="signs")))
    poses = row["poses"].reshape(FRAMES, 55, 3)
    np.testing.assert_allclose(poses[:, 22], 0.3, rtol=1e-6)
    assert not poses[:, 23:25].any()
    np.testing.assert_allclose(poses[:, 25:40], 0.1, rtol=1e-6)
    np.testing.assert_allclose(poses[:, 40:], 0.2, rtol=1e-6)
    np.testing.assert_allclose(poses[:, 1:22], standing_pose()[:, 1:22], rtol=1e-5, atol=1e-6)
    assert row["body_model"] == "smplx"
    assert stands_upright({**row, "poses": poses[:, :24].reshape(FRAMES, -1)})
    assert faces({**row, "poses": poses[:, :24].reshape(FRAMES, -1)})[1] < -0.05  # towards the camera, which looks along +y


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"smplx_body_pose": None}, "smplx_body_pose missing"),
        ({"smplx_body_pose": np.zeros((FRAMES, 62))}, "smplx_body_pose has shape"),
        ({"smplx_lhand_pose": np.zeros((FRAMES - 1, 45))}, "frame counts differ"),
        ({"smplx_root_pose": np.full((FRAMES, 3), np.inf)}, "smplx_root_pose is inf"),
        ({"smplx_root_pose": np.array(["a", "b"])}, "smplx_root_pose holds text"),
        ({"cam_trans": np.array([None, {}], dtype=object)}, "plain arrays"),
    ],
)
def test_smplx_npz_names_what_is_wrong(tmp_path: Path, changed: dict[str, Any], message: str) -> None:
    file = write_smplx(tmp_path / "a.npz", **changed)
    with pytest.raises(InputError, match=message):
        list(smplx_npz.pose_clips(file, smplx_npz.Options(fps=24)))
    write_smplx(tmp_path / "good.npz")
    bad, good = smplx_npz.pose_clips(tmp_path, smplx_npz.Options(fps=24))
    assert isinstance(bad, Rejected)
    assert isinstance(good, dict)


@pytest.mark.parametrize("ending", ["npz", "pkl"])
def test_a_folder_of_smplx_frames_is_the_clip_that_a_stacked_file_is(tmp_path: Path, ending: str) -> None:
    stacked = smplx_arrays()
    whole = clip(*smplx_npz.pose_clips(write_smplx(tmp_path / "a.npz"), smplx_npz.Options(fps=24)))
    folder = tmp_path / "clips" / "hello_world"
    folder.mkdir(parents=True)
    for k in range(FRAMES):
        if k == 5:
            continue  # a frame without a person is bridged
        frame = {key: value[k] for key, value in stacked.items()}
        file = folder / f"hello_{k + 8}.{ending}"  # 8, 9, 10: by number, not by name
        if ending == "npz":
            np.savez(file, **frame)
        else:
            file.write_bytes(pickle.dumps(frame))
    row = clip(*smplx_npz.pose_clips(tmp_path / "clips", smplx_npz.Options(fps=24, text_from_name=True)))
    assert (row["clip_id"], row["text"], row["n_frames"]) == ("smplx_npz-hello_world", "hello world", FRAMES)
    kept = np.arange(FRAMES) != 5
    np.testing.assert_allclose(row["poses"][kept], whole["poses"][kept], atol=1e-6)
    np.testing.assert_allclose(row["trans"], whole["trans"], atol=1e-6)
    (folder / f"hello_{FRAMES + 8}.{ending}").write_bytes(b"damaged")
    bad, row = smplx_npz.pose_clips(folder, smplx_npz.Options(fps=24))
    assert isinstance(bad, Rejected)
    assert f"hello_{FRAMES + 8}.{ending}" in bad.reason
    assert clip(row)["clip_id"] == "smplx_npz-hello_world"
