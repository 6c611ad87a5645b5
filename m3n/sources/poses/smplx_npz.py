"""SMPL-X parameters as How2Sign's pose annotations and OSX / SMPLer-X / AiOS outputs name them: a file per clip or per frame.

Keys, frames stacked in an npz or pickle per clip: `smplx_root_pose` (F, 3), `smplx_body_pose` (F, 63), `smplx_lhand_pose` and
`smplx_rhand_pose` (F, 45), axis-angle; optional `smplx_jaw_pose` (F, 3), `smplx_shape` (F, 10) or (10,), and a position
`cam_trans` or `transl` (F, 3) m. (F, n, 3) is read as well. A folder whose files hold one frame each is one clip, its frames in
the order of the numbers in their names. Pickles are read without running anything in them. The frame is the camera's: x right,
y down, z forwards.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from m3n.errors import InputError
from m3n.io.storage import Location
from m3n.schema import Rejected
from m3n.sources.shared.estimator_rows import CameraOptions, Track, in_order, of_file, required_fps, track_rows
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.pose_files import FileSource, PoseFile, Rows
from m3n.sources.shared.pose_rows import FloatArray, numbers, read_npz, require
from m3n.untrusted.pickles import load_pickle

SOURCE = "smplx_npz"
# SMPL-X's order: body (22), jaw, left eye, right eye, left hand (15), right hand (15)
_PARTS = {"smplx_root_pose": 3, "smplx_body_pose": 63, "smplx_lhand_pose": 45, "smplx_rhand_pose": 45}
_POSITIONS = ("transl", "cam_trans")


class Options(CameraOptions):
    """Settings of `m3n ingest smplx_npz`."""

    text_from_name: bool = Field(default=False, description="take each file's name as its text, where text is empty")


def pose_clips(path: Location, options: Options, notes: Notes | None = None) -> Rows:
    """Rows of `pose_clips` (smplx, z up): one per file, which is `path` itself or one in a folder, and one per folder of frames.

    Bad files in a folder are Rejected, and leave gaps where they are frames. Raises InputError without `fps`, where there is no
    npz or pickle, and for a single file that cannot become a clip.
    """
    folders: dict[str, _Frames] = {}

    def read(one: PoseFile, options: Options, notes: Notes) -> Rows:
        track, known = _track(one.file), of_file(options, one)
        if len(track.frames) > 1 or one.single:
            yield from _rows_of(track, one.name, one.file.name, known)
        else:
            folders.setdefault(one.name.rpartition("/")[0], _Frames({}, known)).tracks[one.file.name] = track

    expected = "an npz or pickle with smplx_root_pose and its like, or a folder of them"
    yield from FileSource((".npz", ".pkl"), expected, read, required_fps).rows(path, options, notes)
    for folder, frames in folders.items():
        name = folder or path.name
        where = PurePath(name).name
        try:
            track = _stacked(where, frames.tracks)
        except InputError as error:
            yield Rejected(name, str(error))
            continue
        yield from _rows_of(track, name, where, frames.known)


class _Frames(NamedTuple):
    """The one-frame files of a folder, by name, and the settings for them."""

    tracks: dict[str, Track]
    known: Options


def _rows_of(track: Track, name: str, where: str, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    if options.text_from_name and not options.text:
        options = options.model_copy(update={"text": Path(name).name.replace("_", " ")})
    yield from track_rows(track, f"{SOURCE}-{name}", options, source=SOURCE, body_model="smplx", where=where)


def _stacked(where: str, frames: dict[str, Track]) -> Track:
    """One person's frames, by name, as a track."""
    order = in_order(list(frames))
    tracks = [frames[name] for _, name in order]
    if len({track.betas.shape for track in tracks}) > 1:
        raise InputError(f"{where}: smplx_shape has another length from frame to frame")
    return Track(
        np.array([number for number, _ in order]), np.concatenate([track.poses for track in tracks]),
        np.concatenate([track.position for track in tracks]), np.concatenate([track.betas for track in tracks]),
    )  # fmt: skip


def _track(file: Path) -> Track:
    where = file.name
    data = _arrays(file)
    require(where, data, list(_PARTS))
    parts = {key: _rows(where, key, data[key], width) for key, width in _PARTS.items()}
    frames = len(parts["smplx_root_pose"])
    if "smplx_jaw_pose" in data:
        parts["jaw"] = _rows(where, "smplx_jaw_pose", data["smplx_jaw_pose"], 3)
    position = next(
        (_rows(where, key, data[key], 3) for key in _POSITIONS if key in data), np.zeros((frames, 3), dtype=np.float64)
    )
    shape = np.zeros((1, 10))
    if "smplx_shape" in data:
        held = data["smplx_shape"]
        shape = numbers(where, "smplx_shape", held.reshape(1, -1) if held.ndim == 1 else held, (None, None))
    lengths = {key: len(rows) for key, rows in {**parts, "position": position}.items()}
    if set(lengths.values()) != {frames}:
        raise InputError(f"{where}: frame counts differ: {', '.join(f'{key} {n}' for key, n in lengths.items())}")
    jaw = parts.get("jaw", np.zeros((frames, 3)))
    poses = np.concatenate(
        [
            parts["smplx_root_pose"], parts["smplx_body_pose"], jaw, np.zeros((frames, 6)),
            parts["smplx_lhand_pose"], parts["smplx_rhand_pose"],
        ],
        axis=1,
    )  # fmt: skip
    return Track(np.arange(frames), poses.reshape(frames, 55, 3), position, shape)


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    keys = (*_PARTS, "smplx_jaw_pose", "smplx_shape", *_POSITIONS)
    if file.suffix == ".npz":
        return read_npz(file, keys, needed=tuple(_PARTS))
    found = load_pickle(file)
    require(file.name, found, list(_PARTS))
    held = {key: found[key] for key in keys if key in found}
    wrong = next((key for key, value in held.items() if not isinstance(value, np.ndarray)), None)
    if wrong is not None:
        raise InputError(f"{file.name}: {wrong} holds {type(held[wrong]).__name__}, expected an array of numbers")
    return held


def _rows(where: str, key: str, value: NDArray[Any], width: int) -> FloatArray:
    """(F, width) from (F, width) or (F, width / 3, 3), and from (width,) or (width / 3, 3) of one frame."""
    if value.size == width:
        value = value.reshape(1, width)
    if value.ndim == 3 and value.shape[1] * value.shape[2] == width:
        value = value.reshape(len(value), width)
    return numbers(where, key, value, (None, width))
