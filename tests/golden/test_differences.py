"""The finite differences of the field's scripts beside the simulator's splines, against the truncation errors of both.

For sin(ωt) sampled every h, with θ = ωh: the second central difference returns sinc²(θ/2) of the acceleration. The quintic spline
through the samples returns, at the knots, the quotient of two cosine polynomials (Fourier symbols of β⁵'' and β⁵ at the integers:
1, 2, -6, 2, 1 over 6 and 1, 26, 66, 26, 1 over 120).
"""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from m3n.body.model import load_body
from m3n.imu.differences import differenced
from m3n.imu.placement import SITES
from m3n.imu.signals import continuous_quaternions, measured
from m3n.imu.simulate import sensor_paths, simulate_clip
from m3n.schema import GRAVITY

FPS, SECONDS = 30.0, 20.0
T = np.arange(int(SECONDS * FPS) + 1) / FPS
INSIDE = slice(60, -60)  # frames that know nothing of the ends


def signals(method, position: np.ndarray, rotation: Rotation, rate_hz: float = FPS) -> np.ndarray:
    quaternions = continuous_quaternions(rotation.as_matrix()[:, None])[:, 0]
    return method(np.concatenate([position, quaternions], axis=1), fps=FPS, rate_hz=rate_hz)[:, 0]


def kept_by_differences(theta: float) -> float:
    return (np.sin(theta / 2) / (theta / 2)) ** 2


def kept_by_splines(theta: float) -> float:
    second = (-6 + 4 * np.cos(theta) + 2 * np.cos(2 * theta)) / 6
    value = (66 + 52 * np.cos(theta) + 2 * np.cos(2 * theta)) / 120
    return -second / value / theta**2


@pytest.mark.parametrize("frequency_hz", [1.0, 2.0, 3.0, 5.0])
def test_the_acceleration_of_a_sine_is_off_by_the_truncation_error_of_each_method(frequency_hz):
    omega, amplitude = 2 * np.pi * frequency_hz, 0.1
    theta = omega / FPS
    position = amplitude * np.sin(omega * T + 0.3)[:, None] * [1, 0, 0]
    truth = -amplitude * omega**2 * np.sin(omega * T + 0.3)
    still = Rotation.identity(len(T))
    errors = {}
    for method, kept in ((differenced, kept_by_differences), (measured, kept_by_splines)):
        found = signals(method, position, still)[:, 0]
        np.testing.assert_allclose(found[INSIDE], kept(theta) * truth[INSIDE], atol=2e-6 * np.abs(truth).max())
        errors[method] = np.sqrt(np.mean((found - truth)[INSIDE] ** 2))
    expected = (1 - kept_by_differences(theta)) / abs(1 - kept_by_splines(theta))
    assert errors[differenced] / errors[measured] == pytest.approx(expected, rel=0.02)
    if frequency_hz <= 2:  # the leading terms: θ²/12 and θ⁴/720, whose quotient is 60/θ²
        assert errors[differenced] / errors[measured] == pytest.approx(60 / theta**2, rel=0.1)


@pytest.mark.parametrize("frequency_hz", [1.0, 3.0])
def test_the_angular_rate_of_a_swing_is_off_by_the_sinc_of_two_frames(frequency_hz):
    omega, swing = 2 * np.pi * frequency_hz, 0.8
    rotation = Rotation.from_rotvec((swing * np.sin(omega * T))[:, None] * [0, 0, 1])
    truth = swing * omega * np.cos(omega * T)
    theta = omega / FPS
    found = signals(differenced, np.zeros((len(T), 3)), rotation)[:, 5]
    np.testing.assert_allclose(found[INSIDE], np.sin(theta) / theta * truth[INSIDE], atol=1e-9)
    splined = signals(measured, np.zeros((len(T), 3)), rotation)[:, 5]
    assert np.abs(splined - truth)[INSIDE].max() < 0.05 * np.abs(found - truth)[INSIDE].max()


def test_a_pendulum_at_thirty_frames_a_second():
    """The bob of a rigid pendulum feels the rod's pull alone, f = g cos φ + L φ'²; differences miss what the splines see."""
    from scipy.integrate import solve_ivp

    length = 0.6
    swing = lambda t, s: [s[1], -GRAVITY / length * np.sin(s[0])]  # noqa: E731
    solution = solve_ivp(swing, (0, SECONDS), [1.0, 0.0], rtol=1e-11, atol=1e-12, t_eval=T)
    angle, speed = solution.y
    rotation = Rotation.from_rotvec(angle[:, None] * [0, 1.0, 0])
    position = rotation.apply([0, 0, -length])
    truth = np.stack([0 * T, 0 * T, GRAVITY * np.cos(angle) + length * speed**2, 0 * T, speed, 0 * T], axis=1)
    error = {m: np.abs(signals(m, position, rotation) - truth)[INSIDE] for m in (differenced, measured)}
    # leading term of the differences' error: h²/12 of the position's fourth derivative, h²/6 of the rate's second
    fourth = np.gradient(np.gradient(np.gradient(np.gradient(position, T, axis=0), T, axis=0), T, axis=0), T, axis=0)
    expected = np.linalg.norm(fourth[INSIDE], axis=1).max() / FPS**2 / 12
    assert np.linalg.norm(error[differenced][:, :3], axis=1).max() == pytest.approx(expected, rel=0.15)
    assert error[differenced][:, :3].max() > 20 * error[measured][:, :3].max()
    assert error[differenced][:, 4].max() > 20 * error[measured][:, 4].max()


def test_between_frames_differences_lie_on_straight_lines():
    omega = 2 * np.pi * 2.0
    position = 0.1 * np.sin(omega * T)[:, None] * [0, 1, 0]
    at_frames = signals(differenced, position, Rotation.identity(len(T)))
    found = signals(differenced, position, Rotation.identity(len(T)), rate_hz=4 * FPS)
    expected = np.stack([np.interp(np.arange(len(found)) / (4 * FPS), T, column) for column in at_frames.T], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_two_frames_have_a_rate_and_no_acceleration():
    turn = Rotation.from_rotvec([[0, 0, 0], [0, 0, 0.1]])
    motion = np.concatenate([np.zeros((2, 3)), turn.as_quat()], axis=1)
    found = differenced(motion, fps=FPS, rate_hz=FPS)[:, 0]
    np.testing.assert_allclose(found, np.tile([0, 0, GRAVITY, 0, 0, 0.1 * FPS], (2, 1)), atol=1e-9)


def test_a_clip_is_differenced_where_its_settings_say_so():
    poses = 0.3 * np.sin(2 * np.pi * T[:90, None, None] * np.linspace(0.2, 1.5, 72).reshape(24, 3))
    row = {"clip_id": "c", "fps": FPS, "body_model": "smpl", "gender": "neutral", "betas": np.zeros(10), "n_frames": 90,
           "poses": poses, "trans": np.zeros((90, 3))}  # fmt: skip
    how = {"placements": ["head"], "rate_hz": FPS, "low_pass": None, "sensor": None, "seed": 0}
    found = simulate_clip(row, **how, method="finite_differences")["head"]
    path = sensor_paths(load_body(), poses, np.zeros((90, 3)), np.zeros(10), {"head": SITES["head"]})
    second = (path[2:, :3] - 2 * path[1:-1, :3] + path[:-2, :3]) * FPS**2
    expected = Rotation.from_quat(path[1:-1, 3:]).inv().apply(second + np.array([0, 0, GRAVITY]))
    np.testing.assert_allclose(found[1:-1, :3], expected, atol=1e-4)
    assert np.abs(simulate_clip(row, **how)["head"] - found).max() > 0.01
