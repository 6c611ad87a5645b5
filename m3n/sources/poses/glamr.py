"""GLAMR (Yuan et al., CVPR 2022): people in a world whose z is up, from one moving camera; a pickle per video.

`person_data` is a dict of person -> {`smpl_pose` (F, 69), `smpl_beta` (F, 10), `smpl_orient_world` and `root_trans_world`
(F, 3), `frames` (F,)}: SMPL, axis-angle, metres. `root_trans_world` is where the pelvis is, not SMPL's `transl`
(`lib/models/smpl.py` of its repository). Poses of frames in which a person was hidden are filled in by GLAMR.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from m3n.errors import InputError, shown
from m3n.io.storage import Location
from m3n.schema import Rejected
from m3n.sources.shared.estimator_rows import EstimateOptions, Track, frame_numbers, names_of, of_file, required_fps, track_rows
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.pose_files import FileSource, PoseFile, Rows
from m3n.sources.shared.pose_rows import numbers, require
from m3n.untrusted.pickles import load_pickle

SOURCE = "glamr"


class Options(EstimateOptions):
    """Settings of `m3n ingest glamr`."""

    def format_up(self) -> str:
        """The axis that points up in files of this format."""
        return "z"


def pose_clips(path: Location, options: Options, notes: Notes | None = None) -> Rows:
    """Rows of `pose_clips` (smpl, z up), one or more per person; `path` is a file or a folder of them.

    A bad file in a folder is Rejected. Raises InputError if `fps` is not given, if there is no file, and if a single file is not
    GLAMR's or asks for more than arrays.
    """
    return FILES.rows(path, options, notes)


def _rows(one: PoseFile, options: Options, notes: Notes) -> Rows:
    file, name, known, found = one.file, one.name, of_file(options, one), load_pickle(one.file)
    require(file.name, found, ["person_data"])
    people = found["person_data"]
    if not isinstance(people, dict) or not people:
        raise InputError(f"{file.name}: person_data holds nobody; expected a dict of person -> smpl_pose, ...")
    for key, person in names_of(people).items():
        held, where, clip_id = people[key], f"{file.name}, person {shown(person)}", f"{SOURCE}-{name}-{person}"
        try:
            track = _track(where, held)
        except InputError as error:
            yield Rejected(clip_id, str(error))
            continue
        yield from track_rows(track, clip_id, known, source=SOURCE, body_model="smpl", where=where)


FILES = FileSource((".pkl",), "GLAMR's pickle or a folder of them", _rows, required_fps)


def _track(where: str, held: Any) -> Track:
    require(where, held, ["smpl_pose", "smpl_orient_world", "root_trans_world"])
    body = numbers(where, "smpl_pose", held["smpl_pose"], (None, 69))
    frames = len(body)
    root = numbers(where, "smpl_orient_world", held["smpl_orient_world"], (frames, 3))
    place = numbers(where, "root_trans_world", held["root_trans_world"], (frames, 3))
    ids = numbers(where, "frames", held.get("frames", np.arange(frames)), (None,))
    if len(ids) != frames:  # `frames` lists those in which the person exists, the arrays may cover the whole video
        ids = np.arange(frames, dtype=np.float64)
    poses = np.concatenate([root, body], axis=1).reshape(frames, 24, 3)
    betas = numbers(where, "smpl_beta", held.get("smpl_beta", np.zeros((1, 10))), (None, 10))
    return Track(frame_numbers(where, "frames", ids), poses, place, betas, at_pelvis=True)
