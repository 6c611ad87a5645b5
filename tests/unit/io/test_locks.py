"""One job at a time in an output folder, on a disk and on a store."""

from __future__ import annotations

import json
import threading
from time import sleep

import pytest
from staged_results import names, write_result

from m3n.errors import InputError, LockedError
from m3n.io import locks, storage
from m3n.io.object_store import ObjectPath
from m3n.io.staging import staged


def test_the_second_job_is_told_who_the_first_is_and_touches_nothing(place):
    with staged(place / "out") as staging:
        storage.write(staging / "a", b"x")
        with pytest.raises(
            LockedError, match=rf"another job is writing .*out: process {locks._identity()['pid']} on .*, since 20"
        ):
            write_result(place / "out", "second")
        assert names(staging) == ["a"]
        write_result(place / "out2", "beside it")
    assert names(place / "out") == ["a"]


def test_only_one_of_many_that_come_at_once_gets_in(place, monkeypatch):
    inside, most, refused, start = [0], [0], [], threading.Barrier(8)

    def job() -> None:
        start.wait()
        try:
            with locks.held(place / "out"):
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                sleep(0.05)
                inside[0] -= 1
        except LockedError:
            refused.append(1)

    threads = [threading.Thread(target=job) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most[0] <= 1
    assert len(refused) >= 1


@pytest.fixture(params=["a folder on a disk", "a store"])
def beaten(request, tmp_path) -> storage.Location:
    """An output whose lock is kept by signs of life; on a disk that is what one without flock gets."""
    if request.param == "a store":
        return storage.location(request.getfixturevalue("bucket")) / "out"
    (tmp_path / "out.partial.lock").mkdir()
    return tmp_path / "out"


def test_a_lock_is_kept_alive_and_one_that_gives_no_sign_of_life_is_taken_over(beaten, monkeypatch):
    stale_s = 2.0 if isinstance(beaten, ObjectPath) else 0.5  # the clock of S3 counts whole seconds
    monkeypatch.setattr(locks, "STALE_S", stale_s)
    folder = beaten.with_name("out.partial.lock")
    elsewhere = {"host": "node7", "pid": 1, "since": "yesterday", "machine": "another"}
    storage.write(folder / "a.json", json.dumps(elsewhere).encode())
    with pytest.raises(LockedError, match="process 1 on node7, since yesterday"), locks.held(beaten):
        pytest.fail("let in")
    sleep(1.5 * stale_s + 0.1)
    monkeypatch.setattr(locks, "HEARTBEAT_S", stale_s / 4)
    with locks.held(beaten) as confirm:
        assert names(folder) != ["a.json"]
        sleep(1.5 * stale_s + 0.1)
        with pytest.raises(LockedError, match="another job is writing"), locks.held(beaten):
            pytest.fail("let in")
        confirm()
    assert names(folder) == []


def test_a_sign_of_life_that_cannot_be_read_is_not_taken_for_a_missing_one(beaten, monkeypatch):
    """Otherwise a store that refuses one read would let two jobs in."""
    folder = beaten.with_name("out.partial.lock")
    storage.write(folder / "a.json", json.dumps({"host": "node7", "machine": "another"}).encode())
    real = storage.read

    def read(path: storage.Location) -> bytes:
        if path.name == "a.json":
            raise InputError(f"{path}: the store does not answer")
        return real(path)

    monkeypatch.setattr(storage, "read", read)
    with pytest.raises(InputError, match="does not answer"), locks.held(beaten):
        pytest.fail("let in")


def test_a_lock_of_a_process_of_this_machine_that_has_ended_is_taken_over_at_once(beaten):
    folder = beaten.with_name("out.partial.lock")
    storage.write(
        folder / "a.json", json.dumps(locks._identity() | {"pid": 2**22 + 1}).encode()
    )  # above the highest pid there is
    with locks.held(beaten):
        assert len(names(folder)) == 1


def test_who_lost_the_lock_finds_out_before_anything_final(beaten):
    folder = beaten.with_name("out.partial.lock")
    with locks.held(beaten) as confirm:
        (mine,) = storage.files(folder)
        mine.unlink()
        confirm()  # taken for dead, but nobody else is there
        assert [path.name for path in storage.files(folder)] == [mine.name]
        mine.unlink()
        storage.write(folder / "b.json", json.dumps({"host": "node7", "machine": "another"}).encode())
        with pytest.raises(LockedError, match=r"another job is writing .* on node7"):
            confirm()
    assert names(folder) == ["b.json"]
