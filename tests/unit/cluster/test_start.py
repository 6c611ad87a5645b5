"""A cluster that is not there is one line, at once: Ray itself tries for minutes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic

import pytest
from processes import below, living, surroundings, wait

from m3n.cli import main
from m3n.cluster import start
from m3n.errors import InputError


@pytest.fixture
def closed() -> str:
    """host:port at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def other_server() -> Iterator[str]:
    """host:port of something that is no Ray cluster: it answers everything as a web server would."""
    listener = socket.create_server(("", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                with suppress(OSError), client:
                    client.recv(100)
                    client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    yield f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()


@pytest.mark.parametrize(
    "command",
    [
        ["simulate", "nowhere"],
        ["pretrain", "nowhere"],
        ["tune", "nowhere", "nowhere", "--space", "loss_weights"],
        ["reproduce", "seglearn_watch"],
    ],
    ids=lambda command: command[0],
)
@pytest.mark.parametrize("named_by", ["option", "surroundings"])
def test_a_closed_port_is_found_out_before_anything_is_read(command, named_by, closed, tmp_path, monkeypatch, capsys):
    before = monotonic()
    if named_by == "surroundings":
        monkeypatch.setenv("RAY_ADDRESS", closed)
    address = ["--address", closed] if named_by == "option" else []
    assert main([*command, "--out", str(tmp_path / "out"), *address]) == 2
    assert capsys.readouterr().err == f"m3n: no Ray cluster answers at {closed}: Connection refused\n"
    assert monotonic() - before < 5
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_python_is_told_the_same(closed, scheme):
    with pytest.raises(InputError, match=r"no Ray cluster answers at .*: Connection refused"):
        start._check_answering(f"{scheme}{closed}")


def test_a_port_of_something_else_is_found_out_too(other_server, monkeypatch):
    monkeypatch.setattr(start, "ANSWER_S", 1.0)
    with pytest.raises(InputError, match="something else listens there"):
        start._check_answering(other_server)


def test_environment_variables_last_as_long_as_their_block(monkeypatch):
    monkeypatch.setenv("M3N_TEST_SET", "before")
    monkeypatch.delenv("M3N_TEST_UNSET", raising=False)
    with start.environment(M3N_TEST_SET="now", M3N_TEST_UNSET="now"):
        assert (os.environ["M3N_TEST_SET"], os.environ["M3N_TEST_UNSET"]) == ("now", "now")
    assert os.environ["M3N_TEST_SET"] == "before"
    assert "M3N_TEST_UNSET" not in os.environ


def test_what_native_code_prints_while_ray_starts_is_not_seen(capfd):
    with start._native_stderr_silenced():
        os.write(2, b"log level is fatal")
    os.write(2, b"a real message")
    assert capfd.readouterr().err == "a real message"


def test_the_object_store_takes_a_tenth_of_the_memory_within_limits(monkeypatch):
    for memory, expected in ((1 << 30, 200 << 20), (40 << 30, 4 << 30), (1 << 40, 8 << 30)):
        monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": memory // 4096}.__getitem__)
        assert start._object_store_bytes() == expected


def test_the_scheduler_pauses_unless_data_is_wanted():
    pause = start.SchedulerPause()
    before = monotonic()
    pause.on_execution_step(None)
    assert monotonic() - before >= 0.9 * start.SchedulerPause.PAUSE_S
    start.SchedulerPause.data_wanted.set()
    try:
        before = monotonic()
        for _ in range(100):
            pause.on_execution_step(None)
        assert monotonic() - before < 1.0  # 2 s with pauses
    finally:
        start.SchedulerPause.data_wanted.clear()


def test_folders_of_local_rays_whose_driver_was_killed_are_removed_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    ended = subprocess.Popen(["true"])
    ended.wait()
    for name, driver in (("session_killed", ended.pid), ("session_alive", os.getpid()), ("session_of_others", None)):
        (tmp_path / "ray" / name / "logs").mkdir(parents=True)
        if driver is not None:
            (tmp_path / "ray" / name / start.DRIVER).write_text(str(driver))
    start._remove_left_sessions()
    assert sorted(folder.name for folder in (tmp_path / "ray").iterdir()) == ["session_alive", "session_of_others"]


def test_a_local_ray_is_on_loopback_even_if_ray_was_imported_before_m3n():
    lines = "import ray; from m3n.cluster.start import connect; connect(); print(ray.nodes()[0]['NodeManagerAddress'])"
    ran = subprocess.run([sys.executable, "-c", lines], env=surroundings(), capture_output=True, text=True, timeout=100)
    assert (ran.stdout, ran.returncode) == ("127.0.0.1\n", 0), ran.stderr


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_local_ray_leaves_no_folder_and_a_killed_driver_no_process():
    connected = "import ray; from m3n.cluster.start import connect; connect(); ray.get(ray.remote(lambda: 1).remote())"
    with tempfile.TemporaryDirectory(prefix="m3n-", dir="/tmp") as folder:  # Ray's sockets need a short path
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        environment |= {"RAY_TMPDIR": folder, "RAY_worker_niceness": "0"}

        def driver(*more: str) -> subprocess.Popen[str]:
            code = "; ".join([connected, "print(1, flush=True)", *more])
            process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            assert process.stdout.readline().strip() == "1"
            return process

        killed = driver("import time", "time.sleep(600)")
        family = set(below(killed.pid))
        assert len(family) > 5
        killed.kill()
        killed.wait()
        # 5 s where the machine is quiet; Ray's agents, left to themselves, take 65
        wait(lambda: not family & {pid for pid, _, _ in living()}, patience_s=30)
        assert list(Path(folder).glob("ray/session_2*"))
        assert driver().wait(120) == 0
        assert not list(Path(folder).glob("ray/session_2*"))
