"""Bars are for people at a terminal; a log gets a line now and then."""

from __future__ import annotations

import time

from m3n.progress import EVERY_S, bar, line


def test_short_work_prints_nothing_where_stderr_is_no_terminal(capfd):
    with bar("simulate", 2) as advance:
        advance(1, "first")
        advance(1, "second")
    assert capfd.readouterr() == ("", "")


def test_a_log_gets_a_line_now_and_then_also_while_nothing_advances(capfd, monkeypatch):
    monkeypatch.setenv(EVERY_S, "0.02")
    with bar("pretrain", 60) as advance:
        time.sleep(0.1)
        advance(3, "loss 1.234")
        time.sleep(0.1)
    out, err = capfd.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert lines[0].startswith("pretrain: 0 of 60, begun ")
    assert lines[-1].startswith("pretrain: 3 of 60, ")
    assert lines[-1].endswith(" left, loss 1.234")


def test_a_line_says_rate_and_time_left():
    assert line("simulate", 50, 200, 10.0, "31,000 frames/s") == "simulate: 50 of 200, 5 a second, 30 s left, 31,000 frames/s"
    assert line("tune", 4, 100, 3600.0, "best 0.812") == "tune: 4 of 100, 0.0667 a minute, 24 h 0 min left, best 0.812"
    assert line("tune", 4, 0, 1200.0, "") == "tune: 4, 0.2 a minute"
    assert line("pretrain", 0, 60, 240.0, "") == "pretrain: 0 of 60, begun 4 min ago"
