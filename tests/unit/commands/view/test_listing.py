"""A list of any length stays short, and covers all of the table."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from m3n.commands.view.listing import Line, choose, cut, spread
from m3n.config import ViewConfig
from m3n.reports.view.clip import Entry, Part


def lines(count: int) -> Iterator[Line]:
    for n in range(count):
        yield Line(Entry(f"c{n}", f"l{n % 3}", "", None, "", 0.0, 1.0, frozenset({f"l{n % 3}"})), None, n)


def test_a_long_table_is_listed_in_even_steps_and_counted_in_full() -> None:
    kept, found = choose(lines(10_007), ViewConfig(), 10, "a table")
    assert (len(kept), found) == (10, 10_007)
    steps = {b.row - a.row for a, b in pairwise(kept)}
    assert min(steps) >= 500
    assert kept[0].row == 0
    assert kept[-1].row > 8_000


def test_ids_and_labels_choose() -> None:
    assert [line.row for line in choose(lines(9), ViewConfig(id=["c4", "c1"]), 10, "a table")[0]] == [1, 4]
    assert [line.row for line in choose(lines(9), ViewConfig(label="l2", most=2), 2, "a table")[0]] == [2, 5]


def test_spread_keeps_what_is_few() -> None:
    few = list(lines(3))
    assert spread(few, 3) == few


def test_labels_are_cut_to_a_stretch_in_its_own_time() -> None:
    parts = [Part(0.0, 4.0, "a"), Part(4.0, 9.0, "b", 0.5), Part(9.0, 12.0, "c")]
    assert cut(parts, 5.0, 9.0) == [Part(0.0, 4.0, "b", 0.5)]
