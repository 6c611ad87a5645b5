"""From labelled points of motion capture to pose clips: optical markers by their set, or joints by their names.

Labels may carry a person's name before a colon or a dot, as Vicon and Qualisys write them; then each is a clip of its own.
Sets of markers that show both sides of the wrists keep the forearm's twist (`m3n.body.marker_fit`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field, field_validator

from m3n.body.hidden_markers import part_shapes, with_hidden
from m3n.body.marker_fit import marker_joints
from m3n.body.marker_sets import LANDMARKS, MARKER_SETS, REQUIRED, MarkerSet, plain_labels
from m3n.config import Positive
from m3n.errors import InputError, nearest, shown
from m3n.schema import Rejected
from m3n.sources.shared.fitted_rows import FittedClip, fitted_clips
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.joint_names import smpl_joints
from m3n.sources.shared.pose_files import PoseFile, PoseFileOptions, Read, Rows
from m3n.sources.shared.pose_rows import METRES, TURN_UP, FloatArray, pose_row

_UNITS = {"m": "m", "meters": "m", "metres": "m", "mm": "mm", "millimeters": "mm", "cm": "cm", "centimeters": "cm", "in": "in"}
_FEWEST = 8  # labels of a person


class MarkerOptions(PoseFileOptions):
    """Settings of sources of labelled points."""

    markers: str = Field(
        default="auto",
        description=f"set of the markers: {', '.join(MARKER_SETS)}; joints: the labels name joints; auto: whichever the labels fit",
    )
    landmarks: dict[str, list[str]] = Field(
        default={},
        description="landmarks.<landmark>=[labels] of a set of your own, {s} for L and R, as landmarks.wrist_radial=[{s}WTH]; "
        f"needed: {', '.join(REQUIRED)}, and acromion or shoulder",
    )
    joint_map: dict[str, str] = Field(
        default={}, description="joint_map.<SMPL joint>=<label>, for labels of joints that are not known, as left_elbow=EL"
    )
    scale: Positive = Field(default=1.0, description="positions are multiplied by it, beside the file's unit")
    smooth_frames: float = Field(
        default=0.0, ge=0, le=1000, description="standard deviation of the Gaussian over the joints, before the fit [frames]"
    )

    @field_validator("markers")
    @classmethod
    def _known_set(cls, value: str) -> str:
        if value not in ("auto", "joints", *MARKER_SETS):
            raise ValueError(
                f"markers={shown(value)} is no set{nearest(value, MARKER_SETS)}; expected auto, joints, {', '.join(MARKER_SETS)}"
            )
        return value

    @field_validator("landmarks", mode="before")
    @classmethod
    def _as_lists(cls, value: Any) -> Any:
        """YAML takes [{s}WTH] for text, because of its braces."""
        if not isinstance(value, dict):
            return value
        return {
            name: [part.strip() for part in held.strip().strip("[]").split(",") if part.strip()]
            if isinstance(held, str)
            else held
            for name, held in value.items()
        }

    @field_validator("landmarks")
    @classmethod
    def _known_landmarks(cls, value: dict[str, list[str]]) -> dict[str, list[str]]:
        wrong = next((name for name in value if name not in LANDMARKS), None)
        if wrong is not None:
            raise ValueError(
                f"landmarks.{shown(wrong)} is no landmark{nearest(wrong, LANDMARKS)}; expected {', '.join(LANDMARKS)}"
            )
        lacking = [name for name in REQUIRED if name not in value] if value else []
        if lacking or any(not labels for labels in value.values()):
            raise ValueError(
                f"landmarks need {', '.join(REQUIRED)}, each with labels; {', '.join(lacking) or 'one'} is missing"
            )
        return value


def unit_of(where: str, word: str) -> str:
    """The unit that a file names; InputError for another."""
    unit = _UNITS.get(word.strip().lower())
    if unit is None:
        raise InputError(f"{where}: its unit is '{shown(word)}', expected m, cm, mm or in")
    return unit


Points = tuple[list[str], FloatArray, float, str]  # labels (M,), points (F, M, 3) in the file's unit, frame rate, and that unit


def marker_reader(points_of: Callable[[Path], Points], source: str) -> Read:
    """Reads the clips of what `points_of` finds in a file."""

    def read(one: PoseFile, options: MarkerOptions, notes: Notes) -> Rows:
        labels, points, fps, unit = points_of(one.file)
        said = one.said(options)
        return _marker_rows(one.file.name, f"{source}-{one.name}", points, labels, fps, unit, options, said, source, notes)

    return read


def _marker_rows(
    where: str,
    clip_id: str,
    points: FloatArray,
    labels: Sequence[str],
    fps: float,
    unit: str,
    options: MarkerOptions,
    said: Mapping[str, str | None],
    source: str,
    notes: Notes,
) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `pose_clips`, z up, of points (F, M, 3) in `unit` and axes of the file, NaN where not seen: one a person, or several.

    Raises InputError as `fitted_clips` does.
    """
    if not 1 <= fps <= 10_000:
        raise InputError(f"{where}: the frame rate is {fps:g} Hz, expected 1 to 10,000")
    world = options.scale * METRES[unit] * points @ TURN_UP[options.vertical()].T
    people = _people(labels)
    for number, (person, place) in enumerate(people.items()):
        own = [labels[k] for k in place]
        joints, names = _joints(where, world[:, place], own, options, notes)
        suffix = f"-{person}" if len(people) > 1 else ""
        subject = said["subject"] if len(people) == 1 else person
        if number and said["subject"] is not None:
            raise InputError(f"{where}: holds {len(people)} people, but its subject is given as {shown(said['subject'])}")
        for found in fitted_clips(
            where, f"{clip_id}{suffix}", joints, names, fps, options, options.smooth_frames, declared=unit
        ):
            if not isinstance(found, FittedClip):
                yield found
                continue
            yield pose_row(
                found.clip_id, source, fps, found.fit.poses, found.fit.trans, found.fit.betas, subject=subject,
                text=said["text"] or "", label=said["label"], repairs=found.repairs, file=where,
            )  # fmt: skip


def _people(labels: Sequence[str]) -> dict[str, list[int]]:
    """Name before a label's colon -> places of its labels; people with hardly any are left out, as are calculated points."""
    found: dict[str, list[int]] = {}
    for k, label in enumerate(labels):
        name = label.rpartition(":")[0].strip()
        found.setdefault(name, []).append(k)
    whole = {name: places for name, places in found.items() if len(places) >= _FEWEST}
    return whole or {"": list(range(len(labels)))}


def _joints(
    where: str, points: FloatArray, labels: list[str], options: MarkerOptions, notes: Notes
) -> tuple[FloatArray, list[str]]:
    known = _set_of(where, labels, options)
    if known is None:
        return smpl_joints(points, labels, where, options.joint_map)
    full, hidden = with_hidden(points, labels, known, part_shapes(points, labels, known)) if known.rigid else (points, None)
    if hidden is not None:
        notes.count("frames with hidden markers found from the others of the part", int(hidden.any(1).sum()), where)
    try:
        return marker_joints(full, labels, known)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _set_of(where: str, labels: list[str], options: MarkerOptions) -> MarkerSet | None:
    if options.landmarks:
        wanted = {name: tuple(held) for name, held in options.landmarks.items()}
        return MarkerSet(wanted, ())  # type: ignore[arg-type]
    if options.markers == "joints" or options.joint_map:
        return None
    if options.markers != "auto":
        return MARKER_SETS[options.markers]
    there = plain_labels(labels)
    fitting = [
        name
        for name, known in MARKER_SETS.items()
        if all(part.format(s=s) in there for landmark in REQUIRED for part in known.landmarks[landmark] for s in "LR")
    ]
    if len(fitting) > 1:
        raise InputError(
            f"{where}: its labels fit the sets {' and '.join(fitting)}; give markers={' or markers='.join(fitting)}"
        )
    return MARKER_SETS[fitting[0]] if fitting else None


def seen_only(points: FloatArray) -> FloatArray:
    """Points (F, M, 3) with NaN where a marker is at exactly 0, 0, 0, which is how files say that it was not seen."""
    return np.where((points != 0).any(-1, keepdims=True), points, np.nan)
