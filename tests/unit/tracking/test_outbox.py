"""The outbox on disk: order, what a death or a full disk leaves, and whose turn it is to send."""

from __future__ import annotations

from pathlib import Path

import pytest

from m3n.tracking import outbox
from m3n.tracking.outbox import Journal, Queue, abandoned

SERVER = "http://127.0.0.1:5000"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M3N_CACHE", str(tmp_path / "cache"))


def steps(journal: Journal) -> list[int]:
    return [record["step"] for record, _ in journal.unsent()]


def test_a_journal_gives_its_records_in_order_until_they_are_acknowledged(tmp_path):
    journal = Journal.create(tmp_path / "journal")
    for step in range(4):
        journal.append({"kind": "metrics", "step": step})
    assert steps(journal) == [0, 1, 2, 3]
    offset = list(journal.unsent())[1][1]
    journal.acknowledge(offset)
    assert steps(Journal(tmp_path / "journal")) == [2, 3]  # as another process finds it
    assert journal.first() == {"kind": "metrics", "step": 0}
    assert journal.last() == {"kind": "metrics", "step": 3}


def test_what_was_cut_off_in_mid_line_is_passed_over_and_nothing_else(tmp_path):
    journal = Journal.create(tmp_path / "journal")
    journal.append({"step": 0})
    with (tmp_path / "journal" / "journal.jsonl").open("a") as file:
        file.write('{"step": 1, "val')  # being written, or a full disk
    assert steps(journal) == [0]
    with (tmp_path / "journal" / "journal.jsonl").open("a") as file:
        file.write('\n{"step": 2}\n')
    assert steps(journal) == [0, 2]


def test_an_attached_file_is_a_copy_and_names_do_not_collide(tmp_path):
    journal = Journal.create(tmp_path / "journal")
    kept = []
    for content in ("one", "two"):
        (tmp_path / "notes.txt").write_text(content)
        kept.append(journal.attach(tmp_path / "notes.txt"))
    (tmp_path / "notes.txt").unlink()
    assert [(journal.folder / name).read_text() for name in kept] == ["one", "two"]
    assert {Path(name).name for name in kept} == {"notes.txt"}


def test_what_a_living_process_has_is_its_own_and_what_a_dead_one_left_is_for_its_server_alone():
    queue = Queue.create(SERVER)
    queue.new_journal().append({"kind": "run"})
    assert list(abandoned(SERVER)) == []
    kept = queue.folder
    queue.close()  # as the kernel does when a process dies
    assert list(abandoned("http://elsewhere")) == []
    (found,) = abandoned(SERVER)
    assert (found.folder, outbox.server_of(found.folder)) == (kept, SERVER)
    assert list(abandoned(None)) == []  # it is being sent
    found.journals()[0].remove()
    found.close()
    assert not kept.exists()
