"""GVHMR (Shen et al., SIGGRAPH Asia 2024): `hmr4d_results.pt`, one person per file.

A dict with `smpl_params_global` and `smpl_params_incam`, each {`body_pose` (F, 63), `global_orient` (F, 3), `transl` (F, 3),
`betas` (F, 10)}: SMPL-X without hands, axis-angle, metres. The global world has gravity along -y, the camera's frame y down.
Layout after `tools/demo/demo.py` of its repository. Read by `torch_files`, which builds arrays and containers and refuses
everything else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field

from m3n.io.storage import Location
from m3n.sources.shared.estimator_rows import EstimateOptions, Track, of_file, required_fps, track_rows, with_hands
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.pose_files import FileSource, PoseFile, Rows
from m3n.sources.shared.pose_rows import numbers, require
from m3n.untrusted.torch_files import load_torch

SOURCE = "gvhmr"


class Options(EstimateOptions):
    """Settings of `m3n ingest gvhmr`."""

    frame: Literal["world", "camera"] = Field(
        default="world", description="'world': gravity-aligned motion; 'camera': as the camera saw it, taken to be level"
    )


def pose_clips(path: Location, options: Options, notes: Notes | None = None) -> Rows:
    """Rows of `pose_clips` (smplx, z up), one per file: `path` itself or every one in a folder, where bad ones are Rejected.

    Raises InputError without `fps`, where there is no file, and for a single file that is not GVHMR's.
    """
    return FILES.rows(path, options, notes)


def _rows(one: PoseFile, options: Options, notes: Notes) -> Rows:
    track = _track(one.file, "smpl_params_global" if options.frame == "world" else "smpl_params_incam")
    known, where = of_file(options, one), one.file.name
    yield from track_rows(track, f"{SOURCE}-{one.name}", known, source=SOURCE, body_model="smplx", where=where)


FILES = FileSource((".pt", ".pth"), "GVHMR's hmr4d_results.pt or a folder of them", _rows, required_fps)


def _track(file: Path, key: str) -> Track:
    where = file.name
    found = load_torch(file)
    require(where, found, [key])
    params = found[key]
    where = f"{where}, {key}"
    require(where, params, ["body_pose", "global_orient", "transl"])
    body = numbers(where, "body_pose", params["body_pose"], (None, 63))
    frames = len(body)
    root = numbers(where, "global_orient", params["global_orient"], (frames, 3))
    joints = np.concatenate([root, body], axis=1).reshape(frames, 22, 3)
    return Track(
        np.arange(frames), with_hands(joints, "smplx"), numbers(where, "transl", params["transl"], (frames, 3)),
        numbers(where, "betas", params.get("betas", np.zeros((1, 10))), (None, 10)),
    )  # fmt: skip
