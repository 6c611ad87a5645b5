"""UTD-MHAD: clips and recordings that were made together, from files written as the dataset has them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from clips import clip, faces, stands_upright
from people import joints_of, walker
from scipy.io import savemat

from m3n.errors import InputError
from m3n.schema import PLACEMENTS, Rejected, check_imu_recording
from m3n.sources.paired.utd_mhad import KINECT_JOINTS, MOUNTING, Options, imu_recordings, placement_of, pose_clips, world_joints

SAMPLES = 200


def dataset(folder: Path, action: int = 1) -> np.ndarray:
    """A folder with one pair; returns the joints (F, 20, 3), m, z up, of a person who walks."""
    poses, trans = walker(30.0, 4.0)
    names = [name or "spine1" for _, name in KINECT_JOINTS]
    joints = joints_of(poses, trans, names)
    skeleton = np.stack([joints[..., 0], joints[..., 2], -joints[..., 1]], axis=-1)  # to the Kinect's x, y up, z away
    samples = np.zeros((SAMPLES, 6))
    samples[:, 0], samples[:, 4] = -1.0, 90.0  # g, deg/s
    for kind, key, values in (("Skeleton", "d_skel", skeleton.transpose(1, 2, 0)), ("Inertial", "d_iner", samples)):
        (folder / kind).mkdir(parents=True)
        savemat(folder / kind / f"a{action}_s3_t2_{kind.lower()}.mat", {key: values})
    return joints


def test_a_clip_has_the_frame_rate_of_its_recording_and_the_world_of_the_person(tmp_path: Path) -> None:
    joints = dataset(tmp_path)
    row = clip(*pose_clips(tmp_path, Options(actions=[1])))
    assert (row["clip_id"], row["subject"], row["n_frames"]) == ("utd_mhad-a01_s03_t02", "s3", len(joints))
    assert row["fps"] == pytest.approx(50.0 * len(joints) / SAMPLES)
    assert stands_upright(row)
    assert faces(row)[1] < 0  # as the walker does


def test_the_kinects_frame_is_turned_not_mirrored() -> None:
    corners = np.zeros((20, 3, 1))
    corners[0, :, 0], corners[1, :, 0], corners[2, :, 0] = (1, 0, 0), (0, 1, 0), (0, 0, 1)
    right, up = world_joints(corners)[0, :2]
    np.testing.assert_array_equal(up, (0, 0, 1))
    np.testing.assert_array_equal(np.cross(right, up), (0, -1, 0))  # away from the camera, z, is -y


@pytest.mark.parametrize(("action", "placement"), [(1, "right_wrist"), (21, "right_wrist"), (22, "right_thigh")])
def test_recordings_are_in_si_units_and_in_the_frame_of_the_placement(tmp_path: Path, action: int, placement: str) -> None:
    dataset(tmp_path, action)
    (row,) = imu_recordings(tmp_path, Options(actions=[action]))
    assert isinstance(row, dict)
    assert check_imu_recording(row, PLACEMENTS) is None
    assert placement_of(action) == placement
    turn = MOUNTING[placement]
    np.testing.assert_allclose(row[f"imu_{placement}"][0, :3], turn @ (-9.80665, 0, 0), rtol=1e-6)
    np.testing.assert_allclose(row[f"imu_{placement}"][0, 3:], turn @ (0, np.pi / 2, 0), rtol=1e-6, atol=1e-7)
    (raw,) = imu_recordings(tmp_path, Options(actions=[action], mounting="raw"))
    assert isinstance(raw, dict)
    np.testing.assert_allclose(raw[f"imu_{placement}"][0], (-9.80665, 0, 0, 0, np.pi / 2, 0), rtol=1e-6, atol=1e-7)


def test_a_clip_without_its_partner_is_rejected(tmp_path: Path) -> None:
    dataset(tmp_path)
    (tmp_path / "Inertial" / "a1_s3_t2_inertial.mat").unlink()
    (item,) = pose_clips(tmp_path, Options(actions=[1]))
    assert item == Rejected("utd_mhad-a01_s03_t02", "utd_mhad-a01_s03_t02 has no inertial file")


def test_a_folder_of_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no UTD-MHAD files|UTD-MHAD's zip"):
        list(pose_clips(tmp_path, Options()))
    with pytest.raises(ValueError, match="from 1 to 27"):
        Options(actions=[28])
