"""Statistics of recordings whose lever arm and attitude are known by construction, and how they turn with the sensor."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from m3n.imu.fidelity import turned
from m3n.imu.motion_statistics import Sums, added, described, lever_arm, mirrored, motion_sums
from m3n.imu.mounting import turned_statistics
from m3n.imu.signals import ideal_imu
from m3n.schema import GRAVITY

RATE_HZ = 50.0


def arm(r: tuple[float, float, float], seconds: float = 60.0, rate_hz: float = RATE_HZ) -> np.ndarray:
    """A sensor at r (m, its own axes) from a pivot that stays where it is, turning smoothly about all axes."""
    time = np.arange(int(seconds * rate_hz)) / rate_hz
    angles = np.stack([0.9 * np.sin(2 * np.pi * f * time + p) for f, p in ((0.7, 0.3), (0.9, 1.1), (0.5, 2.0))], axis=1)
    attitude = Rotation.from_euler("xyz", angles)
    return ideal_imu(attitude.apply(r)[:, None], attitude.as_matrix()[:, None], fps=rate_hz, rate_hz=rate_hz)[:, 0]


def sums_of(samples: np.ndarray, rate_hz: float = RATE_HZ) -> Sums:
    found = motion_sums(samples, rate_hz)
    assert found is not None
    return found


@pytest.mark.parametrize("rate_hz", [33.3, 50.0, 104.0])
def test_the_lever_arm_of_a_turning_rod_is_found_to_the_centimetre(rate_hz: float) -> None:
    r = (0.28, -0.03, 0.05)
    found = lever_arm(sums_of(arm(r, rate_hz=rate_hz), rate_hz))
    np.testing.assert_allclose(found, r, atol=0.02)


def test_a_sensor_at_rest_has_no_lever_arm_and_knows_up() -> None:
    still = np.tile([0, -GRAVITY, 0, 0, 0, 0], (1000, 1)).astype(float)
    sums = sums_of(still)
    np.testing.assert_allclose(lever_arm(sums), 0, atol=1e-6)
    np.testing.assert_allclose(sums["up"] / sums["windows"], [0, -1, 0], atol=1e-6)
    assert sums["still"] == sums["windows"]
    assert sums["active"] == 0


def test_statistics_turn_with_the_sensor() -> None:
    samples = arm((0.25, 0.02, 0.04))
    turn = Rotation.from_rotvec([0.4, -1.1, 0.7]).as_matrix()
    as_worn = described(sums_of(turned(samples, turn.T)))
    straight = described(sums_of(samples))
    back = turned_statistics(as_worn, turn[None])[0]
    np.testing.assert_allclose(back, turned_statistics(straight, np.eye(3)[None])[0], atol=1e-4)


def test_the_other_wrist_of_the_mirrored_person_reads_the_mirrored_statistics() -> None:
    samples = arm((0.25, 0.02, 0.04))
    mirror = np.diag([1.0, -1.0, 1.0])
    straight = turned_statistics(described(sums_of(samples)), mirror[None])[0]
    np.testing.assert_allclose(
        straight, turned_statistics(described(sums_of(mirrored(samples))), np.eye(3)[None])[0], atol=1e-4
    )


def test_sums_of_parts_add_up_and_stretches_without_values_are_left_out() -> None:
    samples = arm((0.25, 0.0, 0.0))
    parts = added([sums_of(samples[:1500]), sums_of(samples[1500:])])
    assert parts is not None
    gap = np.insert(samples, 1500, np.full((40, 6), np.nan), axis=0)
    whole = sums_of(gap)
    for name, value in parts.items():
        np.testing.assert_allclose(whole[name], value, atol=1e-9)


def test_too_short_a_recording_has_no_window() -> None:
    assert motion_sums(np.zeros((60, 6)), RATE_HZ) is None
    assert motion_sums(np.full((500, 6), np.nan), RATE_HZ) is None
    assert added([]) is None
