"""Converts the arguments of `m3n.simulate` to plain numbers, names and arrays, or refuses them.

npz files hold single values as arrays (`gender`, `mocap_framerate`), poses may be torch tensors, and nobody writes a tuple for one
placement. Unambiguous input is accepted; anything else raises an InputError that names the argument and what was expected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from m3n.config import Site
from m3n.errors import InputError, shown
from m3n.schema import BODY_JOINTS, JOINT_COUNT

_MODEL_OF = {count: model for model, count in JOINT_COUNT.items()}


def number(name: str, value: Any, unit: str = "Hz") -> float:
    """A positive number, also from an array of one; InputError for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        held = float(value)
    else:
        array = array_of(name, value, 1)
        if array.size != 1:
            raise InputError(f"{name} has shape {array.shape}, expected one number of {unit}")
        held = float(array.reshape(-1)[0])
    if not (np.isfinite(held) and held > 0):
        raise InputError(f"{name} is {held:g}, expected a positive number of {unit}")
    return held


def word(name: str, value: Any) -> str:
    """A string, also as bytes or in an array of one; InputError for anything else."""
    if isinstance(value, np.ndarray | np.generic) and value.size == 1:
        value = value.reshape(-1)[0].item()
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if not isinstance(value, str):
        raise InputError(f"{name} is {shown(value)}, expected a string such as 'neutral' or 'smpl'")
    text = value.strip()
    return text[2:-1] if text[:2] in ("b'", 'b"') and text[-1:] in "'\"" else text


def placement_names(value: Any) -> Sequence[str] | Mapping[str, Site]:
    """Placement names from one name, or from a sequence or array of names; a mapping is returned unchanged."""
    if isinstance(value, Mapping):
        return value
    if isinstance(value, str | bytes | np.str_ | np.bytes_) or (isinstance(value, np.ndarray) and value.ndim == 0):
        return (word("placements", value),)
    if isinstance(value, np.ndarray | list | tuple | set | frozenset):
        return tuple(
            word("placements", one) for one in (sorted(value, key=str) if isinstance(value, set | frozenset) else value)
        )
    raise InputError(f"placements is {shown(value)}, expected names such as ('left_wrist', 'right_wrist')")


def array_of(name: str, value: Any, dimensions: int) -> np.ndarray:
    """An array of real numbers, also from a list or a torch tensor; InputError for None and for anything not numeric."""
    if value is None:
        raise InputError(f"{name} is None, expected an array of numbers")
    if hasattr(value, "detach"):  # a torch tensor, on any device
        value = value.detach().cpu().numpy()
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):  # rows of different lengths, or an object that cannot be converted
        raise InputError(f"{name} cannot be read as one array of numbers; do its rows have the same length?") from None
    if array.dtype.kind not in "fiu":
        held = shown(value) if array.ndim == 0 else f"values of type {array.dtype}"
        raise InputError(f"{name} is {held}, expected {'a number' if dimensions == 1 else 'an array of numbers'}")
    if array.dtype.kind in "iu" or array.dtype.itemsize < 4:
        array = array.astype(np.float32 if array.dtype.kind == "f" else np.float64)
    elif array.dtype.itemsize > 8:
        array = array.astype(np.float64)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def motion(poses: Any, trans: Any, body_model: Any) -> tuple[np.ndarray, np.ndarray, str]:
    """Poses (F, J, 3), trans (F, 3) and the body model; if that is None, the number of joints decides."""
    if trans is None:
        raise InputError("trans is None, expected (frames, 3) m; give np.zeros((frames, 3)) for a body that stays in place")
    poses, trans = array_of("poses", poses, 3), array_of("trans", trans, 2)
    given = poses.shape
    if poses.ndim == 2 and poses.shape[1] % 3 == 0 and poses.shape[1] > 3:
        poses = poses.reshape(len(poses), -1, 3)
    if poses.ndim != 3 or poses.shape[2] != 3:
        matrices = (
            "; rotation matrices or quaternions must be turned into axis-angle" if given[-1:] == (4,) or poses.ndim == 4 else ""
        )
        raise InputError(f"poses have shape {given}, expected (frames, J, 3) axis-angle with J = 24, 52 or 55{matrices}")
    model = None if body_model is None else word("body_model", body_model)
    if model is not None and model not in JOINT_COUNT:
        raise InputError(f"body_model is '{shown(model)}', expected {', '.join(JOINT_COUNT)}")
    if poses.shape[1] == BODY_JOINTS:  # a body without hands and face
        model = model or "smpl"
        poses = np.concatenate([poses, np.zeros((len(poses), JOINT_COUNT[model] - BODY_JOINTS, 3), poses.dtype)], axis=1)
    model = model or _MODEL_OF.get(poses.shape[1])
    if model is None or poses.shape[1] != JOINT_COUNT[model]:
        expected = ", ".join(f"{count} ({name})" for name, count in JOINT_COUNT.items())
        whose = f", but body_model is '{model}'" if model else ""
        raise InputError(f"poses have shape {given}: {poses.shape[1]} joints{whose}; expected {expected}")
    if trans.shape != (len(poses), 3):
        raise InputError(f"trans has shape {trans.shape}, expected ({len(poses)}, 3): one position per frame of poses")
    return poses, trans, model


def shape_of(betas: Any, frames: int) -> np.ndarray:
    """Shape coefficients (n,) from (n,), (1, n), or the same row repeated for every frame; empty for None."""
    if betas is None:
        return np.zeros(0)
    array = array_of("betas", betas, 1).astype(float)
    if array.ndim == 2 and len(array) == frames and (array == array[:1]).all():
        array = array[:1]
    if array.ndim > 2 or (array.ndim == 2 and 1 not in array.shape):
        raise InputError(f"betas have shape {array.shape}, expected (n,): one body shape for the whole clip")
    return array.reshape(-1)
