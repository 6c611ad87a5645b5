"""Closed forms of directions and rotations, against scipy's and against geometry."""

from __future__ import annotations

import numpy as np
from scipy.spatial.transform import Rotation

from m3n.body.rotations import TURN_UP, chained, continued, cross, dot, swing, transported, two_vector_rotation, unit

RNG = np.random.default_rng(7)
VECTORS = RNG.normal(size=(50, 3))
PARENTS = Rotation.random(50, random_state=1).as_matrix()


def test_products_and_lengths_are_numpys() -> None:
    np.testing.assert_allclose(cross(VECTORS, VECTORS[::-1]), np.cross(VECTORS, VECTORS[::-1]))
    np.testing.assert_allclose(dot(VECTORS, VECTORS[::-1]), (VECTORS * VECTORS[::-1]).sum(-1))
    np.testing.assert_allclose(np.linalg.norm(unit(VECTORS), axis=-1), 1.0)
    np.testing.assert_array_equal(unit(np.zeros(3)), 0.0)


def test_worlds_are_turned_by_rotations_that_put_up_on_z() -> None:
    for name, up in (("z", (0, 0, 1)), ("y", (0, 1, 0)), ("-y", (0, -1, 0))):
        np.testing.assert_array_equal(TURN_UP[name] @ up, (0, 0, 1))
        assert np.linalg.det(TURN_UP[name]) == 1.0


def test_a_swing_is_the_shortest_arc_to_the_bone_seen() -> None:
    at_rest = np.array([0.0, -0.3, 0.1])
    turned = swing(PARENTS, VECTORS, at_rest)
    np.testing.assert_allclose(unit(turned @ at_rest), unit(VECTORS), atol=1e-9)
    arc = Rotation.from_matrix(turned @ PARENTS.transpose(0, 2, 1)).magnitude()
    np.testing.assert_allclose(arc, np.arccos(dot(unit(VECTORS), unit(PARENTS @ at_rest))), atol=1e-7)


def test_two_directions_fix_a_rotation() -> None:
    main, minor = np.array([0.2, 1.0, 0.0]), np.array([1.0, 0.1, 0.3])
    found = two_vector_rotation((PARENTS @ main, main), (PARENTS @ minor, minor))
    np.testing.assert_allclose(found, PARENTS, atol=1e-9)


def test_what_is_carried_along_a_circle_comes_back_turned_by_the_solid_angle() -> None:
    """Parallel transport once round a cone of half-angle a turns a vector by 2 pi (1 - cos a)."""
    half, around = 0.6, np.linspace(0, 2 * np.pi, 4001)
    along = np.stack([np.sin(half) * np.cos(around), np.sin(half) * np.sin(around), np.full(len(around), np.cos(half))], axis=1)
    carried = transported(along)
    np.testing.assert_allclose(dot(carried, along), 0.0, atol=1e-9)
    angle = np.arccos(np.clip(carried[0] @ carried[-1], -1, 1))
    expected = 2 * np.pi * (1 - np.cos(half))
    np.testing.assert_allclose(angle, min(expected, 2 * np.pi - expected), atol=1e-3)


def test_local_rotations_and_places_of_a_chain() -> None:
    local = [Rotation.random(20, random_state=k) for k in range(3)]
    world = [local[0], local[0] * local[1], local[0] * local[1] * local[2]]
    steps = np.array([(0, 0, 0), (0, 0.3, 0), (0.1, 0.2, 0)], float)
    rotvecs, places = chained(np.stack([w.as_matrix() for w in world]), np.array([-1, 0, 1]), steps)
    for k in range(3):
        turned = Rotation.from_rotvec(rotvecs[:, k])
        np.testing.assert_allclose((turned * local[k].inv()).magnitude(), 0.0, atol=1e-7)
    np.testing.assert_allclose(places[:, 2], world[0].apply(steps[1]) + world[1].apply(steps[2]), atol=1e-12)


def test_axis_angle_goes_on_beyond_half_a_turn() -> None:
    angles = np.linspace(0, 5.5, 200)
    axis = np.array([0.0, 0.6, 0.8])
    principal = Rotation.from_rotvec(angles[:, None] * axis).as_rotvec()
    assert np.abs(np.diff(principal, axis=0)).max() > 3
    going_on = continued(principal[:, None])[:, 0]
    np.testing.assert_allclose(np.abs(going_on @ axis - (going_on @ axis)[0]), angles, atol=1e-9)
