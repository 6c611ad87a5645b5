"""Anybody's 3-D joints: an npz, npy, JSON or CSV of positions, or NTU's skeletons, becomes pose clips through the body fit.

An npz holds `joints` (frames, J, 3) and `joint_names` (J,) of SMPL, Kinect, MediaPipe or BVH skeletons, and `fps`, `up`
("z", "y" or "-y", the vertical axis of a right-handed world), `unit` ("m", "cm", "mm" or "in"); `text`, `subject` and `label`
may follow. What a file lacks is given as an option; `joint_names` may be the name of a skeleton (`m3n.sources.shared.skeletons`).
Positions in metres are the file's times its unit times `scale`. Nothing is guessed: a joint that was not seen is NaN or zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from m3n.config import Positive
from m3n.errors import InputError, nearest, shown
from m3n.io.storage import Location
from m3n.schema import Rejected
from m3n.sources.poses.joint_files import SUFFIXES, read_joints
from m3n.sources.shared.bare_joints import JointFile
from m3n.sources.shared.fitted_rows import FittedClip, fitted_clips
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.joint_names import smpl_joints
from m3n.sources.shared.plausibility import Up
from m3n.sources.shared.pose_files import FileSource, PoseFile, PoseFileOptions, Rows
from m3n.sources.shared.pose_rows import METRES, TURN_UP, known_once, pose_row
from m3n.sources.shared.skeletons import SKELETONS
from m3n.untrusted.pickles import read_file

SOURCE = "joints"
_SURE, _PILED, _PILED_SHARE = 0.9, 0.03, 0.3  # a confidence comes near 1, and a share of them piles up there
_OFF = 0.02  # share by which a rate that is given may be off from that of the time stamps
_IMAGE, _CENTRED_M = (-0.5, 1.5), 0.1  # MediaPipe's image coordinates; its world landmarks have the hips' middle at 0


class Options(PoseFileOptions):
    """Settings of `m3n ingest joints`; each stands in for a key that the file lacks."""

    joint_names: str | list[str] | None = Field(
        default=None,
        description=f"name of each joint in the file's order, or of a skeleton: {', '.join(SKELETONS)}; null: the file's",
    )
    joint_map: dict[str, str] = Field(
        default={}, description="joint_map.<SMPL joint>=<the file's name of it>, for names that are not known, as left_elbow=EL"
    )
    fps: Positive | None = Field(default=None, description="frames per second; null: the file's [Hz]")
    up: Up | None = Field(default=None, description="axis that points up; null: the file's")
    unit: Literal["m", "cm", "mm", "in"] | None = Field(default=None, description="unit of the positions; null: the file's")
    scale: Positive = Field(default=1.0, description="positions are multiplied by it, beside the unit")
    texts: Path | None = Field(
        default=None, description="folder with a text file of each clip's name, as HumanML3D's texts: its first line, up to a #"
    )
    smooth_frames: float = Field(
        default=1.0, ge=0, le=1000, description="standard deviation of the Gaussian over the joints, before the fit [frames]"
    )

    @field_validator("joint_names")
    @classmethod
    def _known_skeleton(cls, value: str | list[str] | None) -> list[str] | None:
        if isinstance(value, str):
            if value not in SKELETONS:
                raise ValueError(
                    f"joint_names={shown(value)} is no skeleton{nearest(value, SKELETONS)}; expected a list of names, or one of "
                    f"{', '.join(SKELETONS)}"
                )
            return SKELETONS[value]
        return value

    @property
    def names(self) -> list[str] | None:
        """The joints' names, where a setting gives them."""
        return None if self.joint_names is None else list(self.joint_names)

    def vertical(self) -> str:
        """The file's axis that is taken to point up."""
        return self.up or "z"


def pose_clips(path: Location, options: Options, notes: Notes | None = None) -> Rows:
    """Rows of `pose_clips`, one per person and file (several where frames are missing): `path` itself, or every file in a folder,
    where a bad one is Rejected.

    Raises InputError where `path` holds no such file, and for a single file that cannot become a clip.
    """
    return FILES.rows(path, options, notes)


def _people(file: PoseFile, options: Options, notes: Notes) -> Rows:
    people = read_joints(file.file, options.names)
    if len(people) > 1 and options.subject is not None:
        raise InputError(
            f"{file.file.name}: holds {len(people)} clips or people, but subject={shown(options.subject)} says one"
        )
    for one in people:
        yield from _clips(file, one, options)


FILES = FileSource(
    SUFFIXES,
    "an npz with joints, joint_names, fps, up and unit, an npy, JSON, CSV or NTU skeleton, or a folder of them",
    _people,
)


def _clips(file: PoseFile, one: JointFile, options: Options) -> Rows:
    where, name = file.file.name, file.name
    names: list[str] = known_once(
        where, "joint_names", one.names, _same(one.names, options.names),
        f"give joint_names=[left_hip, ...], or {' or '.join(SKELETONS)}",
    )  # fmt: skip
    fps = known_once(where, "fps", *_rates(where, one, options.fps), "give fps=<frames per second>")
    if not fps > 0:
        raise InputError(f"{where}: fps is {fps}, expected a positive frame rate")
    up = known_once(where, "up", one.up, options.up, "give up=z, up=y or up=-y")
    unit = known_once(where, "unit", one.unit, options.unit, "give unit=m, cm, mm or in")
    if up not in TURN_UP:
        raise InputError(f"{where}: up is '{shown(up)}', expected {', '.join(TURN_UP)}")
    if unit not in METRES:
        raise InputError(f"{where}: unit is '{shown(unit)}', expected {', '.join(METRES)}")
    own = replace(one, text=_text_of(where, name, options.texts)) if options.texts is not None else one
    said = file.said(options, subject=own.subject, text=own.text, label=own.label)
    _check_image(where, one.positions, names)
    world = options.scale * METRES[unit] * one.positions @ TURN_UP[up].T
    kept, smpl_names = smpl_joints(world, names, where, options.joint_map)
    known = options.model_copy(update={"up": up})
    clip_id = f"{SOURCE}-{name}" + (f"-{one.person}" if one.person else "")
    clips = fitted_clips(where, clip_id, kept, smpl_names, fps, known, options.smooth_frames, declared=unit)
    for found in _not_flat(where, one.positions, clips):
        if not isinstance(found, FittedClip):
            yield found
            continue
        subject = f"{said['subject']}+{one.person}" if said["subject"] and one.person else said["subject"]
        yield pose_row(
            found.clip_id, SOURCE, fps, found.fit.poses, found.fit.trans, found.fit.betas,
            subject=subject, text=said["text"] or "", label=said["label"], repairs=found.repairs, file=where,
        )  # fmt: skip


def _rates(where: str, one: JointFile, given: float | None) -> tuple[float | None, float | None]:
    """The file's rate and the option's; that of time stamps gives way to an option that is nearly the same."""
    if not one.is_measured or one.fps is None or given is None:
        return one.fps, given
    if abs(given / one.fps - 1) > _OFF:
        raise InputError(f"{where}: fps is {one.fps} by the time stamps but {given} in the options; leave the option out")
    return None, given


def _same(held: list[str] | None, given: list[str] | None) -> list[str] | None:
    """The names given, unless they are the file's in another spelling."""
    if held is None or given is None:
        return given
    plain = [["".join(c for c in name.lower() if c.isalnum()) for name in names] for names in (held, given)]
    return None if plain[0] == plain[1] else given


def _text_of(where: str, name: str, folder: Path) -> str:
    file = folder / f"{name}.txt"
    lines = read_file(file).decode("utf-8", "replace").splitlines() if file.is_file() else []
    first = next((line.partition("#")[0].strip() for line in lines if line.strip()), "")
    if not first:
        raise InputError(f"{where}: no text of it: expected a line in {file}")
    return first


def _check_image(where: str, positions: NDArray[np.float64], names: list[str]) -> None:
    """InputError for MediaPipe's landmarks of the image, whose x and y are shares of its size."""
    if len(names) != len(SKELETONS["mediapipe33"]) or positions.shape[1] != len(names):
        return
    flat = positions[..., :2]
    centre = np.nanmedian(flat[:, [23, 24]].reshape(-1, 2), axis=0) if np.isfinite(flat[:, [23, 24]]).any() else np.zeros(2)
    seen = flat[np.isfinite(flat)]
    inside = bool(len(seen)) and bool(((seen >= _IMAGE[0]) & (seen <= _IMAGE[1])).all())
    if inside and (np.abs(centre) > _CENTRED_M).all() and np.median(seen) > _CENTRED_M:
        raise InputError(
            f"{where}: x and y lie between 0 and 1, as MediaPipe's landmarks of the image do, which have no unit; give its world "
            "landmarks (pose_world_landmarks), which are metres about the hips"
        )


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
