"""`m3n ingest video` among faults: nothing finished is lost, and the run that comes after ends with the bytes of one that was never
disturbed. The faults are real: signals and a full disk."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from films import balancing
from processes import below, wait

from m3n.cli import main
from m3n.io import storage, tables

pytestmark = pytest.mark.slow
REPEATS = 6  # of a film of 1.6 s, with two pieces each
PATIENCE_S = 600  # a process that starts Ray has taken minutes on a machine with other work to do


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    return balancing(tmp_path_factory.mktemp("films") / "clips", REPEATS)


def contents(folder):
    found = [*storage.files(folder), *storage.files(folder / tables.QUARANTINE)]
    return {str(file).removeprefix(f"{folder}/"): storage.read(file) for file in found}


def arguments(films, out, *settings):
    return ["ingest", "video", str(films), "--out", str(out), f"labels={films}/labels.csv", *settings]


@pytest.fixture(scope="module")
def undisturbed(films):
    assert main(arguments(films, films.parent / "out", "workers=1")) == 0
    return contents(films.parent / "out" / "poses")


def finished(out):
    return [file for file in storage.files(out / "poses.partial", ".parquet") if file.name.startswith("piece-")]


def resumed(films, out, tmp_path):
    figures = tmp_path / "figures.json"
    assert main([*arguments(films, out, "workers=1"), "--json", str(figures)]) == 0
    return json.loads(figures.read_text())["stretches_found_finished"]


def test_a_killed_run_is_resumed(films, undisturbed, tmp_path):
    out = tmp_path / "out"
    command = [Path(sys.executable).with_name("m3n"), *arguments(films, out, "workers=1")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait(lambda: len(finished(out)) >= 2, process, patience_s=PATIENCE_S)
    process.kill()
    process.communicate()
    assert not (out / "poses").exists()
    assert 2 <= resumed(films, out, tmp_path) < 2 * REPEATS
    assert contents(out / "poses") == undisturbed
    assert [file.name for file in out.iterdir()] == ["poses"]


def test_a_killed_worker_changes_no_byte(films, undisturbed, tmp_path):
    out = tmp_path / "out"
    command = [Path(sys.executable).with_name("m3n"), *arguments(films, out, "workers=2")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait(lambda: len(finished(out)) >= 1, process, patience_s=PATIENCE_S)
    workers = [pid for pid, command in below(process.pid).items() if "ItemWorker" in command]
    os.kill(workers[0], signal.SIGKILL)
    stderr = process.communicate(timeout=PATIENCE_S)[1]
    if process.returncode != 0:  # Ray gave up: then what is finished is taken over
        assert resumed(films, out, tmp_path) >= 1
    assert contents(out / "poses") == undisturbed, stderr


def test_a_full_disk_is_one_line_and_with_more_room_the_next_run_goes_on(films, undisturbed, tmp_path, capfd):
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "m3n", disk], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        assert main(arguments(films, disk / "out", "workers=1")) == 2
        said = [line for line in capfd.readouterr().err.splitlines() if line.startswith("m3n: ")]
        assert len(said) == 1
        assert re.search(r"cannot write .*/poses\.partial/piece-.*: No space left on device; make room there", said[0])
        kept = len(finished(disk / "out"))
        assert 0 < kept < 2 * REPEATS
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        assert resumed(films, disk / "out", tmp_path) == kept
        assert contents(disk / "out" / "poses") == undisturbed
    finally:
        subprocess.run(["umount", "--lazy", disk], check=True)
