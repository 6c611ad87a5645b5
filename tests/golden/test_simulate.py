"""The simulator against closed-form physics: every expected value comes from a formula, none from the code."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import m3n
from m3n.body.kinematics import joint_transforms
from m3n.body.model import load_body
from m3n.imu.placement import SITES, mount
from m3n.imu.signals import ideal_imu
from m3n.schema import GRAVITY, PLACEMENTS

G = GRAVITY
STAND_UP = Rotation.from_rotvec([np.pi / 2, 0, 0])  # SMPL's y-up rest pose, put into the z-up world


def body_motion(root: Rotation | np.ndarray, trans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """T-pose clip: root rotations (frames) and translation (frames, 3)."""
    poses = np.zeros((len(trans), 24, 3))
    poses[:, 0] = root.as_rotvec() if isinstance(root, Rotation) else root
    return poses, trans


def rigid_sensor(positions: np.ndarray, rotations: Rotation, fps: float, rate_hz: float) -> np.ndarray:
    return ideal_imu(positions[:, None], rotations.as_matrix()[:, None], fps=fps, rate_hz=rate_hz)[:, 0]


ORIENTATIONS = {
    "x up": [0, -np.pi / 2, 0], "x down": [0, np.pi / 2, 0], "y up": [np.pi / 2, 0, 0],
    "y down": [-np.pi / 2, 0, 0], "z up": [0, 0, 0.3], "z down": [np.pi, 0, 0],
}  # fmt: skip


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_sensor_at_rest_reads_plus_g_upwards(name):
    rotation = Rotation.from_rotvec(np.tile(ORIENTATIONS[name], (30, 1)))
    imu = rigid_sensor(np.tile([1.0, 2.0, 3.0], (30, 1)), rotation, 30, 100)
    axis = "xyz".index(name[0])
    expected = np.zeros(6)
    expected[axis] = G if name.endswith("up") else -G
    np.testing.assert_allclose(imu, np.tile(expected, (len(imu), 1)), atol=1e-6)


def test_free_fall_reads_nothing():
    t = np.arange(60) / 30
    trans = np.stack([1.0 * t, -0.5 * t, 5 - G * t**2 / 2], 1)
    poses, trans = body_motion(Rotation.concatenate([STAND_UP] * 60), trans)
    for samples in m3n.simulate(poses, trans, fps=30, placements=PLACEMENTS, rate_hz=100).values():
        np.testing.assert_allclose(samples, 0, atol=2e-5)


def test_uniform_rotation_about_an_oblique_axis():
    fps, rate, speed = 60.0, 100.0, 2.5
    axis = np.array([1.0, -2.0, 0.5]) / np.linalg.norm([1.0, -2.0, 0.5])
    start = Rotation.from_rotvec([0.4, 0.1, -0.9])
    turn = lambda t: Rotation.from_rotvec(speed * t[:, None] * axis) * start  # noqa: E731
    t = np.arange(120) / fps
    imu = rigid_sensor(np.zeros((120, 3)), turn(t), fps, rate)
    expected_rate = start.inv().apply(speed * axis)
    np.testing.assert_allclose(imu[:, 3:], np.tile(expected_rate, (len(imu), 1)), atol=1e-4)
    expected_force = turn(np.arange(len(imu)) / rate).inv().apply([0, 0, G])
    np.testing.assert_allclose(imu[:, :3], expected_force, atol=1e-4)


def test_lever_arm_adds_the_centripetal_acceleration():
    fps, speed, radius = 60.0, 3.0, 0.25
    t = np.arange(120) / fps
    rotation = Rotation.from_rotvec(speed * t[:, None] * [0, 0, 1.0])
    imu = rigid_sensor(rotation.apply([radius, 0, 0]), rotation, fps, 120.0)
    expected = [-(speed**2) * radius, 0, G, 0, 0, speed]
    np.testing.assert_allclose(imu, np.tile(expected, (len(imu), 1)), atol=2e-3)


def test_world_yaw_and_place_do_not_matter():
    rng = np.random.default_rng(0)
    t = np.arange(90) / 30
    poses = 0.4 * np.sin(2 * np.pi * rng.uniform(0.2, 1.0, (24, 3)) * t[:, None, None] + rng.uniform(0, 6, (24, 3)))
    root = Rotation.from_rotvec(poses[:, 0]) * STAND_UP
    trans = 0.2 * np.sin(2 * np.pi * 0.5 * t[:, None] + np.arange(3))
    yaw = Rotation.from_rotvec([0, 0, 1.1])
    poses[:, 0] = root.as_rotvec()
    turned = poses.copy()
    turned[:, 0] = (yaw * root).as_rotvec()
    pelvis = joint_transforms(load_body(), np.zeros((1, 24, 3)), np.zeros((1, 3)), np.zeros(10), joints=[0])[1][0, 0]
    moved = yaw.apply(trans + pelvis) - pelvis + [10.0, -4.0, 2.0]
    first = m3n.simulate(poses, trans, fps=30, placements=PLACEMENTS)
    second = m3n.simulate(turned, moved, fps=30, placements=PLACEMENTS)
    for placement in PLACEMENTS:
        np.testing.assert_allclose(first[placement], second[placement], atol=5e-5)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_wrist_frame_is_a_watch(side):
    """T-pose: the back of the wrist looks up; arm hanging: x, towards the hand, looks down."""
    poses, trans = body_motion(Rotation.concatenate([STAND_UP] * 20), np.zeros((20, 3)))
    imu = m3n.simulate(poses, trans, fps=30, placements=[f"{side}_wrist"])[f"{side}_wrist"]
    assert imu[:, 2].min() > 0.99 * G
    shoulder, sign = (16, -1) if side == "left" else (17, 1)
    poses[:, shoulder] = [0, 0, sign * np.pi / 2]
    imu = m3n.simulate(poses, trans, fps=30, placements=[f"{side}_wrist"])[f"{side}_wrist"]
    assert imu[:, 0].max() < -0.95 * G


def test_sensor_sits_on_the_back_of_the_forearm_just_above_the_wrist():
    body = load_body()
    wrist = mount(body, np.zeros(10), SITES["left_wrist"])
    elbow_to_wrist = joint_transforms(body, np.zeros((1, 24, 3)), np.zeros((1, 3)), np.zeros(10), joints=[18, 20])[1][0]
    length = np.linalg.norm(elbow_to_wrist[1] - elbow_to_wrist[0])
    along, aside, above = wrist.rotation.T @ wrist.offset
    assert length - 0.045 < along < length - 0.015
    assert abs(aside) < 0.015
    assert 0.01 < above < 0.05


def test_pendulum_follows_its_equation_of_motion():
    """A rigid pendulum of length L with the sensor on its bob: tangential f = 0, so only the rod's pull is felt."""
    from scipy.integrate import solve_ivp

    length, fps, rate = 0.6, 60.0, 100.0
    swing = lambda t, s: [s[1], -G / length * np.sin(s[0])]  # noqa: E731
    solution = solve_ivp(swing, (0, 3), [1.0, 0.0], rtol=1e-10, atol=1e-12, dense_output=True)
    angle, _ = solution.sol(np.arange(int(3 * fps)) / fps)
    rotation = Rotation.from_rotvec(angle[:, None] * [0, 1.0, 0])  # about y: positive angle swings towards -x
    imu = rigid_sensor(rotation.apply([0, 0, -length]), rotation, fps, rate)
    angle, speed = solution.sol(np.arange(len(imu)) / rate)
    expected = np.zeros((len(imu), 6))
    expected[:, 2] = G * np.cos(angle) + length * speed**2
    expected[:, 4] = speed
    np.testing.assert_allclose(imu, expected, atol=0.02)


def test_motion_that_starts_abruptly_has_no_first_frame_spike():
    t = np.arange(90) / 30
    position = np.stack([0.3 * np.sin(2 * np.pi * 1.0 * t + 0.7), 0 * t, 0 * t], 1)
    imu = rigid_sensor(position, Rotation.identity(90), 30, 60)
    t = np.arange(len(imu)) / 60
    expected = -0.3 * (2 * np.pi) ** 2 * np.sin(2 * np.pi * t + 0.7)
    assert np.abs(imu[:, 0] - expected).max() < 0.02 * np.abs(expected).max()


def test_thirty_and_hundred_twenty_frames_a_second_agree():
    def imu(fps):
        t = np.arange(int(3 * fps) + 1) / fps
        rotation = Rotation.from_rotvec(np.stack([np.sin(4 * t), 0.5 * np.cos(5 * t), 0.3 * np.sin(3 * t)], 1))
        position = np.stack([0.2 * np.sin(5 * t), 0.1 * np.cos(4 * t), 0.3 * np.sin(3 * t)], 1)
        return rigid_sensor(position, rotation, fps, 100)

    np.testing.assert_allclose(imu(30), imu(120), atol=0.05)


def test_left_is_the_mirror_of_right():
    rng = np.random.default_rng(1)
    t = np.arange(90) / 30
    poses = 0.3 * np.sin(2 * np.pi * rng.uniform(0.2, 1.0, (24, 3)) * t[:, None, None] + rng.uniform(0, 6, (24, 3)))
    trans = 0.2 * np.sin(2 * np.pi * 0.5 * t[:, None] + np.arange(3))
    swap = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22]
    mirrored = poses[:, swap] * [1, -1, -1]
    poses[:, 0], mirrored[:, 0] = STAND_UP.as_rotvec(), STAND_UP.as_rotvec()
    right = m3n.simulate(poses, trans, fps=30)["right_wrist"]
    left = m3n.simulate(mirrored, trans * [-1, 1, 1], fps=30)["left_wrist"]
    # the stand-in body is symmetric to a millimetre or two, no better
    np.testing.assert_allclose(left * [1, -1, 1, -1, 1, -1], right, atol=0.35)


def test_last_sample_is_not_later_than_the_last_frame():
    for frames, fps, rate in ((31, 30.0, 60.0), (30, 29.97, 50.0), (7, 120.0, 33.3)):
        samples = m3n.simulate(np.zeros((frames, 24, 3)), np.zeros((frames, 3)), fps=fps, rate_hz=rate)["left_wrist"]
        assert (len(samples) - 1) / rate <= (frames - 1) / fps + 1e-9 < len(samples) / rate
