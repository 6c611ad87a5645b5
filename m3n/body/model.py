"""The SMPL family's body as plain arrays: official model files where there are some, a licence-free stand-in where not.

The official SMPL, SMPL-H and SMPL-X files cannot be shipped, so m3n carries a stand-in made from MakeHuman data (STANDIN.md)
with SMPL's 24 joints. Files are read without executing anything in them: npz with pickles switched off, pkl through
`official_pickle`. The conventions are those of SMPL (Loper et al., ACM TOG 34(6), 2015): y up at rest, x to the body's left,
z to the front; metres; a joint's rotation is relative to its parent.
"""

from __future__ import annotations

import functools
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.errors import InputError
from m3n.schema import BODY_JOINTS, GENDERS, JOINT_COUNT
from m3n.schema import SMPL_JOINTS as SMPL_JOINTS  # the tree below is theirs

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

ENVIRONMENT = "M3N_BODY_MODELS"
STANDIN_FILE = Path(__file__).with_name("standin.npz")

SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
_KEYS = ("v_template", "f", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table")
_SMPLX_SHAPE_COMPONENTS = {400: 300, 20: 10}  # the rest of SMPL-X's shapedirs are expressions of the face


@dataclass(frozen=True, eq=False)
class Body:
    """A skinned body of V vertices, J joints, B shape components and T triangles, in its rest frame (y up), metres.

    `posedirs` is None where pose blend shapes are zero. `standin` says that the arrays are m3n's own body and not the
    official one: `name` and `gender` are then what was asked for, the shape components have another meaning than SMPL's,
    and J is 24 whatever `name` says. A pose with another joint count than J moves the `body_joints` first joints, which all
    three body models share, and leaves hands and face at rest.
    """

    name: str
    gender: str
    v_template: FloatArray  # (V, 3)
    faces: IntArray  # (T, 3)
    shapedirs: FloatArray  # (V, 3, B)
    posedirs: FloatArray | None  # (V, 3, 9 (J - 1))
    joint_regressor: FloatArray  # (J, V), rows sum to 1
    weights: FloatArray  # (V, J), rows sum to 1
    parents: IntArray  # (J,), -1 for the root; a parent comes before its children
    standin: bool

    @property
    def joints(self) -> int:
        """Number of joints J."""
        return len(self.parents)

    @property
    def body_joints(self) -> int:
        """Number of leading joints that SMPL, SMPL-H and SMPL-X share."""
        return BODY_JOINTS

    @functools.cached_property
    def rest_joint_template(self) -> FloatArray:
        """Joints of the mean shape, (J, 3)."""
        return self.joint_regressor @ self.v_template

    @functools.cached_property
    def rest_joint_shapedirs(self) -> FloatArray:
        """Displacement of each joint per shape component, (J, 3, B)."""
        displacements: FloatArray = np.einsum("jv,vcb->jcb", self.joint_regressor, self.shapedirs, optimize=True)
        return displacements


def load_body(body_model: str = "smpl", gender: str = "neutral", folder: str | os.PathLike[str] | None = None) -> Body:
    """The body of a pose clip, cached.

    `folder`, or else the environment variable M3N_BODY_MODELS, names a directory laid out as the package smplx expects it:
    smpl/SMPL_NEUTRAL.npz or .pkl, smplh/SMPLH_MALE.npz or .pkl, smplh/male/model.npz, smplx/SMPLX_NEUTRAL.npz; the same
    names directly in the folder will do. With neither, the licence-free stand-in is returned.

    Raises InputError for an unknown model or gender, and, where a folder is given, for a file that is missing, damaged or
    incomplete: never does a stand-in take the place of an official body that was asked for.
    """
    if body_model not in JOINT_COUNT:
        raise InputError(f"unknown body model '{body_model}': expected one of {', '.join(JOINT_COUNT)}")
    if gender not in GENDERS:
        raise InputError(f"unknown gender '{gender}': expected one of {', '.join(GENDERS)}")
    chosen = os.fspath(folder) if folder is not None else os.environ.get(ENVIRONMENT) or None
    return _load(body_model, gender, chosen)


def standin_body() -> Body:
    """The licence-free stand-in, wherever official bodies may lie."""
    return _load("smpl", "neutral", None)


@functools.lru_cache(maxsize=16)
def _load(body_model: str, gender: str, folder: str | None) -> Body:
    if folder is None:
        return _standin(body_model, gender)
    path = body_file(Path(folder).expanduser(), body_model, gender)
    return _official(path, body_model, gender)


def body_file(folder: Path, body_model: str, gender: str) -> Path:
    """The official file of a body in a folder laid out as for `load_body`; InputError where there is none."""
    stem = f"{body_model.upper()}_{gender.upper()}"
    names = [f"{stem}.npz", f"{stem}.pkl"]
    if body_model == "smplh":
        names.append(f"{gender}/model.npz")
    candidates = [root / name for root in (folder / body_model, folder) for name in names]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    looked = ", ".join(str(candidate.relative_to(folder)) for candidate in candidates)
    raise InputError(
        f"{folder}: no {gender} {body_model} body in this folder (looked for {looked}); download it from the model's web site"
        f" and name it {body_model}/{stem}.npz, or unset {ENVIRONMENT} (and `folder`) to use the built-in stand-in"
    )


def _official(path: Path, body_model: str, gender: str) -> Body:
    from m3n.untrusted.smpl_pickle import read_official_pickle

    data = read_official_pickle(path, _KEYS) if path.suffix == ".pkl" else _read_npz(path, _KEYS)
    return body_from_arrays(data, body_model, gender, where=str(path))


def body_from_arrays(
    data: Mapping[str, NDArray[Any]], body_model: str = "smpl", gender: str = "neutral", where: str = "body arrays"
) -> Body:
    """A body from arrays under the official files' own keys, `kintree_table` (2, J) and `posedirs` (V, 3, 9 (J - 1)) included.

    Raises InputError, which begins with `where`, for an array whose shape does not fit the body model.
    """
    count = JOINT_COUNT[body_model]
    v_template = np.asarray(data["v_template"], np.float64)
    vertices = len(v_template)
    shapedirs = np.asarray(data["shapedirs"], np.float64)
    if shapedirs.ndim == 3 and body_model == "smplx":
        shapedirs = shapedirs[:, :, : _SMPLX_SHAPE_COMPONENTS.get(shapedirs.shape[2], shapedirs.shape[2])]
    posedirs = np.asarray(data["posedirs"], np.float64)
    if posedirs.ndim == 2:  # as smplx keeps it in memory: (9 (J - 1), 3 V)
        posedirs = posedirs.T.reshape(vertices, 3, -1)
    parents = np.array(data["kintree_table"], dtype=np.int64)[0].copy()
    parents[0] = -1  # the files write 2^32 - 1
    shapes = {
        "v_template": (v_template.shape, (vertices, 3)),
        "shapedirs": (shapedirs.shape[:2], (vertices, 3)),
        "posedirs": (posedirs.shape, (vertices, 3, 9 * (count - 1))),
        "J_regressor": (data["J_regressor"].shape, (count, vertices)),
        "weights": (data["weights"].shape, (vertices, count)),
        "kintree_table": (parents.shape, (count,)),
    }
    for key, (found, expected) in shapes.items():
        if found != expected:
            raise InputError(f"{where}: {key} has shape {found}, a {body_model} body needs {expected}; is it another model's?")
    if (parents[1:] >= np.arange(1, count)).any() or (parents[1:] < 0).any():
        raise InputError(f"{where}: kintree_table does not list every parent before its children")
    return _freeze(
        name=body_model,
        gender=gender,
        v_template=v_template,
        faces=np.asarray(data["f"], np.int64),
        shapedirs=shapedirs,
        posedirs=posedirs if posedirs.any() else None,
        joint_regressor=np.asarray(data["J_regressor"], np.float64),
        weights=np.asarray(data["weights"], np.float64),
        parents=parents,
        standin=False,
    )


def _read_npz(path: Path, keys: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in keys if key not in archive.files]
            if missing:
                raise InputError(f"{path}: lacks {', '.join(missing)}; expected an SMPL-family model file, download it again")
            return {key: archive[key] for key in keys}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: cannot be read as plain arrays ({error}); download it again or convert it to npz") from error


def _standin(body_model: str, gender: str) -> Body:
    with np.load(STANDIN_FILE, allow_pickle=False) as archive:
        data = {key: archive[key] for key in archive.files}
    vertices, joints = len(data["v_template"]), len(SMPL_PARENTS)
    return _freeze(
        name=body_model,
        gender=gender,
        v_template=data["v_template"].astype(np.float64),
        faces=data["faces"].astype(np.int64),
        shapedirs=data["shapedirs"].astype(np.float64),
        posedirs=None,
        joint_regressor=_dense_rows(data["regressor_vertices"], data["regressor_values"], (joints, vertices)),
        weights=_dense_rows(data["weight_joints"], data["weight_values"], (vertices, joints)),
        parents=np.array(SMPL_PARENTS, np.int64),
        standin=True,
    )


def _dense_rows(columns: NDArray[Any], values: NDArray[Any], shape: tuple[int, int]) -> FloatArray:
    """Row i holds values[i] at columns[i], scaled to sum to 1: half floats do not quite."""
    dense = np.zeros(shape)
    np.add.at(dense, (np.arange(shape[0])[:, None], columns), values.astype(np.float64))
    rows: FloatArray = dense / dense.sum(1, keepdims=True)
    return rows


def _freeze(**fields: Any) -> Body:
    """A cached body is shared by everyone, so nobody may write to it."""
    for value in fields.values():
        if isinstance(value, np.ndarray):
            value.setflags(write=False)
    return Body(**fields)
