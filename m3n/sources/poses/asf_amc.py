"""Acclaim motion capture (ASF skeleton, AMC motion), as CMU publishes it (mocap.cs.cmu.edu): 120 Hz, degrees, y up.

An ASF gives each bone a direction and length in the world at rest (a T-pose, palms down), an axis system and its degrees of
freedom; an AMC gives their angles, a frame at a time (Lander, "Working with motion capture file formats", Game Developer,
January 1998). With C a bone's axes and M its angles' rotation, a bone turns by C M C⁻¹ against its parent; forward kinematics
gives the joints, and a body is fitted to them. The forearm's twist is not lost: CMU's rig turns the bone `wrist` about the
forearm, and carries the thumb with it, which points forwards at rest. Two points on either side of that bone go into the fit
as knuckles, so the wrist sensor turns with them. Lengths are inches times the `length` of the ASF's units: metres = value x
0.0254 / length.

CMU allows any use but reselling the data itself, and asks for an acknowledgement (docs/own_poses.md).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from m3n.config import Positive
from m3n.errors import InputError, shown
from m3n.schema import Rejected
from m3n.sources.poses.acclaim import Skeleton, kinematics, read_motion, read_skeleton
from m3n.sources.shared.fitted_rows import FittedClip, fitted_clips
from m3n.sources.shared.plausibility import PoseOptions
from m3n.sources.shared.pose_rows import TURN_UP, FloatArray, pose_row
from m3n.untrusted.archives import zip_or_folder

SOURCE = "asf_amc"
_LARGEST = 256 << 20  # bytes of one text file; CMU's have up to 20 MB
_INCH_M = 0.0254
_KNUCKLE = 0.3  # of the wrist bone's length, to either side of the forearm's axis

# SMPL joint -> the bone that ends there.
_ENDS = {
    "spine3": "upperback", "neck": "thorax", "head": "upperneck",
    **{f"{side}_{joint}": f"{side[0]}{bone}"
       for side in ("left", "right")
       for joint, bone in (("hip", "hipjoint"), ("knee", "femur"), ("ankle", "tibia"), ("foot", "foot"), ("shoulder", "clavicle"),
                           ("elbow", "humerus"), ("wrist", "radius"), ("hand", "hand"))},
}  # fmt: skip


class Options(PoseOptions):
    """Settings of `m3n ingest asf_amc`."""

    fps: Positive = Field(
        default=120.0, description="frames per second: AMC files do not say; nearly all of CMU's have 120 [Hz]"
    )
    texts: Path | None = Field(
        default=None,
        description="CSV file with the columns trial (as 01_08) and text, and label if there is one; null: no texts",
    )
    smooth_frames: float = Field(
        default=0.0, ge=0, le=1000, description="standard deviation of the Gaussian over the joints, before the fit [frames]"
    )

    def vertical(self) -> str:
        """The files' axis that points up."""
        return "y"


def pose_clips(path: Path, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `pose_clips`, one per AMC file in the order of their names; damaged files are Rejected.

    `path` is a zip or a folder. The skeleton of `01_08.amc` is the ASF of its own name or subject (`01.asf`) in the same folder, or
    the only one there. Raises InputError if there are no AMC files, and for a CSV of texts that cannot be read.
    """
    texts = {} if options.texts is None else _texts(options.texts)
    path = Path(path)
    with (
        zip_or_folder(path, ".asf", _LARGEST, "a zip of ASF and AMC files") as (skeletons, read_asf),
        zip_or_folder(path, ".amc", _LARGEST, "a zip of ASF and AMC files") as (motions, read_amc),
    ):
        if not motions:
            raise InputError(f"{path}: no .amc file in it; expected AMC motions, each with the ASF skeleton of its subject")
        known: dict[str, Skeleton | str] = {}
        for name in sorted(motions):
            trial = name.rsplit("/", 1)[-1].removesuffix(".amc")
            clip_id = f"{SOURCE}-{trial}"
            try:
                asf = _skeleton_of(name, skeletons)
                if asf not in known:
                    known[asf] = _read_skeleton(asf, read_asf)
                skeleton = known[asf]
                if isinstance(skeleton, str):
                    raise InputError(f"{trial}.amc: its skeleton cannot be read: {skeleton}")
                text, label = texts.get(trial, ("", None))
                subject = asf.rsplit("/", 1)[-1].removesuffix(".asf")
                yield from _clips(skeleton, read_amc(name), f"{trial}.amc", clip_id, subject, text, label, options)
            except InputError as error:
                yield Rejected(clip_id, str(error))


def joints_of(skeleton: Skeleton, angles: dict[str, FloatArray], where: str) -> tuple[FloatArray, list[str]]:
    """Joints (F, K, 3) m, z up, and their names, of a motion; InputError where the skeleton lacks hips, shoulders or arms."""
    turned, ends = kinematics(skeleton, angles)
    found = {"pelvis": ends["root"], **{joint: ends[bone] for joint, bone in _ENDS.items() if bone in ends}}
    lacking = [bone for joint, bone in _ENDS.items() if joint not in found and not joint.endswith(("hand", "foot"))]
    if lacking:
        raise InputError(f"{where}: the skeleton has no bone {', '.join(lacking)}; expected CMU's names")
    for side in ("left", "right"):
        bone = f"{side[0]}wrist"
        if bone not in turned:
            continue
        length = skeleton.bones[bone].length
        thumb = np.array([0.0, 0.0, _KNUCKLE * length])  # at rest: palms down, thumbs forwards
        found[f"{side}_index1"] = ends[bone] + turned[bone] @ thumb
        found[f"{side}_pinky1"] = ends[bone] - turned[bone] @ thumb
    metres = _INCH_M / skeleton.length_unit
    return metres * np.stack(list(found.values()), axis=1) @ TURN_UP["y"].T, list(found)


def _clips(
    skeleton: Skeleton, data: bytes, where: str, clip_id: str, subject: str, text: str, label: str | None, options: Options
) -> Iterator[dict[str, Any] | Rejected]:
    joints, names = joints_of(skeleton, read_motion(data, skeleton, where), where)
    for clip in fitted_clips(where, clip_id, joints, names, options.fps, options, options.smooth_frames):
        if not isinstance(clip, FittedClip):
            yield clip
            continue
        yield pose_row(
            clip.clip_id, SOURCE, options.fps, clip.fit.poses, clip.fit.trans, clip.fit.betas, subject=subject, text=text,
            label=label, repairs=clip.repairs, file=where,
        )  # fmt: skip


def _read_skeleton(name: str, read: Callable[[str], bytes]) -> Skeleton | str:
    """The skeleton, or why it cannot be read: its motions are rejected one by one."""
    try:
        return read_skeleton(read(name), name.rsplit("/", 1)[-1])
    except InputError as error:
        return str(error)


def _skeleton_of(motion: str, skeletons: list[str]) -> str:
    folder, _, file = motion.rpartition("/")
    stem = file.removesuffix(".amc")
    here = [name for name in skeletons if name.rpartition("/")[0] == folder]
    for wanted in (stem, re.split(r"[_-]", stem)[0]):
        for name in here:
            if name.rpartition("/")[2] == f"{wanted}.asf":
                return name
    if len(here) == 1:
        return here[0]
    raise InputError(f"{file}: no skeleton for it: expected {re.split(r'[_-]', stem)[0]}.asf in the same folder")


def _texts(file: Path) -> dict[str, tuple[str, str | None]]:
    """Trial -> (text, label)."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{file}: cannot be read as a CSV file ({getattr(error, 'strerror', None) or error})") from None
    if not rows or "trial" not in rows[0] or "text" not in rows[0]:
        has = ", ".join(shown(str(key)) for key in (rows[0] if rows else {})) or "nothing"
        raise InputError(f"{file}: expected a header with trial and text, and label if there is one; it has {has}")
    found = {}
    for number, row in enumerate(rows, 2):
        if not row["trial"]:
            raise InputError(f"{file}, line {number}: the trial is empty; expected one like 01_08")
        found[row["trial"].strip().removesuffix(".amc")] = (
            (row["text"] or "").strip(),
            (row.get("label") or "").strip() or None,
        )
    return found
