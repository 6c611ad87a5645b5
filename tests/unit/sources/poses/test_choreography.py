"""Authored motions: anatomy in the right directions, smooth, reproducible, and valid rows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from m3n.errors import InputError
from m3n.motion.exercises import EXERCISES
from m3n.motion.gestures import GESTURES, LONGEST, SHORTEST
from m3n.motion.movements import MOVEMENTS
from m3n.motion.people import PEOPLE
from m3n.motion.posture import FOREARM, UPPER_ARM, Arm, Body, in_world, mirrored, reach, smpl_motion
from m3n.motion.rhythm import Rhythm, minimum_jerk
from m3n.schema import POSE_CLIPS, check_pose_clip
from m3n.sources.poses.choreography import Options, clip, pose_clips

PARENTS = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
# a plain symmetric skeleton in the T-pose: metres, x to the left, y up, z forward, each joint relative to its parent
OFFSETS = np.zeros((24, 3))
OFFSETS[[1, 4, 7, 10]] = [0.1, -0.05, 0], [0, -0.43, 0], [0, -0.43, 0], [0, -0.05, 0.12]
OFFSETS[[3, 6, 9, 12, 15]] = [0, 0.1, 0], [0, 0.12, 0], [0, 0.1, 0], [0, 0.2, 0], [0, 0.15, 0]
OFFSETS[[13, 16, 18, 20, 22]] = [0.03, 0.12, 0], [0.15, 0, 0], [UPPER_ARM, 0, 0], [FOREARM, 0, 0], [0.1, 0, 0]
for _left, _right in ((1, 2), (4, 5), (7, 8), (10, 11), (13, 14), (16, 17), (18, 19), (20, 21), (22, 23)):
    OFFSETS[_right] = OFFSETS[_left] * [-1, 1, 1]


def positions(poses: np.ndarray, trans: np.ndarray, of: Iterable[int] = range(24)) -> tuple[np.ndarray, dict[int, Rotation]]:
    """Joint positions (frames, 24, 3) and global joint rotations: plain forward kinematics of some joints and what carries them."""
    local = np.asarray(poses, dtype=float).reshape(-1, 24, 3)
    needed = set(of)
    for joint in reversed(range(24)):
        needed |= {PARENTS[joint]} if joint in needed else set()
    rotations: dict[int, Rotation] = {}
    places = np.zeros((len(local), 24, 3))
    for joint, parent in enumerate(PARENTS):
        if joint in needed:
            turn = Rotation.from_rotvec(local[:, joint])
            rotations[joint] = turn if parent < 0 else rotations[parent] * turn
            places[:, joint] = trans if parent < 0 else places[:, parent] + rotations[parent].apply(OFFSETS[joint])
    return places, rotations


def posed(arm: Arm) -> tuple[np.ndarray, np.ndarray]:
    """Left elbow and wrist relative to the left shoulder, (2, 3), and the dorsal direction of the forearm (3,)."""
    places, rotations = positions(*smpl_motion(Body(arm), 1))
    return places[0, [18, 20]] - places[0, 16], rotations[18][0].apply([0.0, 1.0, 0.0])


STRAIGHT = Arm(elevation=0.0, plane=0.0, axial=0.0, elbow=0.0, pronation=0.0)


def test_the_neutral_arm_hangs_with_the_palm_to_the_thigh():
    (_, wrist), dorsal = posed(STRAIGHT)
    np.testing.assert_allclose(wrist, [0, -UPPER_ARM - FOREARM, 0], atol=1e-6)
    np.testing.assert_allclose(dorsal, [1, 0, 0], atol=1e-6)


def test_abduction_lifts_sideways_with_the_back_of_the_hand_up():
    (_, wrist), dorsal = posed(Arm(np.pi / 2, 0.0, 0.0, 0.0, 0.0))
    np.testing.assert_allclose(wrist, [UPPER_ARM + FOREARM, 0, 0], atol=1e-6)
    np.testing.assert_allclose(dorsal, [0, 1, 0], atol=1e-6)


def test_forward_elevation_lifts_forward_with_the_thumb_up():
    (_, wrist), dorsal = posed(Arm(np.pi / 2, np.pi / 2, 0.0, 0.0, 0.0))
    np.testing.assert_allclose(wrist, [0, 0, UPPER_ARM + FOREARM], atol=1e-6)
    np.testing.assert_allclose(dorsal, [1, 0, 0], atol=1e-6)


def test_the_elbow_bends_forward():
    (elbow, wrist), _ = posed(Arm(0.0, 0.0, 0.0, np.pi / 2, 0.0))
    np.testing.assert_allclose(wrist - elbow, [0, 0, FOREARM], atol=1e-6)


def test_pronation_of_the_level_forearm_turns_the_back_of_the_hand_up_and_is_in_the_elbow_joint():
    arm = Arm(0.0, 0.0, 0.0, np.pi / 2, np.pi / 2)
    (elbow, wrist), dorsal = posed(arm)
    np.testing.assert_allclose(wrist - elbow, [0, 0, FOREARM], atol=1e-6)
    np.testing.assert_allclose(dorsal, [0, 1, 0], atol=1e-6)
    poses, _ = smpl_motion(Body(arm), 1)
    assert not poses.reshape(24, 3)[20].any()


def test_internal_rotation_brings_the_forearm_to_the_belly_and_external_rotation_away():
    (elbow, inwards), _ = posed(Arm(0.0, 0.0, np.pi / 2, np.pi / 2, 0.0))
    np.testing.assert_allclose(inwards - elbow, [-FOREARM, 0, 0], atol=1e-6)
    (elbow, outwards), _ = posed(Arm(0.0, 0.0, -np.pi / 2, np.pi / 2, 0.0))
    np.testing.assert_allclose(outwards - elbow, [FOREARM, 0, 0], atol=1e-6)


@pytest.mark.parametrize("target", [(0.0, -0.3, 0.3), (-0.15, 0.05, 0.25), (0.2, 0.1, 0.2), (0.0, 0.3, 0.3)])
def test_reaching_puts_the_wrist_on_the_target_with_the_elbow_towards_the_pole(target):
    (elbow, wrist), _ = posed(reach(*target, pole=(1.0, -0.5, 0.0)))
    np.testing.assert_allclose(wrist, target, atol=2e-3)
    assert elbow @ [1.0, -0.5, 0.0] > (wrist / 2) @ [1.0, -0.5, 0.0]


def test_a_target_out_of_reach_leaves_the_elbow_bent_and_points_at_it():
    (_, wrist), _ = posed(reach(0.0, 0.0, 2.0))
    assert 0.9 * (UPPER_ARM + FOREARM) < np.linalg.norm(wrist) < UPPER_ARM + FOREARM
    np.testing.assert_allclose(wrist / np.linalg.norm(wrist), [0, 0, 1], atol=1e-6)


def test_sitting_and_leaning_point_thighs_and_trunk_forward():
    places, _ = positions(*smpl_motion(Body(STRAIGHT, sit=1.0, lean=0.5), 1))
    thigh, trunk = places[0, 4] - places[0, 1], places[0, 12] - places[0, 0]
    assert thigh[2] > 0.4
    assert abs(thigh[1]) < 0.1
    assert trunk[2] > 0.1
    assert trunk[1] > 0.3


def test_the_mirror_swaps_left_and_right_and_reflects_every_joint():
    rng = np.random.default_rng(0)
    poses, trans = 0.8 * rng.standard_normal((5, 72)), rng.standard_normal((5, 3))
    places, _ = positions(poses, trans)
    reflected, _ = positions(*mirrored(poses, trans))
    partner = [0, 2, 1, 3, 5, 4, 6, 8, 7, 9, 11, 10, 12, 14, 13, 15, 17, 16, 19, 18, 21, 20, 23, 22]
    np.testing.assert_allclose(reflected, places[:, partner] * [-1, 1, 1], atol=1e-9)
    again = mirrored(*mirrored(poses, trans))
    np.testing.assert_array_equal(again[0], poses)


def test_the_world_is_z_up_and_its_turn_is_about_the_vertical():
    poses, trans = smpl_motion(Body(STRAIGHT), 3)
    places, _ = positions(*in_world(poses, trans, yaw=1.0, height=0.9))
    np.testing.assert_allclose(places[:, 0], [[0, 0, 0.9]] * 3, atol=1e-9)
    head, left_hip = places[0, 15] - places[0, 0], places[0, 1] - places[0, 2]
    np.testing.assert_allclose(head / np.linalg.norm(head), [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(left_hip / np.linalg.norm(left_hip), [np.cos(1.0), np.sin(1.0), 0], atol=1e-6)


def test_rotations_past_half_a_turn_stay_continuous():
    turn = Body(Arm(elevation=np.linspace(0.0, 6.0, 200), plane=0.3))
    poses, _ = smpl_motion(turn, 200)
    assert np.abs(np.diff(poses, axis=0)).max() < 0.2


def test_minimum_jerk_meets_its_knots_at_rest():
    t = np.linspace(0.0, 2.0, 2001)
    x = minimum_jerk(t, np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.0, -1.0]))
    assert x[0] == 0.0
    assert x[1000] == 1.0
    assert x[-1] == -1.0
    assert abs(np.gradient(x, t)[1000]) < 1e-3
    assert np.gradient(x, t)[500] == pytest.approx(1.875, rel=1e-3)  # peak speed of minimum jerk: 15/8 of the mean


def test_there_are_at_least_37_movements_with_four_sentences_and_seven_exercises_with_six():
    assert len(set(EXERCISES) | set(MOVEMENTS)) >= 41
    assert not set(EXERCISES) & set(MOVEMENTS)
    assert all(len(set(sentences)) >= 4 for _, *sentences in MOVEMENTS.values())
    assert all(len(set(sentences)) >= 6 for _, *sentences in EXERCISES.values())
    assert all(len(set(sentences)) >= 4 for _, *sentences in GESTURES.values())
    everything = [s for catalogue in (EXERCISES, MOVEMENTS, GESTURES) for entry in catalogue.values() for s in entry[1:]]
    assert len(set(everything)) == len(everything)


def test_exercises_carry_the_names_of_the_watch_recordings():
    from m3n.sources.recordings.seglearn_watch import LABELS

    assert list(EXERCISES) == list(LABELS.values())


@pytest.fixture(scope="module")
def mixed() -> list[dict]:
    """150 clips of exercises and everyday movements."""
    rows = [row for row in pose_clips(None, Options(clips=150, seed=1)) if isinstance(row, dict)]
    assert len(rows) == 150
    return rows


def test_rows_are_valid_unique_and_have_the_columns_of_pose_clips(mixed):
    assert len({row["clip_id"] for row in mixed}) == 150
    for row in mixed:
        assert check_pose_clip(row) is None
        assert list(row) == POSE_CLIPS.names
        assert row["poses"].dtype == np.float32
        assert row["poses"].shape == (row["n_frames"], 72)
        assert row["trans"].shape == (row["n_frames"], 3)
        assert 6.0 <= row["n_frames"] / row["fps"] <= 12.01
        assert "{" not in row["text"]


def test_a_clip_depends_on_seed_and_number_alone():
    whole = list(pose_clips(None, Options(clips=8, seed=5)))
    for index in (7, 2):
        alone = clip(index, Options(clips=1, seed=5))
        assert alone.keys() == whole[index].keys()
        assert all(np.array_equal(alone[name], whole[index][name]) for name in alone)
    other = clip(2, Options(seed=6))
    assert other["clip_id"] != whole[2]["clip_id"]
    assert not np.array_equal(other["poses"][:100], whole[2]["poses"][:100])


def test_people_keep_their_body_across_clips(mixed):
    bodies: dict[str, set[bytes]] = {}
    for row in mixed:
        bodies.setdefault(row["subject"], set()).add(row["betas"].tobytes())
    assert 30 <= len(bodies) <= PEOPLE
    assert all(len(shapes) == 1 for shapes in bodies.values())


def test_the_share_of_exercises_is_kept_and_they_use_both_arms():
    labels = [row["label"] for row in pose_clips(None, Options(clips=80, exercises_share=1.0)) if isinstance(row, dict)]
    assert set(labels) == set(EXERCISES)
    everyday = [row["label"] for row in pose_clips(None, Options(clips=40, exercises_share=0.0)) if isinstance(row, dict)]
    assert set(everyday) <= set(MOVEMENTS)


@pytest.fixture(scope="module")
def gestures() -> list[dict]:
    return [row for row in pose_clips(None, Options(clips=300, gestures_share=1.0)) if isinstance(row, dict)]


def right_hand(row: dict) -> np.ndarray:
    """(frames, 3) m: the right wrist from its shoulder, to the right, up and ahead of where the person faced at first."""
    places, rotations = positions(row["poses"], row["trans"], of=[21])
    return rotations[0][0].inv().apply(places[:, 21] - places[:, 17]) * [-1, 1, 1]


def test_gestures_are_the_arm_actions_of_utd_mhad_made_once_by_the_right_hand(gestures):
    from m3n.sources.shared.sentences import sentences

    assert [*GESTURES] == list(sentences("utd_mhad"))[:21]
    assert {row["label"] for row in gestures} == set(GESTURES)
    ends = []
    for row in gestures:
        assert SHORTEST - 0.01 <= row["n_frames"] / row["fps"] <= LONGEST + 0.01
        assert row["text"] in GESTURES[row["label"]][1:]
        hand = right_hand(row)
        ends.append(hand[[0, -1], 1] < -0.35)
        assert np.ptp(hand, axis=0).max() > 0.15
    assert np.mean(ends) > 0.8  # the arm hangs, but where a clip is too short for all of it


def test_circles_go_the_way_that_their_names_say(gestures):
    """Seen by the person, who looks along with the hand: right and up span the page."""
    seen = set()
    for row in gestures:
        if row["label"].startswith("draw circle"):
            hand = right_hand(row)
            drawn = hand[np.linalg.norm(hand - hand[0], axis=1) > 0.25]
            x, y = (drawn - drawn.mean(0))[:, :2].T
            area = 0.5 * np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])  # of what is enclosed counter-clockwise
            assert (area > 0) == row["label"].endswith("counter-clockwise")
            seen.add(row["label"])
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("catalogue", "label"),
    [(c, label) for c in (EXERCISES, MOVEMENTS, GESTURES) for label in c],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_every_movement_has_continuous_and_human_accelerations(catalogue, label):
    formula = catalogue[label][0]
    for seed in range(4):
        jumps, peaks = [], []
        for fps in (240, 960):
            t = np.arange(5 * fps) / fps
            poses, trans = smpl_motion(formula(Rhythm(np.random.default_rng(seed), t)), len(t))
            places, _ = positions(poses, trans, of=[20])
            acceleration = np.diff(places[:, 20], n=2, axis=0) * fps**2
            jumps.append(np.abs(np.diff(acceleration, axis=0)).max())
            peaks.append(np.linalg.norm(acceleration, axis=1).max())
        assert jumps[1] < 0.4 * jumps[0] + 0.05  # a jump would stay the same at four times the frame rate; smooth: a quarter
        assert peaks[1] < (250.0 if catalogue is GESTURES else 120.0)  # m/s²; a hard throw reaches about 12 g at the wrist


def test_wrist_accelerations_are_normally_below_60(mixed):
    peaks = []
    for row in mixed:
        places, _ = positions(row["poses"], row["trans"], of=[20, 21])
        acceleration = np.diff(places[:, [20, 21]].astype(float), n=2, axis=0) * row["fps"] ** 2
        peaks.append(np.linalg.norm(acceleration, axis=-1).max())
    assert np.quantile(peaks, 0.97) < 60.0
    assert max(peaks) < 120.0


def test_a_path_is_refused():
    with pytest.raises(InputError, match="needs no file"):
        list(pose_clips(Path("motions.zip"), Options()))
