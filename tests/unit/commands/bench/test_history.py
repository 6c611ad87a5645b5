"""The history of measured figures: runs as files, and the page made from them."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from places import REPOSITORY

from m3n.commands.bench import history
from m3n.commands.bench.history import Record
from m3n.errors import InputError

RUN = Record(
    benchmark="tiny", command="m3n bench tiny", figures={"speed_per_s": 1000.0}, date="2026-01-02T03:04:05Z", commit="a" * 40,
    uncommitted_changes=False, machine={"cpu": "Abacus", "cores": 2, "memory_gb": 8.0, "gpu": None}, load_average=0.25,
    versions={"python": "3.11.9"},
)  # fmt: skip


def write_all(folder: Path, *runs: Record) -> str:
    """Keep the runs; the text of the page about them."""
    for run in runs:
        history.write(folder, run)
    history.write_index(folder, {"tiny": "How fast it is."})
    return (folder / "README.md").read_text(encoding="utf-8")


def test_a_run_is_one_dated_file_that_reads_back_as_it_was(tmp_path):
    assert history.write(tmp_path, RUN).name == "tiny-20260102-030405.json"
    assert history.read(tmp_path) == {"tiny": [RUN]}


def test_the_page_lists_runs_from_the_newest_and_compares_figures_side_by_side(tmp_path):
    later = replace(RUN, date="2026-02-03T00:00:00Z", commit="b" * 40, figures={"speed_per_s": 1250.5, "memory_mb": 0.5})
    page = write_all(tmp_path, RUN, replace(later, uncommitted_changes=True))
    runs = [line for line in page.splitlines() if line.startswith("| tiny")]
    assert runs == [
        "| tiny | 2026-02-03 | bbbbbbb+ | 2 cores of Abacus | 0.2 | `m3n bench tiny` |",
        "| tiny | 2026-01-02 | aaaaaaa | 2 cores of Abacus | 0.2 | `m3n bench tiny` |",
    ]
    assert "| figure | 2026-02-03 bbbbbbb+ | 2026-01-02 aaaaaaa |" in page
    assert "| `speed_per_s` | 1,250 | 1,000 |" in page
    assert "| `memory_mb` | 0.5 |  |" in page
    assert "How fast it is." in page
    assert "![tiny over time](tiny.png)" in page
    assert (tmp_path / "tiny.png").read_bytes().startswith(b"\x89PNG")


def test_runs_of_other_machines_are_told_apart(tmp_path):
    page = write_all(tmp_path, RUN, replace(RUN, date="2026-01-03T00:00:00Z", machine=RUN.machine | {"gpu": "H100"}))
    assert "| 2 cores of Abacus, H100 |" in page


def test_the_circumstances_are_those_of_this_checkout_and_machine():
    found = history.circumstances()
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    ).stdout.strip()
    assert found["commit"] == head
    assert 0.1 < found["machine"]["memory_gb"] < 10_000
    assert found["versions"]["numpy"].split(".")[0].isdigit()
    assert Record("tiny", "m3n bench tiny", {}, load_average=history.load_average(), **found).day == found["date"][:10]


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"benchmark": "tiny"})])
def test_a_file_that_is_no_run_is_named(tmp_path, content):
    (tmp_path / "odd.json").write_text(content)
    with pytest.raises(InputError, match=r"odd\.json is not a run recorded by `m3n bench`"):
        history.read(tmp_path)
