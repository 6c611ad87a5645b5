"""4DHumans (Goel et al., ICCV 2023) and PHALP, the tracker in it: a joblib pickle per video.

A dict of frame -> {`smpl`: a list of {`global_orient` (1, 3, 3), `body_pose` (23, 3, 3), rotation matrices, `betas` (10,)};
`camera`: a list of (3,) m, SMPL's `transl` in the camera's frame (y down); `tid` or `tracked_ids`: who each one is;
`tracked_time`: frames since the person was really seen; `time`: the frame number}. Entries that were not seen in their frame
are predictions and left out. Layout after the README of 4DHumans and `phalp/trackers/PHALP.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from m3n.errors import InputError, shown
from m3n.io.storage import Location
from m3n.schema import Rejected
from m3n.sources.shared.estimator_rows import CameraOptions, Track, names_of, of_file, required_fps, rotvecs, track_rows
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.pose_files import FileSource, PoseFile, Rows
from m3n.sources.shared.pose_rows import FloatArray, numbers, require
from m3n.untrusted.pickles import load_joblib

SOURCE = "hmr4d"
_Seen = tuple[int, FloatArray, FloatArray, FloatArray]  # frame, matrices (24, 3, 3), position (3,), betas (10,)


class Options(CameraOptions):
    """Settings of `m3n ingest hmr4d`."""


def pose_clips(path: Location, options: Options, notes: Notes | None = None) -> Rows:
    """Rows of `pose_clips` (smpl, z up), one or more per tracked person; `path` is a file or a folder of them.

    A bad file in a folder is Rejected. Raises InputError if `fps` is not given, if there is no file, and if a single file is of
    another kind.
    """
    return FILES.rows(path, options, notes)


def _rows(one: PoseFile, options: Options, notes: Notes) -> Rows:
    file, name, known, images = one.file, one.name, of_file(options, one), load_joblib(one.file)
    if not isinstance(images, dict) or not images or not all(isinstance(image, dict) for image in images.values()):
        raise InputError(f"{file.name}: holds no frames; expected a dict of frame -> smpl, camera, tid")
    people: dict[str, list[_Seen]] = {}
    for order, key in enumerate(sorted(images, key=names_of(images).__getitem__)):
        for person, seen in _people(f"{file.name}, frame {shown(key)}", images[key], order):
            people.setdefault(person, []).append(seen)
    if not people:
        yield Rejected(f"{SOURCE}-{name}", f"{file.name}: nobody was seen")
    for person, held in people.items():
        where, clip_id = f"{file.name}, track {person}", f"{SOURCE}-{name}-{person}"
        held.sort(key=lambda seen: seen[0])
        try:
            poses = rotvecs(where, "smpl", np.stack([seen[1] for seen in held]))
        except InputError as error:
            yield Rejected(clip_id, str(error))
            continue
        track = Track(
            np.array([seen[0] for seen in held]), poses, np.stack([seen[2] for seen in held]),
            np.stack([seen[3] for seen in held]),
        )  # fmt: skip
        yield from track_rows(track, clip_id, known, source=SOURCE, body_model="smpl", where=where)


FILES = FileSource((".pkl",), "4DHumans' pickle or a folder of them", _rows, required_fps)


def _people(where: str, image: dict[str, Any], order: int) -> Iterator[tuple[str, _Seen]]:
    require(where, image, ["smpl", "camera"])
    bodies, cameras, unseen = (_listed(image, key) for key in ("smpl", "camera", "tracked_time"))
    ids = next((held for key in ("tid", "tracked_ids") if len(held := _listed(image, key)) == len(bodies)), None)
    if ids is None or len(cameras) != len(bodies):
        raise InputError(f"{where}: smpl has {len(bodies)} entries, but tid (or tracked_ids) or camera has not")
    time = image.get("time", order)
    frame = int(time) if isinstance(time, int | np.integer) and 0 <= time < 1 << 40 else order
    for k, body in enumerate(bodies):
        if len(unseen) == len(bodies) and isinstance(unseen[k], int | np.integer) and unseen[k] != 0:
            continue
        require(where, body, ["global_orient", "body_pose"])
        root, place, betas = body["global_orient"], cameras[k], body.get("betas", np.zeros(10))
        root, place, betas = (_shaped(root, (1, 3, 3)), _shaped(place, (3,)), _shaped(betas, (10,)))
        matrices = numbers(where, "global_orient", root, (1, 3, 3)), numbers(where, "body_pose", body["body_pose"], (23, 3, 3))
        who = next(iter(names_of([ids[k]]).values())) if isinstance(ids[k], int | float | str | tuple | np.generic) else str(k)
        yield (
            who,
            (frame, np.concatenate(matrices), numbers(where, "camera", place, (3,)), numbers(where, "betas", betas, (10,))),
        )


def _listed(image: dict[str, Any], key: str) -> list[Any]:
    held = image.get(key, [])
    return list(held) if isinstance(held, list | tuple) or (isinstance(held, np.ndarray) and held.ndim) else []


def _shaped(value: Any, shape: tuple[int, ...]) -> Any:
    """An array with stray axes of length one taken off; anything else as it is, for `numbers` to refuse."""
    return value.reshape(shape) if isinstance(value, np.ndarray) and value.size == np.prod(shape) else value
