"""One small file per outside format, behind one registry.

A source is a module of this folder with

- `Options`, a `m3n.config.Options` subclass: the `key=value` settings it takes;
- `pose_clips(path, options)` and / or `imu_recordings(path, options)`: generators that yield rows (dicts with the columns of
  `m3n.schema`, sequences as arrays shaped (length, width)) or `m3n.schema.Rejected` for an item that could not become one.

Adding a format is adding a file and a line below. Nothing outside this folder knows a data set by name.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from m3n.errors import InputError, nearest

# name -> (what `m3n ingest --help` says, kind of its poses: `m3n.imu.smoothing.KINDS` has the low pass that each kind needs)
SOURCES: dict[str, tuple[str, str | None]] = {
    "choreography": ("pose clips of arm movements authored by formula (no file needed)", "formula"),
    "seglearn_watch": ("smart-watch recordings of seven shoulder exercises, from the package seglearn (no file needed)", None),
    "utd_mhad": ("UTD-MHAD zip: Kinect skeletons and the wearable IMU", "depth_camera"),
    "recordings": ("recordings of your own: CSV or Parquet file with a row per sample, or a folder of them", None),
    "windows": ("windows that are already cut: npz file with X, y and subject", None),
    "openpack": ("OpenPack zip: packing work, an IMU on each wrist", None),
    "mmfit": ("MM-Fit zip: gym exercises, a smart watch on each wrist", None),
    "amass": ("AMASS npz file, or a folder of them", "optical"),
    "joints": ("3-D joints of any skeleton with SMPL, Kinect, MediaPipe or BVH names: npz file, or a folder of them", "video"),
    "bvh": ("BVH motion capture file, or a folder of them", "optical"),
    "bandai_namco": ("Bandai Namco Research Motion Dataset zip: studio motion capture", "optical"),
    "msr_action3d": ("MSR Action3D zip: skeletons of a depth camera", "depth_camera"),
    "smplx_npz": (
        "SMPL-X npz or pickle with How2Sign's keys, camera frame: a file per clip, a folder of them, or a file per frame",
        "video",
    ),
    "wham": ("WHAM's wham_output.pkl (video pose estimator)", "video"),
    "gvhmr": ("GVHMR's hmr4d_results.pt (video pose estimator)", "video"),
    "hmr4d": ("4DHumans' / PHALP's pickle (video pose estimator)", "video"),
    "romp": ("ROMP's or BEV's video_results.npz, or a folder of npz per image (video pose estimator)", "video"),
    "glamr": ("GLAMR's pickle (video pose estimator)", "video"),
}


def load(name: str) -> ModuleType:
    """The source module called `name`; InputError with the nearest name where there is none."""
    if name not in SOURCES:
        raise InputError(f"unknown source '{name}'{nearest(name, SOURCES)}; expected one of {', '.join(SOURCES)}")
    return importlib.import_module(f"m3n.sources.{name}")


def pose_kind(source: str) -> str | None:
    """Kind of the poses of a source; None for recordings and for names that are not in the registry."""
    return SOURCES[source][1] if source in SOURCES else None
