"""How close a film of known motion comes to it: the stand-in is drawn, and virtual IMUs are made from the pictures.

    m3n bench video_loop --poses data/moves/poses --poses data/captured/poses --clips 10

From every table, clips spread over it evenly; of each the 4 s in which the wrists move most. The stand-in, in clothes, is drawn
into a room by a depth buffer (540 x 960, about 30 fps), seen from the front, turned by up to 60 degrees. The frames go through the
code of `m3n ingest video`; stretches in which an arm is hidden are cut, as there. IMUs of what is left are compared with those of
the true motion: both low-passed at 4 Hz, best lag within 0.1 s, correlation of norms, for wrists whose acceleration changes by at
least 0.5 m/s² (standard deviation of its norm). The first and last 0.25 s of a stretch do not count: where a captured motion is cut
off, the simulated truth itself ends in a spike of over 100 m/s². Somebody who walks out of the picture, which stands still, is left
out.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from scipy.spatial.transform import Rotation

import m3n
from m3n import schema
from m3n.body.joint_fit import fit_joints
from m3n.body.kinematics import joint_positions, skinned_points
from m3n.body.model import SMPL_JOINTS, standin_body
from m3n.errors import InputError
from m3n.imu.fidelity import align, correlation, norm
from m3n.io import tables
from m3n.randomness import generator
from m3n.sources.shared.joint_names import smpl_joints
from m3n.video.decoding import Frame
from m3n.video.landmarks import NAMES
from m3n.video.motion import in_sight, joints_of, motion_of
from m3n.video.network_files import checked_folder
from m3n.video.networks import PoseNetworks
from m3n.video.tracking import follow

WRISTS = ("left_wrist", "right_wrist")
CUTOFF_HZ, LAG_S, MOVES, EDGE_S = 4.0, 0.1, 0.5, 0.25
SECONDS, FPS, LEAST_S = 4.0, 30.0, 1.5
HEIGHT, WIDTH, FOCAL, DISTANCE_M, CAMERA_M = 960, 540, 0.85, 3.5, 1.2
MOST_TURNED, FARTHEST_M = np.radians(60), 0.6
BODY = standin_body()
PARTS = BODY.weights.argmax(1)
WEAR = {
    (50, 50, 60): "pelvis left_hip right_hip left_knee right_knee",
    (60, 90, 160): "spine1 spine2 spine3 left_collar right_collar left_shoulder right_shoulder",
    (30, 30, 30): "left_ankle right_ankle left_foot right_foot",
}


def coloured() -> np.ndarray:
    """Colours (V, 3) of skin, hair, a shirt, trousers and shoes."""
    colour = np.tile(np.array([205.0, 160.0, 135.0]), (len(PARTS), 1))
    for rgb, joints in WEAR.items():
        colour[np.isin(PARTS, [SMPL_JOINTS.index(name) for name in joints.split()])] = rgb
    head, y, z = SMPL_JOINTS.index("head") == PARTS, BODY.v_template[:, 1], BODY.v_template[:, 2]
    top = y[head].max()
    colour[head & ((y > top - 0.07) | ((z < z[head].mean() - 0.02) & (y > top - 0.18)))] = (60, 40, 30)
    return colour


def room() -> np.ndarray:
    """The image behind the person: a wall with a window and a door, and a floor."""
    image, floor = np.empty((HEIGHT, WIDTH, 3)), int(0.62 * HEIGHT)
    image[:floor] = np.array([190, 185, 175]) + np.linspace(-15, 15, WIDTH)[:, None]
    image[floor:] = np.array([130, 110, 90]) + np.linspace(-20, 20, HEIGHT - floor)[:, None, None]
    image[HEIGHT // 10 : 4 * HEIGHT // 10, WIDTH // 20 : WIDTH // 4] = (120, 150, 170)
    image[3 * HEIGHT // 10 : floor + 40, int(0.78 * WIDTH) : int(0.95 * WIDTH)] = (110, 80, 60)
    return np.clip(image + generator(0, "video_loop").normal(0, 4, image.shape), 0, 255).astype(np.uint8)


@njit  # type: ignore[untyped-decorator]
def drawn(xy, depth, faces, colour, image, nearest):  # type: ignore[no-untyped-def]
    """Draw triangles into an image by a depth buffer, colours interpolated between their corners."""
    for a, b, c in faces:
        area = (xy[b, 0] - xy[a, 0]) * (xy[c, 1] - xy[a, 1]) - (xy[c, 0] - xy[a, 0]) * (xy[b, 1] - xy[a, 1])
        if area == 0:
            continue
        low_x, high_x = min(xy[a, 0], xy[b, 0], xy[c, 0]), max(xy[a, 0], xy[b, 0], xy[c, 0])
        low_y, high_y = min(xy[a, 1], xy[b, 1], xy[c, 1]), max(xy[a, 1], xy[b, 1], xy[c, 1])
        for y in range(max(0, int(np.ceil(low_y))), min(nearest.shape[0] - 1, int(np.floor(high_y))) + 1):
            for x in range(max(0, int(np.ceil(low_x))), min(nearest.shape[1] - 1, int(np.floor(high_x))) + 1):
                u = ((xy[b, 0] - x) * (xy[c, 1] - y) - (xy[c, 0] - x) * (xy[b, 1] - y)) / area
                v = ((xy[c, 0] - x) * (xy[a, 1] - y) - (xy[a, 0] - x) * (xy[c, 1] - y)) / area
                w = 1 - u - v
                far = u * depth[a] + v * depth[b] + w * depth[c]
                if u >= 0 and v >= 0 and w >= 0 and far < nearest[y, x]:
                    nearest[y, x] = far
                    for k in range(3):
                        image[y, x, k] = np.uint8(u * colour[a, k] + v * colour[b, k] + w * colour[c, k])


def picture(points: np.ndarray, behind: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """The body's vertices (V, 3) m, z up and the camera towards +y, as an image (HEIGHT, WIDTH, 3)."""
    x, y, z = points[:, 0], points[:, 1] + DISTANCE_M, points[:, 2] - CAMERA_M
    focal = FOCAL * HEIGHT
    xy = np.stack([WIDTH / 2 + focal * x / y, HEIGHT / 2 - focal * z / y], 1)
    across = np.cross(points[BODY.faces[:, 1]] - points[BODY.faces[:, 0]], points[BODY.faces[:, 2]] - points[BODY.faces[:, 0]])
    out = np.zeros_like(points)
    for corner in range(3):
        np.add.at(out, BODY.faces[:, corner], across)
    out /= np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-12)
    light = np.array([0.4, -0.7, 0.6]) / np.linalg.norm([0.4, -0.7, 0.6])
    lit = np.clip(colour * (0.45 + 0.6 * np.clip(out @ light, 0, 1))[:, None], 0, 255)
    image, nearest = behind.copy(), np.full(behind.shape[:2], np.inf)
    drawn(xy, y, BODY.faces, lit, image, nearest)
    return image


def chosen(table: Path, count: int) -> Iterator[dict[str, Any]]:
    """Clips of a table, evenly spread over it."""
    shards = tables.shard_paths(table)
    rows = [(shard, number) for shard in shards for number in range(tables.row_count(shard))]
    for k in np.unique(np.linspace(0, len(rows) - 1, count).round().astype(int)):
        yield tables.row_at(rows[k][0], schema.POSE_CLIPS, rows[k][1])


def scene(row: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, float] | None:
    """Poses (F, J, 3), places (F, 3) and the rate of the 4 s of a clip in which the wrists move most, turned to the camera; None
    for somebody who leaves the picture."""
    step = max(1, round(row["fps"] / FPS))
    poses = np.reshape(row["poses"], (row["n_frames"], -1, 3)).astype(float)[::step]
    trans = np.reshape(row["trans"], (-1, 3)).astype(float)[::step]
    fps = row["fps"] / step
    joints = joint_positions(BODY, poses, trans, len(SMPL_JOINTS))
    length = min(len(poses), round(SECONDS * fps))
    wrists = joints[:, [SMPL_JOINTS.index(name) for name in WRISTS]]
    moved = np.r_[0, np.cumsum(np.linalg.norm(np.diff(wrists, axis=0), axis=-1).sum(-1))]
    start = int(np.argmax(moved[length - 1 :] - moved[: len(moved) - length + 1]))
    part = slice(start, start + length)
    poses, trans, joints = poses[part], trans[part], joints[part]
    middle = np.append(joints[:, 0, :2].mean(0), 0.0)
    hips = joints[:, SMPL_JOINTS.index("left_hip")] - joints[:, SMPL_JOINTS.index("right_hip")]
    facing = np.arctan2(*np.mean(hips[:, :2], 0)[::-1]) + generator(0, row["clip_id"]).uniform(-MOST_TURNED, MOST_TURNED)
    if length < LEAST_S * fps or np.linalg.norm(joints[:, 0, :2] - middle[:2], axis=-1).max() > FARTHEST_M:
        return None
    c, s = np.cos(-facing), np.sin(-facing)
    turn = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    root = joints[:, 0] - trans  # the pelvis does not lie at the translation, so it stays where it is while the world turns
    placed = (joints[:, 0] - middle) @ turn.T - root
    poses[:, 0] = (Rotation.from_matrix(turn) * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
    return poses, placed, fps


def compared(
    row: dict[str, Any], networks: PoseNetworks, behind: np.ndarray, colour: np.ndarray
) -> dict[str, list[float]] | None:
    """Correlations of the wrists that move, in all stretches that are kept; None for a clip that cannot be filmed."""
    found = scene(row)
    if found is None:
        return None
    poses, trans, fps = found
    every = np.arange(len(PARTS))
    film = (
        Frame(
            k / fps, picture(skinned_points(BODY, poses[k : k + 1], trans[k : k + 1], row["betas"], every)[0], behind, colour)
        )
        for k in range(len(poses))
    )
    stretch = follow(film, networks)
    r: dict[str, list[float]] = {"acceleration": [], "angular_rate": [], "kept_s": [0.0], "shown_s": [len(poses) / fps]}
    if not stretch.tracks:
        return r
    motion = motion_of(max(stretch.tracks, key=lambda track: len(track.frames)), stretch)
    for span in in_sight(motion, ("left", "right"))[0]:
        if span.stop - span.start < LEAST_S * fps:
            continue
        known, names = smpl_joints(joints_of(motion, span), list(NAMES), "video")
        fit = fit_joints(known, names, smooth_frames=0)
        first = round(motion.start_s * fps) + span.start
        true = slice(first, first + span.stop - span.start)
        r["kept_s"][0] += (span.stop - span.start) / fps
        if true.stop > len(poses):
            raise InputError(f"{row['clip_id']}: the film has {true.stop} frames, and the motion {len(poses)}")
        real = m3n.simulate(poses[true], trans[true], fps=fps, rate_hz=fps, betas=row["betas"], placements=WRISTS)
        mine = m3n.simulate(fit.poses, fit.trans, fps=motion.fps, rate_hz=fps, betas=fit.betas, placements=WRISTS)
        for wrist in WRISTS:
            pair = align(real[wrist], mine[wrist], fps, cutoff_hz=CUTOFF_HZ, max_lag_s=LAG_S)
            if pair is None:
                continue
            inner = slice(round(EDGE_S * fps), len(pair.real) - round(EDGE_S * fps))
            wanted, made = pair.real[inner], pair.simulated[inner]
            if norm(wanted[:, :3]).std() >= MOVES:
                r["acceleration"].append(correlation(norm(wanted[:, :3]), norm(made[:, :3])))
                r["angular_rate"].append(correlation(norm(wanted[:, 3:]), norm(made[:, 3:])))
    return r


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--poses", type=Path, action="append", required=True, help="table of pose clips; can be repeated")
    parser.add_argument("--clips", type=int, default=15, help="of each table")
    parser.add_argument("--model", choices=["lite", "full", "heavy"], default="full", help="landmark network")


def run(options: argparse.Namespace) -> dict[str, float]:
    networks = PoseNetworks(checked_folder(options.model), options.model)
    behind, colour = room(), coloured()
    every: dict[str, list[float]] = {"acceleration": [], "angular_rate": [], "kept_s": [], "shown_s": []}
    figures: dict[str, float] = {"clips": 0, "clips_out_of_the_picture": 0, "clips_without_a_person": 0}
    for number, table in enumerate(options.poses, 1):
        own: list[dict[str, list[float]]] = []
        for row in chosen(table, options.clips):
            r = compared(row, networks, behind, colour)
            if r is None:
                figures["clips_out_of_the_picture"] += 1
                continue
            figures["clips"] += 1
            figures["clips_without_a_person"] += r["kept_s"] == [0.0]
            own.append(r)
            for name, values in r.items():
                every[name] += values
        for name in ("acceleration", "angular_rate"):
            figures[f"table{number}_median_r_{name}"] = float(np.median([v for r in own for v in r[name]] or [np.nan]))
    figures |= {"wrists": len(every["acceleration"]), "share_kept": sum(every["kept_s"]) / sum(every["shown_s"])}
    for name in ("acceleration", "angular_rate"):
        figures[f"median_r_{name}"] = float(np.median(every[name] or [np.nan]))
        figures[f"lower_quarter_r_{name}"] = float(np.percentile(every[name] or [np.nan], 25))
    return figures
