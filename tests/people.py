"""A synthetic person who walks, for tests of what is refused: SMPL poses of known angles, and the joints that follow from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from m3n.body.kinematics import joint_transforms
from m3n.body.model import SMPL_JOINTS, standin_body
from m3n.commands.ingest import ingest, options_of
from m3n.io import tables
from m3n.schema import POSE_CLIPS

INDEX = {name: k for k, name in enumerate(SMPL_JOINTS)}
STAND = Rotation.from_euler("x", 90, degrees=True)  # y up to z up


def walker(fps: float = 60.0, seconds: float = 4.0) -> tuple[np.ndarray, np.ndarray]:
    """Poses (F, 24, 3) rad and trans (F, 3) m: 1.2 m/s along a curve, arms swinging, elbows bent, knees bending, feet near z =
    0."""
    t = np.arange(round(fps * seconds)) / fps
    step = 2 * np.pi * 0.9 * t
    yaw = 0.4 * np.sin(0.5 * t)
    poses = np.zeros((len(t), 24, 3))
    poses[:, 0] = (Rotation.from_euler("z", yaw[:, None]) * STAND).as_rotvec()
    for side, sign, phase in (("left", 1.0, 0.0), ("right", -1.0, np.pi)):
        swing = np.sin(step + phase)
        arm = Rotation.from_euler("ZX", np.stack([np.full(len(t), -1.25 * sign), 0.3 * swing], axis=1))
        poses[:, INDEX[f"{side}_shoulder"]] = arm.as_rotvec()
        poses[:, INDEX[f"{side}_elbow"], 1] = -sign * (0.6 + 0.2 * swing)
        poses[:, INDEX[f"{side}_hip"], 0] = -0.1 + 0.4 * swing
        poses[:, INDEX[f"{side}_knee"], 0] = 0.3 + 0.5 * np.maximum(np.sin(step + phase - 1.0), 0)
    heading = np.stack([np.sin(yaw), -np.cos(yaw), np.zeros(len(t))], axis=1)
    trans = np.cumsum(1.2 / fps * heading, axis=0)
    trans[:, 2] = 1.05 + 0.025 * np.sin(2 * step)
    return poses, trans


def joints_of(poses: np.ndarray, trans: np.ndarray, names: Any = SMPL_JOINTS) -> np.ndarray:
    """Joints (F, K, 3) m, z up."""
    return joint_transforms(standin_body(), poses, trans)[1][:, [INDEX[name] for name in names]]


def write_amass(file: Path, poses: np.ndarray, trans: np.ndarray, fps: float = 60.0, **more: Any) -> Path:
    """An npz as AMASS has them, SMPL's 72 columns."""
    np.savez(file, poses=poses.reshape(len(poses), -1), trans=trans, betas=np.zeros(10), mocap_framerate=fps, **more)
    return file


def write_skeleton(file: Path, joints: np.ndarray, names: Any = SMPL_JOINTS, **more: Any) -> Path:
    """An npz of joints in metres, z up, 60 fps, where `more` does not say otherwise."""
    np.savez(file, **{"joints": joints, "joint_names": list(names), "fps": 60.0, "up": "z", "unit": "m"} | more)
    return file


def came_in(source: str, file: Path, out: Path, **options: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Rows and manifest of `m3n ingest`, which writes into `out`."""
    chosen = options_of(source).model_validate(options)
    figures = ingest(source, file, out, chosen)
    manifest: dict[str, Any] = json.loads((out / "poses" / "manifest.json").read_text())
    shards = tables.shard_paths(out / "poses")
    rows = [row for shard in shards for row in tables.rows(tables.read_shard(shard, POSE_CLIPS))]
    assert figures["poses"] == len(rows)
    return rows, manifest


def repaired(manifest: dict[str, Any]) -> dict[str, int]:
    """What the manifest counts, without zeros."""
    kinds = ("trimmed_frames", "bridged_frames", "cut_frames", "split_clips")
    return {what: of["count"] for what, of in manifest.get("notes", {}).items() if what in kinds}
