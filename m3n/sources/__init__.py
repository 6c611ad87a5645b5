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

# name -> (what `m3n ingest --help` says, low-pass cut-off in Hz that its poses need before they are differentiated twice)
SOURCES: dict[str, tuple[str, float | None]] = {
    "choreography": ("pose clips of arm movements authored by formula (no file needed)", None),
    "seglearn_watch": ("smart-watch recordings of seven shoulder exercises, from the package seglearn (no file needed)", None),
    "utd_mhad": ("UTD-MHAD zip: Kinect skeletons and the wearable IMU", 2.0),
    "amass": ("AMASS npz file, or a folder of them", None),
    "joints": ("3-D joints of any skeleton with SMPL, Kinect, MediaPipe or BVH names: npz file, or a folder of them", 6.0),
    "bvh": ("BVH motion capture file, or a folder of them", None),
    "bandai_namco": ("Bandai Namco Research Motion Dataset zip: studio motion capture", None),
    "msr_action3d": ("MSR Action3D zip: skeletons of a depth camera", 5.0),
    "smplx_npz": (
        "SMPL-X npz or pickle with How2Sign's keys, camera frame: a file per clip, a folder of them, or a file per frame",
        6.0,
    ),
    "wham": ("WHAM's wham_output.pkl (video pose estimator)", 6.0),
    "gvhmr": ("GVHMR's hmr4d_results.pt (video pose estimator)", 6.0),
    "hmr4d": ("4DHumans' / PHALP's pickle (video pose estimator)", 6.0),
    "romp": ("ROMP's or BEV's video_results.npz, or a folder of npz per image (video pose estimator)", 6.0),
    "glamr": ("GLAMR's pickle (video pose estimator)", 6.0),
}


def load(name: str) -> ModuleType:
    """The source module called `name`; InputError with the nearest name where there is none."""
    if name not in SOURCES:
        raise InputError(f"unknown source '{name}'{nearest(name, SOURCES)}; expected one of {', '.join(SOURCES)}")
    return importlib.import_module(f"m3n.sources.{name}")


def pose_cutoff_hz(source: str) -> float | None:
    """Default cut-off (Hz) of the zero-lag low pass for poses of this source; None leaves them as they are."""
    return SOURCES[source][1] if source in SOURCES else None
