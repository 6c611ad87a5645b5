"""The benchmarks themselves: one runs on a bare GPU machine, and all of them measure what m3n does today."""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from places import REPOSITORY

from m3n.config import AugmentConfig


@pytest.fixture
def bare_packages(tmp_path: Path) -> Path:
    """A folder with torch, NumPy and what they need, out of this environment, and nothing else."""
    folder = tmp_path / "packages"
    folder.mkdir()
    wanted, seen = ["torch", "numpy"], set()
    while wanted:
        distribution = metadata.distribution(wanted.pop())
        if distribution.name in seen:
            continue
        seen.add(distribution.name)
        for top in {file.parts[0] for file in distribution.files or ()} - {"..", "__pycache__"}:
            (folder / top).symlink_to(distribution.locate_file(top))
        needed = list(map(Requirement, distribution.requires or ()))
        wanted += [r.name for r in needed if r.marker is None or r.marker.evaluate({"extra": ""})]
    return folder


def test_the_step_on_a_gpu_needs_torch_and_numpy_alone_and_can_be_recorded(bare_packages: Path, tmp_path: Path) -> None:
    script = str(REPOSITORY / "benchmarks" / "gpu_step.py")
    arguments = [script, "--batches", "4", "--steps", "1", "--record", "--results", str(tmp_path / "results")]
    bare = {**os.environ, "PYTHONPATH": str(bare_packages)}
    done = subprocess.run(
        [sys.executable, "-S", *arguments], env=bare, check=False, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "results").glob("gpu_step-*.json")
    record = json.loads(file.read_text())
    assert "pydantic" not in os.listdir(bare_packages)
    assert record["command"] == "m3n bench gpu_step --batches 4 --steps 1"
    figures = record["figures"]
    assert figures["large_parameters"] > 5 * figures["default_parameters"]
    assert figures["default_4_windows_per_s"] > figures["large_4_windows_per_s"] > 0
    assert "default_4_windows_per_s" in (tmp_path / "results" / "README.md").read_text()


def test_the_step_on_a_gpu_changes_windows_as_pretraining_does_by_default() -> None:
    step = runpy.run_path(str(REPOSITORY / "benchmarks" / "gpu_step.py"))
    assert vars(step["STRENGTH"]) == AugmentConfig().model_dump()
