"""Units and kinds of acceleration that cannot be right are refused for the right reason; what is right passes."""

from __future__ import annotations

from contextlib import nullcontext

import numpy as np
import pytest
import sensors

from m3n.errors import InputError
from m3n.schema import GRAVITY
from m3n.sources.shared.unit_checks import UnitCheck, check_units

CLOCK = np.arange(0, 20, 0.02)
FORCE, RATE = sensors.worn_sensor(CLOCK)
NONE = np.full_like(RATE, np.nan)


def refusal(
    force: np.ndarray, rate: np.ndarray, unit: str = "m/s2", gyro: str | None = "rad/s", columns: tuple[str, ...] = ()
) -> str:
    check = UnitCheck()
    check.add(np.concatenate([force, rate], axis=1), 50.0)
    with pytest.raises(InputError) as caught:
        check.check("a.csv", unit, gyro, columns)
    return str(caught.value)


def test_an_accelerometer_and_a_gyroscope_pass_with_and_without_each_other() -> None:
    check_units("a.csv", np.concatenate([FORCE, RATE], axis=1), 50.0, "m/s2", "rad/s")
    check_units("a.csv", np.concatenate([FORCE, NONE], axis=1), 50.0, "m/s2", None)
    check_units("a.csv", np.concatenate([-FORCE, RATE], axis=1), 50.0, "m/s2", "rad/s")  # a phone's sign: no norm can see it


@pytest.mark.parametrize("unit", [1.0, GRAVITY, GRAVITY / 1000, 18.8 / 2.4])
@pytest.mark.parametrize("rate", [RATE, NONE], ids=["gyroscope", "no gyroscope"])
def test_acceleration_without_gravity_is_refused_in_every_unit_and_no_unit_is_suggested(unit: float, rate: np.ndarray) -> None:
    said = refusal(sensors.without_gravity(CLOCK) * unit, rate)
    assert "as if gravity had been taken off (linear acceleration)" in said
    assert "as if it were in" not in said
    assert "acc_scale" not in said


@pytest.mark.parametrize("unit", [1.0, GRAVITY])
def test_jumps_without_gravity_are_refused(unit: float) -> None:
    clock = np.arange(0, 20, 0.01)
    thrust = 18.8 * np.sin(2 * np.pi * 2 * clock)
    jump = np.stack([0.3 * thrust, 0.2 * thrust, thrust], axis=1) + 0.3 * np.random.default_rng(0).normal(size=(2000, 3))
    said = refusal(jump * unit / GRAVITY, np.full_like(jump, np.nan), "g", None)
    assert "as if gravity had been taken off" in said


@pytest.mark.parametrize("name", ["userAccelerationX", "Linear Acceleration x (m/s^2)", "freeAcc_x", "body_acc_x"])
def test_a_column_that_says_it_has_no_gravity_is_named(name: str) -> None:
    assert f"its column is called '{name}'" in refusal(sensors.without_gravity(CLOCK), RATE, columns=(name, "y", "z"))


@pytest.mark.parametrize(("rate", "sign"), [(RATE, 1), (NONE, -1)])
def test_a_gravity_vector_is_no_accelerometer(rate: np.ndarray, sign: float) -> None:
    said = refusal(sign * sensors.gravity_vector(CLOCK), rate, columns=("gravityX", "gravityY", "gravityZ"))
    assert "it is a gravity vector, not an accelerometer (its column is called 'gravityX')" in said


@pytest.mark.parametrize(
    ("factor", "unit", "said"),
    [
        (1 / GRAVITY, "m/s2", "as if it were in g"), (1000 / GRAVITY, "m/s2", "as if it were in mg"), (1.0, "g", ""),
        (2048 / GRAVITY * GRAVITY, "g", "acc_scale="),
    ],
)  # fmt: skip
def test_another_unit_is_named_where_gravity_shows(factor: float, unit: str, said: str) -> None:
    scale = factor if unit == "m/s2" else factor * GRAVITY
    assert said in refusal(FORCE * scale, RATE, unit)


def test_a_scale_that_is_suggested_makes_it_one_g() -> None:
    said = refusal(FORCE * 64, RATE, "g")
    scale = float(said.split("acc_scale=")[1].split()[0])
    assert scale * 64 == pytest.approx(1.0, rel=0.1)


@pytest.mark.parametrize(
    ("factor", "unit", "said"),
    [
        (
            np.pi / 180,
            "deg/s",
            "times too small for how gravity turns in the accelerometer's axes when read as deg/s; as if it were in rad/s",
        ),
        (180 / np.pi, "rad/s", "as if it were in deg/s"),
        (0.0, "rad/s", "the gyroscope was off"),
    ],
)
def test_a_gyroscope_of_another_scale_is_refused_both_ways(factor: float, unit: str, said: str) -> None:
    assert said in refusal(FORCE, RATE * factor, gyro=unit)


def test_slow_turns_in_degrees_are_found_where_their_size_alone_would_pass() -> None:
    clock = np.arange(0, 60, 0.02)
    force, rate = sensors.worn_sensor(clock / 4)  # a quarter of the speed
    slow = 180 / np.pi * rate / 4
    assert slow.std() < 30
    assert "times too large" in refusal(force, slow)


def test_a_sensor_at_rest_gives_no_reason_to_doubt_its_gyroscope() -> None:
    still = np.array([0.0, 0.0, GRAVITY]) + 0.02 * np.random.default_rng(0).normal(size=(1000, 3))
    check_units("a.csv", np.concatenate([still, 1e-4 * RATE], axis=1), 50.0, "m/s2", "rad/s")


def test_a_slow_gyroscope_that_cannot_follow_an_arm_makes_nothing_suspect() -> None:
    clock = np.arange(0, 400, 0.4)
    check = UnitCheck()
    check.add(np.concatenate(sensors.worn_sensor(clock), axis=1), 2.5)
    check.check("a.csv", "m/s2", "rad/s")


def test_a_sensor_out_of_calibration_is_named_as_one() -> None:
    assert "is the sensor calibrated? acc_scale=1." in refusal(0.6 * FORCE / 1.03, RATE)


def test_a_gyroscope_whose_axes_do_not_go_with_the_accelerometers_is_named() -> None:
    assert "with the sign of gy changed they would be" in refusal(FORCE, RATE * [1, -1, 1])
    assert "the angular rate looks 4 times too large" in refusal(FORCE, 4 * RATE)


def test_acceleration_and_angular_rate_that_are_swapped_are_named() -> None:
    assert "look like an accelerometer's: are the two swapped?" in refusal(RATE, FORCE)


def test_counts_beside_a_gyroscope_in_counts_are_not_taken_for_linear_acceleration() -> None:
    assert "in counts of a chip (acc_scale=)?" in refusal(FORCE * 2048, RATE * 940, "g")


def vigorous() -> np.ndarray:
    """Acceleration alone of an arm that swings through 2.2 rad at 1.1 Hz: over seconds half of gravity is left."""
    clock = np.arange(0, 24, 0.02)
    angle = 2.2 * np.sin(2 * np.pi * 0.6 * clock)
    force = GRAVITY * np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    return force + 0.5 * np.random.default_rng(0).normal(size=force.shape)


def test_who_knows_that_gravity_is_included_can_say_so() -> None:
    force = vigorous()
    nothing = np.full_like(force, np.nan)
    assert "if you know that it includes gravity, state it by gravity=included" in refusal(force, nothing, gyro=None)
    for settled in ({"stated": True}, {"vouched": True}):
        check = UnitCheck()
        check.add(np.concatenate([force, nothing], axis=1), 50.0)
        check.check("a.csv", "m/s2", None, **settled)


@pytest.mark.parametrize("force", [sensors.without_gravity(CLOCK), FORCE / GRAVITY])
def test_a_statement_does_not_make_gravity_of_what_has_none_nor_another_unit_right(force: np.ndarray) -> None:
    check = UnitCheck()
    check.add(np.concatenate([force, NONE], axis=1), 50.0)
    with pytest.raises(InputError):
        check.check("a.csv", "m/s2", None, stated=True)


def test_a_statement_does_not_overrule_a_gyroscope() -> None:
    check = UnitCheck()
    check.add(np.concatenate([3 * sensors.without_gravity(CLOCK), RATE], axis=1), 50.0)
    with pytest.raises(InputError, match="as if gravity had been taken off"):
        check.check("a.csv", "m/s2", "rad/s", stated=True)


@pytest.mark.parametrize(("order", "said"), [("zyx", "gz, gy and gx"), ("yxz", "gy, gx and gz"), ("yzx", "gz, gx and gy")])
def test_columns_of_a_gyroscope_in_another_order_than_the_accelerometers_are_named(order: str, said: str) -> None:
    force, rate = sensors.worn_sensor(np.arange(0, 40, 0.02))
    swapped = rate[:, ["xyz".index(axis) for axis in order]]
    for given, wrong in ((rate, False), (swapped, True)):
        check = UnitCheck()
        check.add(np.concatenate([force, given], axis=1), 50.0)
        with pytest.raises(InputError, match=f"only if {said} are taken") if wrong else nullcontext():
            check.check("a.csv", "m/s2", "rad/s")
