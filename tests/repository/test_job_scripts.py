"""The scripts of `jobs/` are the commands of the same names and nothing more."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from places import REPOSITORY

SCRIPTS = sorted((REPOSITORY / "jobs").glob("*.py"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_a_script_only_enters_the_command_of_its_name(script: Path) -> None:
    docstring, imported, call = ast.parse(script.read_text(encoding="utf-8")).body
    assert ast.unparse(docstring).count(f"jobs/{script.stem}.py") == 1
    assert ast.unparse(imported) == "from m3n.cli import entry"
    assert ast.unparse(call) == f"entry('{script.stem}')"


def test_arguments_and_exit_status_are_those_of_the_command(tmp_path: Path) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, *arguments, "nowhere", "--out", "out"], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        return done.returncode, done.stdout, done.stderr

    script = run(str(REPOSITORY / "jobs" / "predict.py"), "--checkpoint", "none")
    assert script == run("-m", "m3n", "predict", "--checkpoint", "none")
    assert script[0] == 2
    assert "none" in script[2]
