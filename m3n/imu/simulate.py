"""Simulates virtual IMUs on a body that moves as an SMPL-family clip says: poses in, samples out.

Sensor paths (forward kinematics) -> low pass of the pose source -> specific force and angular rate (`m3n.imu.signals`) -> errors of
a real sensor (`m3n.imu.sensor`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from m3n.body.kinematics import ancestors, rest_joints
from m3n.body.model import Body, load_body
from m3n.body.rotations import TURN_UP
from m3n.config import Site
from m3n.errors import InputError, shown
from m3n.imu import arguments
from m3n.imu.differences import differenced
from m3n.imu.domain import Wearing
from m3n.imu.kernel import CHANNELS, sensor_motion
from m3n.imu.motion_check import check_motion
from m3n.imu.placement import chosen_sites, mount
from m3n.imu.sensor import SensorModel, find_sensor
from m3n.imu.signals import measured
from m3n.imu.smoothing import LowPass
from m3n.randomness import generator
from m3n.schema import check_pose_clip

METHODS = {"spline": measured, "finite_differences": differenced}
AS_PLACED: Mapping[str, Wearing] = MappingProxyType({})


def simulate(
    poses: np.ndarray,
    trans: np.ndarray,
    *,
    fps: float,
    placements: Sequence[str] | Mapping[str, Site] = ("left_wrist", "right_wrist"),
    rate_hz: float = 60.0,
    betas: np.ndarray | None = None,
    body_model: str | None = None,
    gender: str = "neutral",
    cutoff_hz: float | None = None,
    sensor: str | SensorModel | None = None,
    seed: int = 0,
    up: str = "z",
    check: bool = True,
) -> dict[str, np.ndarray]:
    """Simulate IMUs worn by a moving body.

    poses: (frames, J, 3) axis-angle, root first, J = 24 ("smpl"), 52 ("smplh") or 55 ("smplx"), or 22 without hands; rad.
    trans: (frames, 3), the body model's translation; m.
    fps: frame rate of the motion; rate_hz: sampling rate of the sensors; Hz.
    placements: names of m3n's placements (the keys of `m3n.SITES`), or a mapping from name to `m3n.Site` for your own sites.
    betas: (n,) shape coefficients; None is the mean shape.
    body_model: None chooses the model by the number of joints.
    cutoff_hz: cut-off of a zero-lag low pass over the motion; None applies none.
    sensor: error model, by name or as an object; None is an ideal sensor. `seed` determines its errors.
    up: the axis of the world that points up, "z", "y" or "-y".
    check: refuse impossible motion, such as degrees instead of radians, or a T-pose before the first frame.

    Single values may be arrays of one element, as in npz files. Returns placement -> (samples, 6) float32: specific force (m/s²)
    and angular rate (rad/s) in the sensor frame; sample k is at k / rate_hz. Raises InputError for shapes, values or names that
    cannot be simulated.
    """
    fps, rate_hz = arguments.number("fps", fps), arguments.number("rate_hz", rate_hz)
    cutoff_hz = None if cutoff_hz is None else arguments.number("cutoff_hz", cutoff_hz)
    frames, trans, body_model = arguments.motion(poses, trans, body_model)
    sites = chosen_sites(arguments.placement_names(placements))
    shape, gender = arguments.shape_of(betas, len(frames)), arguments.word("gender", gender).lower()
    problem = check_pose_clip(
        {
            "clip_id": "", "source": "", "fps": fps, "body_model": body_model, "gender": gender, "betas": shape,
            "n_frames": len(frames), "poses": frames, "trans": trans,
        }
    )  # fmt: skip
    if problem:
        raise InputError(problem)
    body = load_body(body_model, gender)
    if up != "z":
        frames, trans = _stood_up(frames, trans, arguments.word("up", up), rest_joints(body, shape)[0])
    low_pass = None if cutoff_hz is None else LowPass(cutoff_hz)
    return _simulate(body, frames, trans, shape, fps, sites, rate_hz, low_pass, sensor, seed, "", check=check)


def simulate_clip(
    row: Mapping[str, Any],
    *,
    placements: Sequence[str] | Mapping[str, Site],
    rate_hz: float,
    low_pass: LowPass | None,
    sensor: str | None,
    seed: int,
    wearing: Mapping[str, Wearing] = AS_PLACED,
    method: str = "spline",
) -> dict[str, np.ndarray]:
    """The same for a checked row of `pose_clips`; sensor errors are drawn from (seed, clip_id, placement). `method`: of METHODS."""
    body = load_body(row["body_model"], row["gender"])
    poses = np.asarray(row["poses"]).reshape(row["n_frames"], -1, 3)
    trans = np.asarray(row["trans"]).reshape(row["n_frames"], 3)
    betas, fps = np.asarray(row["betas"], dtype=float), float(row["fps"])
    sites = chosen_sites(placements)
    return _simulate(body, poses, trans, betas, fps, sites, rate_hz, low_pass, sensor, seed, row["clip_id"], wearing, method)


def _simulate(
    body: Body,
    poses: np.ndarray,
    trans: np.ndarray,
    betas: np.ndarray,
    fps: float,
    sites: Mapping[str, Site],
    rate_hz: float,
    low_pass: LowPass | None,
    sensor: str | SensorModel | None,
    seed: int,
    clip_id: str,
    wearing: Mapping[str, Wearing] = AS_PLACED,
    method: str = "spline",
    check: bool = False,
) -> dict[str, np.ndarray]:
    motion = sensor_paths(body, poses, trans, betas, sites, wearing)
    if check:
        paths = motion.reshape(len(motion), len(sites), CHANNELS)[:, :, :3]
        check_motion(poses, trans, paths, list(sites), fps)
    if low_pass is not None:
        motion = low_pass(motion, fps)
    signals = METHODS[method](motion, fps=fps, rate_hz=rate_hz)
    model = find_sensor(sensor)
    samples = {}
    for i, placement in enumerate(sites):
        signal = signals[:, i]
        if model is not None:
            signal = model.apply(signal, rate_hz, generator(seed, clip_id, "sensor", placement))
        samples[placement] = signal.astype(np.float32)
    return samples


def _stood_up(poses: np.ndarray, trans: np.ndarray, up: str, pelvis: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Poses (F, J, 3) and trans (F, 3) rotated to a z-up world; the root rotates about the pelvis, at `pelvis` in the rest pose."""
    if up not in TURN_UP:
        raise InputError(f"up is '{shown(up)}', expected {', '.join(TURN_UP)}")
    turn = TURN_UP[up]
    turned = poses.astype(float)
    turned[:, 0] = (Rotation.from_matrix(turn) * Rotation.from_rotvec(turned[:, 0])).as_rotvec()
    return turned, (trans + pelvis) @ turn.T - pelvis


def sensor_paths(
    body: Body,
    poses: np.ndarray,
    trans: np.ndarray,
    betas: np.ndarray,
    sites: Mapping[str, Site],
    wearing: Mapping[str, Wearing] = AS_PLACED,
) -> np.ndarray:
    """World position (m) and orientation (quaternion x y z w) of sensors on a body, (frames, sites * 7) float64."""
    chain = _chain(
        body, betas.astype(float).tobytes(), tuple(sites.values()), tuple(wearing.get(placement) for placement in sites)
    )
    motion = np.empty((len(poses), CHANNELS * len(sites)))
    sensor_motion(
        np.require(poses, requirements=["C", "W"]),  # read-only rows of a table would be compiled once more
        np.require(trans, requirements=["C", "W"]),
        *chain,
        motion,
    )
    for i, placement in enumerate(sites):
        worn = wearing.get(placement)
        if worn is not None and worn.slip:
            columns = slice(CHANNELS * i + 3, CHANNELS * (i + 1))
            motion[:, columns] = worn.slipped(motion[:, columns])
    return motion


@lru_cache(maxsize=64)  # the clips of one person share it, and it costs as much as the motion of 500 frames
def _chain(
    body: Body, betas: bytes, sites: tuple[Site, ...], worn: tuple[Wearing | None, ...]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """What `sensor_motion` takes of a body of shape `betas` (float64): joints, parents, bones, and each sensor's bone, offset and
    quaternion."""
    shape = np.frombuffer(betas)
    mounts = [(w or Wearing()).mounted(mount(body, shape, site)) for w, site in zip(worn, sites, strict=True)]
    joints = list(ancestors(body, [m.joint for m in mounts]))
    place = {joint: i for i, joint in enumerate(joints)}
    rest = rest_joints(body, shape)
    parents = [int(body.parents[joint]) for joint in joints]
    return (
        np.array(joints),
        np.array([place.get(parent, -1) for parent in parents]),
        np.stack([rest[j] - (rest[p] if p >= 0 else 0) for j, p in zip(joints, parents, strict=True)]),
        np.array([place[m.joint] for m in mounts]),
        np.stack([m.offset for m in mounts]),
        Rotation.from_matrix(np.stack([m.rotation for m in mounts])).as_quat(),
    )
