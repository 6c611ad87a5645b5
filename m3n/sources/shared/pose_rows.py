"""What the pose sources share: arrays read without pickles, worlds turned z up, and rows of `pose_clips`.

Every number that comes out of a file passes `numbers`, so that a wrong width, an object array or a NaN is one clear line with
the file and the key in it. Worlds are turned by rotations only: a person is never mirrored.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.body.rotations import TURN_UP as TURN_UP  # every source turns its world by it
from m3n.errors import InputError, shown
from m3n.schema import FileRow, Repaired, RepairedRow
from m3n.untrusted.archives import LARGEST_ARRAYS, member, opened_npz
from m3n.untrusted.npy import plain_array

FloatArray = NDArray[np.float64]

MAX_FRAMES = 1_000_000  # nine hours at 30 fps: more is a damaged header or a file that should be split
METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001, "in": 0.0254}


def read_npz(file: Path, wanted: Collection[str], needed: Collection[str] = ()) -> dict[str, NDArray[Any]]:
    """The arrays under those of the `wanted` keys that an npz file has; pickles are off, so object arrays are refused.

    Raises InputError for a file without one of the `needed` keys, with those that it has; for a key that it has twice, a damaged
    file, an object array under a wanted key, and a file that unpacks to over 1 GiB.
    """
    with opened_npz(file) as archive:
        names = [info.filename.removesuffix(".npy") for info in archive.infolist()]
        twice = next((key for key in wanted if names.count(key) > 1), None)
        if twice is not None:
            raise InputError(f"{file.name}: holds {twice} twice; save it again with one of the two")
        missing = [key for key in needed if key not in names]
        if missing:
            has = ", ".join(map(shown, names[:12])) or "nothing"
            raise InputError(f"{file.name}: {', '.join(missing)} missing; it has {has}")
        parts = dict(zip(names, archive.infolist(), strict=True))
        return {
            key: plain_array(member(archive, parts[key], f"{file.name}, {key}", LARGEST_ARRAYS), f"{file.name}, {key}")
            for key in wanted
            if key in parts
        }


def numbers(where: str, key: str, value: Any, shape: Sequence[int | None], *, gaps: bool = False) -> FloatArray:
    """`value` as float64 with the given shape, None meaning any length; `gaps` allows values that are not finite.

    Raises InputError that names `where` (the file) and `key` for anything else.
    """
    if isinstance(value, list | tuple):
        flat = all(isinstance(one, int | float | np.number) for one in value)  # nested ones may unfold without end
        value = np.array(value, dtype=np.float64) if flat and len(value) <= MAX_FRAMES else value
    if isinstance(value, np.ndarray) and value.dtype.kind in "US":
        said = f", such as '{shown(value.astype(str).reshape(-1)[0])}'" if value.size and value.dtype.kind == "U" else ""
        raise InputError(f"{where}: {key} holds text{said}; expected numbers: save it as numbers, not in quotes")
    if not isinstance(value, np.ndarray | np.number | float | int) or np.asarray(value).dtype.kind not in "fiu":
        held = value.dtype if isinstance(value, np.ndarray) else "nothing" if value is None else type(value).__name__
        raise InputError(f"{where}: {key} holds {held}, expected an array of numbers")
    array = np.asarray(value, dtype=np.float64)
    if array.ndim != len(shape) or any(want not in (None, got) for want, got in zip(shape, array.shape, strict=True)):
        expected = ", ".join("any" if want is None else str(want) for want in shape)
        raise InputError(f"{where}: {key} has shape {array.shape}, expected ({expected})")
    if array.ndim and len(array) > MAX_FRAMES:
        raise InputError(f"{where}: {key} has {len(array)} frames, over the limit of {MAX_FRAMES}; split the file")
    if not gaps and not np.isfinite(array).all():
        first = tuple(int(i) for i in np.unravel_index(int(np.argmin(np.isfinite(array))), array.shape))
        place = f"frame {first[0]}, column {first[1]}" if len(first) == 2 else f"{first}"
        raise InputError(f"{where}: {key} is {array[first]} at {place}, expected finite numbers")
    if np.nanmax(np.abs(np.where(np.isfinite(array), array, 0.0)), initial=0.0) > 1e6:
        raise InputError(f"{where}: {key} holds values over a million; is the file damaged?")
    return array


def misread(error: Exception) -> str:
    """What an error of Python or NumPy on reading a table of numbers says about the text, without what it says about itself."""
    said = (str(error).splitlines() or ["it is damaged"])[0].split(";")[0]
    number = r"(?:invalid literal for int\(\) with base 10:|could not convert string (?:to float:)?)"
    return re.sub(rf"{number} ?(.*?)(?: to float64)?( at row .*)?$", r"\1 stands where a number belongs\2", said)


def require(where: str, found: Any, keys: Sequence[str]) -> None:
    """InputError unless `found` is a dict with every one of `keys`."""
    if not isinstance(found, dict):
        raise InputError(f"{where}: holds a {type(found).__name__}, expected a dict with {', '.join(keys)}")
    missing = [key for key in keys if key not in found]
    if missing:
        has = ", ".join(shown(key) for key in list(found)[:12]) or "nothing"
        raise InputError(f"{where}: {', '.join(missing)} missing; it has {has}")


def known_once(where: str, name: str, in_file: Any, option: Any, how: str) -> Any:
    """A setting from the file or, where the file lacks it, from the option; InputError for neither, or two that differ."""
    if in_file is not None and option is not None and in_file != option:
        raise InputError(f"{where}: {name} is {in_file} in the file but {option} in the options; leave the option out")
    value = option if in_file is None else in_file
    if value is None:
        raise InputError(f"{where}: {name} is not known; {how}")
    return value


def pose_row(
    clip_id: str,
    source: str,
    fps: float,
    poses: NDArray[Any],
    trans: NDArray[Any],
    betas: NDArray[Any],
    *,
    body_model: str = "smpl",
    gender: str = "neutral",
    subject: str | None = None,
    text: str = "",
    label: str | None = None,
    segments: list[dict[str, Any]] | None = None,
    repairs: Sequence[Repaired] = (),
    file: str = "",
) -> dict[str, Any]:
    """A row of `pose_clips`: poses (F, J, 3) or (F, 3 J) rad, trans (F, 3) m in a z-up world, betas (B,); `repairs` done to it, and
    what messages call the `file` it came from."""
    frames = len(poses)
    row = {
        "clip_id": clip_id,
        "source": source,
        "subject": subject,
        "text": text,
        "label": label,
        "fps": float(fps),
        "body_model": body_model,
        "gender": gender,
        "betas": np.asarray(betas, np.float32),
        "n_frames": frames,
        "poses": np.asarray(poses, np.float32).reshape(frames, -1),
        "trans": np.asarray(trans, np.float32),
        "segments": segments,
    }
    return RepairedRow(row, repairs, file) if repairs else FileRow(row, file)
