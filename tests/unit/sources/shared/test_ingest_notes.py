"""Notes of a source are counted for the command and kept for the manifest."""

from __future__ import annotations

from m3n.sources.shared.ingest_notes import Notes


def test_totals_are_printed_and_the_first_places_kept() -> None:
    notes = Notes()
    for number in range(250):
        notes.count("rows left out", 2, f"f{number}.csv")
        notes.count("never", 0, "x")
    assert notes.figures() == {"rows left out": 500}
    facts = notes.facts()
    assert facts["notes"]["rows left out"]["count"] == 500
    assert facts["notes"]["rows left out"]["first"] == [f"f{number}.csv" for number in range(200)]


def test_files_of_other_columns_are_told_apart() -> None:
    notes = Notes()
    for name, used in (("a", "x"), ("b", "y"), ("c", "x"), ("d", "z"), ("e", "w")):
        notes.columns(used, name)
    assert notes.figures() == {
        "columns of a (2 files)": "x", "columns of b (1 files)": "y", "columns of d (1 files)": "z",
        "columns, other files": "1 more layouts, see manifest.json",
    }  # fmt: skip
    assert notes.facts()["columns"][0] == {"used": "x", "files": 2, "first": ["a", "c"]}


def test_nothing_to_note_is_nothing() -> None:
    assert (Notes().figures(), Notes().facts()) == ({}, {})
