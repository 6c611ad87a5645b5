"""The names that users choose from, each with its line of help: one table a kind of component.

Configs, `--help`, search spaces, benchmarks and tests read these tables, so that a new component is its module and one line here.
Nothing is imported, so that `--help` stays quick and a bare machine can read them.
"""

from __future__ import annotations

from typing import NamedTuple


class Source(NamedTuple):
    """A format that `m3n ingest` reads: the folder of its module below `m3n.sources`, and what its poses come from.

    `poses_from` decides the low pass before simulation (`m3n.imu.smoothing.KINDS`); None where there are no poses.
    """

    folder: str
    help: str
    poses_from: str | None = None


SOURCES: dict[str, Source] = {
    "choreography": Source("poses", "pose clips of arm movements authored by formula (no file needed)", "formula"),
    "seglearn_watch": Source(
        "recordings", "smartwatch recordings of seven shoulder exercises, from the package seglearn (no file needed)"
    ),
    "utd_mhad": Source("paired", "UTD-MHAD zip: Kinect skeletons and the wearable IMU", "depth_camera"),
    "recordings": Source(
        "recordings", "your own recordings: a CSV or Parquet file with one row per sample, or a folder of them"
    ),
    "windows": Source("recordings", "windows that are already cut: npz file with X, y and subject"),
    "openpack": Source("recordings", "OpenPack zip: packing work, an IMU on each wrist"),
    "mmfit": Source("recordings", "MM-Fit zip: gym exercises, a smartwatch on each wrist"),
    "amass": Source("poses", "AMASS npz file, or a folder of them", "optical"),
    "joints": Source(
        "poses", "3-D joints of any skeleton with SMPL, Kinect, MediaPipe or BVH names: npz file, or a folder of them", "video"
    ),
    "bvh": Source("poses", "BVH motion capture file, or a folder of them", "optical"),
    "bandai_namco": Source("poses", "Bandai Namco Research Motion Dataset zip: studio motion capture", "optical"),
    "msr_action3d": Source("poses", "MSR Action3D zip: skeletons of a depth camera", "depth_camera"),
    "smplx_npz": Source(
        "poses",
        "SMPL-X npz or pickle with How2Sign's keys, camera frame: a file per clip, a folder of them, or a file per frame",
        "video",
    ),
    "wham": Source("poses", "WHAM's wham_output.pkl (video pose estimator)", "video"),
    "gvhmr": Source("poses", "GVHMR's hmr4d_results.pt (video pose estimator)", "video"),
    "hmr4d": Source("poses", "4DHumans' / PHALP's pickle (video pose estimator)", "video"),
    "romp": Source("poses", "ROMP's or BEV's video_results.npz, or a folder of npz per image (video pose estimator)", "video"),
    "glamr": Source("poses", "GLAMR's pickle (video pose estimator)", "video"),
}
