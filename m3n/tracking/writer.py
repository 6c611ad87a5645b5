"""The thread of this process that writes to an MLflow server, and how long the end of a run waits for it.

Runs append to journals on local disk and never wait for a request. `MlflowWriter` uploads first what ended processes have left in
the outbox, then the journals of its own process as they grow; it pauses for longer and longer while the server does not answer.
"""

from __future__ import annotations

import atexit
import logging
import threading
import time
from pathlib import Path

from m3n.tracking import outbox
from m3n.tracking.outbox import Journal, Queue
from m3n.tracking.uploader import ParentMissingError, Uploader, reason, upload_queue

log = logging.getLogger(__name__)
# longest waits at the end of a run: for a server that answers, for one that receives a model, and for one that did not answer
FLUSH_S, MODEL_S, RETRY_S = 30.0, 180.0, 5.0
SLOW_S = 2.0  # a failure that took longer means that the server hangs rather than refuses
LONGEST_PAUSE_S = 30.0


class MlflowWriter:
    """Writes the runs of this process to one server, in a thread of its own."""

    def __init__(self, uri: str, server: str) -> None:
        self.uri, self.server = uri, server
        self.queue = Queue.create(server)
        self.answers: bool | None = None  # whether the last request was answered; None before the first one
        self._journals: list[Journal] = []
        self._changed = threading.Condition()
        self._attempts = 0
        self._trying = False
        self._took_s = 0.0
        self._retry_now = False
        atexit.register(self.queue.close)
        threading.Thread(target=self._work, daemon=True, name="m3n-mlflow").start()

    def open(self) -> Journal:
        """A new journal, for one run."""
        journal = self.queue.new_journal()
        with self._changed:
            self._journals.append(journal)
        return journal

    def notify(self) -> None:
        """Something was appended to a journal."""
        with self._changed:
            self._changed.notify_all()

    def flush(self, journal: Journal, longest_s: float = FLUSH_S) -> bool:
        """Wait until an ended journal is uploaded, and return whether it was.

        Gives up after `longest_s`, after one or two failed attempts, or at once if the server hangs.
        """
        with self._changed:
            started, last_attempt = time.monotonic(), self._attempts + 2  # two: a single answer may get lost
            if self.answers is False:
                if self._trying or self._took_s > SLOW_S:
                    return False
                last_attempt, self._retry_now = self._attempts + 1, True
            self._changed.notify_all()
            while journal in self._journals:
                if self.answers is False and self._attempts >= last_attempt:
                    return False
                left_s = started + (RETRY_S if self.answers is False else longest_s) - time.monotonic()
                if left_s <= 0:
                    return False
                self._changed.wait(left_s)
            return True

    def _work(self) -> None:
        uploader: Uploader | None = None
        left: list[Queue] | None = None
        pause_s = 0.0
        while True:
            with self._changed:
                if left is not None and not pause_s:
                    self._changed.wait_for(self._pending)
                elif pause_s:
                    self._changed.wait_for(lambda: self._retry_now, pause_s)
                self._trying, self._retry_now = True, False
            started = time.monotonic()
            error: Exception | None = None
            try:
                uploader = uploader or Uploader(self.uri)
                if self.answers is False:
                    uploader.ping()
                    self._record(None, time.monotonic() - started)
                left = list(outbox.abandoned(self.server)) if left is None else left
                while left:
                    upload_queue(uploader, left[0])
                    left.pop(0).close()
                self._upload_own(uploader)
            except Exception as caught:  # no error of the server may stop a training
                error = caught
            waits = isinstance(error, ParentMissingError)
            self._record(None if waits else error, time.monotonic() - started)
            pause_s = 1.0 if waits else min(max(1.0, 2 * pause_s), LONGEST_PAUSE_S) if error else 0.0

    def _pending(self) -> bool:
        return any(journal.ended or next(journal.unsent(), None) for journal in self._journals)

    def _upload_own(self, uploader: Uploader) -> None:
        for journal in list(self._journals):
            ended = journal.ended  # read before the upload: nothing is appended afterwards
            uploader.upload(journal)
            if ended:
                journal.remove()
                with self._changed:
                    self._journals.remove(journal)
                    self._changed.notify_all()

    def _record(self, error: Exception | None, took_s: float) -> None:
        with self._changed:
            if error is not None and self.answers is not False:
                log.warning(
                    "MLflow at %s: %s; values are kept in %s and are sent when it answers again",
                    self.server, reason(error), self.queue.folder.parent,
                )  # fmt: skip
            elif error is None and self.answers is False:
                log.warning("MLflow at %s answers again; the values that it missed are being sent", self.server)
            self.answers, self._trying, self._took_s = error is None, False, took_s
            self._attempts += 1
            self._changed.notify_all()


class WriterPool:
    """The writers of this process, at most one per outbox and tracking URI; it owns what would otherwise be module globals."""

    def __init__(self) -> None:
        self._writers: dict[tuple[Path, str], MlflowWriter] = {}
        self._lock = threading.Lock()

    def writer(self, uri: str, server: str) -> MlflowWriter:
        """The writer for a tracking URI, started on first use; OSError where no outbox can be made."""
        key = (outbox.root(), uri)
        with self._lock:
            if key not in self._writers:
                self._writers[key] = MlflowWriter(uri, server)
            return self._writers[key]
