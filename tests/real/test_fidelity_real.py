"""Fit and simulator against real recordings: a Kinect beside a wrist sensor (UTD-MHAD), and optical markers (AMASS)."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import places
import pytest

import m3n
from m3n.body.joint_fit import fit_joints
from m3n.body.kinematics import joint_transforms
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.cli import main
from m3n.imu.fidelity import correlation, norm
from m3n.imu.smoothing import low_pass
from m3n.schema import GRAVITY
from m3n.sources.paired import utd_mhad

DATA = places.DATA
KINECT_ZIP, AMASS_ZIP = DATA / "utd_mhad.zip", DATA / "smpl_samples.zip"
needs_kinect = pytest.mark.skipif(not KINECT_ZIP.is_file(), reason=f"real data absent: {KINECT_ZIP} (set M3N_DATA)")
needs_amass = pytest.mark.skipif(not AMASS_ZIP.is_file(), reason=f"real data absent: {AMASS_ZIP} (set M3N_DATA)")


@pytest.fixture(scope="module")
def amass() -> dict[str, np.ndarray]:
    with zipfile.ZipFile(AMASS_ZIP) as archive:
        name = next(n for n in archive.namelist() if n.endswith("amass_sample.npz"))
        with np.load(io.BytesIO(archive.read(name)), allow_pickle=False) as sample:
            return dict(sample)


def marker_middle(amass: dict[str, np.ndarray], *names: str) -> np.ndarray:
    labels = [label.decode() if isinstance(label, bytes) else str(label) for label in amass["marker_labels"]]
    middle: np.ndarray = np.mean([amass["marker_data"][:, labels.index(name)] for name in names], axis=0)
    return middle


def acceleration_norm(positions: np.ndarray, fps: float) -> np.ndarray:
    """Norm of the specific force (F,) of a point, 10 Hz low pass, by central differences."""
    smooth = low_pass(positions, 10.0, fps)
    second = np.gradient(np.gradient(smooth, 1 / fps, axis=0), 1 / fps, axis=0)
    return norm(second + np.array([0, 0, GRAVITY]))


@needs_kinect
def test_a_kinect_gives_the_signals_of_a_real_wrist_sensor(tmp_path: Path) -> None:
    data, figures_file = tmp_path / "utd", tmp_path / "figures.json"
    assert main(["ingest", "utd_mhad", str(KINECT_ZIP), "--out", str(data), "actions=[1,6,11,16,21]"]) == 0  # every fifth
    arguments = [str(data / "poses"), str(data / "recordings"), "--out", str(tmp_path / "report"), "--json", str(figures_file)]
    assert main(["report", "fidelity", *arguments]) == 0
    figures = json.loads(figures_file.read_text())
    assert figures["pairs"] > 150
    assert figures["median_r_acc_norm"] > 0.75  # a crude simulator over all clips: 0.66
    assert figures["median_r_gyro_norm"] > 0.75
    assert abs(figures["median_lag_s"]) < 0.1
    assert min(figures[f"median_r_acc_{axis}"] for axis in "xyz") > 0.6


@needs_kinect
def test_a_kinect_skeleton_fits_within_four_centimetres_once_calibrated() -> None:
    options = utd_mhad.Options(actions=[9])
    errors = []
    for joints in utd_mhad.skeletons(KINECT_ZIP, options):
        errors.append(fit_joints(joints, utd_mhad.FITTED).calibrated_joint_error_m)
    assert np.mean(errors) < 0.040


@needs_amass
def test_joints_of_motion_capture_come_back(amass: dict[str, np.ndarray]) -> None:
    body = load_body("smpl")
    poses = np.zeros((len(amass["poses"]), 24, 3))
    poses[:, :22] = amass["poses"].reshape(len(poses), -1, 3)[:, :22]
    given = joint_transforms(body, poses, amass["trans"], amass["betas"])[1]
    fit = fit_joints(given, SMPL_JOINTS, smooth_frames=0)
    found = joint_transforms(body, fit.poses, fit.trans, fit.betas)[1]
    assert np.linalg.norm(found - given, axis=-1).mean() < 0.010
    for elbow, wrist in ((18, 20), (19, 21)):
        expected, forearm = given[:, wrist] - given[:, elbow], found[:, wrist] - found[:, elbow]
        cosine = (expected * forearm).sum(1) / norm(expected) / norm(forearm)
        assert np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean() < 1


@needs_amass
@pytest.mark.parametrize("side", ["left", "right"])
def test_wrist_acceleration_is_that_of_the_wrist_markers(amass: dict[str, np.ndarray], side: str) -> None:
    """With a body that fits: joints from the markers, body fit, simulator. AMASS's own poses hold less: with all bone vectors
    chosen by least squares on these very markers, they reach 0.952 on the left and 0.954 on the right."""
    letter = side[0].upper()
    joints = {"neck": marker_middle(amass, "CLAV", "TOPBACK")}
    for which, s in (("left", "L"), ("right", "R")):
        joints[f"{which}_shoulder"] = marker_middle(amass, f"{s}FSH", f"{s}BSH")
        joints[f"{which}_elbow"] = marker_middle(amass, f"{s}IEL", f"{s}ELB")
        joints[f"{which}_wrist"] = marker_middle(amass, f"{s}IWR", f"{s}OWR")
        joints[f"{which}_hip"] = marker_middle(amass, f"{s}FWT", f"{s}BWT", f"{s}HIP")
    fps = float(amass["mocap_framerate"])
    real = acceleration_norm(marker_middle(amass, f"{letter}IWR", f"{letter}OWR"), fps)
    fit = fit_joints(np.stack(list(joints.values()), axis=1), list(joints))
    own = m3n.simulate(fit.poses, fit.trans, fps=fps, rate_hz=fps, betas=fit.betas, cutoff_hz=10.0)
    assert correlation(real[5:-5], norm(own[f"{side}_wrist"][5:-5, :3])) > 0.95
    poses = amass["poses"].reshape(len(amass["poses"]), -1, 3)
    given = m3n.simulate(poses, amass["trans"], fps=fps, rate_hz=fps, betas=amass["betas"], body_model="smplh", cutoff_hz=10.0)
    assert correlation(real[5:-5], norm(given[f"{side}_wrist"][5:-5, :3])) > 0.85
