"""Bars are for people at a terminal, and for nobody else."""

from __future__ import annotations

from m3n.progress import bar


def test_nothing_is_printed_where_stderr_is_no_terminal(capfd):
    with bar("simulate", 2) as advance:
        advance(1, "first")
        advance(1, "second")
    assert capfd.readouterr() == ("", "")
