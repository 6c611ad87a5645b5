"""Tables that read well as text, and are Markdown."""

from __future__ import annotations

from m3n.reports.markdown import markdown_table


def test_columns_are_as_wide_as_their_widest_cell():
    assert markdown_table(["", "macro F1"], [["scratch", "0.5"], ["frozen", "0.25 ± 0.1"]]) == (
        "|         | macro F1   |\n|---------|------------|\n| scratch | 0.5        |\n| frozen  | 0.25 ± 0.1 |\n"
    )
