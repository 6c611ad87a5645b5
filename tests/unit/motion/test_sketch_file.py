"""Sketches from YAML: what is written is what is read, and every mistake has its line, column and nearest word."""

from __future__ import annotations

from pathlib import Path

import pytest

from m3n.errors import InputError
from m3n.motion.sketch import LEGS, POSTURES, TRUNK, Choice, Range
from m3n.motion.sketch_file import read_sketches, shipped_sketches
from m3n.motion.sketch_postures import _POSTURES as BEHAVIOURS
from m3n.motion.sketch_targets import TARGETS

DOCS = Path(__file__).resolve().parents[3] / "docs" / "sketches.md"
START = "- label: drink\n  sentences: [A person drinks.]\n"


def read(tmp_path: Path, text: str):
    file = tmp_path / "moves.yaml"
    file.write_text(text, encoding="utf-8")
    return read_sketches(file)


def test_numbers_ranges_names_points_and_weights_are_read(tmp_path):
    phases = "  phases:\n    - {hand: {mouth: 3, ear: 1}, palm: [down, in], hold: [0.1, 0.4]}\n"
    phases += "    - {hand: [0.1, [-0.3, -0.2], 0.4]}\n"
    sketch = read(tmp_path, START + "  hand: left\n  tempo_s: 2\n" + phases)["drink"]
    first, second = (phase.hold_at.hand for phase in sketch.phases)
    assert first == Choice(("mouth", "ear"), (3.0, 1.0))
    assert second == Choice(((Range(0.1, 0.1), Range(-0.3, -0.2), Range(0.4, 0.4)),), (1.0,))
    assert sketch.phases[0].hold_at.palm == Choice(("down", "in"), (1.0, 1.0))
    assert sketch.phases[0].hold == Range(0.1, 0.4)
    assert sketch.tempo_s == Range(2.0, 2.0)
    assert sketch.hand.options == ("left",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (START + "  phases:\n    - {hand: mouht}", "line 4, column 14: unknown hand target 'mouht', did you mean 'mouth'?"),
        (START + "  postur: sitting", "line 3, column 3: unknown key 'postur' of a sketch, did you mean 'posture'?"),
        (START + "  posture: siting", "line 3, column 12: unknown posture 'siting', did you mean 'sitting'?"),
        (START + "  tempo_s: [3, 1]", "line 3, column 12: tempo_s runs from 3 down to 1; expected [low, high]"),
        (START + "  tempo_s: quick", "line 3, column 12: expected a number for tempo_s, found 'quick'"),
        (START + "  phases: []", "line 3, column 11: the list of phases is empty"),
        (START + "  phases: [{}]", "line 3, column 12: an empty phase"),
        (START + "  phases: [{hand: mouth}, {arm: {elbow: 9}}]", "line 3, column 27: this phase has arm, the first one hand"),
        (START + "  phases: [{arm: {elbow: 200}}]", "line 3, column 26: elbow is 200, expected from 0 to 150"),
        (START + "  phases: [{hand: [0.1, 0.2, nan]}]", "line 3, column 30: expected a number for hand target, found 'nan'"),
        (START + "  sequence: [walk, wlk]", "line 3, column 20: unknown sketch 'wlk', did you mean 'walk'?"),
        (START + "  from: standing", "line 1, column 3: a transition (from, to) without to"),
        (START + "  from: standing\n  to: sittin", "line 4, column 7: unknown sketch 'sittin', did you mean 'sitting'?"),
        (START + "  from: sitting\n  to: standing\n  swing: 3", "line 5, column 3: a transition (from, to) takes no 'swing'"),
        (START + START, "line 3, column 3: duplicate label 'drink', first in line 1"),
        ("- label: drink", "line 1, column 3: a sketch without sentences"),
        ("- {label: a, sentences: ['{hand} up']}", "line 1, column 25: the sentence '{hand} up' has braces"),
        ("label: drink", "line 1, column 1: expected a list of sketches, found a mapping"),
        ("- label: a\n  sentences: [x\n", "line 3, column 1: not valid YAML"),
        ("- &a [*a]", "line 1, column 3: expected the keys of a sketch"),
        ("- !!python/object/apply:os.system [ls]", "line 1, column 3: expected the keys of a sketch"),
        ("", "moves.yaml is empty"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path, text, message):
    with pytest.raises(InputError) as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
    assert str(caught.value).startswith("moves.yaml")


def test_a_folder_holds_one_sketch_of_each_label(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(START, encoding="utf-8")
    with pytest.raises(InputError, match=r"b\.yaml line 1, column 3: duplicate label 'drink', first in a\.yaml line 1"):
        read_sketches(tmp_path)


def test_the_example_of_the_docs_is_a_file_of_sketches_and_every_word_is_documented(tmp_path):
    text = DOCS.read_text(encoding="utf-8")
    example = text.split("```yaml\n")[1].split("```")[0]
    assert set(read(tmp_path, example)) == {"drink", "walk", "sit down", "fetch a drink"}
    missing = [word for word in (*TARGETS, *POSTURES, *TRUNK, *LEGS) if f"`{word}`" not in text]
    assert missing == []


def test_every_posture_has_a_behaviour():
    assert set(BEHAVIOURS) | {"lying"} == set(POSTURES)


def test_sketches_come_with_m3n():
    assert {"drink", "walk", "sit", "stand", "sit down", "stand up"} <= set(shipped_sketches())
