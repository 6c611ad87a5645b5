"""AIST++ (Li et al., ICCV 2021): dances fitted with SMPL, one pickle a dance, 60 frames per second, y up.

A file holds `smpl_poses` (F, 72) axis-angle, `smpl_trans` (F, 3) and `smpl_scaling` (1,). The body was fitted to joints of another
unit by scaling SMPL's metres, so a translation in metres is the file's divided by that scale (about 93), as AIST++'s own code has
it. Names say who and what: gBR_sBM_cAll_d04_mBR0_ch01 is dancer d04, genre BR (break). Pickles are read without running anything.
"""

from __future__ import annotations

import re

import numpy as np

from m3n.errors import InputError
from m3n.io.storage import Location
from m3n.sources.shared.estimator_rows import PELVIS_AT_REST, turned_z_up
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.pose_files import FileSource, PoseFile, PoseFileOptions, Rows
from m3n.sources.shared.pose_rows import numbers, pose_row, require
from m3n.untrusted.pickles import load_pickle

SOURCE = "aistpp"
FPS = 60.0
_NAME = re.compile(r"^g([A-Z]{2})_s[A-Z]{2}_c\w+?_(d\d+)_m")
_GENRES = {
    "BR": "break", "PO": "pop", "LO": "lock", "MH": "middle hip-hop", "LH": "LA style hip-hop", "HO": "house", "WA": "waack",
    "KR": "krump", "JS": "street jazz", "JB": "ballet jazz",
}  # fmt: skip


class Options(PoseFileOptions):
    """Settings of `m3n ingest aistpp`."""

    def vertical(self) -> str:
        """The files' axis that points up."""
        return "y"


def pose_clips(path: Location, options: Options, notes: Notes | None = None) -> Rows:
    """Rows of `pose_clips` (smpl, z up), one per file; `path` is a file or a folder of them, where a bad one is Rejected.

    Raises InputError if there is no file, and if a single file is not AIST++'s.
    """
    return FILES.rows(path, options, notes)


def _clip(one: PoseFile, options: Options, notes: Notes) -> Rows:
    held, where = load_pickle(one.file), one.file.name
    require(where, held, ["smpl_poses", "smpl_trans", "smpl_scaling"])
    poses = numbers(where, "smpl_poses", held["smpl_poses"], (None, 72))
    trans = numbers(where, "smpl_trans", held["smpl_trans"], (len(poses), 3))
    scale = float(numbers(where, "smpl_scaling", np.reshape(held["smpl_scaling"], -1), (1,))[0])
    if not scale > 0:
        raise InputError(f"{where}: smpl_scaling is {scale:g}, expected a positive scale (about 93)")
    found = _NAME.match(where)
    genre = _GENRES.get(found[1]) if found else None
    said = one.said(options, subject=found[2] if found else None, label=genre)
    poses, trans = turned_z_up(poses, trans / scale, "y", np.array(PELVIS_AT_REST["smpl"]))
    text = said["text"] if said["text"] and said["label"] != genre else f"a person dances {genre}" if genre else said["text"]
    yield pose_row(
        f"{SOURCE}-{one.name}", SOURCE, FPS, poses, trans, np.zeros(10), subject=said["subject"], label=said["label"],
        text=text or "", file=where,
    )  # fmt: skip


FILES = FileSource((".pkl",), "an AIST++ motion such as gBR_sBM_cAll_d04_mBR0_ch01.pkl, or a folder of them", _clip)
