"""The default cut-off of every pose source: known, shown in the help, and in the documentation as it is."""

from __future__ import annotations

import re
from pathlib import Path

from m3n import sources
from m3n.cli import main

PAGE = Path(__file__).resolve().parents[2] / "docs" / "simulator.md"


def test_the_documentation_has_the_cut_off_of_every_pose_source():
    found: dict[str, float | None] = {}
    for cutoff, names in re.findall(r"^\| [^|]+ \| (none|[\d.]+ Hz) \| (`[^|]+`) \|$", PAGE.read_text(), re.MULTILINE):
        found |= {name: None if cutoff == "none" else float(cutoff.split()[0]) for name in re.findall(r"`(\w+)`", names)}
    assert found == sources.pose_cutoffs_hz()


def test_the_help_of_simulate_has_the_cut_off_of_every_pose_source(capsys):
    assert main(["simulate", "--help"]) == 0
    shown = capsys.readouterr().out
    for name, cutoff in sources.pose_cutoffs_hz().items():
        assert re.search(rf"^ +{name} +{'none' if cutoff is None else f'{cutoff:g} Hz'}$", shown, re.MULTILINE), name
    assert "seglearn_watch" not in shown  # it has no poses
