"""The sketches that come with m3n can be read, and what they show could have been done by a person."""

from __future__ import annotations

from dataclasses import replace

import pytest

from m3n.motion.matching import words
from m3n.motion.sketch import Range
from m3n.motion.sketch_file import SHIPPED, shipped_sketches
from m3n.schema import Rejected, check_pose_clip
from m3n.sources.poses.sketched import Options, authored
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.plausibility import plausible

EVERYTHING = sorted(shipped_sketches())


def test_many_activities_come_with_m3n_and_every_one_is_described():
    assert len(EVERYTHING) >= 120
    for name, sketch in shipped_sketches().items():
        assert len(set(sketch.sentences)) >= 2, name
        assert all(sentence[0].isupper() and sentence.endswith(".") for sentence in sketch.sentences), name


def test_no_two_sketches_have_the_same_name_and_no_other_name_says_the_same_as_the_name_beside_it():
    said = {name: words(name) for name in EVERYTHING}
    assert len(set(said.values())) == len(said)
    for name, sketch in shipped_sketches().items():
        others = ["".join(words(other)) for other in sketch.also]
        assert "".join(said[name]) not in others, name
        assert len(set(others)) == len(others), name


@pytest.mark.parametrize("names", [EVERYTHING[::16], pytest.param(EVERYTHING, marks=pytest.mark.slow)], ids=["some", "all"])
def test_a_clip_of_each_passes_the_checks_of_recorded_poses(names):
    known = shipped_sketches()
    brief = {n: known[n] if known[n].is_transition or known[n].steps else replace(known[n], seconds=Range(2, 3)) for n in names}
    options = Options(clips=2 * len(names), fps=30)
    rows = list(plausible(authored(brief, known, options, Notes()), options))
    assert {row["label"] for row in rows if not isinstance(row, Rejected)} == set(names)
    assert [row for row in rows if isinstance(row, Rejected) or check_pose_clip(row) is not None] == []


def test_the_folder_holds_nothing_but_sketches():
    assert {file.suffix for file in SHIPPED.iterdir()} == {".yaml"}
