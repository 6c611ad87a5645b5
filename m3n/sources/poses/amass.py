"""AMASS (Mahmood et al., ICCV 2019) and its like: SMPL-family motion capture, one npz file per clip.

A file holds `poses` (F, 156) for SMPL-H or (F, 165) for SMPL-X, axis-angle, body first; `trans` (F, 3) m in a z-up world;
`betas`; a frame rate under one of two names; and often `gender`. Poses of SMPL (72) and of the body alone (66) are read too, and
the SMPL-X files called stageii that keep poses in parts (`root_orient`, `pose_body`, ...). Others hand around files of the same
kind whose world is y up (`up=y`), as BEAT2's. Files are read with pickles switched off.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from m3n.errors import InputError, shown
from m3n.io.storage import Location
from m3n.schema import GENDERS, JOINT_COUNT, FileRow
from m3n.sources.shared.estimator_rows import PELVIS_AT_REST, turned_z_up
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.plausibility import Up
from m3n.sources.shared.pose_files import FileSource, PoseFile, PoseFileOptions, Rows
from m3n.sources.shared.pose_rows import FloatArray, numbers, read_npz

SOURCE = "amass"
FRAME_RATE_KEYS = ("mocap_framerate", "mocap_frame_rate")
_WIDTHS = {3 * count: model for model, count in JOINT_COUNT.items()}  # 72 smpl, 156 smplh, 165 smplx
_BODY_ONLY = 66  # pelvis to wrists, as SMPL without hands
_PARTS = {
    "root_orient": 3,
    "pose_body": 63,
    "pose_jaw": 3,
    "pose_eye": 6,
    "pose_hand": 90,
}  # of stageii files, in SMPL-X's order
_NO_MOTION = ("shape", "_stagei")
_SUFFIXES = {"poses", "stageii", "stagei", "sync"}  # bookkeeping at the end of AMASS's file names


class Options(PoseFileOptions):
    """Settings of `m3n ingest amass`."""

    text: str | None = Field(default=None, description="what every clip shows, in words; null: the words of its file name")
    subject: str | None = Field(default=None, description="who moves; null: that of path=, or the folder a file lies in")
    gender: Literal["neutral", "female", "male"] | None = Field(
        default=None, description="gender of every clip; null: the file's own"
    )
    up: Up = Field(default="z", description="axis of the files' world that points up; AMASS's own is z")

    def vertical(self) -> str:
        """The files' axis that is taken to point up."""
        return self.up


def pose_clips(path: Location, options: Options, notes: Notes | None = None) -> Rows:
    """Rows of `pose_clips`, one per npz file: `path` itself, or every one in a folder and its subfolders, by name.

    The clip's id is its path below `path` without the ending, its subject the folder it lies in. AMASS's files of a person's
    shape (shape.npz, neutral_stagei.npz) are passed over in a folder, where others without motion and damaged ones are Rejected.
    Raises InputError where `path` holds no npz file, and for a single one that cannot become a clip.
    """
    return FILES.rows(path, options, notes)


def _rows(one: PoseFile, options: Options, notes: Notes) -> Rows:
    if one.file.stem.endswith(_NO_MOTION) and not one.single:
        notes.count("files of a person's shape, passed over", 1, one.name)
        return
    yield _clip(one.file, PurePath(one.name), options, one.said(options))


FILES = FileSource((".npz",), "an AMASS file or a folder of them", _rows)


def _clip(file: Path, name: PurePath, options: Options, said: dict[str, str | None]) -> dict[str, Any]:
    data = read_npz(
        file, ("poses", "trans", "betas", "gender", *FRAME_RATE_KEYS, *_PARTS)
    )  # others may be pickled lists of markers
    if "poses" not in data and _PARTS.keys() <= data.keys():
        data["poses"] = _from_parts(file.name, data)
    missing = [key for key in ("poses", "trans") if key not in data]
    rates = [data[key] for key in FRAME_RATE_KEYS if key in data]
    rate = rates[0] if rates else None
    if len(rates) == 2 and not np.array_equal(rates[0].reshape(-1), rates[1].reshape(-1)):
        both = " and ".join(f"{key}={shown(str(held))}" for key, held in zip(FRAME_RATE_KEYS, rates, strict=True))
        raise InputError(f"{file.name}: holds two frame rates, {both}; save it again with one of them")
    if missing or rate is None:
        lacking = [*missing, *([" or ".join(FRAME_RATE_KEYS)] if rate is None else [])]
        raise InputError(f"{file.name}: holds no motion: {', '.join(lacking)} missing")
    poses = numbers(file.name, "poses", data["poses"], (None,) * max(data["poses"].ndim, 2))
    trans = numbers(file.name, "trans", data["trans"], (None, 3))
    fps = numbers(file.name, "the frame rate", rate.reshape(-1), (1,))
    frames = len(poses)
    poses = poses.reshape(frames, -1) if frames and poses.size else poses
    if poses.ndim != 2 or poses.shape[1] not in (*_WIDTHS, _BODY_ONLY):
        widths = ", ".join(f"{width} ({model})" for width, model in _WIDTHS.items())
        raise InputError(f"{file.name}: poses have shape {data['poses'].shape}, expected (frames, {widths} or {_BODY_ONLY})")
    if trans.shape != (frames, 3):
        raise InputError(f"{file.name}: trans has shape {trans.shape}, expected ({frames}, 3)")
    if poses.shape[1] == _BODY_ONLY:
        poses = np.pad(poses, ((0, 0), (0, 72 - _BODY_ONLY)))
    model = _WIDTHS[poses.shape[1]]
    if options.up != "z":
        poses, trans = turned_z_up(poses, trans, options.up, np.array(PELVIS_AT_REST["smplx" if model == "smplx" else "smpl"]))
    row = {
        "clip_id": f"{SOURCE}-{name.as_posix()}",
        "source": SOURCE,
        "subject": said["subject"] or name.parent.name or None,
        "text": _words(name.name) if said["text"] is None else said["text"],
        "label": said["label"],
        "fps": float(fps[0]),
        "body_model": model,
        "gender": options.gender or _gender(file, data.get("gender")),
        "betas": _betas(file, data.get("betas", np.zeros(10)), frames).astype(np.float32),
        "n_frames": frames,
        "poses": poses.astype(np.float32),
        "trans": trans.astype(np.float32),
        "segments": None,
    }
    return FileRow(row, file.name)


def _from_parts(where: str, data: dict[str, NDArray[Any]]) -> FloatArray:
    """Poses (F, 165) of SMPL-X from the parts of a stageii file."""
    frames = len(data["root_orient"]) if data["root_orient"].ndim else 0
    return np.concatenate([numbers(where, key, data[key], (frames, width)) for key, width in _PARTS.items()], axis=1)


def _betas(file: Path, held: NDArray[Any], frames: int) -> FloatArray:
    """Shape coefficients (B,), of files that repeat them for every frame too."""
    if held.ndim == 2 and len(held) in (1, frames):
        return np.asarray(np.median(numbers(file.name, "betas", held, (None, None)), axis=0))
    return numbers(file.name, "betas", held, (None,))


def _gender(file: Path, value: NDArray[Any] | None) -> str:
    """Files write it as text, as bytes, or as the text of bytes."""
    if value is None:
        return "neutral"
    held = value.reshape(-1)[0] if value.size else ""
    text = held.decode("utf-8", "replace") if isinstance(held, bytes) else str(held)
    text = re.sub(r"^b'(.*)'$", r"\1", text.strip()).lower()
    if text not in GENDERS:
        raise InputError(f"{file.name}: gender is '{shown(text)}', expected {', '.join(GENDERS)}; set the option gender")
    return text


def _words(stem: str) -> str:
    """'B10_-_Walk_turn_left_poses' -> 'walk turn left': take numbers and bookkeeping are no words."""
    parts = re.findall(r"[^\W\d_]+(?=\d|_|\W|$)", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", stem))
    return " ".join(part.lower() for part in parts if len(part) > 1 and part.lower() not in _SUFFIXES)
