"""MSR Action3D (Li, Zhang and Liu, CVPR Workshops 2010): depth-camera skeletons of 20 gaming actions, 10 subjects, 15 fps.

The files say nothing about the order of their 20 joints. It was found from the data: joints whose distance never changes
belong to one bone (shoulder to shoulder centre, hip to hip centre, wrist to hand, knee to ankle to foot), the rest follows
from heights and from what moves in one-armed actions. The subjects used the right arm and leg for those (as the paper has
it), it is joints 8, 10 and 12 that move, and they lie at larger x than 7, 9 and 11 while the toes point to the camera: so
x (right of the person), y (up), z (away from the camera) is a right-handed frame, and nobody is mirrored.
"""

from __future__ import annotations

import functools
import hashlib
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import Field, field_validator

from m3n.errors import InputError
from m3n.schema import Rejected
from m3n.sources.shared.fitted_rows import FittedClip, fitted_clips
from m3n.sources.shared.plausibility import PoseOptions
from m3n.sources.shared.pose_rows import FloatArray, misread, numbers, pose_row
from m3n.untrusted.archives import zip_or_folder

SOURCE = "msr_action3d"
FPS = 15.0
TEXTS = Path(__file__).resolve().parents[1] / "texts" / "msr_action3d.yaml"

# Joints in the file's order, and the SMPL joint each is fitted as; the spine point has no counterpart.
JOINTS = (
    "left_shoulder", "right_shoulder", "neck", None, "left_hip", "right_hip", "pelvis", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hand", "right_hand", "left_knee", "right_knee", "left_ankle", "right_ankle",
    "left_foot", "right_foot", "head",
)  # fmt: skip
_KEPT = [k for k, name in enumerate(JOINTS) if name is not None]
FITTED = [name for name in JOINTS if name is not None]

_FILE = re.compile(r"(?:^|/)a(\d+)_s(\d+)_e(\d+)_skeleton3D\.txt$")
_Key = tuple[int, int, int]  # action, subject, repetition
_LARGEST = 64 << 20  # bytes of one text file; the real ones have 50 kB


class Options(PoseOptions):
    """Settings of `m3n ingest msr_action3d`."""

    actions: list[int] = Field(default=list(range(1, 21)), description="actions to take, 1 to 20")
    smooth_frames: float = Field(
        default=0.7, ge=0, le=1000, description="standard deviation of the Gaussian over the joints, before the fit [frames]"
    )

    @field_validator("actions")
    @classmethod
    def _known_actions(cls, value: list[int]) -> list[int]:
        if not value or any(not 1 <= action <= 20 for action in value):
            raise ValueError(f"actions are numbers from 1 to 20, got {value}")
        return value


def pose_clips(path: Path, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `pose_clips` of the chosen actions, in the order of action, subject and repetition; damaged clips are Rejected.

    `path` is the zip or a folder it was unpacked into. Raises InputError where it holds no file of the dataset.
    """
    with zip_or_folder(Path(path), ".txt", _LARGEST, "MSR Action3D's zip") as (names, read):
        files = _index(names, path)
        for key in sorted(key for key in files if key[0] in options.actions):
            name = f"{SOURCE}-a{key[0]:02d}_s{key[1]:02d}_e{key[2]:02d}"
            try:
                joints = world_joints(_skeleton(files[key], read))
                where = files[key].rsplit("/", 1)[-1]
                found = list(fitted_clips(where, name, joints, FITTED, FPS, options, options.smooth_frames, repair=False))
            except InputError as error:
                yield Rejected(name, str(error))
                continue
            action = _actions()[key[0]]
            texts: list[str] = action["texts"]
            for clip in found:
                if not isinstance(clip, FittedClip):
                    yield clip
                    continue
                yield pose_row(
                    clip.clip_id, SOURCE, FPS, clip.fit.poses, clip.fit.trans, clip.fit.betas, subject=f"s{key[1]:02d}",
                    text=texts[int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % len(texts)],
                    label=action["label"], repairs=clip.repairs, file=where,
                )  # fmt: skip


def world_joints(skeleton: FloatArray) -> FloatArray:
    """Fitted joints (F, 19, 3) m, z up, people facing +y, from the file's (F, 20, 3); all-zero positions are gaps (NaN)."""
    kept = skeleton[:, _KEPT]
    x, y, z = np.moveaxis(np.where((kept == 0).all(-1, keepdims=True), np.nan, kept), -1, 0)
    return np.stack([x, -z, y], axis=-1)


def _skeleton(name: str, read: Callable[[str], bytes]) -> FloatArray:
    """Positions (F, 20, 3) m, as in the file."""
    short = name.rsplit("/", 1)[-1]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an empty file is an error below
            table = np.loadtxt(read(name).decode("ascii").splitlines(), ndmin=2)
    except InputError:
        raise
    except Exception as error:  # a damaged file can fail in any way at all
        raise InputError(f"{short}: cannot be read as lines of four numbers ({misread(error)})") from error
    if table.shape[1] != 4 or not len(table) or len(table) % len(JOINTS):
        raise InputError(f"{short}: has {table.shape[0]} lines of {table.shape[1]} values, expected 20 lines of 4 per frame")
    points = numbers(short, "the skeleton", table[:, :3].reshape(-1, len(JOINTS), 3), (None, len(JOINTS), 3))
    if not points.any():
        raise InputError(f"{short}: every position is zero; the recording is empty")
    return points


def _index(names: list[str], path: Path) -> dict[_Key, str]:
    files = {}
    for name in names:
        match = _FILE.search(name)
        if match and 1 <= int(match[1]) <= 20:
            files[int(match[1]), int(match[2]), int(match[3])] = name
    if not files:
        raise InputError(f"{path}: no MSR Action3D files in it; expected names like a01_s01_e01_skeleton3D.txt")
    return files


@functools.cache
def _actions() -> dict[int, dict[str, Any]]:
    loaded: dict[int, dict[str, Any]] = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))
    return loaded
