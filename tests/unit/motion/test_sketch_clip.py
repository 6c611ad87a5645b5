"""Clips of sketches: people do what is written, smoothly, on the floor, each clip by its own number, and segments say when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from m3n.body.kinematics import joint_positions
from m3n.body.model import SMPL_JOINTS, standin_body
from m3n.motion.sketch import POSTURES, Range, Sketch, one
from m3n.motion.sketch_clip import Clip, clip
from m3n.motion.sketch_file import read_sketches
from m3n.motion.sketch_part import ImpossiblePoseError

FPS = 60.0
MOVES = """
- {label: drink, sentences: ["A person drinks with the {side} hand."], posture: sitting, hand: right, tempo_s: 3, seconds: 8,
   phases: [{hand: table, palm: in, hold: 0.2}, {hand: mouth, palm: in, hold: 0.3}]}
- {label: walk, sentences: [A person walks.], posture: walking, seconds: [3, 5]}
- {label: sit down, sentences: [A person sits down.], from: standing, to: sitting, seconds: [1.5, 2.5]}
- {label: lie down, sentences: [A person lies down.], from: standing, to: lying on back, seconds: [2.5, 4]}
- {label: visit, sentences: [A person comes and drinks.], sequence: [walk, sit down, {sketch: drink, seconds: 4}]}
- {label: wave twice, sentences: [A person waves twice.], hand: right, tempo_s: 1.5, repetitions: 2, seconds: 20,
   phases: [{hand: side}, {hand: high front}]}
- {label: curl, sentences: [A person curls.], hand: right, amplitude: 1,
   phases: [{arm: {elbow: 10}}, {arm: {elbow: 130}, hold: 0.2}]}
- {label: box, sentences: [A person boxes.], hand: both, both: in turn, tempo_s: 2, phases: [{hand: chin}, {hand: reach}]}
- {label: push up, sentences: [A person does push-ups.], posture: plank, hand: both, tempo_s: 2,
   phases: [{hand: [0.1, -0.1, 0.5], elbow: out}, {hand: [0.15, -0.1, 0.2], elbow: out}]}
"""


@pytest.fixture(scope="module")
def moves(tmp_path_factory):
    file = tmp_path_factory.mktemp("sketches") / "moves.yaml"
    file.write_text(MOVES, encoding="utf-8")
    return read_sketches(file)


def joints(made: Clip) -> dict[str, np.ndarray]:
    """Joints (F, 3) of the mean body, m."""
    poses = made.poses.reshape(len(made.poses), -1, 3)
    places = joint_positions(standin_body(), poses, made.trans, 22)
    return {name: places[:, k] for k, name in enumerate(SMPL_JOINTS[:22])}


def wildest(made: Clip) -> float:
    """Largest change of a wrist's acceleration from one frame to the next [m/s²]: a jump of position or speed makes it large."""
    found = joints(made)
    return max(float(np.abs(np.diff(found[f"{s}_wrist"], n=3, axis=0)).max()) * FPS**2 for s in ("left", "right"))


def test_drinking_takes_the_right_hand_from_the_table_to_the_mouth(moves):
    made = clip(moves["drink"], moves, 0, 0, FPS)
    body = joints(made)
    mouth = body["head"] + 0.05 * (body["head"] - body["neck"])
    to_mouth = np.linalg.norm(body["right_wrist"] - mouth, axis=1)
    assert to_mouth.min() < 0.28  # a hand's length
    assert to_mouth.max() > 0.4
    assert np.ptp(body["left_wrist"], axis=0).max() < 0.4
    assert made.text == "A person drinks with the right hand."


@pytest.mark.parametrize("posture", [name for name in POSTURES if name not in ("lying", "stairs up", "stairs down")])
def test_every_posture_moves_smoothly_on_the_floor(posture):
    made = clip(Sketch("x", ("x.",), posture=one(posture), seconds=Range(3, 3)), {}, 0, 0, FPS)
    assert wildest(made) < 15
    lowest = np.min([places[:, 2] for places in joints(made).values()], axis=0)
    if posture not in ("hanging", "cycling", "rowing"):
        assert -0.08 < np.median(lowest) < 0.25
    assert np.isfinite(made.poses).all()


def test_walking_swings_each_arm_with_the_other_leg_and_covers_ground(moves):
    made = clip(moves["walk"], moves, 0, 1, FPS)
    body = joints(made)
    way = made.trans[-1, :2] - made.trans[0, :2]
    assert 0.5 < np.linalg.norm(way) / (len(made.trans) / FPS) < 2.5  # m/s
    ahead = np.append(way / np.linalg.norm(way), 0.0)
    swing = {part: (body[part] - body["pelvis"]) @ ahead for part in ("left_wrist", "right_wrist", "left_ankle", "right_ankle")}
    assert np.corrcoef(swing["left_wrist"], swing["right_ankle"])[0, 1] > 0.5
    assert np.corrcoef(swing["right_wrist"], swing["right_ankle"])[0, 1] < -0.5


def test_time_before_and_after_a_transition_has_the_label_of_the_posture(moves):
    made = clip(moves["sit down"], moves, 0, 0, FPS)
    before, change, after = made.segments
    assert [s["label"] for s in made.segments] == ["standing", "sit down", "sitting"]
    assert 1.5 <= change["stop_s"] - change["start_s"] <= 2.5
    assert before["start_s"] == 0.0
    assert after["stop_s"] == pytest.approx(len(made.poses) / FPS, abs=0.02)
    height = joints(made)["pelvis"][:, 2]
    at = [int(FPS * change[k]) for k in ("start_s", "stop_s")]
    assert abs(height[0] - height[at[0]]) < 0.05  # still until it begins
    assert height[at[0]] - height[at[1]] > 0.3
    assert wildest(made) < 15


def test_a_sequence_joins_its_parts_without_a_jump_and_says_when_each_was(moves):
    made = clip(moves["visit"], moves, 0, 3, FPS)
    labels = [s["label"] for s in made.segments]
    assert [label for label in labels if label in moves] == ["walk", "sit down", "drink"]
    assert set(labels) - set(moves) <= {"standing", "sitting"}
    assert all(a["stop_s"] == pytest.approx(b["start_s"]) for a, b in zip(made.segments[:-1], made.segments[1:], strict=True))
    assert wildest(made) < 15


def test_on_the_way_from_standing_to_lying_people_sit(moves):
    made = clip(moves["lie down"], moves, 0, 0, FPS)
    assert [s["label"] for s in made.segments] == ["standing", "lie down", "lying on back"]
    change = made.segments[1]
    body = joints(made)
    trunk = (body["neck"] - body["pelvis"])[:, 2] / np.linalg.norm(body["neck"] - body["pelvis"], axis=1)
    height = body["pelvis"][:, 2]
    seated = (height < 0.62) & (trunk > 0.7)
    span = slice(int(FPS * change["start_s"]), int(FPS * change["stop_s"]))
    assert seated[span].any()
    assert abs(trunk[-1]) < 0.5


def test_counted_repetitions_end_the_clip(moves):
    made = clip(moves["wave twice"], moves, 0, 0, FPS)
    assert 2.0 < len(made.poses) / FPS < 7.0
    high = joints(made)["right_wrist"][:, 2]
    raised = high > 0.5 * (high.min() + high.max())
    assert int((np.diff(raised.astype(int)) == 1).sum()) == 2


def test_joint_angles_bend_the_elbow_as_far_as_they_say(moves):
    body = joints(clip(moves["curl"], moves, 0, 0, FPS))
    upper, lower = body["right_elbow"] - body["right_shoulder"], body["right_wrist"] - body["right_elbow"]
    cosine = np.sum(upper * lower, axis=1) / np.linalg.norm(upper, axis=1) / np.linalg.norm(lower, axis=1)
    flexion = np.rad2deg(np.arccos(cosine))
    assert flexion.min() < 30
    assert 110 < flexion.max() < 150


def test_arms_in_turn_reach_one_after_the_other(moves):
    made = clip(moves["box"], moves, 0, 0, FPS)
    body = joints(made)
    far = [np.linalg.norm(body[f"{s}_wrist"] - body[f"{s}_shoulder"], axis=1) for s in ("left", "right")]
    assert np.corrcoef(*far)[0, 1] < -0.3


def test_in_a_push_up_the_chest_comes_down_and_the_hands_stay_on_the_floor(moves):
    body = joints(clip(moves["push up"], moves, 0, 0, FPS))
    assert np.ptp(body["neck"][:, 2]) > 0.15
    assert np.ptp(body["left_wrist"][:, 2]) < 0.12


def test_a_clip_depends_on_seed_and_number_alone_and_people_differ(moves):
    first, again, other, seed = (clip(moves["drink"], moves, *k, FPS) for k in ((0, 5), (0, 5), (0, 6), (1, 5)))
    np.testing.assert_array_equal(first.poses, again.poses)
    assert first.poses.shape != other.poses.shape or not np.allclose(first.poses, other.poses)
    assert first.poses.shape != seed.poses.shape or not np.allclose(first.poses, seed.poses)
    assert len({clip(moves["walk"], moves, 0, n, 30.0).who.name for n in range(12)}) > 5


@pytest.mark.parametrize(
    ("at", "reason"), [((0.0, 0.15, -0.25), "no shoulder turns far enough"), ((0.8, 0.8, 0.8), "out of reach")]
)
def test_what_no_correction_helps_is_refused(moves, at, reason):
    phase = moves["drink"].phases[0]
    place = (Range(at[0], at[0]), Range(at[1], at[1]), Range(at[2], at[2]))
    impossible = replace(phase, hold_at=replace(phase.hold_at, hand=one(place), spread=0.0))
    sketch = replace(moves["drink"], posture=one("standing"), seconds=Range(1, 1), phases=(impossible,))
    refusals = []
    for number in range(30):  # how far people stoop decides
        try:
            clip(sketch, moves, 0, number, 30.0)
        except ImpossiblePoseError as error:
            refusals.append(str(error))
    assert refusals
    assert all(reason in refusal for refusal in refusals)
