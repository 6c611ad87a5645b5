"""ROMP and BEV (Sun et al., ICCV 2021 and CVPR 2022): `video_results.npz`, or a folder of one npz per image.

`results` is an object array, so a pickle, and read as one that may only build arrays. Per image it has `smpl_thetas` (P, 72)
axis-angle, root first, `smpl_betas` (P, 10 or 11), `cam_trans` (P, 3) m and, where people were tracked, `track_ids` (P,), for P
people in the camera's frame (y down). A video's file has a dict of image path -> that; keys after `simple_romp`'s README.
BEV's eleventh beta blends towards a child's body, which SMPL lacks; it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import Any

import numpy as np

from m3n.errors import InputError, shown
from m3n.io.storage import Location
from m3n.schema import Rejected
from m3n.sources.shared.estimator_rows import CameraOptions, Track, in_order, names_of, of_file, required_fps, track_rows
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.pose_files import FileSource, PoseFile, Rows
from m3n.sources.shared.pose_rows import FloatArray, numbers, require
from m3n.untrusted.archives import LARGEST_ARRAYS, member, opened_npz
from m3n.untrusted.npy import object_array

SOURCE = "romp"
_NEEDED = ("smpl_thetas", "cam_trans")
_Seen = tuple[int, FloatArray, FloatArray, FloatArray]  # frame, thetas (72,), position (3,), betas (10,)


class Options(CameraOptions):
    """Settings of `m3n ingest romp`."""


def pose_clips(path: Location, options: Options, notes: Notes | None = None) -> Rows:
    """Rows of `pose_clips` (smpl, z up), one or more per tracked person.

    `path` is a video's npz, or a folder: of per-image files, which are one clip's frames in the order of their numbers, or of
    videos. Several people without `track_ids` cannot be told apart over time and are Rejected. Raises InputError without
    `fps`, where there is no npz file, and for a file that is not ROMP's.
    """
    folders: dict[str, tuple[dict[str, dict[str, Any]], Options]] = {}

    def read(one: PoseFile, options: Options, notes: Notes) -> Rows:
        found, known = _results(one.file), of_file(options, one)
        if "smpl_thetas" in found:  # images of one folder are one video's
            folders.setdefault(one.name.rpartition("/")[0], ({}, known))[0][one.name] = found
            return
        if not found or not all(isinstance(image, dict) for image in found.values()):
            raise InputError(f"{one.file.name}: results hold no images; expected a dict of image -> smpl_thetas, ...")
        yield from _clips({image: found[key] for key, image in names_of(found).items()}, one.name, one.file.name, known)

    expected = "ROMP's video_results.npz or a folder of npz files"
    yield from FileSource((".npz",), expected, read, required_fps).rows(path, options, notes)
    for folder, (images, known) in folders.items():
        name = f"{path.name}/{folder}".rstrip("/") if path.is_dir() else PurePath(path.name).stem
        yield from _clips(images, name, folder or path.name, known)


def _clips(images: dict[str, dict[str, Any]], name: str, where: str, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    people: dict[str, list[_Seen]] = {}
    try:
        for frame, image in in_order(list(images)):
            for person, seen in _people(f"{where}, image {frame}", images[image], frame):
                people.setdefault(person, []).append(seen)
    except InputError as error:
        yield Rejected(f"{SOURCE}-{name}", str(error))
        return
    if not people:
        yield Rejected(f"{SOURCE}-{name}", f"{where}: nobody was seen")
    for person, held in people.items():
        track = Track(
            np.array([seen[0] for seen in held]), np.stack([seen[1] for seen in held]).reshape(-1, 24, 3),
            np.stack([seen[2] for seen in held]), np.stack([seen[3] for seen in held]),
        )  # fmt: skip
        clip_id = f"{SOURCE}-{name}" + (f"-{person}" if person else "")
        yield from track_rows(track, clip_id, options, source=SOURCE, body_model="smpl", where=where)


def _people(where: str, image: dict[str, Any], frame: int) -> Iterator[tuple[str, _Seen]]:
    if not image:
        return
    require(where, image, _NEEDED)
    thetas = numbers(where, "smpl_thetas", image["smpl_thetas"], (None, 72))
    count = len(thetas)
    place = numbers(where, "cam_trans", image["cam_trans"], (count, 3))
    betas = numbers(where, "smpl_betas", image.get("smpl_betas", np.zeros((count, 10))), (count, None))[:, :10]
    betas = np.pad(betas, ((0, 0), (0, 10 - betas.shape[1])))
    ids = [""] if count == 1 else []
    if "track_ids" in image:
        ids = [str(int(one)) for one in numbers(where, "track_ids", image["track_ids"], (count,))]
    if len(ids) != count or len(set(ids)) != count:
        raise InputError(
            f"{where}: {count} people without track_ids of their own; run ROMP with tracking (-t), or with --show_largest"
        )
    yield from ((one, (frame, thetas[k], place[k], betas[k])) for k, one in enumerate(ids))


def _results(file: Path) -> dict[str, Any]:
    """`results` of an npz; the member is a pickle, so it goes through the restricted unpickler."""
    where = file.name
    with opened_npz(file) as archive:
        part = next((part for part in archive.infolist() if part.filename == "results.npy"), None)
        if part is None:
            raise InputError(f"{where}: 'results' missing; it has {', '.join(map(shown, archive.namelist()[:8])) or 'nothing'}")
        found = object_array(member(archive, part, where, LARGEST_ARRAYS), where)
    if not isinstance(found, dict):
        raise InputError(f"{where}: results hold a {type(found).__name__}, expected a dict")
    return found
