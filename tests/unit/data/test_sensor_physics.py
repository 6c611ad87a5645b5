"""Gravity and rigid rotation in pieces of a recording, against a sensor that is simulated by finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sensors

from m3n.data.sensor_physics import PIECE_S, Gravity, Pieces, turn_problem
from m3n.schema import GRAVITY

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


def strokes(move_s: float, hold_s: float, angle_rad: float, gravity: bool) -> np.ndarray:
    """Force (n, 3) of an arm of 0.6 m that strikes to and fro by so many radians, and holds still between; 50 Hz."""
    t = np.arange(0, 30 * (move_s + hold_s), 0.02)
    number, u = np.floor(t / (move_s + hold_s)), np.clip((t % (move_s + hold_s)) / move_s, 0, 1)
    way, rate, change = (
        u**3 * (10 - 15 * u + 6 * u**2),
        30 * u**2 * (1 - u) ** 2 / move_s,
        60 * u * (1 - u) * (1 - 2 * u) / move_s**2,
    )
    forth = np.where(number % 2 == 0, 1, -1)
    angle = angle_rad * np.where(forth > 0, way, 1 - way) - np.pi / 2
    force = 0.6 * angle_rad * np.stack([-angle_rad * rate**2, 0 * t, forth * change], axis=1)
    if gravity:
        force += GRAVITY * np.stack([np.sin(angle), 0 * t, np.cos(angle)], axis=1)
    return force + 0.02 * GRAVITY * np.random.default_rng(0).normal(size=force.shape)


def gravity_of(force: np.ndarray) -> Gravity:
    pieces = Pieces()
    pieces.add(np.concatenate([force, np.full_like(force, np.nan)], axis=1), 50.0)
    found = pieces.gravity()
    assert found is not None
    return found


def test_between_two_strokes_gravity_is_left_and_nothing_without_it() -> None:
    assert gravity_of(strokes(0.5, 0.25, 2.2, gravity=True)).rest > 0.75
    assert gravity_of(strokes(0.5, 0.25, 2.2, gravity=False)).rest < 0.4


def test_strokes_that_cancel_gravity_for_a_moment_still_have_it() -> None:
    found = gravity_of(strokes(0.5, 0.1, 1.6, gravity=True))
    assert found.rest < 0.75
    assert not found.is_lacking


@pytest.mark.parametrize("steady", [0.55, 0.66])  # measured on shoulder exercises whose gravity was taken off by the gyroscope
def test_a_mean_force_that_vanishes_at_rest_is_that_of_strokes(steady: float) -> None:
    kept = Gravity(mean=0.7, world=np.nan, steady=steady, quiet=1.0, dips=0.65, pieces=9, agreement=0.9, rest=1.0)
    assert kept.is_vigorous(0.7, 1.03)
    assert not kept.is_lacking
    taken_off = replace(kept, rest=0.5)
    assert taken_off.is_lacking
    assert not taken_off.is_vigorous(0.7, 1.03)


@pytest.mark.parametrize("wrong", [0.4, 0.5, 2.0, 2.5])
def test_a_sampling_rate_that_is_wrong_by_little_is_told_by_how_gravity_turns(wrong: float) -> None:
    force, rate = sensors.worn_sensor(np.arange(0, 80, 0.02))
    found = pieces(force, rate, wrong * 50.0).turn_scale()
    assert found is not None
    scale, rate_hz = found
    assert rate_hz == wrong * 50.0
    assert rate_hz / scale == pytest.approx(50.0, rel=0.3)
    assert pieces(rate=RATE / wrong).turn_scale() == (pytest.approx(wrong, rel=0.3), 50.0)


@pytest.mark.parametrize("size", [0.8, 1.0, 1.2])
def test_a_right_sampling_rate_and_a_gyroscope_that_is_hardly_calibrated_are_not_doubted(size: float) -> None:
    assert pieces(rate=size * RATE).turn_scale() is None
    assert pieces(rate_hz=size * 50.0).turn_scale() is None


def test_a_sensor_that_hardly_turns_does_not_tell_its_rate() -> None:
    force, rate = sensors.worn_sensor(CLOCK[:300])
    assert pieces(force, rate, 20.0).turn_scale() is None  # too few pieces
    still = np.array([0.0, 0.0, 9.8]) + 0.05 * np.random.default_rng(0).normal(size=FORCE.shape)
    assert pieces(still, 0.05 * np.random.default_rng(1).normal(size=FORCE.shape), 20.0).turn_scale() is None


def test_an_angular_rate_of_the_opposite_sign_is_told() -> None:
    assert pieces(rate=-RATE).turn_scale() == (-1.0, 50.0)
    assert "gyro_scale=-1" in turn_problem(-1.0, 50.0)
