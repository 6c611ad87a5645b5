"""What names of folders and files say is read by a pattern, and a name that does not fit is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from m3n.errors import InputError
from m3n.sources.shared.path_pattern import PathPattern


@pytest.mark.parametrize(
    ("pattern", "name", "said"),
    [
        ("{subject}/{session}_{label}.csv", "p1/3_walk.csv", {"subject": "p1", "session": "3", "label": "walk"}),
        ("{subject}/watch.csv", "p2/watch.csv", {"subject": "p2"}),
        ("DATA/{subject}/{subject}_{session}_sw.csv", "DATA/s01/s01_02_sw.csv", {"subject": "s01", "session": "02"}),
        ("{label}/{subject}_*.mp4", "wave/anna_take 2.mp4", {"label": "wave", "subject": "anna"}),
        ("**/{subject}.csv", "a/b/anna.csv", {"subject": "anna"}),
        ("**/{subject}.csv", "anna.csv", {"subject": "anna"}),
        ("{subject}_{session}.csv", "a_b_c.csv", {"subject": "a", "session": "b_c"}),
        ("a+({subject}).csv", "a+(x).csv", {"subject": "x"}),
    ],
)
def test_fields_of_a_path(pattern: str, name: str, said: dict[str, str]) -> None:
    assert PathPattern(pattern).match(name) == said


def test_a_file_that_does_not_fit_is_named() -> None:
    with pytest.raises(InputError, match=r"p1/readme\.csv: does not match path=\{subject\}/\{session\}_sw\.csv"):
        PathPattern("{subject}/{session}_sw.csv").match("p1/readme.csv")
    with pytest.raises(InputError, match="does not match"):
        PathPattern("{subject}/{subject}.csv").match("p1/p2.csv")


def test_one_file_is_compared_by_the_end_of_its_path() -> None:
    assert PathPattern("{subject}/{session}.csv").match(Path("/data/study/p7/1.csv")) == {"subject": "p7", "session": "1"}


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("{person}/x.csv", "'{person}' is unknown"),
        ("x/*.csv", r"names no \{subject\}"),
        ("{subject.csv", "open or closed alone"),
    ],
)
def test_a_pattern_that_says_nothing_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        PathPattern(pattern)
