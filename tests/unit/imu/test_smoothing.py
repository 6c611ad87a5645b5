"""The default low pass of every pose source: known, shown in the help, and in the documentation as it is."""

from __future__ import annotations

import re

from places import REPOSITORY

from m3n import sources
from m3n.cli import main
from m3n.config.names import SOURCES
from m3n.imu.smoothing import KINDS

PAGE = REPOSITORY / "docs" / "simulator.md"
KIND_OF = {name: kind for name, (_, _, kind) in SOURCES.items() if kind}


def test_every_source_of_poses_has_a_kind():
    assert KIND_OF.keys() == {name for name in SOURCES if hasattr(sources.load(name), "pose_clips")}
    assert set(KIND_OF.values()) == set(KINDS)


def test_the_documentation_has_the_low_pass_of_every_pose_source():
    found = {}
    for kind, low_pass, names in re.findall(r"^\| `(\w+)`[^|]* \| ([^|]+) \| (`[^|]+`) \|$", PAGE.read_text(), re.MULTILINE):
        assert low_pass == str(KINDS[kind] or "none")
        found |= dict.fromkeys(re.findall(r"`(\w+)`", names), kind)
    assert found == KIND_OF


def test_the_help_of_simulate_has_the_low_pass_of_every_pose_source(capsys):
    assert main(["simulate", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name, kind in KIND_OF.items():
        assert f"{name} {KINDS[kind] or 'none'}" in shown, name
    assert "seglearn_watch" not in shown  # it has no poses
