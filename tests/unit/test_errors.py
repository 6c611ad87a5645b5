"""Messages for the user: one printable line of bounded length."""

from __future__ import annotations

from m3n.errors import LONGEST, InputError, one_line


def test_an_error_is_one_printable_line_whatever_a_file_calls_things() -> None:
    message = str(InputError("a.npz: key 'x\ny\x1b[31m\ud800' " + "z" * 10_000))
    assert message.startswith("a.npz: key 'x y\\x1b[31m\\ud800' zzz")
    assert len(message) == LONGEST
    assert one_line("  plain  words ", 60) == "plain words"
