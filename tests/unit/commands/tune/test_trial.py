"""One trial of a sweep: whom it waits for, and whose fault a failure is."""

from __future__ import annotations

import errno
import os
import threading
import time
from pathlib import Path

import pytest

from m3n.commands.tune import trial
from m3n.commands.tune.trial import Sweep, run_trial
from m3n.config import TuneConfig
from m3n.data.splits import Split
from m3n.errors import UnwritableError
from m3n.io import locks


def test_a_trial_waits_while_another_process_is_at_work_in_its_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(trial, "WAIT_S", 0.01)
    entered = threading.Event()

    def enter() -> None:
        with trial._turn(tmp_path / "0000"):
            entered.set()

    waiting = threading.Thread(target=enter)
    with locks.held(tmp_path / "0000.turn"):
        waiting.start()
        assert not entered.wait(0.3)
    assert entered.wait(10)
    waiting.join()


@pytest.mark.timeout(20)
def test_a_trial_does_not_wait_for_a_disk_that_cannot_be_written(tmp_path, monkeypatch):
    real = os.open

    def read_only(path: object, flags: int, *more: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return real(path, flags, *more)

    monkeypatch.setattr(trial, "WAIT_S", 0.01)
    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(UnwritableError, match="choose a folder that can be written"), trial._turn(tmp_path / "0000"):
        pytest.fail("let in")


def sweep(folder: Path) -> Sweep:
    return Sweep(TuneConfig(), folder, folder, (), folder, Split(("a",), ("b",), ("c",)), "", "")


def failing(error: Exception):
    def fail(*arguments: object) -> None:
        time.sleep(0.01)
        raise error

    return fail


def test_a_full_disk_is_no_verdict_on_the_settings_of_a_trial(tmp_path, monkeypatch):
    reports: list[dict] = []
    monkeypatch.setattr(trial, "_pretrained", failing(UnwritableError("cannot write it: No space left on device")))
    with pytest.raises(UnwritableError):
        run_trial(sweep(tmp_path), 0, {}, reports.append)
    assert reports == []
    monkeypatch.setattr(trial, "_pretrained", failing(trial.InputError("the table is empty")))
    run_trial(sweep(tmp_path), 0, {}, reports.append)
    assert [report["error"] for report in reports] == ["the table is empty"]
