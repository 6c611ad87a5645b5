"""A message is one printable line, whatever a file's own names hold, and says which kind of mistake it is."""

from __future__ import annotations

import pickle

import pytest

from m3n.errors import LONGEST, InputError, LockedError, MissingError, NoWindowsError, UnwritableError, nearest, one_line, shown


@pytest.mark.parametrize("kind", [LockedError, MissingError, NoWindowsError, UnwritableError])
def test_every_kind_of_mistake_ends_a_command_like_any_other_and_survives_the_way_from_a_worker(kind):
    error = kind("part 3 of data/x is gone")
    assert isinstance(error, InputError)
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert str(back) == str(error)


def test_a_message_is_one_line_of_bounded_length():
    assert str(InputError("a\nb\tc\x07d")) == "a b c\\x07d"
    assert len(str(InputError("x" * 10_000))) == LONGEST
    assert one_line("abcdef", 4) == "abc…"


def test_values_out_of_files_are_shown_by_their_type_unless_they_are_short():
    assert [shown(v) for v in (None, 3, "name", 10**30, [1, 2])] == ["nothing", "3", "name", "int", "list"]
    assert len(shown("y" * 500)) == 60


def test_the_nearest_known_name_is_offered_and_nothing_where_none_is_near():
    assert nearest("not_frozn", ["frozen", "not_frozen"]) == ", did you mean 'not_frozen'?"
    assert nearest("xyz", ["frozen"]) == ""
