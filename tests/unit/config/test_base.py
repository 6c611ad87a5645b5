"""What every config does: unknown keys are refused, nothing changes after the check, a part that is given keeps the rest."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import Field, ValidationError

from m3n.config.base import AnyPlacements, Count, OneOf, Options, Placements, Positive, Share, Weight, as_names, choices
from m3n.config.names import Method


class Part(Options):
    a: float = Field(1.0)
    b: float = Field(2.0)


class Whole(Options):
    part: Part = Part(a=10.0)
    kind: Annotated[str, OneOf({"near": "", "far": ""})] = "near"


def test_a_part_that_is_given_in_part_keeps_the_defaults_of_the_whole():
    assert Whole().part == Part(a=10.0, b=2.0)
    assert Whole(part={"b": 5.0}).part == Part(a=10.0, b=5.0)
    assert Whole(part={"a": 3.0}).part == Part(a=3.0, b=2.0)
    assert Whole(part=Part(b=5.0)).part == Part(a=1.0, b=5.0)  # a part of its own is taken as it is


def test_unknown_keys_are_refused_and_nothing_changes_after_the_check():
    with pytest.raises(ValidationError, match="Extra inputs"):
        Whole(parts={})
    with pytest.raises(ValidationError, match="frozen"):
        Whole().kind = "far"


def test_a_name_out_of_a_table_is_refused_as_a_literal_would_be():
    assert Whole(kind="far").kind == "far"
    with pytest.raises(ValidationError, match="Input should be 'near' or 'far'"):
        Whole(kind="else")
    with pytest.raises(ValidationError, match="Input should be 'near' or 'far'"):
        Whole(kind=3)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [(Weight, 0, -1), (Positive, 0.1, 0), (Count, 1, 0), (Share, 0.99, 1.0), (Positive, 1.0, float("nan"))],
)
def test_ranges_end_where_they_say(kind, good, bad):
    made = type("Made", (Options,), {"__annotations__": {"x": kind}})
    assert made(x=good).x == good
    with pytest.raises(ValidationError):
        made(x=bad)


def test_placements_are_known_ones_and_any_placements_well_named_ones():
    made = type("Made", (Options,), {"__annotations__": {"known": Placements, "own": AnyPlacements}})
    assert made(known=["head"], own=["my_belt"]).own == ["my_belt"]
    with pytest.raises(ValidationError, match="unknown placement 'my_belt'"):
        made(known=["my_belt"], own=["head"])
    with pytest.raises(ValidationError):
        made(known=["head"], own=["my belt"])


def test_subjects_that_yaml_read_as_numbers_are_names():
    assert as_names([1, "s2"]) == ["1", "s2"]
    assert as_names(3) == 3
    assert as_names(None) is None


def test_choices_are_listed_with_their_help():
    assert choices({"a": "the first", "b": Method("the second", {})}) == "a: the first; b: the second"
