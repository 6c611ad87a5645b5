"""Labels as studies write them find the sketches that show them."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.errors import InputError
from m3n.motion.matching import Names, match_labels, table, words
from m3n.motion.sketch_file import shipped_sketches

GEOTEC = {
    "SEATED": "sit", "STANDING_UP": "stand up", "WALKING": "walk", "TURNING": "turn", "SITTING_DOWN": "sit down",
}  # fmt: skip
UTD = {
    "swipe left": "swipe left", "swipe right": "swipe right", "wave": "wave", "clap": "clap", "throw": "throw",
    "cross arms": "cross arms", "basketball shoot": "shoot a basketball", "draw x": "draw x",
    "draw circle clockwise": "draw circle clockwise", "draw circle counter-clockwise": "draw circle counter-clockwise",
    "draw triangle": "draw triangle", "bowling": "bowl", "boxing": "box", "baseball swing": "baseball swing",
    "tennis swing": "tennis forehand", "arm curl": "arm curl", "tennis serve": "tennis serve", "push": "push", "knock": "knock",
    "catch": "catch", "pick up and throw": "pick up and throw", "jog": "run", "walk": "walk", "sit to stand": "stand up",
    "stand to sit": "sit down", "lunge": "lunge", "squat": "squat",
}  # fmt: skip
SEGLEARN = {name: name for name in (
    "pendulum", "abduction", "forward elevation", "internal rotation", "external rotation", "trapezius extension", "upright row",
)}  # fmt: skip
OPENPACK = {
    "Picking": "pick items", "Relocate Item Label": "relocate item label", "Assemble Box": "assemble box",
    "Insert Items": "insert items", "Close Box": "close box", "Attach Box Label": "attach box label", "Scan Label": "scan label",
    "Attach Shipping Label": "attach shipping label", "Put on Back Table": "put on back table", "Fill out Order": "fill out order",
}  # fmt: skip
OTHERS = {
    "Nordic_walking": "walk with sticks", "lying": "lie", "03_WalkingUpstairs": "walk upstairs", "pushups": "push-up",
    "walk on a treadmill": "walk on a treadmill", "brushTeeth": "brush teeth", "Rope jumping": "skip rope",
    "stairs (descending)": "walk downstairs", "dumbbell_rows": "bent-over row", "LAYING": "lie",
}  # fmt: skip
FEW = [Names("walk", ("walking", "stroll")), Names("sit", ("seated", "at rest")), Names("stand", ("at rest",))]


@pytest.fixture(scope="module")
def shipped() -> list[Names]:
    return [Names(sketch.label, sketch.also, sketch.sentences) for sketch in shipped_sketches().values()]


@pytest.mark.parametrize("expected", [GEOTEC, UTD, SEGLEARN, OPENPACK, OTHERS])
def test_labels_of_well_known_studies_find_their_sketch_by_name(shipped, expected):
    found = match_labels([*expected], shipped)
    assert {match.label: match.sketches for match in found} == {
        label: found_one.sketches if label == "walk on a treadmill" else (name,)
        for (label, name), found_one in zip(expected.items(), found, strict=True)
    }
    assert {match.how for match in found} <= {"name", "also"}
    assert all("walk on a treadmill" in match.sketches for match in found if match.label == "walk on a treadmill")


def test_sitting_down_is_not_mistaken_for_standing_up_though_the_words_are_the_same(shipped):
    first, second = match_labels(["SIT_TO_STAND", "STAND_TO_SIT"], shipped)
    assert (first.sketches, second.sketches) == (("stand up",), ("sit down",))


def test_a_name_that_several_sketches_have_gives_all_of_them():
    (match,) = match_labels(["At_Rest"], FEW)
    assert match.sketches == ("sit", "stand")


def test_what_the_user_says_comes_first_and_null_means_none():
    found = match_labels(["WALK", "SEATED", "other"], FEW, {"WALK": ["sit", "stand"], "SEATED": None})
    assert [(match.sketches, match.how) for match in found] == [(("sit", "stand"), "given"), ((), "given"), ((), "none")]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"WALKS": "walk"}, "'WALKS', which no recording has, did you mean 'WALK'?"),
        ({"WALK": "wlak"}, "'wlak', which does not exist, did you mean 'walk'?"),
        ({"WALK": 3}, "'3', which does not exist"),
    ],
)
def test_a_slip_in_the_users_match_is_named_with_the_nearest_word(given, said):
    with pytest.raises(InputError, match="match ") as caught:
        match_labels(["WALK"], FEW, given)
    assert said in str(caught.value)


def test_meaning_decides_where_no_name_fits_if_it_is_near_enough():
    directions = {"walk": 0.0, "walking": 0.1, "stroll": 0.2, "sit": 1.5, "seated": 1.5, "at rest": 1.4, "stand": 1.4}
    directions |= {"ambling about": 0.3, "quantum physics": -1.5}

    def embed(texts):
        angles = np.array([directions[t] for t in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)

    near, far = match_labels(["Ambling_About", "quantum physics"], FEW, embed=embed)
    assert (near.sketches, near.how) == (("walk",), "sentence")
    assert near.sure == pytest.approx(np.cos(0.1), abs=1e-4)  # the nearest of walk's names
    assert (far.sketches, far.how, far.near[0]) == ((), "none", "walk")
    shown = table([near, far]).splitlines()
    assert shown[0].split() == ["label", "sketch", "how", "sure"]
    assert shown[1].split() == ["Ambling_About", "walk", "sentence", "1.00"]
    assert "nearest: walk" in shown[2]


@pytest.mark.parametrize(
    ("label", "stems"),
    [
        ("WALKING", ("walk",)), ("Sitting_Down", ("sit", "down")), ("brushTeeth", ("brush", "tooth")),
        ("A13 draw x", ("draw", "x")),
        ("run", ("run",)), ("Running", ("run",)), ("12", ("12",)), ("lying", ("lie",)),
    ],
)  # fmt: skip
def test_words_are_reduced_to_stems(label, stems):
    assert words(label) == stems
