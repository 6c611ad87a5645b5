"""How close one camera comes to four: IMUs simulated from each of four calibrated films of one movement, beside the truth of all.

    m3n bench video --videos videos.zip --record

`videos.zip` holds `single_cam01-04.mp4` and their calibration (Qualisys). The truth: landmarks of all four cameras, triangulated
with robust weights, each camera's image shifted by a constant that makes the four agree (by the calibration alone they miss each
other by up to 20 pixels), smoothed and fitted as `m3n ingest video` does it. Each camera alone goes through the code of `m3n ingest
video`, hidden arms included, and the simulator. Both are low-passed at 4 Hz, and compared at the best lag within
0.1 s. Frames per second are of decoding, networks and tracking on one core, by CPU time.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import re
import tempfile
import time
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

import m3n
from m3n.body.joint_fit import FitResult, fit_joints
from m3n.body.kinematics import joint_positions
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.imu.fidelity import align, correlation, norm
from m3n.imu.smoothing import low_pass
from m3n.sources.shared.joint_names import smpl_joints
from m3n.video.decoding import frames
from m3n.video.landmarks import NAMES, OTHER_SIDE
from m3n.video.motion import exchanged, joints_of, motion_of, smoothed
from m3n.video.network_files import checked_folder
from m3n.video.networks import PoseNetworks
from m3n.video.tracking import follow

CAMERAS = (1, 2, 3, 4)
WRISTS = ("left_wrist", "right_wrist")
CUTOFF_HZ, LAG_S = 4.0, 0.1
JOINTS = [NAMES.index(f"{s}_{j}") for s in ("left", "right") for j in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")]
ROUNDS, ROBUST_PX = 30, 10.0


class Camera(NamedTuple):
    """World to camera (3, 3), place (3,) m, focal lengths and centre (pixels), distortion (k1, k2, p1, p2)."""

    turn: np.ndarray
    place: np.ndarray
    lens: np.ndarray
    distortion: np.ndarray


def calibration(text: str) -> list[Camera]:
    """The cameras of a Qualisys file: axes right, up, backwards; millimetres; pixels times 64."""
    found = []
    for part in re.findall(r"<camera .*?</camera>", text, re.S):
        value = {key: float(number) for key, number in re.findall(r'(\w+)="([-\d.e]+)"', part)}
        turn = np.array([[value[f"r{i}{j}"] for j in (1, 2, 3)] for i in (1, 2, 3)])
        place = np.array([value["x"], value["y"], value["z"]]) / 1000
        lens = np.array([value[k] for k in ("focalLengthU", "focalLengthV", "centerPointU", "centerPointV")]) / 64
        bent = [value[k] for k in ("radialDistortion1", "radialDistortion2", "tangentalDistortion1", "tangentalDistortion2")]
        found.append(Camera(np.diag([1, -1, -1]) @ turn, place, lens, np.array(bent)))
    return found


def _bend(camera: Camera, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    k1, k2, p1, p2 = camera.distortion
    u, v = at[..., 0], at[..., 1]
    r2 = u * u + v * v
    aside = np.stack([2 * p1 * u * v + p2 * (r2 + 2 * u * u), p1 * (r2 + 2 * v * v) + 2 * p2 * u * v], -1)
    return (1 + k1 * r2 + k2 * r2 * r2)[..., None], aside


def projected(camera: Camera, points: np.ndarray) -> np.ndarray:
    """Pixels (..., 2) of points (..., 3) m (Brown, Photogrammetric Engineering 32(3), 1966)."""
    seen = (points - camera.place) @ camera.turn.T
    flat = seen[..., :2] / seen[..., 2:]
    scale, aside = _bend(camera, flat)
    return camera.lens[:2] * (flat * scale + aside) + camera.lens[2:]


def rays(camera: Camera, pixels: np.ndarray) -> np.ndarray:
    """Directions (..., 3) in the world."""
    bent = (pixels - camera.lens[2:]) / camera.lens[:2]
    flat = bent
    for _ in range(8):
        scale, aside = _bend(camera, flat)
        flat = (bent - aside) / scale
    found = np.concatenate([flat, np.ones((*flat.shape[:-1], 1))], -1) @ camera.turn
    return found / np.linalg.norm(found, axis=-1, keepdims=True)


def triangulated(cameras: list[Camera], pixels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Points (F, K, 3) nearest to the rays of pixels (C, F, K, 2), by weighted least squares."""
    left, right = np.zeros((*weights.shape[1:], 3, 3)), np.zeros((*weights.shape[1:], 3))
    for camera, at, weight in zip(cameras, pixels, weights, strict=True):
        along = rays(camera, at)
        across = weight[..., None, None] * (np.eye(3) - along[..., :, None] * along[..., None, :])
        left += across
        right += across @ camera.place
    return np.linalg.solve(left, right[..., None])[..., 0]


def truth(cameras: list[Camera], pixels: np.ndarray, visibility: np.ndarray, fps: float) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks (F, 33, 3) m of all cameras, and frames (C, F) in which a camera's left and right are exchanged."""
    pixels, visibility = pixels.copy(), np.maximum(visibility, 0.05)
    shift, weights = np.zeros((len(cameras), 1, 1, 2)), visibility**2
    wrong = np.zeros(pixels.shape[:2], bool)
    for number in range(ROUNDS):
        points = triangulated(cameras, pixels + shift, weights)
        miss = np.array([projected(c, points) for c in cameras]) - pixels - shift
        weights = visibility**2 / (1 + (np.linalg.norm(miss, axis=-1) / ROBUST_PX) ** 2)
        if number > 3:
            shift += 0.5 * np.median(miss[:, :, JOINTS], axis=(1, 2), keepdims=True)
        smooth = low_pass(points.reshape(len(points), -1), 6.0, fps).reshape(points.shape)
        for c, camera in enumerate(cameras):
            at = projected(camera, smooth) - shift[c]
            cost = [np.minimum(np.linalg.norm(at - p, axis=-1), 150).sum(-1) for p in (pixels[c], pixels[c][:, OTHER_SIDE])]
            other = cost[1] < cost[0]
            wrong[c] ^= other
            pixels[c, other] = pixels[c, other][:, OTHER_SIDE]
            visibility[c, other] = visibility[c, other][:, OTHER_SIDE]
    return points, wrong


def body_of(joints: np.ndarray) -> FitResult:
    known, names = smpl_joints(joints, list(NAMES), "video")
    return fit_joints(known, names, smooth_frames=0)


def wrist_paths(fit: FitResult) -> np.ndarray:
    """Wrists (F, 2, 3) m."""
    places = joint_positions(load_body("smpl"), fit.poses.astype(float), fit.trans.astype(float), len(SMPL_JOINTS))
    return places[:, [SMPL_JOINTS.index(name) for name in WRISTS]]


def laid_over(points: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """Points (F, K, 3) turned and moved onto others (Kabsch, Acta Cryst. A 32, 1976)."""
    a, b = points.reshape(-1, 3), onto.reshape(-1, 3)
    u, _, vt = np.linalg.svd((a - a.mean(0)).T @ (b - b.mean(0)))
    turn = (u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt).T
    return (points - a.mean(0)) @ turn.T + b.mean(0)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--videos", type=Path, required=True, help="videos.zip, with four films and their calibration")
    parser.add_argument("--model", choices=["lite", "full", "heavy"], default="full", help="landmark network")


def run(options: argparse.Namespace) -> dict[str, float]:
    networks = PoseNetworks(checked_folder(options.model), options.model)
    stretches, spent = [], 0.0
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(options.videos) as archive:
        inside = {Path(name).name: name for name in archive.namelist()}
        cameras = calibration(archive.read(inside["single_calibration.qca.txt"]).decode("ascii"))
        for number in CAMERAS:
            film = Path(folder) / f"cam{number}.mp4"
            film.write_bytes(archive.read(inside[f"single_cam{number:02d}.mp4"]))
            started = time.process_time()
            stretches.append(follow(frames(film), networks))
            spent += time.process_time() - started
    tracks = [max(stretch.tracks, key=lambda track: len(track.frames)) for stretch in stretches]
    motions = [motion_of(track, stretch) for track, stretch in zip(tracks, stretches, strict=True)]
    count, fps = min(len(track.frames) for track in tracks), motions[0].fps
    pixels = np.array([track.pixels[:count] for track in tracks], float)
    shown = np.array([track.visibility[:count] for track in tracks], float)
    points, wrong = truth(cameras, pixels, shown, fps)
    reference = body_of(smoothed(points, fps))
    figures: dict[str, float] = {"frames_per_s_per_core": sum(len(s.times_s) for s in stretches) / spent}
    every: dict[str, list[float]] = {"r_acceleration": [], "r_angular_rate": [], "wrist_mm": []}
    paths, real = wrist_paths(reference), _imu(reference, fps)
    for number, motion, track, swapped in zip(CAMERAS, motions, tracks, wrong, strict=True):
        fit = body_of(joints_of(motion, slice(0, count)))
        mine, own = _imu(fit, fps), wrist_paths(fit)
        figures[f"cam{number}_frames_left_swapped"] = int(
            min((exchanged(track.pixels.astype(float))[:count] ^ swapped).sum(), count)
        )
        for k, wrist in enumerate(WRISTS):
            pair = align(real[wrist], mine[wrist], fps, cutoff_hz=CUTOFF_HZ, max_lag_s=LAG_S)
            assert pair is not None
            found = {
                "r_acceleration": correlation(norm(pair.real[:, :3]), norm(pair.simulated[:, :3])),
                "r_angular_rate": correlation(norm(pair.real[:, 3:]), norm(pair.simulated[:, 3:])),
                "wrist_mm": 1000 * float(np.median(np.linalg.norm(laid_over(own, paths) - paths, axis=-1)[:, k])),
            }
            for name, value in found.items():
                figures[f"cam{number}_{wrist}_{name}"] = value
                every[name].append(value)
    return figures | {f"median_{name}": float(np.median(values)) for name, values in every.items()}


def _imu(fit: FitResult, fps: float) -> dict[str, np.ndarray]:
    return m3n.simulate(fit.poses, fit.trans, fps=fps, rate_hz=fps, betas=fit.betas, placements=WRISTS)
