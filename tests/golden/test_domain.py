"""Ways of wearing a sensor, against what geometry says they do to its readings."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from m3n.body.model import load_body
from m3n.imu.domain import Wearing, draw_domain
from m3n.imu.placement import SITES, mount
from m3n.imu.simulate import simulate_clip
from m3n.schema import GRAVITY

CLIP = {
    "clip_id": "c", "body_model": "smpl", "gender": "neutral", "betas": np.zeros(10), "fps": 60.0, "n_frames": 120,
    "trans": np.zeros((120, 3)),
}  # fmt: skip


def still() -> np.ndarray:
    poses = np.zeros((120, 24, 3))
    poses[:, 0, 0] = np.pi / 2  # T-pose in the z-up world: the back of the wrist looks up
    return poses


def moving() -> np.ndarray:
    t = np.arange(120)[:, None] / 60
    poses = still()
    poses[:, 18] = 0.8 * np.sin(2 * np.pi * t * [0.7, 0.9, 1.1])
    return poses


def read(poses: np.ndarray, wearing: Wearing) -> np.ndarray:
    settings = {"placements": ["left_wrist"], "rate_hz": 100.0, "low_pass": None, "sensor": None, "seed": 0}
    return simulate_clip({**CLIP, "poses": poses}, **settings, wearing={"left_wrist": wearing})["left_wrist"]


def test_a_strap_turned_by_a_quarter_feels_gravity_sideways():
    turned = read(still(), Wearing(turn=np.pi / 2))
    straight = read(still(), Wearing())
    quarter = Rotation.from_rotvec([np.pi / 2, 0, 0]).inv().as_matrix()
    np.testing.assert_allclose(turned[:, :3], straight[:, :3] @ quarter.T, atol=1e-4)
    assert abs(turned[50, 1]) > 0.99 * GRAVITY * np.cos(0.1)


def test_a_tilted_sensor_reads_the_same_vectors_in_turned_axes():
    tilt = (0.1, -0.2, 0.3)
    straight, tilted = read(moving(), Wearing()), read(moving(), Wearing(tilt=tilt))
    back = Rotation.from_rotvec(tilt).as_matrix()
    for part in (slice(0, 3), slice(3, 6)):
        np.testing.assert_allclose(tilted[:, part] @ back.T, straight[:, part], atol=2e-4)


def test_a_slipping_strap_adds_its_own_rate_about_the_forearm():
    slip = 0.6
    rate = read(still(), Wearing(slip=slip))[:, 3]
    assert np.trapezoid(rate, dx=1 / 100) == pytest.approx(slip, rel=0.02)  # its integral is the whole slip
    assert abs(rate[0]) < 0.01
    assert abs(rate[-1]) < 0.01
    share = np.arange(len(rate)) / 100 / ((120 - 1) / 60)
    expected = slip * 30 * share**2 * (1 - share) ** 2 / ((120 - 1) / 60)  # derivative of the smooth step
    np.testing.assert_allclose(rate, expected, atol=2e-3)


def test_distance_moves_the_sensor_towards_the_elbow():
    ideal = mount(load_body(), np.zeros(10), SITES["left_wrist"])
    moved = Wearing(distance_m=0.05).mounted(ideal)
    np.testing.assert_allclose(ideal.rotation.T @ (moved.offset - ideal.offset), [-0.05, 0, 0], atol=1e-12)


def test_worlds_depend_on_seed_and_clip_alone_and_cover_every_part():
    one, again = draw_domain(0, "a", ["left_wrist"]), draw_domain(0, "a", ["left_wrist", "right_wrist"])
    assert one.wearing["left_wrist"] == again.wearing["left_wrist"]
    assert one.tempo == again.tempo
    worlds = [draw_domain(0, f"clip {i}", ["left_wrist"]) for i in range(2000)]
    assert {w.sensor for w in worlds} == {"mpu9250", "bmi160", "lsm6dso", "tsnd151"}
    assert np.std([np.log(w.tempo) for w in worlds]) == pytest.approx(0.15, rel=0.1)
    assert np.std([w.wearing["left_wrist"].turn for w in worlds]) == pytest.approx(0.35, rel=0.1)
    assert np.mean([w.swapped for w in worlds]) == pytest.approx(0.02, abs=0.01)


def test_left_worn_as_right_exchanges_the_sides():
    worlds = (draw_domain(0, f"clip {i}", ["left_wrist"]) for i in range(2000))
    swapped = next(w for w in worlds if w.swapped)
    left, right = np.zeros((1, 6)), np.ones((1, 6))
    assert swapped.of_samples({"left_wrist": left, "right_wrist": right})["left_wrist"] is right
    assert swapped.of_samples({"right_wrist": right})["right_wrist"] is right
