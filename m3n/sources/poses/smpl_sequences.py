"""SMPL in a pickle a sequence, world coordinates: as 3DPW (von Marcard et al., ECCV 2018) and EMDB (Kaufmann et al., ICCV 2023).

3DPW: `poses` and `trans`, a list with an entry a person of (F, 72) and (F, 3), `betas`, `genders`; the same at twice the rate as
`poses_60Hz`. EMDB: `smpl` with `poses_root` (F, 3), `poses_body` (F, 69), `trans`, `betas`, and `gender`, `good_frames_mask`.
Both film at 30 frames per second and have y up. Frames whose camera or pose the makers call invalid are left out. Pickles are read
without running anything in them.
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
from m3n.io.storage import Location
from m3n.sources.shared.estimator_rows import EstimateOptions, Track, track_rows
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.plausibility import Up
from m3n.sources.shared.pose_files import FileSource, PoseFile, PoseFileOptions, Rows
from m3n.sources.shared.pose_rows import numbers, require
from m3n.untrusted.pickles import load_pickle

SOURCE = "smpl_pickle"
_GENDERS = {"m": "male", "f": "female", "n": "neutral", "male": "male", "female": "female", "neutral": "neutral"}


class Options(PoseFileOptions):
    """Settings of `m3n ingest smpl_pickle`."""

    fps: Positive = Field(default=30.0, description="frames per second of `poses`; 3DPW and EMDB have 30 [Hz]")
    up: Up = Field(default="y", description="axis of the files' world that points up")
    rate: Literal["camera", "60Hz"] = Field(
        default="camera", description="'camera': the poses of the film's frames; '60Hz': 3DPW's poses_60Hz"
    )

    def vertical(self) -> str:
        """The files' axis that is taken to point up."""
        return self.up


def pose_clips(path: Location, options: Options, notes: Notes | None = None) -> Rows:
    """Rows of `pose_clips` (smpl, z up), one or more per person; `path` is a file or a folder of them, where a bad one is Rejected.

    Raises InputError if there is no file, and if a single file has another layout.
    """
    return FILES.rows(path, options, notes)


def _rows(one: PoseFile, options: Options, notes: Notes) -> Rows:
    people, where = list(_people(one.file, options)), one.file.name
    for number, (track, gender) in enumerate(people):
        said = one.said(options)
        who = f"-{number}" if len(people) > 1 else ""
        subject = f"{said['subject']}+{number + 1}" if said["subject"] and number else said["subject"]
        known = EstimateOptions(
            fps=options.fps if options.rate == "camera" else 60.0, up=options.up, gender=gender, text=said["text"] or "",
            label=said["label"], subject=subject, allow_lying=options.allow_lying, max_gap_frames=options.max_gap_frames,
        )  # fmt: skip
        yield from track_rows(track, f"{SOURCE}-{one.name}{who}", known, source=SOURCE, body_model="smpl", where=where)


FILES = FileSource((".pkl",), "a pickle in the layout of 3DPW or EMDB, or a folder of them", _rows)


def _people(file: Path, options: Options) -> Iterator[tuple[Track, Any]]:
    held, where = load_pickle(file), file.name
    if isinstance(held, dict) and isinstance(held.get("smpl"), dict):
        body = held["smpl"]
        require(where, body, ["poses_root", "poses_body", "trans"])
        root = numbers(where, "poses_root", body["poses_root"], (None, 3))
        rest = numbers(where, "poses_body", body["poses_body"], (len(root), 69))
        poses = np.concatenate([root, rest], axis=1)
        good = _mask(where, "good_frames_mask", held.get("good_frames_mask"), len(root))
        yield _track(where, poses, body["trans"], body.get("betas"), good), _gender(where, held.get("gender"))
        return
    require(where, held, ["poses", "trans"])
    ending = "_60Hz" if options.rate == "60Hz" else ""
    require(where, held, [f"poses{ending}", f"trans{ending}"])
    lists = {key: held.get(key) for key in (f"poses{ending}", f"trans{ending}", "betas", "genders", "campose_valid")}
    count = len(lists[f"poses{ending}"]) if isinstance(lists[f"poses{ending}"], list) else 0
    wrong = next((k for k, v in lists.items() if v is not None and not (isinstance(v, list) and len(v) == count)), None)
    if not count or wrong is not None:
        raise InputError(f"{where}: {wrong or 'poses'} holds no list with an entry a person, as 3DPW's does")
    for person in range(count):
        entry = {key: None if held_list is None else held_list[person] for key, held_list in lists.items()}
        poses = numbers(where, f"poses{ending} of person {person}", entry[f"poses{ending}"], (None, 72))
        valid = None if ending else _mask(where, "campose_valid", entry["campose_valid"], len(poses))
        track = _track(where, poses, entry[f"trans{ending}"], entry["betas"], valid)
        yield track, _gender(where, entry["genders"])


def _track(where: str, poses: NDArray[np.float64], trans: Any, betas: Any, good: NDArray[np.bool_] | None) -> Track:
    frames = np.arange(len(poses))
    place = numbers(where, "trans", trans, (len(poses), 3))
    shape = np.zeros((1, 10))
    if betas is not None:
        shape = numbers(where, "betas", np.reshape(betas, (1, -1)) if np.ndim(betas) == 1 else betas, (None, None))[:, :10]
    kept = np.ones(len(poses), bool) if good is None else good
    return Track(frames[kept], poses.reshape(-1, 24, 3)[kept], place[kept], shape)


def _mask(where: str, key: str, value: Any, frames: int) -> NDArray[np.bool_] | None:
    if value is None:
        return None
    if isinstance(value, np.ndarray) and value.dtype == bool:
        value = value.astype(int)
    return numbers(where, key, value, (frames,)) > 0


def _gender(where: str, value: Any) -> Any:
    plain = value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    text = "neutral" if plain is None else str(plain).strip().lower()
    if text not in _GENDERS:
        raise InputError(f"{where}: gender is '{shown(text)}', expected {', '.join(_GENDERS)}")
    return _GENDERS[text]
