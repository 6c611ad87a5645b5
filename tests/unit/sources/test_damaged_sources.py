"""Damaged and hostile files of every source end in one clear line or in valid, finite clips.

The inputs are the first of those that `python tests/fuzz` runs by the thousand; both take them from `tests/fuzz`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from fuzz.damaged_films import sound
from fuzz.originals import ORIGINALS
from fuzz.verdict import judged, kind_of

from m3n.commands.ingest import ingest, options_of
from m3n.config.names import SOURCES
from m3n.errors import LONGEST, InputError, one_line

INPUTS, MORE = 40, 12  # of a source, and of each other kind of file that it reads
# networks and a person in the picture (below); an extra, a process a file (poses/test_c3d.py)
OWN_TESTS = {"video", "c3d"}


def test_every_source_has_an_original_that_it_reads_whole(tmp_path: Path) -> None:
    assert {kind_of(name) for name in ORIGINALS} - OWN_TESTS == set(SOURCES) - {"choreography"} - OWN_TESTS
    for name, original in ORIGINALS.items():
        source = kind_of(name)
        if source == "video":
            continue
        file = tmp_path / original.name
        original.write(file, original.tree())
        settings = dict(setting.split("=") for setting in original.settings)
        figures = ingest(source, file, tmp_path / name, options_of(source).model_validate(settings))
        assert figures.get("poses", 0) + figures.get("recordings", 0) >= 1
        assert not figures.get("poses_rejected")


@pytest.mark.parametrize("source", [source for source in dict.fromkeys([*ORIGINALS, *SOURCES]) if source not in OWN_TESTS])
def test_damaged_inputs_end_in_one_clear_line_or_in_valid_finite_clips(source: str) -> None:
    verdicts = list(judged(source, range(INPUTS if source in SOURCES else MORE)))
    assert [verdict for verdict in verdicts if verdict.failed] == []
    assert source not in SOURCES or {verdict.outcome for verdict in verdicts} == {
        "clip",
        "error",
    }  # the damage is neither all fatal nor all harmless


@pytest.mark.slow
def test_damaged_videos_end_in_one_clear_line_or_in_valid_finite_clips() -> None:
    sound()  # or skipped
    verdicts = list(judged("video", range(MORE)))
    assert [verdict for verdict in verdicts if verdict.failed] == []
    assert {verdict.outcome for verdict in verdicts} == {"clip", "error"}


def test_an_error_is_one_printable_line_whatever_a_file_calls_things() -> None:
    message = str(InputError("a.npz: key 'x\ny\x1b[31m\ud800' " + "z" * 10_000))
    assert message.startswith("a.npz: key 'x y\\x1b[31m\\ud800' zzz")
    assert len(message) == LONGEST
    assert one_line("  plain  words ", 60) == "plain words"
