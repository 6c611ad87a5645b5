"""Journals to an MLflow server: in order, and each value once, however often the connection breaks.

A request may have done its work although the answer was lost, so all of them may be repeated: a run is found again by a tag of its
own before it is made; MLflow keeps a metric of the same step, time and value once, and takes params, tags, artifacts and states of
the same content again. What is sent late carries the times at which it was written.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import threading
import time
from itertools import islice
from pathlib import Path
from typing import Any

from m3n.errors import one_line
from m3n.tracking.notes import experiment_note
from m3n.tracking.outbox import Journal, Record, Spool, abandoned
from m3n.tracking.views import share

log = logging.getLogger(__name__)
RUN_TAG = "mlflow.m3nRun"  # MLflow's pages hide tags that begin like this
PREFIX = "m3n-"
# longest waits at the end of a run: for a server that answers, for one that is to take a model, and for one that did not answer
SETTLE_S, MODEL_S, POKE_S = 30.0, 180.0, 5.0
SLOW_S = 2.0  # a failure that took longer is of a server that hangs rather than refuses
LONGEST_PAUSE_S = 30.0
PARENT_S = 60.0  # how long a child waits for its parent to be there
PARAMS, METRICS, RECORDS = 100, 1000, 500  # MLflow's limits of a batch; records looked at together
# what no repetition will change; anything else may pass
REFUSALS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"}
TO_DISK = ("artifact", "model")  # kinds of records that may fail for a cause of their own, such as a disk that is not there


def client_of(uri: str) -> Any:
    """An MLflow client that leaves trying again to us: a request repeated blindly makes a run twice."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    from mlflow import MlflowClient

    return MlflowClient(uri)


def reason(error: Exception) -> str:
    """Why, in a few words; what MLflow says of a broken connection is a paragraph."""
    text = str(error).split("\n")[0]
    if (system := re.search(r"\[Errno -?\d+\] ([^'\")]+)", text)) is not None:
        return system.group(1)
    return "it does not answer" if "timed out" in text else one_line(text, 200)


class WaitingError(Exception):
    """Not yet: the server answers, but another process has something to send first."""


class Courier:
    """Sends journals to one server; every method raises what MLflow raises."""

    def __init__(self, uri: str) -> None:
        self.client = client_of(uri)
        self._runs: dict[str, str] = {}  # reference -> MLflow's id
        self._orphans: dict[str, float] = {}  # reference of a parent that is not there -> since when [s, monotonic]
        self._warned: set[Path] = set()
        self._ways = {
            "run": self._run, "artifact": self._artifact, "model": self._model, "view": self._view,
            "end": self._end,
        }  # fmt: skip

    def knock(self) -> None:
        """Ask for next to nothing: whether the server is back is known before what it missed is sent, which may take a while."""
        self.client.search_experiments(max_results=1)

    def send(self, journal: Journal) -> None:
        """Send what a journal holds; ends where it has nothing more, raises where the server does not answer."""
        while records := list(islice(journal.unsent(), RECORDS)):
            first = journal.first()
            if first is None:  # torn by a full disk: nobody knows whose values these are
                journal.acknowledge(records[-1][1])
            else:
                self._attempt(first, _together(records), journal)

    def _attempt(self, first: Record, taken: list[tuple[Record, int]], journal: Journal) -> None:
        record, kind = taken[0][0], taken[0][0]["kind"]
        try:
            if kind == "metrics":
                self._metrics(first, [r for r, _ in taken])
            elif kind in self._ways:
                self._ways[kind](first, record, journal)
        except Exception as error:
            if not _refused(error, kind):
                raise
            if len(taken) > 1:  # one of them is at fault
                for one in taken:
                    self._attempt(first, [one], journal)
                return
            if journal.folder not in self._warned:
                log.warning("MLflow refuses a record (%s) of run %s: %s", kind, first["name"], reason(error))
            self._warned.add(journal.folder)
            journal.reject(record, reason(error))
        journal.acknowledge(taken[-1][1])

    def _run(self, first: Record, record: Record, journal: Journal) -> None:
        from mlflow.entities import Param

        run_id = self.find(record["reference"])
        if run_id is not None and record["resumed"]:
            self.client.update_run(run_id, status="RUNNING")
            return
        if run_id is None:
            tags = record["tags"] | {RUN_TAG: record["reference"]}
            parent = self._parent(record)
            tags |= {"mlflow.parentRunId": parent} if parent else {}
            experiment = self._experiment(record["experiment"])
            run = self.client.create_run(experiment, record["time_ms"], tags=tags, run_name=record["name"])
            run_id = self._runs[record["reference"]] = run.info.run_id
        params = [Param(name, value) for name, value in record["params"].items()]
        for at in range(0, len(params), PARAMS):
            self.client.log_batch(run_id, params=params[at : at + PARAMS])

    def _parent(self, record: Record) -> str | None:
        """The parent's id; its own process may be about to make it."""
        reference = record["parent"]
        found = self.find(reference) if reference else None
        if reference and not found and time.monotonic() - self._orphans.setdefault(reference, time.monotonic()) < PARENT_S:
            raise WaitingError(f"the parent of run {record['name']} is not there yet")
        return found

    def _metrics(self, first: Record, records: list[Record]) -> None:
        from mlflow.entities import Metric

        values = [Metric(name, v, r["time_ms"], r["step"]) for r in records for name, v in r["values"].items()]
        for at in range(0, len(values), METRICS):
            self.client.log_batch(self._id(first), metrics=values[at : at + METRICS])

    def _artifact(self, first: Record, record: Record, journal: Journal) -> None:
        path = journal.folder / record["file"]
        if path.is_dir():
            self.client.log_artifacts(self._id(first), str(path), record["folder"])
        else:
            self.client.log_artifact(self._id(first), str(path), record["folder"])

    def _model(self, first: Record, record: Record, journal: Journal) -> None:
        from m3n.tracking.registry import register

        register(self.client, self._id(first), journal.folder / record["file"], record)

    def _view(self, first: Record, record: Record, journal: Journal) -> None:
        note = first["tags"]["mlflow.note.content"]
        share(self.client, self.client.get_run(self._id(first)), record["params"], record["metric"], note)

    def _end(self, first: Record, record: Record, journal: Journal) -> None:
        run_id = self._id(first)
        for other in self._known(first["reference"])[1:]:  # made by a request that seemed to have failed
            self.client.delete_run(other)
        if first["parent"] in self._orphans and (parent := self.find(first["parent"])):
            self.client.set_tag(run_id, "mlflow.parentRunId", parent)
        self.client.set_terminated(run_id, record["status"], record["time_ms"])

    def find(self, reference: str) -> str | None:
        """MLflow's id of a run, by what m3n calls it (or by that id), where the server has it."""
        if reference not in self._runs and (found := self._known(reference)):
            self._runs[reference] = found[0]
        return self._runs.get(reference)

    def _id(self, first: Record) -> str:
        run_id = self.find(first["reference"])
        if run_id is None:
            from mlflow.exceptions import MlflowException
            from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST

            raise MlflowException(f"the run {first['name']} is gone", RESOURCE_DOES_NOT_EXIST)
        return run_id

    def _known(self, reference: str) -> list[str]:
        from mlflow.exceptions import MlflowException

        if not reference.startswith(PREFIX):
            try:
                if self.client.get_run(reference).info.lifecycle_stage == "active":
                    return [reference]
            except MlflowException as error:
                if not _refused(error, "run"):
                    raise
        experiments = [e.experiment_id for e in self.client.search_experiments(filter_string="name LIKE 'm3n-%'")]
        wanted = f"tags.`{RUN_TAG}` = '{reference}'"
        order = ["attributes.start_time ASC", "attributes.run_id ASC"]
        return [r.info.run_id for r in self.client.search_runs(experiments, wanted, order_by=order)] if experiments else []

    def _experiment(self, name: str) -> str:
        found = self.client.get_experiment_by_name(name)
        if found is None:
            from mlflow.exceptions import MlflowException

            try:
                return self.client.create_experiment(name, tags=_described(name))
            except MlflowException as error:  # another process was quicker
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = self.client.get_experiment_by_name(name)
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        for tag, value in _described(name).items():
            if tag not in found.tags:  # an earlier version's, or the user's own words
                self.client.set_experiment_tag(found.experiment_id, tag, value)
        return str(found.experiment_id)


def _described(experiment: str) -> dict[str, str]:
    note = experiment_note(experiment)
    return {"mlflow.experimentKind": "custom_model_development"} | ({"mlflow.note.content": note} if note else {})


def _together(records: list[tuple[Record, int]]) -> list[tuple[Record, int]]:
    """What can be sent at once: the metrics at the head of a journal that fit into one request, or one record of another kind."""
    taken: list[tuple[Record, int]] = []
    values = 0
    for record, offset in records:
        values += len(record.get("values", ()))
        if taken and (record["kind"] != "metrics" or values > METRICS):
            break
        taken.append((record, offset))
        if record["kind"] != "metrics":
            break
    return taken


def _refused(error: Exception, kind: str) -> bool:
    """Whether a server that answers has said no for good."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return error.error_code in REFUSALS
    from requests import RequestException

    if isinstance(error, RequestException):
        status = error.response.status_code if error.response is not None else 0
        return 400 <= status < 500 and status not in (401, 403, 408, 429)
    return kind in TO_DISK


class Sender:
    """The thread of this process that sends to one server; first what others have left, then its own journals as they grow."""

    def __init__(self, uri: str, server: str) -> None:
        self.uri, self.server = uri, server
        self.spool = Spool.create(server)
        self.answers: bool | None = None  # None: not known yet
        self._journals: list[Journal] = []
        self._news = threading.Condition()
        self._attempts = 0
        self._trying = False
        self._took_s = 0.0
        self._poked = False
        atexit.register(self.spool.close)
        threading.Thread(target=self._work, daemon=True, name="m3n-mlflow").start()

    def open(self) -> Journal:
        journal = self.spool.new_journal()
        with self._news:
            self._journals.append(journal)
        return journal

    def notify(self) -> None:
        with self._news:
            self._news.notify_all()

    def settle(self, journal: Journal, longest_s: float = SETTLE_S) -> bool:
        """Wait until a journal that has ended is sent, as long as there is hope; whether it was."""
        with self._news:
            begun, hope = time.monotonic(), self._attempts + 2  # one more, should a single answer get lost
            if self.answers is False:
                if self._trying or self._took_s > SLOW_S:  # it hangs rather than refuses: no more waiting
                    return False
                hope, self._poked = self._attempts + 1, True
            self._news.notify_all()
            while journal in self._journals:
                if self.answers is False and self._attempts >= hope:
                    return False
                left_s = begun + (POKE_S if self.answers is False else longest_s) - time.monotonic()
                if left_s <= 0:
                    return False
                self._news.wait(left_s)
            return True

    def _work(self) -> None:
        courier: Courier | None = None
        left: list[Spool] | None = None
        pause_s = 0.0
        while True:
            with self._news:
                if left is not None and not pause_s:
                    self._news.wait_for(self._pending)
                elif pause_s:
                    self._news.wait_for(lambda: self._poked, pause_s)
                self._trying, self._poked = True, False
            started = time.monotonic()
            error: Exception | None = None
            try:
                courier = courier or Courier(self.uri)
                if self.answers is False:
                    courier.knock()
                    self._note(None, time.monotonic() - started)
                left = list(abandoned(self.server)) if left is None else left
                while left:
                    send_spool(courier, left[0])
                    left.pop(0).close()
                self._send_own(courier)
            except Exception as caught:  # whatever the store raises, training goes on
                error = caught
            waits = isinstance(error, WaitingError)
            self._note(None if waits else error, time.monotonic() - started)
            pause_s = 1.0 if waits else min(max(1.0, 2 * pause_s), LONGEST_PAUSE_S) if error else 0.0

    def _pending(self) -> bool:
        return any(journal.ended or next(journal.unsent(), None) for journal in self._journals)

    def _send_own(self, courier: Courier) -> None:
        for journal in list(self._journals):
            over = journal.ended  # before the last look: nothing is appended after it
            courier.send(journal)
            if over:
                journal.remove()
                with self._news:
                    self._journals.remove(journal)
                    self._news.notify_all()

    def _note(self, error: Exception | None, took_s: float) -> None:
        with self._news:
            if error is not None and self.answers is not False:
                log.warning(
                    "MLflow at %s: %s; what it misses waits in %s and is sent when it is back",
                    self.server, reason(error), self.spool.folder.parent,
                )  # fmt: skip
            elif error is None and self.answers is False:
                log.warning("MLflow at %s is back, and is sent what it missed", self.server)
            self.answers, self._trying, self._took_s = error is None, False, took_s
            self._attempts += 1
            self._news.notify_all()


def send_spool(courier: Courier, spool: Spool) -> int:
    """Send all journals of a process that has ended; a run that it left open ends as KILLED. Returns how many there were."""
    journals = spool.journals()
    for journal in journals:
        last = journal.last()
        if last is not None and last["kind"] != "end":
            journal.append({"kind": "end", "status": "KILLED", "time_ms": last["time_ms"]})
        courier.send(journal)
        journal.remove()
    return len(journals)
