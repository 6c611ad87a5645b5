"""Rigid-body motions whose readings are known in closed form: coning, lever arms, and orientation that must come back.

Coning: a frame whose z axis runs round a cone of half-angle θ at the rate Ω, as its rotation vector θ (cos Ωt, sin Ωt, 0) does. In
its own axes it turns at ω = Ω (-sin θ sin Ωt, sin θ cos Ωt, -2 sin²(θ/2)) (Savage, Strapdown inertial navigation integration
algorithm design part 1, J. Guid. Control Dyn. 21(1), 1998; Bortz, IEEE Trans. AES 7(1), 1971). A lever arm r fixed to the frame
adds ω' × r (Euler) and ω × (ω × r) (centripetal) to the specific force (Titterton & Weston, 2004, ch. 3).
"""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import m3n
from m3n.body.kinematics import joint_transforms
from m3n.body.model import load_body
from m3n.imu.placement import SITES, mount
from m3n.imu.signals import ideal_imu
from m3n.schema import GRAVITY

UPRIGHT = np.array([0.0, 0.0, GRAVITY])


def readings(positions: np.ndarray, rotations: Rotation, fps: float, rate_hz: float) -> np.ndarray:
    return ideal_imu(positions[:, None], rotations.as_matrix()[:, None], fps=fps, rate_hz=rate_hz)[:, 0]


def cone(t: np.ndarray, half_angle: float, speed: float) -> Rotation:
    return Rotation.from_rotvec(half_angle * np.stack([np.cos(speed * t), np.sin(speed * t), 0 * t], axis=1))


@pytest.mark.parametrize(("half_angle", "speed"), [(0.05, 6.0), (0.4, 4.0), (1.2, 2.5)])
def test_coning_about_a_lever_arm(half_angle, speed):
    fps, rate, arm = 120.0, 200.0, np.array([0.1, -0.2, 0.15])
    t = np.arange(361) / fps
    frames = cone(t, half_angle, speed)
    imu = readings(frames.apply(arm), frames, fps, rate)
    t = np.arange(len(imu)) / rate
    sine, cosine = np.sin(speed * t), np.cos(speed * t)
    omega = speed * np.stack([-np.sin(half_angle) * sine, np.sin(half_angle) * cosine,
                              np.full(len(t), -2 * np.sin(half_angle / 2) ** 2)], axis=1)  # fmt: skip
    euler = speed**2 * np.sin(half_angle) * np.stack([-cosine, -sine, 0 * t], axis=1)
    expected = np.cross(euler, arm) + np.cross(omega, np.cross(omega, arm)) + cone(t, half_angle, speed).inv().apply(UPRIGHT)
    np.testing.assert_allclose(imu[:, 3:], omega, atol=2e-5 * speed)
    np.testing.assert_allclose(imu[:, :3], expected, atol=1e-3)


def test_coning_drifts_where_its_angular_rate_is_summed_axis_by_axis():
    """What makes coning the classic test: the mean rate about z is not zero, though the frame comes back every turn."""
    half_angle, speed, fps = 0.3, 2 * np.pi, 100.0
    t = np.arange(401) / fps
    imu = readings(np.zeros((len(t), 3)), cone(t, half_angle, speed), fps, fps)
    assert np.mean(imu[:-1, 5]) == pytest.approx(-2 * speed * np.sin(half_angle / 2) ** 2, abs=1e-5)


def test_a_body_that_turns_faster_and_faster_feels_the_euler_term():
    """A person spins upright, φ = αt²/2; the wrist sensor's lever arm from the axis is measured in its own axes at rest."""
    fps, rate, alpha = 60.0, 100.0, 1.5
    t = np.arange(181) / fps
    stand_up = Rotation.from_rotvec([np.pi / 2, 0, 0])
    poses = np.zeros((len(t), 24, 3))
    poses[:, 0] = (Rotation.from_rotvec((alpha * t**2 / 2)[:, None] * [0, 0, 1]) * stand_up).as_rotvec()
    found = m3n.simulate(poses, np.zeros((len(t), 3)), fps=fps, rate_hz=rate)
    body = load_body()
    _, joints = joint_transforms(body, np.zeros((1, 24, 3)), np.zeros((1, 3)), joints=[0, 18, 19])
    for placement, joint in (("left_wrist", 1), ("right_wrist", 2)):
        site = mount(body, np.zeros(10), SITES[placement])
        arm = site.rotation.T @ (joints[0, joint] + site.offset - joints[0, 0])  # the pelvis stays where it is
        up = site.rotation.T @ [0, 1.0, 0]  # the rest frame's y
        assert np.linalg.norm(np.cross(up, arm)) > 0.5
        times = np.arange(len(found[placement])) / rate
        omega = (alpha * times)[:, None] * up
        expected = np.cross(alpha * up, arm) + np.cross(omega, np.cross(omega, arm)) + GRAVITY * up
        np.testing.assert_allclose(found[placement][:, 3:], omega, atol=2e-4)
        np.testing.assert_allclose(found[placement][:, :3], expected, atol=5e-3)


def test_orientation_comes_back_from_a_minute_of_angular_rate():
    """An arm moves for 60 s; its gyroscope at 100 Hz, integrated on its own, ends within a degree of where the sensor is."""
    fps, rate, seconds = 30.0, 100.0, 60.0
    rng = np.random.default_rng(0)
    t = np.arange(int(seconds * fps) + 1) / fps
    poses = np.zeros((len(t), 24, 3))
    for joint in (0, 3, 6, 9, 13, 16, 18):
        for axis in range(3):
            f, phase, size = rng.uniform(0.1, 1.2, 3), rng.uniform(0, 2 * np.pi, 3), rng.uniform(0.05, 0.25, 3)
            poses[:, joint, axis] = np.sin(2 * np.pi * t[:, None] * f + phase) @ size
    rates = m3n.simulate(poses, np.zeros((len(t), 3)), fps=fps, rate_hz=rate)["left_wrist"][:, 3:].astype(float)
    chain = Rotation.identity(len(t))
    for joint in (0, 3, 6, 9, 13, 16, 18):
        chain = chain * Rotation.from_rotvec(poses[:, joint])
    site = mount(load_body(), np.zeros(10), SITES["left_wrist"])
    truth = chain * Rotation.from_matrix(site.rotation)
    q = integrated(truth[0].as_quat(), rates, rate)
    assert len(q) == seconds * rate + 1
    error = (truth[:: int(fps)].inv() * Rotation.from_quat(q[:: int(rate)])).magnitude()
    assert np.degrees(error.max()) < 1.0
    assert np.degrees(error[-1]) < 1.0


def integrated(start: np.ndarray, rates: np.ndarray, rate_hz: float) -> np.ndarray:
    """Quaternions x y z w of q' = q ω / 2: fourth-order Runge-Kutta over two samples a step, Simpson's points on samples."""
    from scipy.interpolate import CubicSpline

    curve = CubicSpline(np.arange(len(rates)) / rate_hz, rates)
    half = 0.5 / rate_hz

    def slope(q: np.ndarray, w: np.ndarray) -> np.ndarray:
        v, s = q[:3], q[3]
        return 0.5 * np.append(s * w + np.cross(v, w), -v @ w)

    middles = curve(np.arange(len(rates) - 1) / rate_hz + half)
    found = [np.array(start)]
    for w0, w1, w2 in zip(rates[:-1], middles, rates[1:], strict=True):
        q = found[-1]
        k1 = slope(q, w0)
        k2 = slope(q + half * k1, w1)
        k3 = slope(q + half * k2, w1)
        k4 = slope(q + 2 * half * k3, w2)
        q = q + (k1 + 2 * k2 + 2 * k3 + k4) * half / 3
        found.append(q / np.linalg.norm(q))
    return np.array(found)
