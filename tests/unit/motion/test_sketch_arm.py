"""Arms of sketches: the wrist goes where it should, joints stay within what people can do, and bodies are solid."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from m3n.motion import quaternions as q
from m3n.motion.sketch_arm import (
    FARTHEST,
    MOST_PRONATION,
    calmed,
    chain,
    hand,
    kept_out,
    possible,
    pronation_for,
    reaching,
    strain,
    swivel_of,
    swung,
    within,
)  # fmt: skip
from m3n.motion.sketch_targets import DIRECTIONS, POLES, TARGETS

NEAR = {name: t for name, t in TARGETS.items() if t.anchor in ("trunk", "room")}


def test_products_inverses_and_matrices_agree_with_scipy():
    rng = np.random.default_rng(0)
    first, second, third = (Rotation.random(50, random_state=rng) for _ in range(3))
    product = q.times(first.as_quat(), second.as_quat(), q.inverse(third.as_quat()))
    expected = first * second * third.inv()
    assert (expected * Rotation.from_quat(product).inv()).magnitude().max() < 1e-12
    np.testing.assert_allclose(q.apply(product, [1.0, 2.0, 3.0]), expected.apply([1.0, 2.0, 3.0]), atol=1e-12)
    columns = np.moveaxis(expected.as_matrix(), 2, 0)
    assert (expected * Rotation.from_quat(q.turns_of_axes(*map(np.ascontiguousarray, columns))).inv()).magnitude().max() < 1e-7
    np.testing.assert_allclose(Rotation.from_quat(q.of_vectors(first.as_rotvec())).as_matrix(), first.as_matrix(), atol=1e-12)


def test_the_wrist_is_where_it_was_sent_and_the_elbow_points_where_it_was_told():
    wrist = np.array([target.at for target in NEAR.values()])
    wrist = wrist[np.linalg.norm(wrist, axis=1) > 0.2]
    for word in ("down", "out", "back"):
        pole = np.repeat([POLES[word]], len(wrist), axis=0)
        humerus, flexion = reaching(wrist, swivel_of(wrist, pole))
        zero = np.zeros(len(wrist))
        found = hand(chain(humerus, flexion, zero, zero, zero))
        close = np.linalg.norm(wrist, axis=1) < 0.95 * FARTHEST
        assert np.linalg.norm(found - wrist, axis=1)[close].max() < 0.005
        elbow = q.apply(humerus, np.array([1.0, 0.0, 0.0]))
        along = wrist / np.linalg.norm(wrist, axis=1, keepdims=True)
        aside, wanted = (v - along * np.sum(v * along, axis=1, keepdims=True) for v in (elbow, pole))
        cosine = np.sum(aside * wanted, axis=1) / np.linalg.norm(aside, axis=1) / np.linalg.norm(wanted, axis=1)
        assert cosine.min() > 0.999


@pytest.mark.parametrize("name", sorted(NEAR))
def test_every_target_is_within_reach_of_a_shoulder_and_off_the_body(name):
    target = NEAR[name]
    wrist = np.array([target.at])
    assert np.linalg.norm(wrist) < 1.01 * FARTHEST
    moved, _ = kept_out(wrist)
    assert np.linalg.norm(moved - wrist) < 0.035
    swivel, changed, hopeless = possible(moved, swivel_of(moved, np.array([POLES[target.elbow]])))
    assert changed == 0
    assert not hopeless
    assert strain(reaching(moved, swivel)[0])[0] <= 0


def test_a_palm_looks_where_it_is_told_as_far_as_the_forearm_turns():
    wrist = np.array([[0.0, -0.28, 0.25]])  # forearm level, elbow below the shoulder
    humerus, flexion = reaching(wrist, swivel_of(wrist, np.array([POLES["down"]])))
    found = {
        word: float(np.rad2deg(pronation_for(np.array([DIRECTIONS[word]]), humerus, flexion)[0]))
        for word in ("down", "in", "up")
    }
    assert found["down"] == pytest.approx(80, abs=15)
    assert found["in"] == pytest.approx(0, abs=25)
    assert found["up"] == pytest.approx(-90, abs=15)


def test_pronation_stays_within_its_limits_and_small_angles_stay_as_they_are():
    turned = within(np.linspace(-4, 4, 101))
    assert np.abs(turned).max() <= MOST_PRONATION
    assert within(np.array([0.5]))[0] == pytest.approx(0.5, abs=1e-3)


def test_hands_are_kept_out_of_the_trunk_and_the_head():
    belly, chin = np.array([[-0.18, -0.3, 0.05]]), np.array([[-0.18, 0.25, 0.05]])
    (out, inside), (face, in_head) = kept_out(belly), kept_out(chin)
    assert inside
    assert in_head
    assert out[0, 2] > 0.1  # in front of the belly
    assert np.linalg.norm(face - chin) > 0.05
    assert kept_out(np.array([[0.0, -0.2, 0.4]]))[1] is False


def test_a_shoulder_that_would_turn_too_far_gets_another_elbow():
    wrist = np.array([NEAR["opposite elbow"].at])
    wrong = swivel_of(wrist, np.array([POLES["up"]]))
    assert strain(reaching(wrist, wrong)[0])[0] > np.deg2rad(60)
    better, changed, hopeless = possible(wrist, wrong)
    assert changed == 1
    assert not hopeless
    assert strain(reaching(wrist, better)[0])[0] <= 0


def test_a_hand_that_jumps_is_slowed_down_and_a_calm_one_is_left_alone():
    t = np.arange(120) / 60
    for angle, quick in ((0.3 * np.sin(2 * np.pi * t), False), (np.where(t < 1, 0.0, 1.5), True)):
        zero = np.zeros(120)
        arm = chain(swung(zero, angle, zero), zero + 0.3, zero, zero, zero)
        calm, done = calmed(arm, 60.0)
        assert done is quick
        jolts = np.linalg.norm(np.diff(hand(calm), n=2, axis=0), axis=1) * 60**2
        assert jolts.max() < 125
