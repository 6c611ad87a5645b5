"""A pretraining that is interrupted, in whatever way, and resumed ends with the bytes of one that never was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from functools import partial
from pathlib import Path

import pytest
from processes import below, living, surroundings
from processes import wait as wait_for
from throttling import DROPPED

from m3n import schema
from m3n.cli import main
from m3n.io import storage, tables
from m3n.io.storage import Location, location
from m3n.training.state import LAST, read_header

pytestmark = pytest.mark.slow

EPOCHS = 25
SETTINGS = [f"optim.epochs={EPOCHS}", "optim.batch_size=16", "windows.hop_s=2", "model.width=16", "model.depth=1"]
PATIENCE_S = 600
wait = partial(wait_for, patience_s=PATIENCE_S)


def run(data: Path, out: Path | str) -> list[str]:
    return ["pretrain", str(data), "--out", str(out), *SETTINGS]


def progress(out: Location) -> tuple[int, int]:
    """(epoch, step) of the state that a run has left so far."""
    header = read_header(out.with_name(f"{out.name}.partial") / LAST)
    return (header["progress"]["epoch"], header["progress"]["step"]) if header else (0, 0)


@pytest.fixture(scope="module")
def data(corpus) -> Path:
    return corpus / "synthetic"


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    assert main(run(data, out)) == 0
    return {p.name: p.read_bytes() for p in out.iterdir()}


def start(data: Path, out: Path | str) -> subprocess.Popen[str]:
    """The command as a user gives it, on a Ray of its own."""
    environment = surroundings()
    command = [sys.executable, "-c", "from m3n.cli import entry; entry()", *run(data, out)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def gone(pids: dict[int, str]) -> bool:
    return not set(pids) & {pid for pid, _, _ in living()}


@pytest.mark.timeout(2400)  # about a minute where the machine is quiet
def test_ended_by_signals_and_losses_and_taken_up_again_it_ends_with_the_same_bytes(data, undisturbed, tmp_path):
    """One run that is terminated, loses its driver, its Ray node, and at last one of its workers."""
    out = tmp_path / "out"

    process = start(data, out)
    wait(lambda: progress(out) >= (2, 0), process)
    process.send_signal(signal.SIGTERM)
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 143, stderr
    assert "rerun the same command to resume" in stderr.splitlines()[-1]
    terminated = progress(out)
    assert (2, 0) <= terminated < (EPOCHS, 0)
    assert not out.exists()

    process = start(data, out)
    wait(lambda: progress(out) >= (terminated[0] + 2, 0), process)
    family = below(process.pid)
    process.kill()
    assert "resumes an interrupted run" in process.communicate()[1]
    wait(lambda: gone(family))
    assert progress(out) < (EPOCHS, 0)

    process = start(data, out)
    wait(lambda: progress(out) >= (terminated[0] + 4, 0), process)
    (raylet,) = [pid for pid, command in below(process.pid).items() if command.split()[0].endswith("/raylet")]
    os.kill(raylet, signal.SIGKILL)
    process.communicate(timeout=PATIENCE_S)
    assert process.returncode != 0
    assert progress(out) < (EPOCHS, 0)

    killed: list[int] = []
    goal = (progress(out)[0] + 2, 0)

    def kill_a_worker() -> None:
        wait(lambda: progress(out) >= goal)
        workers = [pid for pid, command in below(os.getpid()).items() if "RayTrainWorker" in command]
        killed.append(workers[0])
        os.kill(workers[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_a_worker)
    killer.start()
    assert main(run(data, out)) == 0
    killer.join()
    assert len(killed) == 1
    assert {p.name: p.read_bytes() for p in out.iterdir()} == undisturbed
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


@pytest.mark.timeout(1800)
def test_a_run_on_an_object_store_is_taken_up_there_and_its_checkpoint_is_used_from_there(
    data, undisturbed, bucket, throttled, recording, tmp_path
):
    """Killed after the state of some epoch is on the store, which throttles and drops requests all the while; a second command,
    as of another machine, ends it."""
    out = location(f"{bucket}/out")
    process = start(data, out.uri)
    wait(lambda: progress(out) >= (2, 0), process)
    family = below(process.pid)
    process.kill()
    process.communicate()
    wait(lambda: gone(family))
    assert (2, 0) <= progress(out) < (EPOCHS, 0)
    assert main(run(data, out.uri)) == 0
    found = {file.name: storage.read(file) for file in storage.files(out)}
    assert {name: found[name] for name in undisturbed} == undisturbed
    assert not out.with_name("out.partial").is_dir()
    rows = [recording(f"{who}-{label}", subject=who, label=label) for who in "ab" for label in ("wave", "shake")]
    (tmp_path / "recordings").mkdir()
    tables.write_table(tmp_path / "recordings", rows, schema.imu_recordings(), rows_per_shard=8)
    settings = ["test_subjects=[b]", "epochs=1", "min_steps=2"]
    arguments = ["finetune", str(tmp_path / "recordings"), "--checkpoint", out.uri, "--out", str(tmp_path / "ft"), *settings]
    assert main(arguments) == 0
    assert next(throttled.number) > 10 * DROPPED


def test_another_config_starts_afresh_and_says_so(data, undisturbed, tmp_path, caplog):
    """What is found is the last state of a run that differs in its seed alone."""
    partial = tmp_path / "out.partial"
    partial.mkdir()
    (partial / LAST).write_bytes(undisturbed[LAST])
    left = read_header(partial / LAST)["progress"]["history"]
    assert main([*run(data, tmp_path / "out"), "seed=2"]) == 0
    assert "starts from the beginning: the interrupted run had another config or other data" in caplog.text
    made = read_header(tmp_path / "out" / LAST)["progress"]["history"]
    assert made[0]["train/loss"] != left[0]["train/loss"]
    assert made[-1]["train/loss"] != left[-1]["train/loss"]
