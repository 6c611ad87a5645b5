"""Placements that a user defines: where they sit, how they are turned, and which mistakes are named."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import m3n
from m3n import schema
from m3n.body.kinematics import rest_joints, skinned_points
from m3n.body.model import SMPL_JOINTS, load_body
from m3n.cluster.items import ItemWorker
from m3n.cluster.simulate import ShardSimulator
from m3n.commands.simulate.command import simulation_settings
from m3n.config import SimulateConfig, resolve
from m3n.errors import InputError
from m3n.imu.placement import mount, sensor_vertex
from m3n.io import tables
from m3n.schema import GRAVITY, PLACEMENTS

FRAMES, FPS = 90, 30.0
STAND_UP = [np.pi / 2, 0, 0]  # SMPL's y-up rest pose, put into the z-up world
# each of m3n's own, as a user would write it, from the table in m3n/imu/placement.py
AS_A_USER = {
    "left_wrist": {"joint": "left_elbow", "end": "left_wrist", "from_end_m": 0.03, "towards": [0, 1, 0]},
    "right_wrist": {"joint": "right_elbow", "end": "right_wrist", "from_end_m": 0.03, "towards": [0, 1, 0]},
    "head": {"joint": "head", "above_m": 0.1, "towards": [0, 0, 1]},
    "pelvis": {"joint": "pelvis", "towards": [0, 0, -1]},
    "left_thigh": {"joint": "left_hip", "end": "left_knee", "towards": [0, 0, 1]},
    "right_thigh": {"joint": "right_hip", "end": "right_knee", "towards": [0, 0, 1]},
    "left_ankle": {"joint": "left_knee", "end": "left_ankle", "from_end_m": 0.05, "towards": [1, 0, 0]},
    "right_ankle": {"joint": "right_knee", "end": "right_ankle", "from_end_m": 0.05, "towards": [-1, 0, 0]},
}


def moving(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    t = np.arange(FRAMES) / FPS
    poses = 0.4 * np.sin(2 * np.pi * rng.uniform(0.2, 1.0, (24, 3)) * t[:, None, None] + rng.uniform(0, 6, (24, 3)))
    poses[:, 0] += STAND_UP
    return poses, 0.2 * np.sin(t[:, None] * [1, 2, 3])


def still(root: object = STAND_UP) -> tuple[np.ndarray, np.ndarray]:
    poses = np.zeros((FRAMES, 24, 3))
    poses[:, 0] = root
    return poses, np.zeros((FRAMES, 3))


def read(motion: tuple[np.ndarray, np.ndarray], **site: object) -> np.ndarray:
    return m3n.simulate(*motion, fps=FPS, placements={"mine": m3n.Site(**site)})["mine"]


@pytest.mark.parametrize("name", PLACEMENTS)
def test_an_equal_site_of_the_users_own_reads_the_same_bits(name):
    own = m3n.simulate(*moving(), fps=FPS, placements=[name])[name]
    assert read(moving(), **AS_A_USER[name]).tobytes() == own.tobytes()


def test_own_and_built_in_placements_stand_side_by_side():
    sites = {"left_wrist": m3n.SITES["left_wrist"], "chest": m3n.Site(joint="spine3", towards=(0, 0, 1))}
    both = m3n.simulate(*moving(), fps=FPS, placements=sites)
    assert list(both) == ["left_wrist", "chest"]
    assert np.array_equal(both["left_wrist"], m3n.simulate(*moving(), fps=FPS)["left_wrist"])


def test_a_lever_arm_from_the_joint_feels_the_centripetal_acceleration():
    """The body spins upright about the pelvis at 3 rad/s; the sensor is 0.2 m to the left of it: f = -ω² r along its x axis."""
    t, speed, radius = np.arange(FRAMES) / FPS, 3.0, 0.2
    root = Rotation.from_rotvec(speed * t[:, None] * [0, 0, 1]) * Rotation.from_rotvec(STAND_UP)
    imu = read(still(root.as_rotvec()), joint="pelvis", offset_m=(radius, 0, 0))
    expected = [-(speed**2) * radius, GRAVITY, 0, 0, speed, 0]  # rest frame: y is up
    np.testing.assert_allclose(imu, np.tile(expected, (len(imu), 1)), atol=2e-3)


def test_an_offset_is_carried_by_its_bone_and_not_by_the_next():
    """A sensor on the upper arm does not know of the elbow; one on the forearm does."""
    bent = moving()
    straight = bent[0].copy(), bent[1]
    straight[0][:, SMPL_JOINTS.index("left_elbow")] = 0
    for joint, same in (("left_shoulder", True), ("left_elbow", False)):
        site = {"joint": joint, "offset_m": (0.1, 0.02, 0.03)}
        assert np.array_equal(read(bent, **site), read(straight, **site)) == same


def test_the_mounting_rotation_turns_the_readings_the_other_way():
    turn = [20.0, -50.0, 110.0]
    back = Rotation.from_rotvec(turn, degrees=True).inv()
    for site in ({"joint": "spine3", "offset_m": (0, 0.1, 0.1)}, {"joint": "spine3", "towards": (0, 0, 1)}):
        straight, turned = read(moving(), **site), read(moving(), **site, rotation_deg=turn)
        np.testing.assert_allclose(turned[:, :3], back.apply(straight[:, :3]), atol=1e-4)
        np.testing.assert_allclose(turned[:, 3:], back.apply(straight[:, 3:]), atol=1e-4)
    # at rest the frame's y axis is up; turned by 90° about z, the sensor's x axis is
    quarter = read(still(), joint="head", offset_m=(0, 0, 0), rotation_deg=(0, 0, 90))
    np.testing.assert_allclose(quarter[5, :3], [GRAVITY, 0, 0], atol=1e-5)


def test_a_vertex_is_where_the_skin_is_for_every_body_shape():
    body, vertex = load_body(), 4321
    bone = int(body.weights[vertex].argmax())
    betas = np.random.default_rng(1).normal(size=10)
    found = mount(body, betas, m3n.Site(joint=SMPL_JOINTS[bone], vertex=vertex))
    rest = skinned_points(body, np.zeros((1, 24, 3)), np.zeros((1, 3)), betas, [vertex])[0, 0]
    np.testing.assert_allclose(rest_joints(body, betas)[bone] + found.offset, rest, atol=1e-12)
    np.testing.assert_array_equal(found.rotation, np.eye(3))


def test_the_skin_towards_a_direction_lies_on_that_side_of_the_bone():
    body = load_body()
    chest, back = (m3n.Site(joint="spine3", towards=(0, 0, side)) for side in (1, -1))
    front, behind = (body.v_template[sensor_vertex(body, site)] for site in (chest, back))
    middle = rest_joints(body)[SMPL_JOINTS.index("spine3")]
    assert front[2] - middle[2] > 0.05
    assert middle[2] - behind[2] > 0.03
    for point in (front, behind):
        assert np.abs(point[:2] - middle[:2]).max() < 0.02


@pytest.mark.parametrize(
    ("overrides", "parts"),
    [
        (["sites.chest.joint=spin3", "sites.chest.towards=[0,0,1]"], ("sites.chest.joint", "'spin3'", "did you mean 'spine3'")),
        (["sites.chest.joint=spine3"], ("sites.chest", "one of offset_m, vertex and towards, found none")),
        (["sites.chest.joint=spine3", "sites.chest.vertex=3", "sites.chest.offset_m=[0,0,0]"], ("offset_m and vertex",)),
        (["sites.chest.towards=[0,0,1]"], ("sites.chest.joint", "missing")),
        (["sites.chest.joint=spine3", "sites.chest.toward=[0,0,1]"], ("sites.chest.toward", "did you mean 'sites.chest.towards'")),
        (["sites.chest.joint=spine3", "sites.chest.offset_m=[0,1]"], ("sites.chest.offset_m",)),
        (["sites.chest.joint=spine3", "sites.chest.towards=[0,1,0]"], ("across the bone",)),
        (["sites.chest.joint=spine3", "sites.chest.vertex=3", "sites.chest.end=neck"], ("give towards too",)),
        (["sites.Chest.joint=spine3", "sites.Chest.vertex=3"], ("'Chest' cannot name a placement",)),
        (["sites.head.joint=head", "sites.head.vertex=3"], ("'head' is one of m3n's own placements",)),
        (["sites.chest.joint=spine3", "sites.chest.vertex=3", "placements=[chst]"], ("'chst'", "did you mean 'chest'")),
    ],
)  # fmt: skip
def test_a_mistake_in_a_site_is_named(overrides, parts):
    with pytest.raises(InputError) as caught:
        resolve(SimulateConfig, "simulate", None, overrides)
    assert "\n" not in str(caught.value)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_what_only_the_body_can_tell_is_named_too():
    with pytest.raises(InputError, match=r"vertex 999999 .* has 13718 vertices"):
        read(still(), joint="head", vertex=999999)
    with pytest.raises(InputError, match="along the bone from left_elbow to left_wrist"):
        read(still(), joint="left_elbow", end="left_wrist", towards=tuple(mount_axis()))
    with pytest.raises(InputError, match="'left_wrist' is one of m3n's own placements"):
        m3n.simulate(*still(), fps=FPS, placements={"left_wrist": m3n.Site(joint="left_elbow", offset_m=(0, 0, 0))})


def mount_axis() -> np.ndarray:
    joints = rest_joints(load_body())
    return joints[SMPL_JOINTS.index("left_wrist")] - joints[SMPL_JOINTS.index("left_elbow")]


def test_a_table_with_own_placements_is_a_table_of_synthetic_clips():
    columns = schema.synthetic_clips(["upper_back", "left_wrist"])
    assert schema.validate_synthetic_clips(columns, "table") == ("left_wrist", "upper_back")
    assert resolve(m3n.config.FinetuneConfig, "finetune", None, ["placements=[upper_back]"]).placements == ["upper_back"]


def test_a_job_writes_a_column_for_every_own_placement(tmp_path: Path, pose_clip):
    from m3n.cli import main

    (tmp_path / "poses").mkdir()
    row = pose_clip()
    tables.write_table(tmp_path / "poses", [row], schema.POSE_CLIPS, rows_per_shard=8)
    settings = [
        "placements=[my_watch,upper_back]", "sites.upper_back.joint=spine3", "sites.upper_back.offset_m=[0,0.1,-0.12]",
        "sites.my_watch={joint: right_elbow, end: right_wrist, from_end_m: 0.03, towards: [0,1,0]}",
    ]  # fmt: skip
    assert main(["simulate", str(tmp_path / "poses"), "--out", str(tmp_path / "out"), *settings]) == 0
    shard = tmp_path / "out" / "part-00000.parquet"
    assert schema.validate_synthetic_clips(tables.read_schema(shard), "") == ("my_watch", "upper_back")
    made = next(tables.rows(tables.read_shard(shard, schema.synthetic_clips(["my_watch", "upper_back"]))))
    own = m3n.simulate(row["poses"], row["trans"], fps=30, placements=["right_wrist"])["right_wrist"]
    assert np.array_equal(made["imu_my_watch"], own.reshape(-1))


def test_a_worker_hands_a_users_mistake_back_as_one_line(tmp_path: Path, pose_clip):
    tables.write_table(tmp_path, [pose_clip()], schema.POSE_CLIPS, rows_per_shard=8)
    config = resolve(SimulateConfig, "simulate", None, ["placements=[x]", "sites.x={joint: head, vertex: 99999}"])
    worker = ItemWorker(partial(ShardSimulator, str(tmp_path), simulation_settings(config)))
    item = json.dumps({"path": str(tmp_path / "part-00000.parquet"), "repeated": "{}"})
    result = json.loads(worker({"item": [item]})["result"][0])
    assert "vertex 99999" in result["error"]
