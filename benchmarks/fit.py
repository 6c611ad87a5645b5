"""How exactly and how fast 3-D joints become SMPL poses, on real motion.

    m3n bench fit --amass amass_sample.npz --utd utd_mhad.zip --record

- AMASS joints, computed from its poses on the stand-in body and fitted back: mean joint error, and the errors of the forearm's
  direction and orientation (joints do not show its twist, so the orientation is off by the pronation);
- AMASS optical markers (LIWR, LOWR, RIWR, ROWR): correlation of the norm of the wrist's specific force with the simulated one,
  both low-passed at 10 Hz, for poses fitted to the markers, for AMASS's own poses on the stand-in, and for the bone vectors
  between root and wrist that fit these markers best in the least-squares sense, which is the ceiling for those poses;
- UTD-MHAD Kinect skeletons, actions 1-21: the joint error, and the one that remains when each joint may sit at a constant place
  in its bone's frame, because the two skeletons define their joints differently (a Kinect's hips lie 8 cm above SMPL's);
- frames/s of the fit on one core.
"""

from __future__ import annotations

import os

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import argparse
import time
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

import m3n
from m3n.body.joint_fit import fit_joints
from m3n.body.kinematics import joint_transforms
from m3n.body.model import SMPL_JOINTS, SMPL_PARENTS, load_body
from m3n.errors import InputError
from m3n.imu.fidelity import correlation, norm
from m3n.imu.smoothing import low_pass
from m3n.schema import BODY_JOINTS, GRAVITY
from m3n.sources.paired import utd_mhad

LOW_PASS_HZ = 10.0
ENDS = slice(5, -5)  # frames whose differences are not one-sided
UP = np.array([0, 0, GRAVITY])


def of_amass(file: Path) -> dict[str, float]:
    """Round trip of the joints, and the markers' acceleration."""
    with np.load(file, allow_pickle=False) as sample:
        content = dict(sample)
    fps = float(content["mocap_framerate"])
    poses = np.zeros((len(content["poses"]), 24, 3))
    poses[:, :BODY_JOINTS] = content["poses"].reshape(len(poses), -1, 3)[:, :BODY_JOINTS]
    body = load_body()
    bones, given = joint_transforms(body, poses, content["trans"], content["betas"])[:2]
    fit = fit_joints(given, SMPL_JOINTS, smooth_frames=0)
    found_bones, found = joint_transforms(body, fit.poses, fit.trans, fit.betas)[:2]
    figures = {"amass_joint_error_mm": 1000 * float(np.linalg.norm(found - given, axis=-1).mean())}
    directions, orientations = [], []
    for elbow, wrist in ((18, 20), (19, 21)):
        a, b = (joints[:, wrist] - joints[:, elbow] for joints in (given, found))
        directions.append(np.arccos(np.clip((a * b).sum(1) / norm(a) / norm(b), -1, 1)))
        turn = Rotation.from_matrix(found_bones[:, elbow]).inv() * Rotation.from_matrix(bones[:, elbow])
        orientations.append(turn.magnitude())
    figures["amass_forearm_direction_deg"] = float(np.degrees(np.mean(directions)))
    figures["amass_forearm_orientation_deg"] = float(np.degrees(np.mean(orientations)))
    return figures | against_markers(content, poses, bones, given, fps)


def against_markers(
    content: dict[str, np.ndarray], poses: np.ndarray, bones: np.ndarray, joints: np.ndarray, fps: float
) -> dict[str, float]:
    """Correlations of the wrists' norm of specific force with that of the middle of their two markers."""
    labels = [label.decode() if isinstance(label, bytes) else str(label) for label in content["marker_labels"]]

    def middle(*names: str) -> np.ndarray:
        return np.mean([content["marker_data"][:, labels.index(name)] for name in names], axis=0)

    def acceleration(positions: np.ndarray) -> np.ndarray:
        smooth = low_pass(positions, LOW_PASS_HZ, fps)
        return np.gradient(np.gradient(smooth, 1 / fps, axis=0), 1 / fps, axis=0)

    seen = {"neck": middle("CLAV", "TOPBACK")}
    for side, s in (("left", "L"), ("right", "R")):
        seen[f"{side}_shoulder"] = middle(f"{s}FSH", f"{s}BSH")
        seen[f"{side}_elbow"] = middle(f"{s}IEL", f"{s}ELB")
        seen[f"{side}_wrist"] = middle(f"{s}IWR", f"{s}OWR")
        seen[f"{side}_hip"] = middle(f"{s}FWT", f"{s}BWT", f"{s}HIP")
    fit = fit_joints(np.stack(list(seen.values()), axis=1), list(seen))
    settings = {"fps": fps, "rate_hz": fps, "cutoff_hz": LOW_PASS_HZ}
    fitted = m3n.simulate(fit.poses, fit.trans, betas=fit.betas, **settings)
    own = m3n.simulate(poses, content["trans"], betas=content["betas"], **settings)
    figures = {}
    for side, wrist in (("left", 20), ("right", 21)):
        markers = acceleration(seen[f"{side}_wrist"])
        real = norm(markers + UP)[ENDS]
        for name, simulated in (("fitted", fitted), ("own_poses", own)):
            figures[f"markers_r_{side}_{name}"] = correlation(real, norm(simulated[f"{side}_wrist"][ENDS, :3]))
        chain = [wrist]
        while SMPL_PARENTS[chain[0]] >= 0:
            chain.insert(0, SMPL_PARENTS[chain[0]])
        root = acceleration(joints[:, 0])  # a wrist's position is linear in the bones' vectors
        columns = np.concatenate([bones[:, bone] for bone in chain[:-1]], axis=2)
        moving = np.stack([acceleration(columns[:, :, k]) for k in range(columns.shape[2])], axis=2)
        rows = moving[ENDS].reshape(-1, columns.shape[2])
        vectors = np.linalg.lstsq(rows, (markers - root)[ENDS].reshape(-1), rcond=None)[0]
        best = root + np.einsum("fij,j->fi", moving, vectors)
        figures[f"markers_r_{side}_ceiling"] = correlation(real, norm(best + UP)[ENDS])
    return figures


def of_utd(file: Path) -> dict[str, float]:
    """Joint errors over all skeletons of actions 1-21, and the speed of fitting them, and of one long one."""
    errors, calibrated, frames = [], [], 0
    skeletons = list(utd_mhad.skeletons(file, utd_mhad.Options()))
    started = time.perf_counter()
    for joints in skeletons:
        fit = fit_joints(joints, utd_mhad.FITTED)
        errors.append(fit.mean_joint_error_m)
        calibrated.append(fit.calibrated_joint_error_m)
        frames += len(joints)
    short = frames / (time.perf_counter() - started)
    long = np.concatenate(skeletons)[:20_000]
    started = time.perf_counter()
    fit_joints(long, utd_mhad.FITTED)
    return {
        "utd_joint_error_mm": 1000 * float(np.mean(errors)),
        "utd_calibrated_joint_error_mm": 1000 * float(np.mean(calibrated)),
        "fit_frames_per_s_short_clips": short,
        "fit_frames_per_s_long_clip": len(long) / (time.perf_counter() - started),
    }


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--amass", type=Path, help="AMASS's sample npz, with markers")
    parser.add_argument("--utd", type=Path, help="UTD-MHAD's zip")


def run(options: argparse.Namespace) -> dict[str, float]:
    if not (options.amass or options.utd):
        raise InputError("nothing to measure: expected --amass FILE, --utd FILE, or both")
    for file in (options.amass, options.utd):
        if file and not file.is_file():
            raise InputError(f"{file}: no such file")
    return (of_amass(options.amass) if options.amass else {}) | (of_utd(options.utd) if options.utd else {})
