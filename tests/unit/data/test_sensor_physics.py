"""Gravity and rigid rotation in pieces of a recording, against a sensor that is simulated by finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import sensors

from m3n.data.sensor_physics import PIECE_S, Pieces

CLOCK = np.arange(0, 40, 0.02)
FORCE, RATE = sensors.worn_sensor(CLOCK)


def pieces(force: np.ndarray = FORCE, rate: np.ndarray = RATE, rate_hz: float = 50.0) -> Pieces:
    held = Pieces()
    held.add(np.concatenate([force, rate], axis=1), rate_hz)
    return held


def test_the_mean_force_turned_back_is_one_g_however_the_arm_swings() -> None:
    found = pieces().gravity()
    assert found is not None
    assert found.world == pytest.approx(1.0, abs=0.05)
    assert found.is_sure
    assert found.shows
    assert not found.is_lacking


@pytest.mark.parametrize("size", [0.1, 1.0, 4.0, 9.8])
@pytest.mark.parametrize("rate", [RATE, np.full_like(RATE, np.nan)], ids=["gyroscope", "none"])
def test_a_force_without_gravity_lacks_it_in_every_unit(size: float, rate: np.ndarray) -> None:
    found = pieces(size * sensors.without_gravity(CLOCK), rate).gravity()
    assert found is not None
    assert found.is_lacking
    assert not found.is_sure
    assert not found.shows


def test_a_gravity_vector_has_a_constant_norm_and_an_accelerometer_has_not() -> None:
    assert pieces(sensors.gravity_vector(CLOCK)).norm_is_constant()
    assert not pieces().norm_is_constant()
    still = np.array([0.0, 0.0, 9.8]) + 0.01 * np.random.default_rng(0).normal(size=FORCE.shape)
    assert not pieces(still).norm_is_constant()  # nothing turns


@pytest.mark.parametrize("factor", [np.pi / 180, 180 / np.pi, 0.1, 20.0])
def test_an_angular_rate_of_another_scale_is_found(factor: float) -> None:
    found = pieces(rate=factor * RATE).rate_factor()
    assert found is not None
    assert (found > 1) == (factor < 1)
    assert 1 / 3 < found * factor < 3


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.25])
def test_a_right_one_is_not_doubted(factor: float) -> None:
    assert pieces(rate=factor * RATE).rate_factor() is None
    assert pieces(force=-FORCE).rate_factor() is None  # a phone's sign


def test_memory_is_bounded_and_short_pieces_tell_nothing() -> None:
    held = Pieces()
    for _ in range(400):
        held.add(np.concatenate([FORCE, RATE], axis=1), 50.0)
    assert len(held._held) <= 256 + 16
    assert all(len(piece) == PIECE_S * 50 for piece, _ in held._held)
    few = Pieces()
    few.add(np.concatenate([FORCE, RATE], axis=1)[:10], 50.0)
    assert few.gravity() is None
    assert few.rate_factor() is None
