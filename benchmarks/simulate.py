"""How fast the simulator is, beside NumPy and smplx: two wrists, specific force and angular rate, on one core.

    m3n bench simulate --record

- kernel: `m3n.simulate` on a clip of 20,000 frames; short clips: on clips of 300 frames;
- NumPy: the same joints and the same splines in NumPy and SciPy;
- smplx: the full mesh of the same body by the package smplx, the wrist's vertex and joints, and finite differences, as scripts
  of the field do it (extra `smpl`);
- job: Parquet in to Parquet out, one worker without Ray, then on 10 and 100 times the clips, with its memory; the largest one
  also on Ray, with one worker and with two;
- the memory bandwidth and the arithmetic that the kernel reaches, against what NumPy reaches on this machine.

Each speed is the best of several runs, so that other work on the machine counts for little.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
from scipy.interpolate import make_interp_spline

import m3n
from m3n import schema
from m3n.body.kinematics import joint_transforms
from m3n.body.model import load_body
from m3n.cluster.simulate import ShardSimulator, run_shards
from m3n.cluster.start import connect
from m3n.commands.simulate.command import simulation_settings
from m3n.config import SimulateConfig
from m3n.imu.placement import SITES, mount, sensor_vertex
from m3n.imu.signals import continuous_quaternions
from m3n.io import tables

FPS, RATE_HZ = 60.0, 60.0
WRISTS = ("left_wrist", "right_wrist")
# what the kernel does per frame, counted from m3n/imu/kernel.py and spline.py for the ten joints on the way to two wrists
FLOPS_PER_FRAME = 10 * (5 + 4 * 14 + 28 + 18) + 2 * 70 + 14 * (4 * 2 + 1) + 14 * 6 * 6 + 110 + 2 * 75
BYTES_PER_FRAME = 12 * 11 + 14 * 8 * 6 + 12 * 8


def motion(frames: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A smooth random motion of an upright body: poses (frames, 24, 3) and trans (frames, 3), float32."""
    rng = np.random.default_rng(seed)
    t = np.arange(frames)[:, None, None] / FPS
    poses = 0.5 * np.sin(2 * np.pi * rng.uniform(0.1, 1, (24, 3)) * t + rng.uniform(0, 6, (24, 3)))
    poses[:, 0] = 0.2 * poses[:, 0] + [np.pi / 2, 0, 0]
    return poses.astype(np.float32), (0.2 * np.sin(t[:, 0] * [1, 2, 3])).astype(np.float32)


def frames_per_s(work: Callable[[], object], frames: int, runs: int = 5) -> float:
    """Best of several runs."""
    work()
    best = np.inf
    for _ in range(runs):
        start = time.perf_counter()
        work()
        best = min(best, time.perf_counter() - start)
    return frames / best


def with_numpy(poses: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """The same chain and splines in NumPy and SciPy."""
    body = load_body()
    mounts = [mount(body, np.zeros(10), SITES[placement]) for placement in WRISTS]
    bones, joints = joint_transforms(body, poses, trans, joints=[m.joint for m in mounts])
    positions = joints + np.einsum("fsij,sj->fsi", bones, np.stack([m.offset for m in mounts]))
    quaternions = continuous_quaternions(bones @ np.stack([m.rotation for m in mounts]))
    times = np.arange(len(poses)) / FPS
    curve = make_interp_spline(times, np.concatenate([positions, quaternions], 2).reshape(len(poses), -1), k=5)
    value, velocity, acceleration = (curve(times, nu=n).reshape(len(poses), 2, 7) for n in range(3))
    v, w, dv, dw = value[..., 3:6], value[..., 6:], velocity[..., 3:6], velocity[..., 6:]
    rate = 2 * (w * dv - dw * v - np.cross(v, dv))
    force = acceleration[..., :3] + [0, 0, schema.GRAVITY]
    turned = np.cross(v, force)
    return np.concatenate([force + 2 * (np.cross(v, turned) - w * turned), rate], -1)


def with_smplx(poses: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """Full mesh by smplx, then finite differences of the wrist's vertex and of a frame built from mesh points."""
    import smplx
    import torch
    from smplx.utils import Struct

    torch.set_num_threads(1)
    body = load_body()
    if not hasattr(with_smplx, "model"):
        posedirs = np.zeros((*body.v_template.shape, 207)) if body.posedirs is None else body.posedirs
        arrays = {
            "v_template": body.v_template, "f": body.faces, "weights": body.weights, "shapedirs": body.shapedirs,
            "posedirs": posedirs, "J_regressor": body.joint_regressor,
            "kintree_table": np.stack([np.where(body.parents < 0, 2**32 - 1, body.parents), np.arange(24)]),
        }  # fmt: skip
        ids = {name: int(i) for i, name in enumerate(smplx.vertex_ids.vertex_ids["smplh"])}
        with_smplx.model = smplx.SMPL("", data_struct=Struct(**arrays), vertex_ids=ids, create_body_pose=False, create_betas=False,
                                      create_global_orient=False, create_transl=False)  # type: ignore[attr-defined]  # fmt: skip
    model, out = with_smplx.model, []  # type: ignore[attr-defined]
    vertices = [sensor_vertex(body, SITES[placement]) for placement in WRISTS]
    with torch.no_grad():
        for start in range(0, len(poses), 256):
            p, t = torch.from_numpy(poses[start : start + 256]), torch.from_numpy(trans[start : start + 256])
            result = model(betas=torch.zeros(len(p), 10), global_orient=p[:, 0], body_pose=p[:, 1:].flatten(1), transl=t)
            out.append(torch.cat([result.vertices[:, vertices], result.joints[:, [18, 19, 20, 21]]], 1).numpy())
    points = np.concatenate(out)
    acceleration = np.gradient(np.gradient(points[:, :2], 1 / FPS, axis=0), 1 / FPS, axis=0) + [0, 0, schema.GRAVITY]
    x = points[:, 4:6] - points[:, 2:4]
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    y = np.cross(points[:, :2] - points[:, 4:6], x)
    y /= np.linalg.norm(y, axis=-1, keepdims=True)
    frame = np.stack([x, y, np.cross(x, y)], -1)
    spin = np.einsum("fsji,fsjk->fsik", frame, np.gradient(frame, 1 / FPS, axis=0))
    force = np.einsum("fsji,fsj->fsi", frame, acceleration)
    return np.concatenate([force, np.stack([spin[..., 2, 1], spin[..., 0, 2], spin[..., 1, 0]], -1)], -1)


def make_shards(folder: Path, clips: int) -> int:
    """Pose shards of 64 clips with 600 frames; returns the number of frames."""
    folder.mkdir()
    poses, trans = motion(600 + clips)

    def row(i: int) -> dict[str, object]:
        return {
            "clip_id": f"{i}", "source": "bench", "text": "", "fps": FPS, "body_model": "smpl", "gender": "neutral",
            "betas": np.zeros(10), "n_frames": 600, "poses": poses[i : i + 600], "trans": trans[i : i + 600],
        }  # fmt: skip

    tables.write_table(folder, (row(i) for i in range(clips)), schema.POSE_CLIPS, 64)
    return 600 * clips


def run_job(source: Path, out: Path) -> None:
    """Parquet in to Parquet out, in this process."""
    out.mkdir(exist_ok=True)
    settings = simulation_settings(SimulateConfig(rate_hz=RATE_HZ, cutoff_hz="none"))
    simulator = ShardSimulator(str(out), settings)
    for shard in tables.shard_paths(source):
        simulator.simulate(shard, {})


def run_on_ray(source: Path, out: Path, workers: int) -> float:
    """Frames/s of a job on Ray once its workers are there: from the first shard that is done to the last."""
    out.mkdir()
    settings = simulation_settings(SimulateConfig(rate_hz=RATE_HZ, cutoff_hz="none"))
    frames, ends = [], []
    for result in run_shards(tables.shard_paths(source), out, settings, workers):
        frames.append(result["frames"])
        ends.append(time.perf_counter())
    return sum(frames[workers:]) / (ends[-1] - ends[workers - 1])


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--largest", type=int, choices=(1, 10, 100), default=100, help="the largest job has this many times 32 clips"
    )


def run(options: argparse.Namespace) -> dict[str, float]:
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    figures: dict[str, float] = {}
    poses, trans = motion(20_000)
    figures["kernel_frames_per_s"] = frames_per_s(lambda: m3n.simulate(poses, trans, fps=FPS, rate_hz=RATE_HZ), 20_000)
    short = [slice(i, i + 300) for i in range(0, 20_000 - 300, 300)]
    figures["short_clips_frames_per_s"] = frames_per_s(
        lambda: [m3n.simulate(poses[s], trans[s], fps=FPS, rate_hz=RATE_HZ) for s in short], 300 * len(short)
    )
    figures["numpy_frames_per_s"] = frames_per_s(lambda: with_numpy(poses[:2000], trans[:2000]), 2000)
    try:
        figures["smplx_frames_per_s"] = frames_per_s(lambda: with_smplx(poses[:1024], trans[:1024]), 1024, runs=3)
        figures["ratio_to_smplx"] = figures["kernel_frames_per_s"] / figures["smplx_frames_per_s"]
    except ImportError:
        print("smplx is not installed (extra `smpl`): its row is left out", file=sys.stderr)
    figures["ratio_to_numpy"] = figures["kernel_frames_per_s"] / figures["numpy_frames_per_s"]
    with tempfile.TemporaryDirectory() as folder:
        clips = 32
        largest = 32 * options.largest
        while clips <= largest:
            frames = make_shards(Path(folder) / f"in{clips}", clips)
            runs = 3 if clips < 1000 else 1
            work = frames_per_s(lambda: run_job(Path(folder) / f"in{clips}", Path(folder) / "out"), frames, runs)  # noqa: B023
            figures[f"job_frames_per_s_{clips}_clips"] = work
            figures[f"job_peak_memory_mb_{clips}_clips"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            figures["job_frames_per_s"] = work
            clips *= 10
        largest_job = Path(folder) / f"in{largest}"
        if len(tables.shard_paths(largest_job)) > 8:  # fewer say nothing about workers
            connect(workers=2)
            for workers in (1, 2):
                speed = [run_on_ray(largest_job, Path(folder) / f"ray{workers}{run}", workers) for run in range(2)]
                figures[f"ray_job_frames_per_s_{workers}_workers"] = max(speed)
            figures["two_workers_to_one"] = (
                figures["ray_job_frames_per_s_2_workers"] / figures["ray_job_frames_per_s_1_workers"]
            )
    big, square = np.random.default_rng(0).random(40_000_000), np.random.default_rng(0).random((1000, 1000))
    target = np.empty_like(big)
    copies = frames_per_s(lambda: np.copyto(target, big), 2 * big.nbytes)
    flops = frames_per_s(lambda: square @ square, 2 * 1000**3)
    figures["memory_bandwidth_gb_per_s"], figures["peak_gflops"] = copies / 1e9, flops / 1e9
    figures["share_of_memory_bandwidth"] = figures["kernel_frames_per_s"] * BYTES_PER_FRAME / copies
    figures["share_of_peak_arithmetic"] = figures["kernel_frames_per_s"] * FLOPS_PER_FRAME / flops
    return figures
