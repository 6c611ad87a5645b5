"""UI-PRMD (Vakanski, Jun, Paul and Baker, Data 3(1), 2018): optical markers, ten rehabilitation exercises.

Ten people, 100 Hz.
Its "Segmented Movements" hold one repetition a file, `mMM_sSS_eEE_positions.txt`: a line a frame, 39 markers of Plug-in Gait times
x, y, z in mm, z up. A marker that the cameras lost is 0, 0, 0; at head, trunk or pelvis it is found from the others
(`m3n.body.hidden_markers`), by their shape in the person's other repetitions if it is lost for a whole file. The arm or leg
that moves is not the same for everybody and is found from the markers: it travels twenty times as far as the other one.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from pydantic import Field, field_validator

from m3n.body.hidden_markers import Shapes, part_shapes, with_hidden
from m3n.body.marker_fit import marker_joints
from m3n.body.marker_sets import MARKER_SETS
from m3n.errors import InputError, shown
from m3n.schema import Rejected
from m3n.sources.shared.fitted_rows import FittedClip, fitted_clips
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.plausibility import PoseOptions
from m3n.sources.shared.pose_rows import FloatArray, numbers, pose_row
from m3n.untrusted.archives import zip_or_folder

SOURCE = "ui_prmd"
FPS = 100.0
TEXTS = Path(__file__).resolve().parents[1] / "texts" / "ui_prmd.yaml"
MARKERS = [
    "LFHD",
    "RFHD",
    "LBHD",
    "RBHD",
    "C7",
    "T10",
    "CLAV",
    "STRN",
    "RBAK",
    "LSHO",
    "LUPA",
    "LELB",
    "LFRM",
    "LWRA",
    "LWRB",
    "LFIN",
    "RSHO",
    "RUPA",
    "RELB",
    "RFRM",
    "RWRA",
    "RWRB",
    "RFIN",
    "LASI",
    "RASI",
    "LPSI",
    "RPSI",
    "LTHI",
    "LKNE",
    "LTIB",
    "LANK",
    "LHEE",
    "LTOE",
    "RTHI",
    "RKNE",
    "RTIB",
    "RANK",
    "RHEE",
    "RTOE",
]
_SET = MARKER_SETS["plug_in_gait"]
_ONE_ARM, _ONE_LEG = (7, 8, 9, 10), (2, 6)
_FILE = re.compile(r"(?:^|/)m(\d+)_s(\d+)_e(\d+)_positions\.txt$")
_Key = tuple[int, int, int]  # subject, movement, repetition
_LARGEST = 256 << 20  # bytes of one text file; the real ones have 300 kB


class Options(PoseOptions):
    """Settings of `m3n ingest ui_prmd`."""

    movements: list[int] = Field(default=list(range(1, 11)), description="movements to take, 1 to 10")
    smooth_frames: float = Field(
        default=0.0, ge=0, le=1000, description="standard deviation of the Gaussian over the joints, before the fit [frames]"
    )

    @field_validator("movements")
    @classmethod
    def _known_movements(cls, value: list[int]) -> list[int]:
        if not value or any(not 1 <= movement <= 10 for movement in value):
            raise ValueError(f"movements are numbers from 1 to 10, got {value}")
        return value


def pose_clips(path: Path, options: Options, notes: Notes | None = None) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `pose_clips` of the chosen movements, in the order of subject, movement and repetition; damaged clips are Rejected.

    `path` is the zip or a folder it was unpacked into. Raises InputError where it holds no file of the dataset.
    """
    notes = Notes() if notes is None else notes
    with zip_or_folder(Path(path), ".txt", _LARGEST, "UI-PRMD's zip") as (names, read):
        files = _index(names, path)
        for subject in sorted({key[0] for key in files}):
            keys = sorted(key for key in files if key[0] == subject and key[1] in options.movements)
            markers = {key: _markers(files[key], read) for key in keys}
            shapes: Shapes = {}
            for found in markers.values():
                if not isinstance(found, str):
                    shapes |= {part: at for part, at in part_shapes(found, MARKERS, _SET).items() if part not in shapes}
            for key in keys:
                yield from _clips(key, files[key].rsplit("/", 1)[-1], markers.pop(key), shapes, options, notes)


def _clips(
    key: _Key, where: str, markers: FloatArray | str, shapes: Shapes, options: Options, notes: Notes
) -> Iterator[dict[str, Any] | Rejected]:
    clip_id = f"{SOURCE}-m{key[1]:02d}_s{key[0]:02d}_e{key[2]:02d}"
    if isinstance(markers, str):
        yield Rejected(clip_id, markers)
        return
    full, hidden = with_hidden(markers, MARKERS, _SET, shapes | part_shapes(markers, MARKERS, _SET))
    notes.count("frames with hidden markers found from the others of the part", int(hidden.any(1).sum()), where)
    for side in ("L", "R"):
        both = [MARKERS.index(f"{side}WRA"), MARKERS.index(f"{side}WRB")]
        one = int((~np.isfinite(full[:, both]).all((1, 2))).sum())
        notes.count("frames without one of a wrist's two markers (no forearm twist)", one, where)
    try:
        joints, names = marker_joints(full, MARKERS, _SET)
        clips = list(fitted_clips(where, clip_id, joints, names, FPS, options, options.smooth_frames))
    except InputError as error:
        yield Rejected(clip_id, str(error))
        return
    movement = _movements()[key[1]]
    texts: list[str] = movement["texts"]
    text = texts[int.from_bytes(hashlib.sha256(clip_id.encode()).digest()[:8], "big") % len(texts)]
    for clip in clips:
        if not isinstance(clip, FittedClip):
            yield clip
            continue
        yield pose_row(
            clip.clip_id, SOURCE, FPS, clip.fit.poses, clip.fit.trans, clip.fit.betas, subject=f"s{key[0]:02d}",
            text=text.format(side=_side(key[1], joints, names)), label=movement["label"], repairs=clip.repairs,
            file=where,
        )  # fmt: skip


def _side(movement: int, joints: FloatArray, names: list[str]) -> str:
    """The side whose hand, or foot, travels further."""
    joint = "wrist" if movement in _ONE_ARM else "ankle"
    if movement not in (*_ONE_ARM, *_ONE_LEG) or any(f"{side}_{joint}" not in names for side in ("left", "right")):
        return ""
    travel = {side: np.linalg.norm(np.nanstd(joints[:, names.index(f"{side}_{joint}")], axis=0)) for side in ("left", "right")}
    return max(travel, key=travel.__getitem__)


def _markers(name: str, read: Callable[[str], bytes]) -> FloatArray | str:
    """Markers (F, 39, 3) m, NaN where one was not seen; the reason, in one line, where the file is damaged."""
    where = name.rsplit("/", 1)[-1]
    columns = 3 * len(MARKERS)
    try:
        lines = read(name).decode("ascii", "replace").splitlines()
        rows = []
        for number, line in enumerate(lines, 1):
            values = line.replace(",", " ").split()
            if not values:
                continue
            if len(values) != columns:
                raise InputError(
                    f"{where}, line {number}: {len(values)} values, expected {columns} (39 markers x 3); is the line cut off?"
                )
            rows.append(_row(values, where, number))
        if len(rows) < 2:
            raise InputError(f"{where}: has {len(rows)} lines, expected a line of {columns} numbers for each frame")
        points = numbers(where, "the markers", np.array(rows).reshape(-1, len(MARKERS), 3), (None, len(MARKERS), 3), gaps=True)
        points = points * 0.001
        seen = np.isfinite(points).all(-1) & (points != 0).any(-1)
        never = [MARKERS[k] for k in np.flatnonzero(~seen.any(0))]
        if len(never) == len(MARKERS):
            raise InputError(f"{where}: no marker is seen in any frame; the recording is empty")
        return np.where(seen[..., None], points, np.nan)
    except InputError as error:
        return str(error)


def _row(values: list[str], where: str, number: int) -> list[float]:
    try:
        return [float(value) for value in values]
    except ValueError:
        wrong = next(k for k, value in enumerate(values) if not _is_number(value))
        marker = f"{MARKERS[wrong // 3]} {'xyz'[wrong % 3]}"
        raise InputError(
            f"{where}, line {number}, column {wrong + 1} ({marker}): '{shown(values[wrong])}' stands where a number belongs"
        ) from None


def _is_number(value: str) -> bool:
    try:
        float(value)
    except ValueError:
        return False
    return True


def _index(names: list[str], path: Path) -> dict[_Key, str]:
    files = {}
    for name in names:
        match = _FILE.search(name)
        if match and 1 <= int(match[1]) <= 10:
            files[int(match[2]), int(match[1]), int(match[3])] = name
    if not files:
        raise InputError(f"{path}: no UI-PRMD files in it; expected names like m01_s01_e01_positions.txt")
    return files


@functools.cache
def _movements() -> dict[int, dict[str, Any]]:
    loaded: dict[int, dict[str, Any]] = yaml.safe_load(TEXTS.read_text(encoding="utf-8"))
    return loaded
