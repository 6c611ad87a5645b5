"""WHAM (Shin et al., CVPR 2024): `wham_output.pkl`, written with joblib by its demo.

A dict of subject id -> {`pose` (F, 72) and `trans` (F, 3) in the camera's frame (y down), `pose_world` and `trans_world` in a
world whose y is up, `betas` (F, 10), `verts`, `frame_ids` (F,)}: SMPL, axis-angle, metres, `trans` being SMPL's own `transl`.
Layout and frames after `demo.py` and `lib/vis/run_vis.py` of its repository. Read without running anything in the file.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from m3n.errors import InputError, shown
from m3n.io.storage import Location
from m3n.schema import Rejected
from m3n.sources.shared.estimator_rows import EstimateOptions, Track, frame_numbers, names_of, of_file, required_fps, track_rows
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.pose_files import FileSource, PoseFile, Rows
from m3n.sources.shared.pose_rows import numbers, require
from m3n.untrusted.pickles import load_joblib

SOURCE = "wham"


class Options(EstimateOptions):
    """Settings of `m3n ingest wham`."""

    frame: Literal["world", "camera"] = Field(
        default="world", description="'world': gravity-aligned motion; 'camera': as the camera saw it, taken to be level"
    )


def pose_clips(path: Location, options: Options, notes: Notes | None = None) -> Rows:
    """Rows of `pose_clips` (smpl, z up), one or more per person; `path` is a file or a folder of them.

    A bad file in a folder is Rejected. Raises InputError if `fps` is not given, if there is no file, and if a single file is not
    WHAM's.
    """
    return FILES.rows(path, options, notes)


def _rows(one: PoseFile, options: Options, notes: Notes) -> Rows:
    suffix = "_world" if options.frame == "world" else ""
    file, name, known, people = one.file, one.name, of_file(options, one), load_joblib(one.file)
    if not isinstance(people, dict) or not people or not all(isinstance(person, dict) for person in people.values()):
        raise InputError(f"{file.name}: holds no people; expected a dict of subject id -> pose_world, trans_world, ...")
    for key, person in names_of(people).items():
        held, where, clip_id = people[key], f"{file.name}, subject {shown(person)}", f"{SOURCE}-{name}-{person}"
        try:
            require(where, held, [f"pose{suffix}", f"trans{suffix}"])
            pose = numbers(where, f"pose{suffix}", held[f"pose{suffix}"], (None, 72))
            frames = len(pose)
            ids = numbers(where, "frame_ids", held.get("frame_ids", np.arange(frames)), (frames,))
            track = Track(
                frame_numbers(where, "frame_ids", ids), pose.reshape(frames, 24, 3),
                numbers(where, f"trans{suffix}", held[f"trans{suffix}"], (frames, 3)),
                numbers(where, "betas", held.get("betas", np.zeros((1, 10))), (None, 10)),
            )  # fmt: skip
        except InputError as error:
            yield Rejected(clip_id, str(error))
            continue
        yield from track_rows(track, clip_id, known, source=SOURCE, body_model="smpl", where=where)


FILES = FileSource((".pkl",), "WHAM's wham_output.pkl or a folder of them", _rows, required_fps)
