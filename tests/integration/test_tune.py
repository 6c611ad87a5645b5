"""`m3n tune`: a sweep on real Ray, cut off in several ways, and what it leaves for people."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml
from processes import below, surroundings
from processes import wait as wait_for

from m3n import schema
from m3n.cli import main
from m3n.cluster.tune import FINISHED, STEP, Outcome, Rule, run_trials
from m3n.commands.evaluate.data import clip_people
from m3n.io import tables

PATIENCE_S = 900  # each wait is for seconds, where the machine is quiet
wait = partial(wait_for, patience_s=PATIENCE_S)
TINY = ["pretrain.model.width=16", "pretrain.model.depth=1", "pretrain.model.embedding=16", "pretrain.windows.hop_s=2"]
TINY += ["pretrain.workers=1", "pretrain.optim.batch_size=32", "pretrain.optim.epochs=6", "finetune.epochs=1"]
TINY += ["finetune.min_steps=60", "finetune.test_subjects=[e,f]", "finetune.val_subjects=[c,d]", "finetune.augment.noise=2"]
SPACE = """
FIRST = [{}]

def space(trial):
    trial.suggest_categorical("pretrain.loss.text_imu", [1.0, 2.0])
    trial.suggest_float("finetune.lr", 1e-5, 1e-2, log=True)
    if trial.suggest_categorical("finetune.freeze", ["not_frozen", "frozen"]) == "not_frozen":
        trial.suggest_float("finetune.encoder_lr", 1e-5, 1e-2, log=True)
"""


@pytest.fixture(scope="module")
def inputs(corpus, recording, tmp_path_factory) -> list[str]:
    """The first arguments of every sweep: clips, recordings of six people, and a space with two pretrainings."""
    folder = tmp_path_factory.mktemp("inputs")
    rows = [
        recording(f"{who}-{label}-{k}", seconds=6.0, subject=who, label=label)
        for who in "abcdef"
        for label in ("wave", "shake")
        for k in range(2)
    ]
    (folder / "recordings").mkdir()
    tables.write_table(folder / "recordings", rows, schema.imu_recordings(), rows_per_shard=8)
    (folder / "mine.py").write_text(SPACE)
    return ["tune", str(corpus / "synthetic"), str(folder / "recordings"), "--space", str(folder / "mine.py")]


SWEEP = [*TINY, "trials=5", "scheduler=median", "reports=2"]


def changed(settings: list[str], *others: str) -> list[str]:
    """The settings with others, which stand for those of the same key."""
    keys = {other.partition("=")[0] for other in others}
    return [*(setting for setting in settings if setting.partition("=")[0] not in keys), *others]


@pytest.fixture(scope="module")
def undisturbed(inputs, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "sweep"
    assert main([*inputs, "--out", str(out), *SWEEP]) == 0
    return out


def trials(out: Path) -> list[dict[str, Any]]:
    """What a sweep found, without what is measured with a clock."""
    found = json.loads((out / "trials.json").read_text())
    for trial in found:
        del trial["elapsed_s"]
        trial["figures"].pop("latency_ms", None)
    return found


def reports(out: Path) -> int:
    return sum(len(file.read_text().splitlines()) for file in (out / "trials").glob("*/reports.jsonl"))


@pytest.mark.slow
@pytest.mark.timeout(3600)  # under two minutes where the machine is quiet
def test_a_sweep_cut_off_by_signals_and_losses_ends_as_one_that_was_not(inputs, undisturbed, tmp_path, request):
    """Ctrl-C while the first trial pretrains, SIGTERM and a kill between reports, and at last the loss of a trial's own process."""
    out, whole = tmp_path / "sweep", reports(undisturbed)
    command = [sys.executable, "-c", "from m3n.cli import entry; entry()", *inputs, "--out", str(out), "--resume", *SWEEP]
    environment = surroundings()

    def start() -> subprocess.Popen[str]:
        started = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        request.addfinalizer(started.kill)
        return started

    for until, number, status in (
        (lambda: list(out.glob("pretrained/*.partial/last.safetensors")), signal.SIGINT, 130),
        (lambda: reports(out) >= whole // 4, signal.SIGTERM, 143),
    ):
        process = start()
        wait(until, process)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == status, stderr
        assert "rerun the same command with --resume to continue" in stderr.splitlines()[-1]

    process = start()
    wait(lambda: reports(out) >= whole // 2, process)
    family = below(process.pid)
    process.kill()
    process.communicate()
    wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family))
    assert not (out / "manifest.json").exists()
    kept, killed = reports(out), []
    assert whole // 2 <= kept < whole

    def kill_a_trial() -> None:
        wait(lambda: reports(out) > kept)
        killed.append(next(pid for pid, command in below(os.getpid()).items() if "ImplicitFunc" in command))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_a_trial)
    killer.start()
    assert main([*inputs, "--out", str(out), "--resume", *SWEEP]) == 0
    killer.join()
    assert len(killed) == 1
    assert trials(out) == trials(undisturbed)
    assert (out / "best.yaml").read_bytes() == (undisturbed / "best.yaml").read_bytes()


def test_the_first_trial_is_the_config_itself_and_the_best_is_no_worse(undisturbed):
    found = trials(undisturbed)
    assert found[0]["settings"]["pretrain.loss.text_imu"] == 1.0
    assert found[0]["settings"]["finetune.lr"] == 1e-3
    complete = {trial["number"]: trial["figures"]["val_macro_f1"] for trial in found if trial["state"] == "complete"}
    figures = json.loads((undisturbed / "manifest.json").read_text())
    assert figures["best_val_macro_f1"] == max(complete.values()) >= complete[0]
    assert figures["own_val_macro_f1"] == complete[0]


def test_the_best_config_is_taken_by_pretrain_and_finetune(inputs, undisturbed, tmp_path):
    best = yaml.safe_load((undisturbed / "best.yaml").read_text())
    chosen = trials(undisturbed)[json.loads((undisturbed / "manifest.json").read_text())["best_trial"]]["settings"]
    assert best["finetune"]["lr"] == chosen["finetune.lr"]
    config = ["--config", str(undisturbed / "best.yaml")]
    assert main(["pretrain", inputs[1], "--out", str(tmp_path / "pretrain"), *config, "optim.epochs=1"]) == 0
    assert json.loads((tmp_path / "pretrain" / "manifest.json").read_text())["config"]["model"]["width"] == 16
    arguments = ["finetune", inputs[2], "--checkpoint", str(tmp_path / "pretrain"), "--out", str(tmp_path / "ft"), *config]
    assert main(arguments) == 0
    assert json.loads((tmp_path / "ft" / "metrics.json").read_text())["test_subjects"] == ["e", "f"]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_sweep_that_is_over_goes_on_to_more_trials_two_at_a_time_and_is_tested_once(inputs, undisturbed):
    before = trials(undisturbed)
    shared = {file: file.stat().st_mtime_ns for file in undisturbed.glob("pretrained/*/model.safetensors")}
    assert len(shared) == len({trial["settings"]["pretrain.loss.text_imu"] for trial in before}) == 2
    assert not (undisturbed / "test").exists()
    more = changed(SWEEP, "trials=8", "concurrent=2", "test=true")
    assert main([*inputs, "--out", str(undisturbed), "--resume", *more]) == 0
    after = trials(undisturbed)
    assert after[:5] == before
    assert len(after) == 8
    assert {file: file.stat().st_mtime_ns for file in undisturbed.glob("pretrained/*/model.safetensors")} == shared
    tested = json.loads((undisturbed / "test" / "metrics.json").read_text())
    assert tested["test_subjects"] == ["e", "f"]
    assert tested["train_subjects"] == 4
    figures = json.loads((undisturbed / "manifest.json").read_text())
    assert figures["test_macro_f1"] == tested["test_macro_f1"]
    for name in ("parallel.png", "importance.png"):
        assert (undisturbed / name).read_bytes().startswith(b"\x89PNG\r\n")
    assert "## Importance of the settings" in (undisturbed / "results.md").read_text()


def said(capfd: pytest.CaptureFixture[str], arguments: list[str]) -> str:
    capfd.readouterr()
    assert main(arguments) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_what_cannot_be_searched_is_said_before_anything_runs(inputs, undisturbed, corpus, tmp_path, capfd):
    out = ["--out", str(tmp_path / "out")]
    assert "holds a sweep: continue it with --resume" in said(capfd, [*inputs, "--out", str(undisturbed), *SWEEP])
    other = [*inputs, "--out", str(undisturbed), "--resume", *SWEEP, "finetune.lr=0.5"]
    assert "holds a sweep with config.finetune.lr = 0.001, not 0.5" in said(capfd, other)
    assert "leaves nobody to validate on" in said(
        capfd, [*inputs, *out, *changed(TINY, "finetune.val_subjects=[]", "finetune.train_subjects=1")]
    )
    assert "did you mean 'joint'" in said(capfd, [*inputs[:4], "jiont", *out])
    assert "grace is 9, expected fewer than the 6 reports" in said(capfd, [*inputs, *out, *TINY, "scheduler=asha", "grace=9"])
    assert not (tmp_path / "out").exists()


def test_poses_of_those_who_validate_or_are_tested_on_end_the_sweep_before_it_begins(inputs, recording, tmp_path, capfd):
    seen = min(subject for _, subject in clip_people(Path(inputs[1])))
    rows = [
        recording(f"{who}-{label}", subject=who, label=label, source="choreography")
        for who in ("a", "b", "c", seen)
        for label in ("wave", "shake")
    ]
    (tmp_path / "recordings").mkdir()
    tables.write_table(tmp_path / "recordings", rows, schema.imu_recordings(), rows_per_shard=8)
    arguments = [*inputs[:2], str(tmp_path / "recordings"), *inputs[3:], "--out", str(tmp_path / "out")]
    for part, other in (("val", "test"), ("test", "val")):
        held = [f"finetune.{part}_subjects=[{seen}]", f"finetune.{other}_subjects=[c]"]
        assert f"exclude_subjects=[{seen}]" in said(capfd, [*arguments, *changed(TINY, *held)])


RULE = Rule("none", "f1", steps=4, grace=1, reduction=2.0)


def climbing() -> Callable[..., None]:
    """A trial of four reports that end at `goal`; where there is a folder, its first run dies after two of them."""

    def climb(number: int, settings: dict[str, Any], send: Callable[[dict[str, Any]], None]) -> None:
        for step in range(1, 5):
            send({STEP: step, "f1": settings["goal"] * step / 4, **({FINISHED: True} if step == 4 else {})})
            mark = Path(settings.get("folder", "/nowhere")) / "died"
            if step == 2 and mark.parent.is_dir() and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)

    return climb  # not by its name: the workers do not know this file


def outcomes(
    goals: list[float], scratch: Path, rule: Rule, past: list[list[tuple[int, float]]], **more: Any
) -> dict[int, Outcome]:
    waiting = [(number, {"goal": goal, **more}) for number, goal in enumerate(goals)]
    found: dict[int, Outcome] = {}
    status = run_trials(
        climbing(), draw=lambda: waiting.pop(0) if waiting else None, on_end=found.__setitem__, rule=rule, past=past, concurrent=1,
        restarts=2, storage=scratch / "ray",
    )  # fmt: skip
    assert status == 0
    assert not (scratch / "ray").exists()
    return found


@pytest.mark.parametrize(
    ("name", "goals", "steps"),
    [
        # rungs at 1, 2 and 4: a trial goes on where it is among the better half of those that came there
        ("asha", [0.8, 0.9, 0.4], [4, 4, 1]),
        # a fourth trial must reach the median of the others' means
        ("median", [0.8, 0.6, 0.4, 0.2], [4, 4, 4, 1]),
    ],
)
def test_a_scheduler_gives_up_what_falls_behind_and_remembers_across_sessions(ray_cluster, name, goals, steps, tmp_path):
    rule = Rule(name, "f1", steps=4, grace=1, reduction=2.0)
    found = outcomes(goals, tmp_path, rule, [])
    assert [len(found[number].reports) for number in range(len(goals))] == steps
    past = [sorted(found[number].reports.items()) for number in range(len(goals) - 1)]
    last = outcomes(goals[-1:], tmp_path, rule, past)[0]
    assert last.reports == found[len(goals) - 1].reports
    assert FINISHED not in last.last


def test_a_trial_whose_process_dies_is_started_again_and_its_reports_count_once(ray_cluster, tmp_path):
    (found,) = outcomes([0.8], tmp_path, RULE, [], folder=str(tmp_path)).values()
    assert (tmp_path / "died").exists()
    assert found.reports == pytest.approx({1: 0.2, 2: 0.4, 3: 0.6, 4: 0.8})
    assert found.error is None
    assert found.last[FINISHED]
