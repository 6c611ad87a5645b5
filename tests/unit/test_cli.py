"""The command line as a whole: what it changes, in which order it teaches, and how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from m3n import cli
from m3n.errors import TERMINATED, StoppedError


def in_a_new_process(code: str) -> str:
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    done = subprocess.run([sys.executable, "-c", code], env=surroundings, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_the_command_line_changes_no_environment_variable():
    code = "import os; before = dict(os.environ); import m3n.cli; print(dict(os.environ) == before)"
    assert in_a_new_process(code) == "True"


def test_a_command_runs_with_one_thread_unless_told_otherwise():
    code = "import os; from m3n.cli import main; main(['report']); print(os.environ['OMP_NUM_THREADS'])"
    assert in_a_new_process(code).splitlines()[-1] == "1"
    assert in_a_new_process(f"import os; os.environ['OMP_NUM_THREADS'] = '3'; {code}").splitlines()[-1] == "3"


def test_help_lists_the_commands_in_the_order_of_their_use(capsys):
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    stages = ["demo", "ingest", "simulate", "pretrain", "evaluate", "finetune", "predict", "tune", "reproduce"]
    places = [shown.index(f"\n  {stage} ") for stage in stages]
    assert places == sorted(places)
    assert "..." not in shown.split("Commands:")[1]  # every summary fits on its line


@pytest.mark.parametrize(
    "name", ["ingest", "view", "simulate", "pretrain", "evaluate", "finetune", "predict", "tune", "reproduce"]
)
def test_help_of_a_stage_has_its_usage_and_all_its_settings(name, capsys):
    from m3n import config

    assert cli.main([name, "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"Usage: m3n {name} [OPTIONS] ")
    assert "[KEY=VALUE]..." in shown.split("\n\n")[0].replace("\n", " ")
    assert all(f"  {key}=" in shown for key, _, _ in config.describe(config.STAGES[name]))


def ending(monkeypatch, error: BaseException) -> int:
    def raise_it(*arguments: object, **options: object) -> None:
        raise error

    monkeypatch.setattr(cli.cli, "main", raise_it)
    return cli.main([])


def test_a_command_ended_by_sigterm_says_how_to_resume(monkeypatch, capsys):
    assert ending(monkeypatch, SystemExit(TERMINATED)) == 143
    assert "terminated; rerun the same command to resume" in capsys.readouterr().err


def test_a_command_that_stops_early_ends_with_its_own_status_and_one_line(monkeypatch, capsys):
    assert ending(monkeypatch, StoppedError("kept in out.partial", 130)) == 130
    assert capsys.readouterr().err == "m3n: kept in out.partial\n"
    assert ending(monkeypatch, KeyboardInterrupt()) == 130
    with pytest.raises(RuntimeError):  # a bug in m3n keeps its traceback
        ending(monkeypatch, RuntimeError("a bug"))


def test_figures_go_to_the_json_file_that_was_asked_for(tmp_path, capsys):
    cli.finish({"macro_f1": 0.5, "cells": 3, "per_class": {"a": 1.0}}, tmp_path / "new" / "figures.json", tmp_path)
    assert json.loads((tmp_path / "new" / "figures.json").read_text()) == {"macro_f1": 0.5, "cells": 3, "per_class": {"a": 1.0}}
    assert capsys.readouterr().out == f"  macro_f1: 0.5\n  cells: 3\n  -> {tmp_path}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["ingest", "choreography", "--out", "x", "clips=1", "clips=2"], "clips is given twice, as 'clips=1' and as 'clips=2'"),
        (["simulate", "a", "--out", "x", "rate_hz=50", "rate_hz=50"], "rate_hz is given twice"),
        (["report", "mounting", ".", "--out", "x", "placements=[head]", "placements=[pelvis]"], "placements is given twice"),
        (["pretrain", "a", "--out", "x", "--out", "y"], "--out is given twice"),
        (["pretrain", "a", "a/", "--out", "x"], "table a is given twice"),
        (["pretrain", "a", "--recordings", "b", "--recordings", "./b", "--out", "x"], "--recordings b is given twice"),
        (["finetune", "a", "--checkpoint", "b", "--checkpoint", "c", "--out", "x"], "--checkpoint is given twice"),
        (["reproduce", "utd_mhad", "--data", "a", "--data", "a", "--out", "x"], "--data a is given twice"),
        (["export", "a", "--out", "x", "--out", "x"], "--out is given twice"),
        (["doctor", "--json", "x", "--json", "y"], "--json is given twice"),
    ],
)
def test_what_is_given_twice_is_refused_in_one_line(arguments, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments) == 2
    shown = capsys.readouterr().err
    assert said in shown
    assert shown.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
