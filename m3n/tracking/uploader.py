"""Uploads journals to an MLflow server: in order, and each value once, however often the connection breaks.

A request may have succeeded even though its answer was lost, so every request can be repeated: a run is looked up by a tag of its
own before it is created; MLflow stores a metric of the same step, time and value once, and accepts the same params, tags, artifacts
and states again. Values that are uploaded late carry the times at which they were logged.
"""

from __future__ import annotations

import json
import logging
import os
import re
import time
from itertools import islice
from pathlib import Path
from typing import Any

from m3n.errors import one_line
from m3n.logins import without_logins
from m3n.tracking.descriptions import experiment_description
from m3n.tracking.outbox import Journal, Queue, Record
from m3n.tracking.views import share

log = logging.getLogger(__name__)
RUN_TAG = "mlflow.m3nRun"  # MLflow's pages hide tags with this prefix
PREFIX = "m3n-"
PARENT_S = 60.0  # how long a child run waits for its parent to be created
DIGEST = 36  # characters of a dataset's digest that MLflow keeps
PARAMS, METRICS, RECORDS = 100, 1000, 500  # MLflow's limits per request; records read from a journal at a time
# errors that a retry will not change; any other may be temporary
REFUSALS = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"}
FROM_DISK = ("artifact", "model")  # kinds of records that may fail for a local reason, such as a missing file


def client_of(uri: str) -> Any:
    """An MLflow client that leaves retries to the caller: a request that is repeated blindly creates a run twice.

    MLflow reads these settings from the environment alone, at every request; those that the user has set are kept.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    from mlflow import MlflowClient

    return MlflowClient(uri)


def artifacts_beside(uri: str) -> str | None:
    """Where artifacts go that no server takes: beside an SQLite file, which MLflow would put below the working folder, as of a job
    that is removed with it; None where a server, or MLflow itself, says where."""
    path = uri.removeprefix("sqlite:///")
    return None if path == uri else (Path(path).resolve().parent / "mlartifacts").as_uri()


def reason(error: Exception) -> str:
    """The reason in a few words; MLflow describes a broken connection in a paragraph."""
    text = without_logins(str(error).split("\n")[0])
    if (system := re.search(r"\[Errno -?\d+\] ([^'\")]+)", text)) is not None:
        return system.group(1)
    return "it does not answer" if "timed out" in text else one_line(text, 200)


class ParentMissingError(Exception):
    """The server answers, but the parent run, which another process creates, is not there yet."""


class Uploader:
    """Uploads journals to one server; every method raises MLflow's own exceptions."""

    def __init__(self, uri: str) -> None:
        self.client = client_of(uri)
        self._artifacts = artifacts_beside(uri)
        self._runs: dict[str, str] = {}  # reference -> MLflow's id
        self._missing_parents: dict[str, float] = {}  # reference of a parent run -> missing since [s, monotonic]
        self._warned: set[Path] = set()
        self._uploads = {
            "run": self._run, "artifact": self._artifact, "model": self._model, "view": self._view,
            "end": self._end,
        }  # fmt: skip

    def ping(self) -> None:
        """A cheap request that raises if the server does not answer, before an upload that may take a while."""
        self.client.search_experiments(max_results=1)

    def upload(self, journal: Journal) -> None:
        """Upload all records of a journal; raises if the server does not answer."""
        while records := list(islice(journal.unsent(), RECORDS)):
            first = journal.first()
            if first is None:  # truncated by a full disk: the run that these values belong to is unknown
                journal.acknowledge(records[-1][1])
            else:
                self._attempt(first, _batch(records), journal)

    def _attempt(self, first: Record, taken: list[tuple[Record, int]], journal: Journal) -> None:
        record, kind = taken[0][0], taken[0][0]["kind"]
        try:
            if kind == "metrics":
                self._metrics(first, [r for r, _ in taken])
            elif kind in self._uploads:
                self._uploads[kind](first, record, journal)
        except Exception as error:
            if not _refused(error, kind):
                raise
            if len(taken) > 1:  # find the one that is refused
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
        if record.get("data"):
            self._input(run_id, record["data"])
        params = [Param(name, value) for name, value in record["params"].items()]
        for at in range(0, len(params), PARAMS):
            self.client.log_batch(run_id, params=params[at : at + PARAMS])

    def _input(self, run_id: str, data: dict[str, str]) -> None:
        """The table that a run is made from, in MLflow's column Dataset."""
        from mlflow.entities import Dataset, DatasetInput

        source = json.dumps({"uri": data["source"]})
        found = Dataset(data["name"], data["digest"][:DIGEST], source_type="local", source=source)
        self.client.log_inputs(run_id, [DatasetInput(found)])

    def _parent(self, record: Record) -> str | None:
        """The parent's id; another process may be about to create it."""
        reference = record["parent"]
        found = self.find(reference) if reference else None
        if (
            reference
            and not found
            and time.monotonic() - self._missing_parents.setdefault(reference, time.monotonic()) < PARENT_S
        ):
            raise ParentMissingError(f"the parent of run {record['name']} is not there yet")
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
        share(self.client, self.client.get_run(self._id(first)), record["params"], record["metric"], note, record.get("axes"))

    def _end(self, first: Record, record: Record, journal: Journal) -> None:
        run_id = self._id(first)
        for other in self._known(first["reference"])[1:]:  # created by a request that seemed to fail
            self.client.delete_run(other)
        if first["parent"] in self._missing_parents and (parent := self.find(first["parent"])):
            self.client.set_tag(run_id, "mlflow.parentRunId", parent)
        self.client.set_terminated(run_id, record["status"], record["time_ms"])

    def find(self, reference: str) -> str | None:
        """MLflow's id of a run from m3n's reference (or from that id itself); None if the server does not have it."""
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
                place = f"{self._artifacts}/{name}" if self._artifacts else None
                return str(self.client.create_experiment(name, place, _experiment_tags(name)))
            except MlflowException as error:  # created by another process meanwhile
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                found = self.client.get_experiment_by_name(name)
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        for tag, value in _experiment_tags(name).items():
            if tag not in found.tags:  # made by an earlier version; a user's own text is kept
                self.client.set_experiment_tag(found.experiment_id, tag, value)
        return str(found.experiment_id)


def _experiment_tags(experiment: str) -> dict[str, str]:
    text = experiment_description(experiment)
    return {"mlflow.experimentKind": "custom_model_development"} | ({"mlflow.note.content": text} if text else {})


def _batch(records: list[tuple[Record, int]]) -> list[tuple[Record, int]]:
    """The records of the next request: leading metrics up to MLflow's limit, or one record of another kind."""
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
    """Whether the error is final: the server answers and refuses the record."""
    from mlflow.exceptions import MlflowException

    if isinstance(error, MlflowException):
        return error.error_code in REFUSALS
    from requests import RequestException

    if isinstance(error, RequestException):
        status = error.response.status_code if error.response is not None else 0
        return 400 <= status < 500 and status not in (401, 403, 408, 429)
    return kind in FROM_DISK


def upload_queue(uploader: Uploader, queue: Queue) -> int:
    """Upload all journals of a process that has ended; a run that it left open ends as KILLED. Returns the number of runs."""
    journals = queue.journals()
    for journal in journals:
        last = journal.last()
        if last is not None and last["kind"] != "end":
            journal.append({"kind": "end", "status": "KILLED", "time_ms": last["time_ms"]})
        uploader.upload(journal)
        journal.remove()
    return len(journals)
