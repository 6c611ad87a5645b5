"""One valid input per source, as a tree that can be mutated and a writer that turns any tree into the format's bytes.

A tree is made of dicts, lists, arrays, numbers and text; `Raw` stands for bytes that the writer copies as they are, which is
how hostile pickle programs and npy headers get into an otherwise valid file.
"""

from __future__ import annotations

import importlib
import io
import pickle
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import torch
from fuzz.damaged_films import sound
from fuzz.public_sets import (
    dsads_files,
    hhar_files,
    mhealth_files,
    opportunity_files,
    pamap2_files,
    realworld_files,
    wear_files,
    wisdm_files,
)
from fuzz.source_files import (
    BENT,
    aist_dance,
    amass_arrays,
    amc_text,
    asf_text,
    body_joints,
    bvh_text,
    dot_csv,
    emdb_sequence,
    geotec_files,
    glamr_person,
    gvhmr_params,
    joint_csv,
    joint_json,
    joints_arrays,
    mmfit_files,
    msr_text,
    mvnx_text,
    ntu_text,
    opencap_markers,
    openpack_files,
    phalp_frame,
    pose2sim_text,
    romp_image,
    sample_columns,
    sample_csv,
    sketch_text,
    smplx_arrays,
    ui_prmd_text,
    utd_matrices,
    watch_arrays,
    watch_zip,
    wham_person,
    windows_arrays,
    write_whar,
)
from joblib.numpy_pickle import NumpyPickler
from scipy.io import savemat


@dataclass(frozen=True)
class Raw:
    """Bytes in a pickle (a program that leaves one object on the stack) or a whole member of an archive."""

    code: bytes


@dataclass(frozen=True)
class Original:
    """A source's valid input: its file name, its tree, what writes a tree, and the settings that reading it needs."""

    name: str
    tree: Callable[[], Any]
    write: Callable[[Path, Any], None]
    settings: list[str] = field(default_factory=list)
    pickled: bool = False  # hostile pickle programs have a place in it


class _RawPickler(pickle._Pickler):  # type: ignore[name-defined]
    def save(self, obj: Any, save_persistent_id: bool = True) -> Any:
        return self.write(obj.code) if isinstance(obj, Raw) else super().save(obj, save_persistent_id)


class _RawNumpyPickler(NumpyPickler):  # type: ignore[misc]
    def save(self, obj: Any) -> Any:
        return self.write(obj.code) if isinstance(obj, Raw) else super().save(obj)


def pickled(tree: Any, protocol: int = 4) -> bytes:
    """A pickle of the tree, `Raw` copied as it is."""
    out = io.BytesIO()
    _RawPickler(out, protocol).dump(tree)
    return out.getvalue()


def npy(value: Any) -> bytes:
    """An .npy file; what is no array of numbers or text is pickled into an array of objects of shape ()."""
    if isinstance(value, Raw):
        return value.code
    out = io.BytesIO()
    array = value if isinstance(value, np.ndarray) else None
    if array is None and not isinstance(value, dict | None) and "Raw(" not in repr(value)[:100_000]:
        array = np.asanyarray(value)
    if array is not None and not array.dtype.hasobject:
        np.lib.format.write_array(out, array)
        return out.getvalue()
    shape = () if array is None else array.shape
    np.lib.format.write_array_header_1_0(out, {"descr": "|O", "fortran_order": False, "shape": shape})
    if array is None:
        array = np.empty((), object)
        array[()] = value
    return out.getvalue() + pickled(array, 3)


def write_npz(file: Path, tree: Any) -> None:
    """An npz with one member per key of the tree."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, value in (tree if isinstance(tree, dict) else {"arr_0": tree}).items():
            archive.writestr(f"{key}.npy", npy(value))


def write_zip(file: Path, tree: Any) -> None:
    """A zip with one member per key: text, bytes, an array for an .npy file, or a dict of variables for a MATLAB file."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for key, value in (tree if isinstance(tree, dict) else {"content": tree}).items():
            archive.writestr(str(key), _member(value))


def _member(value: Any) -> bytes:
    if isinstance(value, Raw):
        return value.code
    if isinstance(value, dict):
        out = io.BytesIO()
        savemat(out, {str(k): v for k, v in value.items()}, do_compression=True)
        return out.getvalue()
    if isinstance(value, np.ndarray):
        return npy(value)
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")


def _write_joblib(file: Path, tree: Any) -> None:
    out = io.BytesIO()
    _RawNumpyPickler(out, protocol=4).dump(tree)
    file.write_bytes(out.getvalue())


def _write_packed_joblib(file: Path, tree: Any) -> None:
    _write_joblib(file, tree)
    compressor = joblib.compressor._COMPRESSORS["zlib"]
    out = io.BytesIO()
    with compressor.compressor_file(out, 3) as packed:
        packed.write(file.read_bytes())
    file.write_bytes(out.getvalue())


def _write_torch(file: Path, tree: Any) -> None:
    def tensors(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: tensors(held) for key, held in value.items()}
        try:
            return torch.from_numpy(np.ascontiguousarray(value)) if isinstance(value, np.ndarray) else value
        except (TypeError, ValueError):
            return value

    module: Any = SimpleNamespace(Pickler=_RawPickler, __name__="pickle")
    torch.save(tensors(tree), file, pickle_module=module)


def _write_text(file: Path, tree: Any) -> None:
    file.write_bytes(_member(tree))


def whar_tree() -> dict[str, Any]:
    """A cache of whar-datasets as its files."""
    with tempfile.TemporaryDirectory() as folder:
        place = write_whar(Path(folder) / "pamap2")
        held = {file.relative_to(place).as_posix(): file.read_bytes() for file in sorted(place.rglob("*")) if file.is_file()}
    return {name: data.decode() if name.endswith(".csv") else data for name, data in held.items()}


def _gvhmr() -> dict[str, Any]:
    plain = {key: held.numpy() for key, held in gvhmr_params().items()}
    return {"smpl_params_global": plain, "smpl_params_incam": dict(plain), "K_fullimg": np.eye(3)}


def c3d_bytes() -> bytes:
    """A C3D file of OpenCap's markers in mm, 100 Hz, as ezc3d writes it."""
    labels, points = opencap_markers()
    made = importlib.import_module("ezc3d").c3d()
    about = {"RATE": [100.0], "LABELS": tuple(labels), "UNITS": ("mm",)}
    for name, value in about.items():
        made["parameters"]["POINT"][name]["value"] = value
    made["data"]["points"] = np.concatenate([1000 * points.transpose(2, 1, 0), np.ones((1, len(labels), len(points)))])
    with tempfile.TemporaryDirectory() as folder:
        made.write(f"{folder}/clip.c3d")
        return Path(folder, "clip.c3d").read_bytes()


ORIGINALS: dict[str, Original] = {
    "amass": Original("clip.npz", lambda: amass_arrays(gender=np.array("female")), write_npz),
    "joints": Original("clip.npz", joints_arrays, write_npz),
    "joints.npy": Original("clip.npy", lambda: body_joints()[:, :22], lambda file, tree: _write_text(file, npy(tree)),
                           ["joint_names=smpl22", "fps=20", "up=z", "unit=m"], True),
    "joints.csv": Original("clip.csv", joint_csv, _write_text, ["up=z", "unit=m"]),
    "joints.json": Original("clip.json", joint_json, _write_text, ["up=z", "unit=m", "fps=30"]),
    "joints.skeleton": Original("S001C001P002R001A023.skeleton", ntu_text, _write_text),
    "trc": Original("clip.trc", pose2sim_text, _write_text),
    "mvnx": Original("clip.mvnx", mvnx_text, _write_text),
    "aistpp": Original("gBR_sBM_cAll_d04_mBR0_ch01.pkl", aist_dance, lambda file, tree: _write_text(file, pickled(tree)), [], True),
    "smpl_pickle": Original("P0_00_data.pkl", emdb_sequence, lambda file, tree: _write_text(file, pickled(tree)), [], True),
    "smplx_npz": Original("clip.npz", smplx_arrays, write_npz, ["fps=24"]),
    "bvh": Original("walk.bvh", lambda: bvh_text(BENT, frames=6), _write_text, ["unit=cm"]),
    "bandai_namco": Original(
        "bandai.zip", lambda: {f"d/dataset-1_walk_{style}_001.bvh": bvh_text(BENT, 6, inner=True) for style in ("tired", "happy")},
        write_zip,
    ),
    "asf_amc": Original(
        "cmu.zip", lambda: {"c/01/01.asf": asf_text(), **{f"c/01/01_0{k}.amc": amc_text() for k in (1, 2)}}, write_zip
    ),
    "ui_prmd": Original(
        "ui.zip", lambda: {f"P/m07_s01_e0{k}_positions.txt": ui_prmd_text() for k in (1, 2)}, write_zip
    ),
    "msr_action3d": Original(
        "msr.zip", lambda: {f"msr/a05_s01_e0{k}_skeleton3D.txt": msr_text() for k in (1, 2)}, write_zip
    ),
    "utd_mhad": Original("utd.zip", utd_matrices, write_zip),
    "wham": Original("wham_output.pkl", lambda: {0: wham_person(), 3: wham_person()}, _write_joblib, ["fps=30"], True),
    "hmr4d": Original(
        "demo.pkl", lambda: {f"{k:06d}.jpg": phalp_frame(k, [1, 2]) for k in range(4)}, _write_packed_joblib, ["fps=30"], True
    ),
    "gvhmr": Original("hmr4d_results.pt", _gvhmr, _write_torch, ["fps=30"], True),
    "romp": Original(
        "video_results.npz", lambda: {"results": {f"{k}.png": romp_image(2, [4, 9]) for k in range(4)}}, write_npz, ["fps=25"],
        True,
    ),
    "glamr": Original(
        "a.pkl", lambda: {"person_data": {0: glamr_person(), "b": glamr_person()}},
        lambda file, tree: _write_text(file, pickled(tree)), ["fps=30"], True,
    ),
    "sketch": Original("moves.yaml", sketch_text, _write_text, ["clips=2"]),
    "video": Original("film.mp4", lambda: sound()["film.mp4"], _write_text, ["workers=1"]),
    "recordings": Original(
        "watch.csv", lambda: sample_csv(sample_columns(subject=["a"] * 200, label=["walk"] * 90 + ["run"] * 110)), _write_text,
        ["acc_unit=g", "gyro_unit=deg/s"],
    ),
    "recordings.dot": Original("left.csv", dot_csv, _write_text, ["device=dot", "subject=a"]),
    "recordings.watch": Original("run.zip", watch_zip, write_zip, ["device=sensor_logger", "subject=a"]),
    "whar": Original("pamap2.zip", whar_tree, write_zip),
    "windows": Original("har.npz", windows_arrays, write_npz, ["rate_hz=50", "acc_unit=g", "gyro_unit=deg/s"]),
    "pamap2": Original("pamap2.zip", lambda: pamap2_files(1.5), write_zip),
    "mhealth": Original("mhealth.zip", lambda: mhealth_files(4.0), write_zip),
    "dsads": Original("dsads.zip", dsads_files, write_zip),
    "opportunity": Original("opportunity.zip", lambda: opportunity_files(4.0), write_zip),
    "wear": Original("wear.zip", lambda: wear_files(4.0), write_zip),
    "wisdm_watch": Original("wisdm.zip", lambda: wisdm_files(4.0), write_zip),
    "hhar": Original("hhar.zip", lambda: hhar_files(4.0), write_zip),
    "realworld": Original("realworld.zip", lambda: realworld_files(4.0), write_zip),
    "openpack": Original("openpack.zip", lambda: {**openpack_files(), **openpack_files(user="U0101")}, write_zip),
    "geotec_watch": Original("geotec.zip", lambda: {**geotec_files(), **geotec_files("s02")}, write_zip),
    "mmfit": Original("mmfit.zip", lambda: {**mmfit_files(), **mmfit_files("w01")}, write_zip),
    "seglearn_watch": Original("watch_dataset.npy", watch_arrays, lambda file, tree: _write_text(file, npy(tree)), [], True),
}  # fmt: skip
if find_spec("ezc3d") is not None:  # an extra
    ORIGINALS["c3d"] = Original("clip.c3d", c3d_bytes, _write_text)
