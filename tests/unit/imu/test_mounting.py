"""Mountings: what a turned sensor, a study of many people and one who differs are told to be."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from m3n.imu import mounting
from m3n.imu.fidelity import turned
from m3n.imu.motion_statistics import Sums, added, mirrored, motion_sums
from m3n.imu.mounting import angle_deg, estimate_mountings, grid, most_likely, nearest_axes, pooled, right_angles
from m3n.imu.simulate import simulate_clip
from m3n.sources.poses.choreography import Options, clip

WRISTS = ("left_wrist", "right_wrist")
CLIPS = 12


@pytest.fixture(scope="module")
def simulated() -> dict[str, list[np.ndarray]]:
    """Samples of twelve authored clips, in m3n's axes, 50 Hz, two minutes for each wrist."""
    options = Options(clips=CLIPS, seed=5, fps=30.0)
    found: dict[str, list[np.ndarray]] = {wrist: [] for wrist in WRISTS}
    for index in range(CLIPS):
        row = clip(index, options)
        for wrist, x in simulate_clip(row, placements=WRISTS, rate_hz=50.0, low_pass=None, sensor=None, seed=0).items():
            found[wrist].append(x.astype(float))
    return found


def sums_of(clips: list[np.ndarray], wrist: str, rotation: np.ndarray) -> Sums | None:
    """`rotation` takes the turned sensor's axes to m3n's."""
    worn = [turned(x, rotation.T) for x in clips]
    parts = (motion_sums(mirrored(x) if wrist == "left_wrist" else x, 50.0) for x in worn)
    return added(part for part in parts if part is not None)


@pytest.mark.parametrize("wrist", WRISTS)
def test_turning_the_sensor_turns_the_answer(simulated: dict[str, list[np.ndarray]], wrist: str) -> None:
    turn = Rotation.from_rotvec([1.5, -0.8, 2.0]).as_matrix()
    straight = estimate_mountings({"p": sums_of(simulated[wrist], wrist, np.eye(3))}, wrist)["p"]
    found = estimate_mountings({"p": sums_of(simulated[wrist], wrist, turn)}, wrist)["p"]
    assert angle_deg(found.rotation.T @ straight.rotation @ turn) < 8  # the grid has steps of 14 degrees
    assert straight.rotation[0, 0] > np.cos(np.radians(20))  # the forearm's axis; its turn may be anyone's guess
    assert straight.verdict in ("aligned", "unsure")
    assert found.confidence == pytest.approx(straight.confidence, abs=0.15)


def test_people_without_enough_samples_or_movement_are_unsure_and_told_why(simulated: dict[str, list[np.ndarray]]) -> None:
    still = np.tile([0, 0, 9.8, 0, 0, 0], (5000, 1)).astype(float)
    people = {"none": None, "short": motion_sums(simulated["right_wrist"][0][:300], 50.0), "still": motion_sums(still, 50.0)}
    found = estimate_mountings(people, "right_wrist")
    assert [m.verdict for m in found.values()] == ["unsure"] * 3
    assert [m.confidence for m in found.values()] == [0, 0, 0]
    assert "half a minute" in found["short"].reason
    assert "hardly turns" in found["still"].reason


def test_a_forearm_that_keeps_to_few_postures_is_not_sure() -> None:
    t = np.arange(0, 120, 0.02)  # an elbow that bends and stretches, and nothing else
    angle, speed = 0.9 * np.sin(2.5 * t), 2.25 * np.cos(2.5 * t)
    force = 9.81 * np.stack([np.sin(angle), 0 * t, np.cos(angle)], axis=1)
    force[:, 0] -= 0.25 * speed**2
    force[:, 2] -= 0.25 * np.gradient(speed, t)
    rates = np.stack([0 * t, -speed, 0 * t], axis=1)
    sums = motion_sums(np.concatenate([force, rates], axis=1), 50.0)
    assert sums is not None
    assert mounting.doubt(sums) == mounting._MOST_DOUBT
    (found,) = estimate_mountings({"p": sums}, "right_wrist").values()
    assert (found.verdict, found.reason) == ("unsure", mounting._FEW_POSTURES)
    assert found.confidence < 0.5


def test_varied_movement_counts_in_full(simulated: dict[str, list[np.ndarray]]) -> None:
    sums = sums_of(simulated["right_wrist"], "right_wrist", np.eye(3))
    assert sums is not None
    assert mounting.doubt(sums) < 1.5


def peak(rotation: np.ndarray, sharpness: float = 12.0) -> np.ndarray:
    """A probability over the grid about a rotation."""
    cosine = (grid().reshape(-1, 9) @ rotation.ravel() - 1) / 2
    weights = np.exp(sharpness * cosine)
    return weights / weights.sum()


def test_a_study_that_agrees_makes_everybody_surer_and_names_the_one_who_differs() -> None:
    rng = np.random.default_rng(0)
    common, odd = np.diag([-1.0, -1.0, 1.0]), np.diag([1.0, -1.0, -1.0])
    own = {f"p{k}": peak(common @ Rotation.from_rotvec(0.15 * rng.normal(size=3)).as_matrix()) for k in range(9)}
    own["odd"] = peak(odd, 25.0)
    found = pooled(own)
    for name in list(own)[:9]:
        probability, differs, _ = found[name]
        rotation, confidence = most_likely(probability)
        assert angle_deg(rotation.T @ common) < 15
        assert confidence > most_likely(own[name])[1] + 0.1
        assert differs < 0.1
    assert found["odd"][1] > 0.9
    assert found["odd"][2] > 20
    assert angle_deg(most_likely(found["odd"][0])[0].T @ odd) < 10


def test_people_who_all_wear_it_differently_are_left_as_they_are() -> None:
    turns = Rotation.random(8, rng=np.random.default_rng(1)).as_matrix()
    own = {str(k): peak(turn) for k, turn in enumerate(turns)}
    for name, (probability, _, _) in pooled(own).items():
        assert angle_deg(most_likely(probability)[0].T @ turns[int(name)]) < 12


def test_one_person_alone_is_not_pooled() -> None:
    own = {"p": peak(np.eye(3))}
    np.testing.assert_array_equal(pooled(own)["p"][0], own["p"])


def test_confidence_is_the_share_of_probability_within_25_degrees() -> None:
    rotation = Rotation.from_rotvec([0.3, 0.2, -0.5]).as_matrix()
    probability = peak(rotation, 30.0)
    found, confidence = most_likely(probability)
    assert angle_deg(found.T @ rotation) < 4
    angles = np.array([angle_deg(found.T @ r) for r in grid()])
    assert confidence == pytest.approx(probability[angles <= 25].sum(), abs=1e-6)


def test_the_grid_is_even_and_made_of_rotations() -> None:
    matrices = grid()
    np.testing.assert_allclose(
        np.einsum("rij,rkj->rik", matrices, matrices), np.broadcast_to(np.eye(3), matrices.shape), atol=1e-9
    )
    for turn in Rotation.random(20, rng=np.random.default_rng(0)).as_matrix():  # a 25-degree ball is 0.44 % of all rotations
        near = np.mean((matrices.reshape(-1, 9) @ turn.ravel() - 1) / 2 >= np.cos(np.radians(25)))
        assert near == pytest.approx(0.0044, rel=0.25)


def test_the_nearest_right_angled_axes_are_written_as_the_setting_wants_them() -> None:
    assert len(right_angles()) == 24
    turn = Rotation.from_rotvec([0.1, 0.0, 0.1]).as_matrix()
    axes, off = nearest_axes(np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]) @ turn)
    assert axes == "[-y,x,z]"
    assert off == pytest.approx(np.degrees(np.hypot(0.1, 0.1)), abs=0.1)


def test_between_aligned_and_turned_nobody_is_sure() -> None:
    for angle, verdict in ((10, "aligned"), (38, "unsure"), (90, "turned")):
        turn = Rotation.from_rotvec([np.radians(angle), 0, 0]).as_matrix()
        assert mounting._with_verdict(turn, 0.95, 0.0, 1.0).verdict == verdict
        assert mounting._with_verdict(turn, 0.5, 0.0, 1.0).verdict == "unsure"
