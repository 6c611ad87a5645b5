"""MVNX, what Xsens MVN Analyze exports: an inertial suit's body, segment by segment, in metres, z up.

XML. Each `subject` lists its `segments` and has a `frame` of type normal for every moment, with the `orientation` (w, x, y, z
of every segment) and the `position` of every segment's origin, which is the joint that it hangs from (Roetenberg, Luinge and
Slycke, Xsens MVN, 2009). With all orientations at zero the suit stands in a T-pose, palms down, x forwards: there the thumb's
side of a forearm is its x, so the forearm's own orientation gives its twist.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from pydantic import Field
from scipy.spatial.transform import Rotation

from m3n.errors import InputError, shown
from m3n.io.storage import Location
from m3n.sources.shared.fitted_rows import FittedClip, fitted_clips
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.joint_names import smpl_joints
from m3n.sources.shared.pose_files import FileSource, PoseFile, PoseFileOptions, Rows
from m3n.sources.shared.pose_rows import FloatArray, numbers, pose_row
from m3n.untrusted.pickles import read_file

SOURCE = "mvnx"
_LARGEST = 2 << 30  # bytes
_KNUCKLE_M = 0.03  # to either side of the forearm's axis
_Subject = tuple[
    str, float, list[str], FloatArray, FloatArray
]  # name, fps, segments, orientation (F, S, 4), position (F, S, 3)


class Options(PoseFileOptions):
    """Settings of `m3n ingest mvnx`."""

    smooth_frames: float = Field(
        default=0.0, ge=0, le=1000, description="standard deviation of the Gaussian over the joints, before the fit [frames]"
    )


def pose_clips(path: Location, options: Options, notes: Notes | None = None) -> Rows:
    """Rows of `pose_clips`, one per subject and file; `path` is a file or a folder of them, where a bad one is Rejected.

    Raises InputError if there is no file, and if a single file cannot be read.
    """
    return FILES.rows(path, options, notes)


def _rows(one: PoseFile, options: Options, notes: Notes) -> Rows:
    people, file = list(_subjects(one.file)), one.file
    for who, fps, segments, turns, places in people:
        said = one.said(options)
        clip_id = f"{SOURCE}-{one.name}" + (f"-{who}" if len(people) > 1 else "")
        joints, names = _joints(file.name, segments, turns, places)
        for found in fitted_clips(file.name, clip_id, joints, names, fps, options, options.smooth_frames, declared="m"):
            if not isinstance(found, FittedClip):
                yield found
                continue
            yield pose_row(
                found.clip_id, SOURCE, fps, found.fit.poses, found.fit.trans, found.fit.betas,
                subject=said["subject"] if said["subject"] and len(people) == 1 else who or None,
                text=said["text"] or "", label=said["label"], repairs=found.repairs, file=file.name,
            )  # fmt: skip


FILES = FileSource((".mvnx",), "an MVNX file or a folder of them", _rows)


def _joints(where: str, segments: list[str], turns: FloatArray, places: FloatArray) -> tuple[FloatArray, list[str]]:
    joints, names = smpl_joints(places, segments, where)
    made = [joints]
    for side in ("Left", "Right"):
        if f"{side}ForeArm" in segments and f"{side}Hand" in segments:
            forearm = turns[:, segments.index(f"{side}ForeArm")]
            thumb = Rotation.from_quat(forearm[:, [1, 2, 3, 0]]).apply([_KNUCKLE_M, 0.0, 0.0])
            wrist = places[:, segments.index(f"{side}Hand")]
            made += [(wrist + thumb)[:, None], (wrist - thumb)[:, None]]
            names = [*names, f"{side.lower()}_index1", f"{side.lower()}_pinky1"]
    return np.concatenate(made, axis=1), names


def _subjects(file: Path) -> Iterator[_Subject]:
    where = file.name
    if file.stat().st_size > _LARGEST:
        raise InputError(f"{where}: over {_LARGEST >> 20} MiB; split it")
    data = read_file(file)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:  # entities can unfold without end
        raise InputError(f"{where}: declares a document type or entities, which no MVNX file does; it was not read")
    found = False
    try:
        segments: list[str] = []
        turns: list[list[float]] = []
        places: list[list[float]] = []
        for event, element in ElementTree.iterparse(io.BytesIO(data), events=("start", "end")):
            tag = element.tag.rpartition("}")[2]
            if event == "start":
                if tag == "subject":
                    segments, turns, places = [], [], []
                continue
            if tag == "segment":
                segments.append(element.get("label", ""))
            elif tag == "frame":
                if element.get("type", "normal") == "normal":
                    held = {part.tag.rpartition("}")[2]: part.text or "" for part in element}
                    turns.append(_values(where, held, "orientation", 4 * len(segments), len(turns)))
                    places.append(_values(where, held, "position", 3 * len(segments), len(places)))
                element.clear()
            elif tag == "subject":
                found = True
                yield _subject(where, element, segments, turns, places)
                element.clear()
    except ElementTree.ParseError as error:
        raise InputError(f"{where}: cannot be read as MVNX: its XML is damaged ({shown(str(error))})") from error
    if not found:
        raise InputError(f"{where}: holds no subject; expected a file that Xsens MVN exported as MVNX")


def _subject(
    where: str, element: ElementTree.Element, segments: list[str], turns: list[list[float]], places: list[list[float]]
) -> _Subject:
    rate = element.get("frameRate", "")
    try:
        fps = float(rate)
    except ValueError:
        fps = 0.0
    if not 1 <= fps <= 1000:
        raise InputError(f"{where}: frameRate is '{shown(rate)}', expected frames per second")
    if len(places) < 2:
        raise InputError(f"{where}: {len(places)} frames of type normal, expected at least 2")
    orientation = numbers(where, "orientation", np.array(turns).reshape(len(turns), -1, 4), (None, len(segments), 4))
    if (np.abs(np.linalg.norm(orientation, axis=-1) - 1) > 0.05).any():
        raise InputError(f"{where}: orientation holds quaternions that are not of unit length")
    position = numbers(where, "position", np.array(places).reshape(len(places), -1, 3), (None, len(segments), 3))
    return element.get("label", ""), fps, segments, orientation, position


def _values(where: str, held: dict[str, str], key: str, count: int, frame: int) -> list[float]:
    words = held.get(key, "").split()
    if not count or len(words) != count:
        raise InputError(
            f"{where}, frame {frame}: {key} has {len(words)} values, expected {count}; export segment orientation and position"
        )
    try:
        return [float(word) for word in words]
    except ValueError:
        raise InputError(f"{where}, frame {frame}: {key} holds a word where a number belongs") from None
