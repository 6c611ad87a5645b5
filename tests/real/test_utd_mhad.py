"""UTD-MHAD as it is: pairing, units, axes and handedness against the real sensor."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
import places
import pytest
from scipy.signal import butter, filtfilt

from m3n.body.kinematics import joint_transforms
from m3n.body.model import load_body
from m3n.errors import InputError
from m3n.schema import PLACEMENTS, POSE_CLIPS, check_imu_recording, check_pose_clip, imu_recordings
from m3n.sources.paired import utd_mhad
from m3n.sources.paired.utd_mhad import Options

DATA = places.DATA / "utd_mhad.zip"
pytestmark = pytest.mark.skipif(not DATA.is_file(), reason=f"real data absent: {DATA} (set M3N_DATA)")


def pairs(actions: list[int], mounting: Literal["wrist", "raw"] = "wrist") -> list[tuple[dict[str, Any], dict[str, Any]]]:
    chosen = Options(actions=actions, mounting=mounting)
    rows = list(zip(utd_mhad.pose_clips(DATA, chosen), utd_mhad.imu_recordings(DATA, chosen), strict=True))
    assert all(isinstance(row, dict) for pair in rows for row in pair)
    return rows  # type: ignore[return-value]


def forearm_rates(clip: dict[str, Any]) -> np.ndarray:
    """Angular rate (F - 1, 3) of the right forearm in the wrist sensor's frame, from 5 Hz low-passed rotations."""
    rotations, _ = joint_transforms(load_body("smpl"), clip["poses"], clip["trans"], clip["betas"], [19])
    sensor = rotations[:, 0] @ np.array([[-1.0, 0, 0], [0, 0, 1], [0, 1, 0]])  # columns: to the hand, z × x, dorsal
    smooth = filtfilt(*butter(2, 5.0 / (clip["fps"] / 2)), sensor.reshape(-1, 9), axis=0).reshape(-1, 3, 3)
    turn = np.swapaxes(smooth[:-1], 1, 2) @ smooth[1:]
    skew = 0.5 * (turn - np.swapaxes(turn, 1, 2)) * clip["fps"]
    return np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=1)


def test_clips_and_recordings_are_valid_and_paired() -> None:
    rows = pairs([1])
    assert len(rows) == 32  # 8 subjects, 4 trials
    for clip, recording in rows:
        assert list(clip) == POSE_CLIPS.names
        assert check_pose_clip(clip) is None
        assert list(recording) == imu_recordings().names
        assert check_imu_recording(recording, PLACEMENTS) is None
        assert clip["clip_id"] == recording["recording_id"]
        assert clip["subject"] == recording["subject"]
        assert clip["label"] == recording["label"] == "swipe left"
        assert clip["n_frames"] / clip["fps"] == pytest.approx(recording["n_samples"] / 50)
    assert rows[0][0]["clip_id"] == "utd_mhad-a01_s01_t01"
    assert rows[0][0]["subject"] == "s1"
    assert len({clip["text"] for clip, _ in rows}) >= 4


def test_people_stand_upright_facing_along_y_and_their_left_is_left() -> None:
    clip, _ = pairs([16])[0]
    _, joints = joint_transforms(load_body("smpl"), clip["poses"], clip["trans"], clip["betas"])
    mean = joints.mean(0)
    assert mean[15, 2] > mean[0, 2] > mean[7, 2]  # head, pelvis, ankle
    assert mean[1, 0] < mean[2, 0]  # facing +y with z up, the left hip is at -x
    assert mean[10, 1] > mean[7, 1] + 0.05  # toes in front of ankles


def test_squatting_knees_go_forwards() -> None:
    clip, _ = pairs([27])[0]
    _, joints = joint_transforms(load_body("smpl"), clip["poses"], clip["trans"], clip["betas"])
    deepest = (joints[:, 0, 2] - joints[:, 7, 2]).argmin()
    hip, knee, ankle = joints[deepest, [2, 5, 8], 1]
    assert knee > hip + 0.2
    assert knee > ankle + 0.1


def test_arm_at_rest_reads_minus_g_towards_the_hand_in_metres_per_second_squared() -> None:
    starts = np.array([recording["imu_right_wrist"][:5].mean(0) for _, recording in pairs([18])])
    assert np.median(np.linalg.norm(starts[:, :3], axis=1)) == pytest.approx(9.8, abs=0.6)
    assert np.median(starts[:, 0]) < -8.5  # the hand hangs down, and x points to it
    assert np.median(np.linalg.norm(starts[:, 3:], axis=1)) < 0.6  # rad/s


def test_mounting_agrees_with_the_skeletons_own_rotation() -> None:
    real, simulated = [], []
    for clip, recording in pairs([3, 10, 17, 21]):
        rates = forearm_rates(clip)
        time = (np.arange(len(rates)) + 0.5) / clip["fps"]
        measured = filtfilt(*butter(2, 5.0 / 25), recording["imu_right_wrist"][:, 3:].astype(float), axis=0)
        clock = np.arange(len(measured)) / 50
        fits = []
        for lag in np.arange(-12, 13) / 50:
            shifted = np.stack([np.interp(time + lag, clock, measured[:, axis]) for axis in range(3)], axis=1)
            fits.append((np.corrcoef(np.linalg.norm(shifted, axis=1), np.linalg.norm(rates, axis=1))[0, 1], shifted))
        best = max(fits, key=lambda fit: fit[0])[1]
        real.append(best)
        simulated.append(rates)
    left, _, right = np.linalg.svd(np.concatenate(simulated).T @ np.concatenate(real))
    best_match = left @ right  # the orthogonal matrix, reflections allowed, that maps real to simulated
    assert np.linalg.det(best_match) == pytest.approx(1)  # nothing is mirrored
    assert np.degrees(np.arccos((np.trace(best_match) - 1) / 2)) < 30  # and the axes are m3n's


def test_raw_axes_differ_by_the_documented_signs() -> None:
    turned, raw = pairs([19])[0][1], pairs([19], mounting="raw")[0][1]
    np.testing.assert_allclose(turned["imu_right_wrist"], raw["imu_right_wrist"] * np.array([1, -1, -1, 1, -1, -1]), rtol=1e-6)


def test_thigh_actions_are_thigh_recordings() -> None:
    _, recording = pairs([24])[0]
    assert recording["imu_right_wrist"] is None
    assert recording["imu_right_thigh"].shape == (recording["n_samples"], 6)


def test_unpacked_folder_gives_the_same_rows_and_a_missing_partner_is_rejected(tmp_path: Path) -> None:
    with zipfile.ZipFile(DATA) as archive:
        for name in archive.namelist():
            if "/a2_s1_t" in name and not name.endswith("a2_s1_t2_inertial.mat"):
                archive.extract(name, tmp_path)
    found = list(utd_mhad.pose_clips(tmp_path, Options(actions=[2])))
    expected, _ = pairs([2])[0]
    assert isinstance(found[0], dict)
    np.testing.assert_array_equal(found[0]["poses"], expected["poses"])
    assert [getattr(row, "item", None) for row in found[:2]] == [None, "utd_mhad-a02_s01_t02"]


def test_another_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no UTD-MHAD files"):
        list(utd_mhad.pose_clips(tmp_path, Options()))
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(InputError, match="expected UTD-MHAD"):
        list(utd_mhad.imu_recordings(tmp_path / "x.txt", Options()))
