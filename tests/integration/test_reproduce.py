"""`m3n reproduce` on the real watch recordings: a small grid, taken up after a kill, grown by a second call, and refused where it
would mix two runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from processes import surroundings

from m3n.cli import main

pytest.importorskip("seglearn")

TINY = """
reproduce:
  protocol: {source: seglearn_watch, placements: [left_wrist, right_wrist], split: k_fold, folds: 2}
  settings: [cross_corpus]
  corpora: {choreography: {clips: 24, exercises_share: 1, rows_per_shard: 8}}
  methods: [scratch, random_forest, not_frozen, zero_shot]
  labels: ["1", "50%"]
  seeds: [0]
  simulate: {rate_hz: 50}
  pretrain:
    windows: {window_s: 4.0, hop_s: 4.0, pose_fps: 12.5}
    model: {width: 16, depth: 1, embedding: 16}
    optim: {epochs: 1}
    workers: 1
  finetune:
    windows: {window_s: 4.0, hop_s: 8.0}
    model: {width: 16, depth: 1}
    epochs: 1
    min_steps: 3
"""


@pytest.fixture(scope="module")
def protocol(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("protocol") / "tiny.yaml"
    file.write_text(TINY)
    return file


@pytest.fixture(scope="module")
def made(protocol, tmp_path_factory) -> Path:
    """A grid whose first run was killed with SIGKILL after its first cell, and which the same command then finished."""
    out = tmp_path_factory.mktemp("reproduce") / "out"
    command = [sys.executable, "-c", "from m3n.cli import entry; entry()", "reproduce", str(protocol), "--out", str(out)]
    process = subprocess.Popen(command, env=surroundings(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 600
    while not list(out.rglob("cells/*/*/*.json")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    process.kill()
    process.wait()
    early = {file: file.stat().st_mtime_ns for file in out.rglob("cells/*/*/*.json")}
    assert early
    assert main([*command[3:], "--json", str(out.parent / "figures.json")]) == 0
    assert all(file.stat().st_mtime_ns == when for file, when in early.items())
    figures = json.loads((out.parent / "figures.json").read_text())
    assert figures["cells"] == figures["cells_run"] + len(early)
    return out


def rows_of(out: Path) -> list[dict]:
    return pq.ParquetFile(out / "results.parquet").read().to_pylist()


def test_every_cell_is_a_row(made):
    found = {(r["setting"], r["method"], r["labels"], r["seed"], r["fold"]) for r in rows_of(made)}
    expected = {(s, m, b, 0, f) for s, m in (("none", "scratch"), ("none", "random_forest"), ("cross_corpus", "not_frozen"))
                for b in ("1", "50%") for f in (0, 1)}  # fmt: skip
    assert found == expected | {("cross_corpus", "zero_shot", "0", 0, f) for f in (0, 1)}
    assert {r["dataset"] for r in rows_of(made)} == {"tiny"}


def test_everybody_is_tested_once_and_one_per_class_is_seven_examples(made):
    for row in rows_of(made):
        assert row["train_examples"] == {"0": 0, "1": 7}.get(row["labels"], row["train_examples"])
        assert 0 <= row["macro_f1"] <= 1
        confusion = np.array(json.loads(row["confusion"]))
        assert confusion.sum() == row["test_examples"]
    scratch = [r for r in rows_of(made) if r["method"] == "scratch" and r["labels"] == "1"]
    assert sum(r["test_examples"] for r in scratch) == 140  # recordings of the dataset
    assert not set(scratch[0]["test_subjects"]) & set(scratch[1]["test_subjects"])


def test_the_table_and_the_pictures_are_there(made):
    text = (made / "results.md").read_text()
    assert "not_frozen (cross)" in text
    assert "Difference from scratch" in text
    for name in ("learning_curve.png", "confusion.png"):
        assert (made / name).read_bytes().startswith(b"\x89PNG\r\n")


def test_one_parent_run_and_a_child_for_every_cell(made):
    from mlflow import MlflowClient

    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name("m3n-reproduce")
    runs = client.search_runs([experiment.experiment_id], max_results=100)
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    (parent,) = [run for run in runs if run not in children]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert len(children) == len(rows_of(made))
    assert {run.info.status for run in runs} == {"FINISHED"}
    by_name = {run.info.run_name: run.data.metrics["test/macro_f1"] for run in children}
    row = next(r for r in rows_of(made) if r["method"] == "not_frozen" and r["labels"] == "50%" and r["fold"] == 1)
    assert by_name["cross_corpus-not_frozen-50%-0-1"] == pytest.approx(row["macro_f1"])


def test_a_grid_can_grow_and_keeps_what_it_has(made, protocol, capsys):
    before = {file: file.stat().st_mtime_ns for file in made.rglob("cells/*/*/*.json")}
    grown = ["methods=[minirocket,co_trained]", "labels=[1]"]
    assert main(["reproduce", str(protocol), "--out", str(made), *grown]) == 0
    assert all(file.stat().st_mtime_ns == when for file, when in before.items())
    assert {r["method"] for r in rows_of(made)} == {
        "scratch", "random_forest", "minirocket", "not_frozen", "zero_shot", "co_trained"
    }  # fmt: skip


def test_other_settings_do_not_mix_with_what_is_there(made, protocol, capsys):
    assert main(["reproduce", str(protocol), "--out", str(made), "finetune.epochs=2"]) == 2
    assert "holds a run with another config.finetune" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "no protocol 'nowhere'"),
        (["utd_mahd"], "did you mean 'utd_mhad'"),
        (["seglearn_watch", "methods=[scrach]"], "did you mean 'scratch'"),
        (["seglearn_watch", "labels=[0.1]"], "labels is '0.1': expected a share of all (10%)"),
        (["seglearn_watch", "settings=[same_corpus]", "methods=[not_frozen]"], "has no poses of its own"),
        (["utd_mhad", "--corpus", "msr_action3d=missing.zip"], "expected SOURCE=FILE with a file that exists"),
        (["utd_mhad", "--data", "missing.zip", "settings=[same_corpus]"], "missing.zip does not exist"),
    ],
)
def test_what_is_wrong_gets_one_line(arguments, message, tmp_path, capsys):
    assert main(["reproduce", *arguments, "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
