"""What the page is sent adds up to the body and the sensors of the simulator."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from m3n.body.kinematics import joint_transforms, skinned_points
from m3n.body.model import standin_body
from m3n.imu.placement import SITES
from m3n.imu.simulate import sensor_paths
from m3n.reports.view.clip import Clip, Part, Trace, motion_of, plain_body, plain_clip


def unpacked(text: str, kind: str, *shape: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), f"<{kind}").reshape(*shape).astype(float)


def added_up(motion: dict, parents: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Turns (F, 24) and places (F, 24, 3) of the joints, as `scene.js` adds them up."""
    quats = unpacked(motion["quats"], "i2", -1, 24, 4)
    turns, rest = Rotation.from_quat(quats.reshape(-1, 4)).as_matrix().reshape(*quats.shape[:2], 3, 3), np.array(motion["rest"])
    places = np.zeros((len(quats), 24, 3))
    places[:, 0] = unpacked(motion["pelvis"], "f4", -1, 3)
    for joint, parent in enumerate(parents[1:], 1):
        places[:, joint] = places[:, parent] + turns[:, parent] @ (rest[joint] - rest[parent])
    return turns, places


@pytest.fixture
def row(pose_clip) -> dict:
    row = pose_clip(frames=241, fps=120.0, betas=np.linspace(-1, 1, 10).astype(np.float32))
    row["poses"][:, 16] = 0.4 * np.sin(np.arange(241) / 40)[:, None]
    return row


def test_bones_and_sensors_are_where_the_simulator_has_them(row: dict) -> None:
    body, sites = standin_body(), {name: SITES[name] for name in ("left_wrist", "head")}
    motion = plain_clip(Clip(2.0, motion=motion_of(row, sites, 0.0, 2.0)))["motion"]
    assert motion["fps"] == 30.0  # every fourth frame of 120 a second
    turns, places = added_up(motion, plain_body()["parents"])
    poses, trans = row["poses"][::4].astype(float), row["trans"][::4].astype(float)
    np.testing.assert_allclose(places, joint_transforms(body, poses, trans, row["betas"])[1], atol=5e-4)
    paths = sensor_paths(body, poses, trans, row["betas"], sites).reshape(len(poses), 2, 7)
    for number, sensor in enumerate(motion["sensors"].values()):
        turn = turns[:, sensor["joint"]]
        np.testing.assert_allclose(places[:, sensor["joint"]] + turn @ sensor["offset"], paths[:, number, :3], atol=5e-4)
        axes = Rotation.from_quat(paths[:, number, 3:]).as_matrix()
        np.testing.assert_allclose(turn @ np.array(sensor["axes"]).T, axes, atol=5e-4)


def test_a_stretch_begins_at_its_own_start(row: dict) -> None:
    whole, part = (motion_of(row, {}, start, 2.0) for start in (0.0, 1.0))
    np.testing.assert_allclose(part.pelvis[0], whole.pelvis[30])
    assert len(part.pelvis) == len(whole.pelvis) - 30


def test_the_skin_is_the_person_s_and_bent_by_the_bones_of_the_stand_in(row: dict) -> None:
    body, sent = standin_body(), plain_body()
    motion = motion_of(row, {}, 0.0, 2.0)
    plain = plain_clip(Clip(2.0, motion=motion))["motion"]
    skin = unpacked(plain["skin"], "i2", -1, 3) * plain["skin_scale"]
    np.testing.assert_allclose(skin, body.v_template + body.shapedirs @ row["betas"].astype(float), atol=1e-4)
    np.testing.assert_array_equal(unpacked(sent["faces"], "u2", -1, 3), body.faces)
    weights, bones = unpacked(sent["weights"], "u1", -1, 4), unpacked(sent["bones"], "u1", -1, 4).astype(int)
    assert np.abs(weights.sum(1) - 255).max() <= 2  # of rounding
    turns, places = added_up(plain, sent["parents"])
    moved = (
        np.einsum("vbij,vj->vbi", turns[60][bones], skin)
        + (places[60] - np.einsum("jab,jb->ja", turns[60], plain["rest"]))[bones]
    )
    bent = (weights[..., None] * moved).sum(1) / 255
    every = np.arange(len(skin))
    expected = skinned_points(
        body, row["poses"][240:241].astype(float), row["trans"][240:241].astype(float), row["betas"], every
    )[0]
    assert np.linalg.norm(bent - expected, axis=1).max() < 0.012  # the fifth and sixth bone of a vertex are left out
    assert np.linalg.norm(bent - expected, axis=1).mean() < 0.001


def test_samples_labels_and_confidence_are_sent_as_they_are() -> None:
    samples = np.arange(12, dtype=np.float32).reshape(2, 6)
    samples[1, 3:] = np.nan
    clip = Clip(0.04, {"predicted": [Part(0.0, 0.04, "wave", 0.75)]}, traces={"head": Trace(50.0, samples, lag_s=0.02)})
    sent = plain_clip(clip)
    np.testing.assert_array_equal(unpacked(sent["traces"]["head"]["samples"], "f4", 2, 6), samples)
    assert (sent["traces"]["head"]["rate_hz"], sent["traces"]["head"]["lag_s"]) == (50.0, 0.02)
    assert sent["bands"] == {"predicted": [[0.0, 0.04, "wave", 0.75]]}
    assert sent["motion"] is None
