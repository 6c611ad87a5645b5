"""A cluster that is not there is one line, at once: Ray itself tries for minutes."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from time import monotonic

import pytest

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
