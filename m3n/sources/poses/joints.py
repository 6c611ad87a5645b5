"""Anybody's 3-D joints: an npz of positions becomes pose clips through the body fit.

A file holds `joints` (frames, J, 3) and `joint_names` (J,) of SMPL, Kinect, MediaPipe or BVH skeletons, and `fps`, `up`
("z", "y" or "-y", the vertical axis of a right-handed world), `unit` ("m", "cm", "mm" or "in"); `text`, `subject` and `label`
may follow. What a file lacks is given as an option. Positions in metres are the file's times its unit times `scale`. Nothing is
guessed: a joint that was not seen is NaN or zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from m3n.config import Positive
from m3n.errors import InputError, shown
from m3n.schema import Rejected
from m3n.sources.shared.fitted_rows import FittedClip, fitted_clips
from m3n.sources.shared.joint_names import smpl_joints
from m3n.sources.shared.plausibility import PoseOptions, Up
from m3n.sources.shared.pose_rows import METRES, TURN_UP, files_in, known_once, numbers, pose_row, read_npz

SOURCE = "joints"
_SURE, _PILED, _PILED_SHARE = 0.9, 0.03, 0.3  # a confidence comes near 1, and a share of them piles up there
_KEYS = ("joints", "joint_names", "fps", "up", "unit", "text", "subject", "label")


class Options(PoseOptions):
    """Settings of `m3n ingest joints`; each stands in for a key that the file lacks."""

    joint_names: list[str] | None = Field(default=None, description="name of each joint, in the file's order; null: the file's")
    fps: Positive | None = Field(default=None, description="frames per second; null: the file's [Hz]")
    up: Up | None = Field(default=None, description="axis that points up; null: the file's")
    unit: Literal["m", "cm", "mm", "in"] | None = Field(default=None, description="unit of the positions; null: the file's")
    scale: Positive = Field(default=1.0, description="positions are multiplied by it, beside the unit")
    text: str | None = Field(default=None, description="what the clip shows, in words; null: the file's, or none")
    subject: str | None = Field(default=None, description="who moves; null: the file's, or none")
    label: str | None = Field(default=None, description="activity label; null: the file's, or none")
    smooth_frames: float = Field(
        default=1.0, ge=0, le=1000, description="standard deviation of the Gaussian over the joints, before the fit [frames]"
    )

    def vertical(self) -> str:
        """The file's axis that is taken to point up."""
        return self.up or "z"


def pose_clips(path: Path, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `pose_clips`, one per npz file (several where frames are missing): `path` itself, or every one in a folder, where a
    bad one is Rejected.

    Raises InputError where `path` holds no npz file, and for a single file that cannot become a clip.
    """
    single = Path(path).is_file()
    for file, name in files_in(path, (".npz",), "an npz with joints, joint_names, fps, up and unit, or a folder of them"):
        try:
            yield from _clips(file, name, options)
        except InputError as error:
            if single:
                raise
            yield Rejected(name, str(error))


def _clips(file: Path, name: str, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    where = file.name
    data = read_npz(file, _KEYS, needed=("joints",))
    positions = numbers(where, "joints", data["joints"], (None, None, 3), gaps=True)
    names = _names(where, data.get("joint_names"), options.joint_names)
    rate = data.get("fps")
    fps = known_once(
        where, "fps", None if rate is None else _one_number(where, "fps", rate), options.fps, "give fps=<frames per second>"
    )
    if not fps > 0:
        raise InputError(f"{where}: fps is {fps}, expected a positive frame rate")
    up = known_once(where, "up", _word(where, data, "up"), options.up, "give up=z, up=y or up=-y")
    unit = known_once(where, "unit", _word(where, data, "unit"), options.unit, "give unit=m, cm, mm or in")
    if up not in TURN_UP:
        raise InputError(f"{where}: up is '{up}', expected {', '.join(TURN_UP)}")
    if unit not in METRES:
        raise InputError(f"{where}: unit is '{unit}', expected {', '.join(METRES)}")
    world = options.scale * METRES[unit] * positions @ TURN_UP[up].T
    kept, smpl_names = smpl_joints(world, names, where)
    known = options.model_copy(update={"up": up})
    said = {key: _either(where, data, key, getattr(options, key)) for key in ("subject", "text", "label")}
    clips = fitted_clips(where, f"{SOURCE}-{name}", kept, smpl_names, fps, known, options.smooth_frames, declared=unit)
    for found in _not_flat(where, positions, clips):
        if not isinstance(found, FittedClip):
            yield found
            continue
        yield pose_row(
            found.clip_id, SOURCE, fps, found.fit.poses, found.fit.trans, found.fit.betas,
            subject=said["subject"], text=said["text"] or "", label=said["label"], repairs=found.repairs, file=where,
        )  # fmt: skip


def _names(where: str, in_file: NDArray[Any] | None, option: list[str] | None) -> list[str]:
    held = None
    if in_file is not None:
        if in_file.dtype.kind not in "US" or in_file.ndim != 1:
            raise InputError(f"{where}: joint_names holds {in_file.dtype} of shape {in_file.shape}, expected one text each")
        held = [_text(name) for name in in_file.tolist()]
    names: list[str] = known_once(where, "joint_names", held, option, "give joint_names=[left_hip, ...]")
    return names


def _one_number(where: str, key: str, value: NDArray[Any]) -> float:
    return float(numbers(where, key, value.reshape(-1), (1,))[0])


def _word(where: str, data: dict[str, NDArray[Any]], key: str) -> str | None:
    if key not in data:
        return None
    value = data[key].reshape(-1)
    if value.dtype.kind not in "US" or value.size != 1:
        raise InputError(f"{where}: {key} holds {data[key].dtype} of shape {data[key].shape}, expected one text")
    return _text(value[0]).strip()


def _either(where: str, data: dict[str, NDArray[Any]], key: str, option: str | None) -> str | None:
    if key in data and data[key].dtype.kind in "iu" and data[key].size == 1:  # subjects are often numbers
        data = {key: np.array(str(int(data[key].reshape(-1)[0])))}
    value = _word(where, data, key)
    if value is not None and option is not None and value != option:
        raise InputError(
            f"{where}: {key} is '{shown(value)}' in the file but '{shown(option)}' in the options; leave the option out"
        )
    return option if value is None else value


def _not_flat(
    where: str, positions: NDArray[np.float64], clips: Iterator[FittedClip | Rejected]
) -> Iterator[FittedClip | Rejected]:
    """The clips; InputError that says so where z of the file's positions (F, J, 3) is a visibility or confidence, and no depth."""
    points = positions[np.isfinite(positions).all(-1)]
    known = points[:, 2]
    wide = bool(len(points)) and np.ptp(points[:, :2], axis=0).max() > np.ptp(known)
    from_0_to_1 = bool(wide and known.min() >= 0 and 0.5 < known.max() <= 1)
    said = "z looks like a visibility or confidence (0 to 1): are these 2-D poses? 3-D joints are expected"
    if from_0_to_1 and known.max() > _SURE and (known > known.max() - _PILED).mean() > _PILED_SHARE:
        raise InputError(f"{where}: {said}")
    try:
        yield from clips
    except InputError as error:
        if not from_0_to_1:
            raise
        raise InputError(f"{error}; {said}") from error


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
