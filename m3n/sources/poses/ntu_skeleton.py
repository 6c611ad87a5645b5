"""NTU RGB+D's `.skeleton` files (Shahroudy et al., CVPR 2016; 120 classes: Liu et al., PAMI 2019): Kinect v2, 30 fps.

Text: the number of frames; for each the number of bodies; for each body a line of ten fields, the first its id, the number of
joints (25), and a line a joint, whose first three fields are x, y, z in metres in the camera's frame, y up. The name
S001C001P001R001A001 says camera, person and action. A body that the sensor imagines for a moment is left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from m3n.errors import InputError, shown
from m3n.sources.shared.bare_joints import JointFile
from m3n.sources.shared.pose_rows import MAX_FRAMES, FloatArray
from m3n.sources.shared.skeletons import SKELETONS
from m3n.untrusted.pickles import read_file

FPS = 30.0
_JOINTS = 25
_NAME = re.compile(r"^S\d{3}C\d{3}(P\d{3})R\d{3}(A\d{3})")
_LEAST_SHARE = 1 / 3  # of the frames of the body seen longest


def people_of(file: Path) -> list[JointFile]:
    """The bodies of a file, the one seen longest first. Raises InputError, which names file and line, for anything else."""
    bodies: dict[str, dict[int, FloatArray]] = {}
    for frame, body, points in _bodies(file):
        bodies.setdefault(body, {})[frame] = points
    if not bodies:
        raise InputError(f"{file.name}: no body is seen in any frame")
    ranked = sorted(bodies.values(), key=len, reverse=True)
    found = _NAME.match(file.name)
    made = []
    for number, frames in enumerate(held for held in ranked if len(held) >= _LEAST_SHARE * len(ranked[0])):
        first, last = min(frames), max(frames)
        points = np.full((last - first + 1, _JOINTS, 3), np.nan)
        for frame, here in frames.items():
            points[frame - first] = here
        made.append(
            JointFile(
                points,
                SKELETONS["kinect25"],
                FPS,
                "y",
                "m",
                subject=found[1] if found else None,
                label=found[2] if found else None,
                person=f"{number + 1}" if number else "",
            )
        )
    return made


def _bodies(file: Path) -> Iterator[tuple[int, str, FloatArray]]:
    """(frame, body, joints (25, 3)) of every body in every frame."""
    lines = read_file(file).decode("ascii", "replace").split("\n")
    at = 0

    def fields(least: int) -> list[str]:
        nonlocal at
        at += 1
        held = lines[at - 1].split() if at <= len(lines) else []
        if len(held) < least:
            raise InputError(f"{file.name}, line {at}: {len(held)} fields, expected {least} or more; is the file cut off?")
        return held

    def count(what: str, most: int) -> int:
        word = fields(1)[0]
        if not word.isdecimal() or int(word[:12]) > most:
            raise InputError(f"{file.name}, line {at}: '{shown(word)}' stands where the number of {what} belongs")
        return int(word)

    for frame in range(count("frames", MAX_FRAMES)):
        for _ in range(count("bodies", 64)):
            body = fields(10)[0]
            if count("joints", 1000) != _JOINTS:
                raise InputError(f"{file.name}, line {at}: expected {_JOINTS} joints of a body")
            rows = [fields(3)[:3] for _ in range(_JOINTS)]
            try:
                points = np.array(rows, np.float64)
            except ValueError:
                raise InputError(f"{file.name}, line {at}: or one of the {_JOINTS} above: expected numbers x, y, z") from None
            points[~np.isfinite(points).all(1) | (np.abs(points) > 1e3).any(1)] = np.nan
            yield frame, body, points
