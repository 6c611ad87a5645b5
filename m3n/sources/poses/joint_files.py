"""Files of bare joint positions, whatever they are kept in: npz, npy, JSON, CSV and NTU's skeletons become `JointFile`s.

What a file says of its joints' names, rate, axis and unit is taken from it, everything else is a setting. Arrays of numbers are
read as such, and MDM's `results.npy`, which is a pickled dict, by the unpickler that runs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.errors import InputError, shown
from m3n.sources.poses import joint_tables, ntu_skeleton
from m3n.sources.shared.bare_joints import JointFile
from m3n.sources.shared.pose_rows import numbers, read_npz
from m3n.untrusted.npy import object_array
from m3n.untrusted.pickles import read_file

_KEYS = ("joints", "joint_names", "fps", "up", "unit", "text", "subject", "label")


def read_joints(file: Path, names: list[str] | None) -> list[JointFile]:
    """The people of a file, the one seen longest first; `names`: of the joints, where a setting gives them.

    Raises InputError, which names the file, for one that cannot be read or shows no 3-D joints.
    """
    readers: dict[str, Callable[[], list[JointFile]]] = {
        ".npz": lambda: [_npz(file)],
        ".npy": lambda: list(_npy(file)),
        ".json": lambda: joint_tables.from_json(file),
        ".csv": lambda: joint_tables.from_csv(file, names),
        ".skeleton": lambda: ntu_skeleton.people_of(file),
    }
    return readers[file.suffix.lower()]()


SUFFIXES = (".npz", ".npy", ".json", ".csv", ".skeleton")


def _npz(file: Path) -> JointFile:
    data = read_npz(file, _KEYS, needed=("joints",))
    where = file.name
    held = None
    names = data.get("joint_names")
    if names is not None:
        if names.dtype.kind not in "US" or names.ndim != 1:
            raise InputError(f"{where}: joint_names holds {names.dtype} of shape {names.shape}, expected one text each")
        held = [_text(name) for name in names.tolist()]
    rate = data.get("fps")
    for key in ("text", "subject", "label"):  # subjects are often numbers
        if key in data and data[key].dtype.kind in "iu" and data[key].size == 1:
            data[key] = np.array(str(int(data[key].reshape(-1)[0])))
    return JointFile(
        numbers(where, "joints", data["joints"], (None, None, 3), gaps=True), held,
        None if rate is None else float(numbers(where, "fps", rate.reshape(-1), (1,))[0]),
        _word(where, data, "up"), _word(where, data, "unit"), _word(where, data, "text"), _word(where, data, "subject"),
        _word(where, data, "label"),
    )  # fmt: skip


def _npy(file: Path) -> Iterator[JointFile]:
    """Joints (F, J, 3), (F, 3 J) or (clips, F, J, 3); MDM's results, (clips, J, 3, F) with lengths and texts."""
    where = file.name
    held = object_array(read_file(file), where)
    if isinstance(held, dict):
        yield from _mdm(where, held)
        return
    if isinstance(held, np.ndarray) and held.ndim == 2 and held.shape[1] in (263, 251):
        raise InputError(
            f"{where}: is {shown(str(held.shape))}, HumanML3D's features (new_joint_vecs); give its joints, (frames, 22, 3), of "
            "the folder new_joints"
        )
    if isinstance(held, np.ndarray) and held.ndim == 4 and held.shape[-1] == 3 and held.dtype.kind in "fiu":
        for number, clip in enumerate(held):
            yield JointFile(
                numbers(where, "the joints", clip, (None, None, 3), gaps=True), person=f"{number}" if len(held) > 1 else ""
            )
        return
    yield JointFile(numbers(where, "the array", held, (None, None, 3), gaps=True))


def _mdm(where: str, held: dict[Any, Any]) -> Iterator[JointFile]:
    """The clips of motion-diffusion-model's results.npy (Tevet et al., ICLR 2023)."""
    if "motion" not in held:
        has = ", ".join(shown(str(key)) for key in list(held)[:12]) or "nothing"
        raise InputError(f"{where}: holds no joints; expected an array (frames, J, 3), or MDM's dict with motion; it has {has}")
    motion = numbers(where, "motion", held["motion"], (None, None, 3, None), gaps=True)
    count = len(motion)
    lengths = numbers(where, "lengths", held.get("lengths", np.full(count, motion.shape[3])), (count,))
    texts = held.get("text", [""] * count)
    if not isinstance(texts, list | tuple) or len(texts) != count or not all(isinstance(text, str) for text in texts):
        raise InputError(f"{where}: text holds {type(texts).__name__}, expected one text for each of {count} motions")
    if ((lengths < 1) | (lengths > motion.shape[3]) | (lengths != np.round(lengths))).any():
        raise InputError(f"{where}: lengths are {shown(str(lengths.tolist()))}, expected 1 to {motion.shape[3]} frames")
    for number in range(count):
        clip = np.moveaxis(motion[number, :, :, : int(lengths[number])], 2, 0)
        yield JointFile(clip, text=texts[number], person=f"{number}" if count > 1 else "")


def _word(where: str, data: dict[str, NDArray[Any]], key: str) -> str | None:
    if key not in data:
        return None
    value = data[key].reshape(-1)
    if value.dtype.kind not in "US" or value.size != 1:
        raise InputError(f"{where}: {key} holds {data[key].dtype} of shape {data[key].shape}, expected one text")
    return _text(value[0]).strip()


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
