"""What holds for every motion: random smooth ones, sums of sines in every joint, found by hypothesis.

Expected readings come from the same simulator under another description of the motion (turned, mirrored, reversed, sped up), from
the orientation of the bones by a product of SciPy rotations, or from gravity alone.
"""

import dataclasses

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

import m3n
from m3n.body.kinematics import rest_joints
from m3n.body.model import SMPL_PARENTS, load_body
from m3n.imu.placement import SITES, mount
from m3n.imu.signals import measured
from m3n.imu.simulate import sensor_paths, simulate_clip
from m3n.schema import GRAVITY, PLACEMENTS

FPS, FRAMES = 60.0, 121
MIRROR = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22]
STAND_UP = Rotation.from_rotvec([np.pi / 2, 0, 0])
T = np.arange(FRAMES) / FPS
several = settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
seeds = st.integers(0, 2**32 - 1)


def motion(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Poses (frames, 24, 3) and trans (frames, 3): two sines of up to 1.5 Hz for every angle and coordinate."""
    rng = np.random.default_rng(seed)

    def sines(shape: tuple[int, ...], size: float) -> np.ndarray:
        f, phase = rng.uniform(0.1, 1.5, (2, *shape)), rng.uniform(0, 2 * np.pi, (2, *shape))
        return size * np.sin(2 * np.pi * f * T.reshape(-1, 1, *[1] * len(shape)) + phase).sum(axis=1)

    poses = sines((24, 3), 0.25)
    poses[:, 0] = (Rotation.from_rotvec(poses[:, 0]) * STAND_UP).as_rotvec()
    return poses, sines((3,), 0.2)


def read(poses: np.ndarray, trans: np.ndarray, placements=PLACEMENTS, **changes) -> dict[str, np.ndarray]:
    return m3n.simulate(poses, trans, **({"fps": FPS, "rate_hz": FPS, "placements": placements} | changes))


def everywhere(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], atol: float) -> None:
    for placement in expected:
        np.testing.assert_allclose(found[placement], expected[placement], atol=atol, err_msg=placement)


@several
@given(seeds, st.floats(-3.1, 3.1))
def test_the_direction_a_person_faces_does_not_matter(seed, angle):
    poses, trans = motion(seed)
    yaw, pelvis = Rotation.from_rotvec([0, 0, angle]), rest_joints(load_body())[0]
    turned = poses.copy()
    turned[:, 0] = (yaw * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
    everywhere(read(turned, yaw.apply(trans + pelvis) - pelvis), read(poses, trans), 2e-4)


@several
@given(seeds, st.tuples(*[st.floats(-3, 3)] * 3))
def test_a_constant_velocity_changes_nothing(seed, velocity):
    poses, trans = motion(seed)
    everywhere(read(poses, trans + T[:, None] * velocity + 5.0), read(poses, trans), 2e-4)


@several
@given(seeds)
def test_time_reversed_keeps_specific_force_and_negates_angular_rate(seed):
    poses, trans = motion(seed)
    forwards, backwards = read(poses, trans), read(poses[::-1].copy(), trans[::-1].copy())
    everywhere(backwards, {p: s[::-1] * [1, 1, 1, -1, -1, -1] for p, s in forwards.items()}, 2e-4)


@several
@given(seeds)
def test_a_reflected_motion_reads_reflected_on_the_other_side(seed):
    poses, trans = motion(seed)
    mirrored = poses[:, MIRROR] * [1, -1, -1]  # reflected in the world's x: an axis-angle is an axial vector
    for part in ("elbow", "knee", "collar"):
        left = read_even(f"left_{part}", 1, poses, trans)
        right = read_even(f"right_{part}", -1, mirrored, trans * [-1, 1, 1])
        np.testing.assert_allclose(right, left * [-1, 1, 1, 1, -1, -1], atol=1e-6)


def read_even(joint: str, side: int, poses: np.ndarray, trans: np.ndarray) -> np.ndarray:
    """A sensor in the rest frame's axes, on a body whose two sides are alike (the stand-in's differ by a millimetre or two)."""
    body = load_body()
    joints = rest_joints(body)
    joints = (joints + joints[MIRROR] * [-1, 1, 1]) / 2
    bones = np.eye(24)
    even = dataclasses.replace(body, v_template=joints, shapedirs=np.zeros((24, 3, 1)), joint_regressor=bones, weights=bones)
    site = m3n.Site(joint=joint, offset_m=(side * 0.2, 0.02, 0.01))
    return measured(sensor_paths(even, poses, trans, np.zeros(1), {"mine": site}), fps=FPS, rate_hz=FPS)[:, 0]


@several
@given(seeds)
def test_angular_rate_is_how_the_bones_orientation_changes(seed):
    """Independently: bone orientation as a product of SciPy rotations on a grid 20 times as fine, and central steps of it."""
    poses, trans = motion(seed)
    found = read(poses, trans, rate_hz=FPS)
    body, fine = load_body(), 20
    for placement in ("left_wrist", "head", "right_ankle"):
        site = mount(body, np.zeros(10), SITES[placement])
        chain, joint = [], site.joint
        while joint >= 0:
            chain.append(joint)
            joint = SMPL_PARENTS[joint]
        at = np.arange(10, FRAMES - 10)
        orientations = []
        for step in (-1, 1):
            product = Rotation.identity(len(at))
            for bone in reversed(chain):
                product = product * Rotation.from_rotvec(joint_angles(seed, bone, at / FPS + step / (FPS * fine)))
            orientations.append(product * Rotation.from_matrix(site.rotation))
        rate = (orientations[0].inv() * orientations[1]).as_rotvec() * FPS * fine / 2
        np.testing.assert_allclose(found[placement][at, 3:], rate, atol=5e-3)


def joint_angles(seed: int, joint: int, t: np.ndarray) -> np.ndarray:
    """The same angles as `motion`, at any time."""
    rng = np.random.default_rng(seed)
    f, phase = rng.uniform(0.1, 1.5, (2, 24, 3)), rng.uniform(0, 2 * np.pi, (2, 24, 3))
    angles = 0.25 * np.sin(2 * np.pi * f[:, joint] * t[:, None, None] + phase[:, joint]).sum(axis=1)
    return (Rotation.from_rotvec(angles) * STAND_UP).as_rotvec() if joint == 0 else angles


@several
@given(seeds)
def test_a_body_at_rest_in_any_pose_feels_gravity_and_does_not_turn(seed):
    pose, place = motion(seed)
    still = read(np.repeat(pose[:1], 30, axis=0), np.repeat(place[:1], 30, axis=0), rate_hz=100.0)
    for samples in still.values():
        np.testing.assert_allclose(np.linalg.norm(samples[:, :3], axis=1), GRAVITY, atol=1e-5)
        np.testing.assert_allclose(samples[:, 3:], 0, atol=1e-5)


@several
@given(seeds, st.sampled_from([30.0, 50.0, 60.0]))
def test_samples_at_half_the_rate_are_every_other_one(seed, rate):
    poses, trans = motion(seed)
    slow, fast = read(poses, trans, rate_hz=rate), read(poses, trans, rate_hz=2 * rate)
    for placement in PLACEMENTS:
        np.testing.assert_allclose(slow[placement], fast[placement][::2][: len(slow[placement])], atol=1e-5)


@several
@given(seeds, st.integers(2, 70), st.sampled_from(["spline", "finite_differences"]))
def test_float32_poses_of_any_length_give_finite_float32_samples_close_to_those_of_float64(seed, frames, method):
    poses, trans = (values[:frames] for values in motion(seed))
    row = {"clip_id": "c", "fps": FPS, "body_model": "smpl", "gender": "neutral", "betas": np.zeros(10), "n_frames": frames}
    how = {"placements": PLACEMENTS, "rate_hz": 100.0, "low_pass": None, "sensor": None, "seed": 0, "method": method}
    single = simulate_clip(row | {"poses": poses.astype(np.float32), "trans": trans.astype(np.float32)}, **how)
    double = simulate_clip(row | {"poses": poses, "trans": trans}, **how)
    for placement in PLACEMENTS:
        assert single[placement].dtype == np.float32
        assert np.isfinite(single[placement]).all()
        # rounding to 24 bits of coordinates of half a metre, differenced twice: 3e-8 m times 60² times a few
        np.testing.assert_allclose(single[placement], double[placement], atol=0.02)
