"""The writing thread: what it uploads, how long a flush waits, and who owns the writers. No server: the uploads are recorded."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from m3n.tracking import outbox, writer
from m3n.tracking.outbox import Journal, Queue
from m3n.tracking.uploader import ParentMissingError
from m3n.tracking.writer import MlflowWriter, WriterPool

SERVER = "http://127.0.0.1:5000"


class FakeServer:
    """What the uploader reaches: `fault` is raised at every request; a request takes `delay_s`."""

    def __init__(self) -> None:
        self.received: list[dict[str, Any]] = []
        self.fault: Exception | None = None
        self.delay_s = 0.0
        self.attempts = 0

    def uploader(self, uri: str) -> FakeServer:
        return self

    def ping(self) -> None:
        self.attempts += 1
        time.sleep(self.delay_s)
        if self.fault is not None:
            raise self.fault

    def upload(self, journal: Journal) -> None:
        for record, offset in journal.unsent():
            self.ping()
            self.received.append(record)
            journal.acknowledge(offset)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeServer:
    monkeypatch.setenv("M3N_CACHE", str(tmp_path / "cache"))
    found = FakeServer()
    monkeypatch.setattr(writer, "Uploader", found.uploader)
    return found


def ended(journal: Journal) -> Journal:
    journal.append({"kind": "end"})
    journal.ended = True
    return journal


def test_a_flush_returns_when_an_ended_journal_is_uploaded_and_gone(server):
    writes = MlflowWriter(SERVER, SERVER)
    journal = writes.open()
    for step in range(3):
        journal.append({"kind": "metrics", "step": step})
        writes.notify()
    assert writes.flush(ended(journal))
    assert [record.get("step") for record in server.received] == [0, 1, 2, None]
    assert not journal.folder.exists()


def test_what_an_ended_process_left_is_uploaded_first_and_its_open_run_ends_as_killed(server):
    left = Queue.create(SERVER)
    left.new_journal().append({"kind": "metrics", "step": 7, "time_ms": 5})
    left.close()
    writes = MlflowWriter(SERVER, SERVER)
    assert writes.flush(ended(writes.open()))
    assert [record["kind"] for record in server.received] == ["metrics", "end", "end"]
    assert server.received[1] == {"kind": "end", "status": "KILLED", "time_ms": 5}
    assert not left.folder.exists()


def test_a_flush_gives_up_soon_where_nobody_answers_and_everything_is_kept(server, caplog):
    server.fault = ConnectionError("[Errno 111] Connection refused")
    writes = MlflowWriter(SERVER, SERVER)
    journal = ended(writes.open())
    started = time.monotonic()
    assert not writes.flush(journal)
    assert time.monotonic() - started < writer.RETRY_S + 1
    assert [record["kind"] for record, _ in journal.unsent()] == ["end"]
    assert "Connection refused; values are kept in" in caplog.text
    server.fault = None
    assert writes.flush(journal)  # tries at once, whatever pause was planned
    assert "answers again" in caplog.text


def test_a_flush_waits_no_longer_than_told_for_a_slow_server(server):
    server.delay_s = 0.5
    writes = MlflowWriter(SERVER, SERVER)
    journal = ended(writes.open())
    started = time.monotonic()
    assert not writes.flush(journal, longest_s=0.1)
    assert time.monotonic() - started < 0.4
    assert writes.flush(journal)


def test_a_missing_parent_is_no_failure_of_the_server(server, caplog):
    server.fault = ParentMissingError("the parent of run x is not there yet")
    writes = MlflowWriter(SERVER, SERVER)
    journal = ended(writes.open())
    assert not writes.flush(journal, longest_s=0.2)
    assert writes.answers
    assert caplog.text == ""
    server.fault = None
    assert writes.flush(journal)


def test_there_is_one_writer_for_an_outbox_and_a_uri_whoever_asks(server, tmp_path, monkeypatch):
    pool, found, start = WriterPool(), [], threading.Barrier(8)

    def ask() -> None:
        start.wait()
        found.append(pool.writer(SERVER, SERVER))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(map(id, found))) == 1
    assert pool.writer("http://elsewhere", "http://elsewhere") is not found[0]
    monkeypatch.setenv("M3N_CACHE", str(tmp_path / "another"))
    assert pool.writer(SERVER, SERVER) is not found[0]
    assert json.loads((found[0].queue.folder / outbox.SERVER).read_text())["server"] == SERVER
