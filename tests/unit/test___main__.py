"""`python -m m3n` is the command m3n."""

from __future__ import annotations

import subprocess
import sys

import m3n


def test_python_m_m3n_runs_the_command_line_and_ends_with_its_status():
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "m3n", *arguments], capture_output=True, text=True, check=False)

    assert m3n.__version__ in run("--version").stdout
    missing = run("reproduce", "utd_mhadd", "--out", "nowhere")
    assert missing.returncode == 2
    assert "did you mean 'utd_mhad'?" in missing.stderr
