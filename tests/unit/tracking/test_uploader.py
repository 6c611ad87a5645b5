"""What is uploaded together, what is a final refusal, and that every request may be repeated; MLflow on SQLite, no server."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from m3n.tracking import uploader
from m3n.tracking.outbox import Journal, Queue
from m3n.tracking.uploader import ParentMissingError, Uploader, reason, upload_queue


@pytest.fixture
def uri(blank_store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("M3N_CACHE", str(tmp_path / "cache"))
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    return f"sqlite:///{shutil.copy(blank_store, tmp_path / 'mlflow.db')}"


def run_record(reference: str, parent: str | None = None, **changes: Any) -> dict[str, Any]:
    return {
        "kind": "run", "reference": reference, "resumed": False, "experiment": "m3n-simulate", "name": reference, "tags": {},
        "params": {"seed": "5"}, "parent": parent, "time_ms": 1000,
    } | changes  # fmt: skip


def journal_of(queue: Queue, *records: dict[str, Any]) -> Journal:
    journal = queue.new_journal()
    for record in records:
        journal.append(record)
    return journal


def metric(step: int, value: float) -> dict[str, Any]:
    return {"kind": "metrics", "values": {"train/loss": value}, "step": step, "time_ms": 1000 + step}


END = {"kind": "end", "status": "FINISHED", "time_ms": 2000}


def test_leading_metrics_go_together_up_to_mlflows_limit_and_everything_else_alone():
    records = [(metric(step, 0.5), step) for step in range(1500)]
    assert len(uploader._batch(records)) == 1000
    assert len(uploader._batch([*records[:3], (END, 3), *records[3:]])) == 3
    assert uploader._batch([(END, 0), *records]) == [(END, 0)]


def test_uploading_the_same_journal_again_changes_nothing(uri, tmp_path):
    upload = Uploader(uri)
    journal = journal_of(Queue.create(uri), run_record("m3n-a"), metric(0, 1.0), metric(1, 0.5), END)
    upload.upload(journal)
    journal.acknowledge(0)  # as if every answer had been lost
    Uploader(uri).upload(journal)
    (experiment,) = [e for e in upload.client.search_experiments() if e.name == "m3n-simulate"]
    (run,) = upload.client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.start_time, run.info.end_time, run.data.params) == ("FINISHED", 1000, 2000, {"seed": "5"})
    assert [(m.step, m.value) for m in upload.client.get_metric_history(run.info.run_id, "train/loss")] == [(0, 1.0), (1, 0.5)]


def test_artifacts_lie_beside_the_store_and_the_data_of_a_run_is_named(uri, tmp_path, monkeypatch):
    monkeypatch.chdir("/")  # as a job's folder, which is removed with it
    (tmp_path / "note.txt").write_text("kept")
    queue = Queue.create(uri)
    data = {"name": "utd/synthetic", "source": "data/utd/synthetic", "digest": "0123456789abcdef" * 4}
    journal = journal_of(queue, run_record("m3n-d", data=data))
    journal.append({"kind": "artifact", "file": journal.attach(tmp_path / "note.txt"), "folder": None, "time_ms": 2})
    upload = Uploader(uri)
    upload.upload(journal)
    run = upload.client.get_run(upload.find("m3n-d"))
    assert run.info.artifact_uri.startswith(f"file://{tmp_path}/mlartifacts/m3n-simulate/")
    assert [file.read_text() for file in (tmp_path / "mlartifacts").rglob("note.txt")] == ["kept"]
    (named,) = run.inputs.dataset_inputs
    assert (named.dataset.name, named.dataset.digest) == ("utd/synthetic", data["digest"][:36])
    assert uploader.artifacts_beside("http://127.0.0.1:5000") is None


def test_a_refused_value_is_put_aside_and_the_others_are_uploaded(uri, caplog):
    upload = Uploader(uri)
    bad = {"kind": "metrics", "values": {"not a name!": 1.0}, "step": 0, "time_ms": 0}
    journal = journal_of(Queue.create(uri), run_record("m3n-b"), metric(0, 1.0), bad, metric(1, 0.5), END)
    upload.upload(journal)
    run_id = upload.find("m3n-b")
    assert [m.value for m in upload.client.get_metric_history(run_id, "train/loss")] == [1.0, 0.5]
    assert "MLflow refuses a record (metrics) of run m3n-b" in caplog.text
    assert "not a name!" in (Path(os.environ["M3N_CACHE"]) / "outbox" / "rejected.jsonl").read_text()


def test_a_child_waits_for_its_parent_and_then_goes_without(uri, monkeypatch):
    upload, queue = Uploader(uri), Queue.create(uri)
    child = journal_of(queue, run_record("m3n-child", "m3n-parent"), END)
    with pytest.raises(ParentMissingError, match="the parent of run m3n-child"):
        upload.upload(child)
    upload.upload(journal_of(queue, run_record("m3n-parent"), END))
    upload.upload(child)
    found = upload.client.get_run(upload.find("m3n-child"))
    assert found.data.tags["mlflow.parentRunId"] == upload.find("m3n-parent")
    monkeypatch.setattr(uploader, "PARENT_S", -1.0)
    upload.upload(journal_of(queue, run_record("m3n-orphan", "m3n-nobody"), END))
    assert "mlflow.parentRunId" not in upload.client.get_run(upload.find("m3n-orphan")).data.tags


def test_an_outbox_of_version_0_1_0_is_still_uploaded(uri, tmp_path):
    """The files as that version left them, byte by byte."""
    journal = tmp_path / "cache" / "outbox" / "01764000000000000000-0a1b2c3d" / "01764000000000000001"
    (journal / "files" / "0001").mkdir(parents=True)
    (journal.parent / "lock").touch()
    (journal.parent / "server.json").write_text('{"server": "sqlite:///old.db", "pid": 4242}')
    (journal / "files" / "0001" / "config.yaml").write_text("simulate:\n  seed: 5\n")
    (journal / "journal.jsonl").write_text(
        '{"kind": "run", "reference": "m3n-0123", "resumed": false, "experiment": "m3n-simulate", "name": "old", '
        '"tags": {"m3n.stage": "simulate", "mlflow.note.content": ""}, "params": {"seed": "5"}, "parent": null, "time_ms": 1}\n'
        '{"kind": "artifact", "file": "files/0001/config.yaml", "folder": null, "time_ms": 2}\n'
        '{"kind": "metrics", "values": {"train/loss": 0.25}, "step": 3, "time_ms": 3}\n'
    )
    from m3n.tracking.outbox import abandoned

    upload = Uploader(uri)
    (queue,) = abandoned("sqlite:///old.db")
    assert upload_queue(upload, queue) == 1
    queue.close()
    run = upload.client.get_run(upload.find("m3n-0123"))
    assert (run.info.status, run.data.metrics, run.data.params) == ("KILLED", {"train/loss": 0.25}, {"seed": "5"})
    assert [file.path for file in upload.client.list_artifacts(run.info.run_id)] == ["config.yaml"]
    assert not journal.parent.exists()


def test_settings_of_mlflow_that_the_user_has_made_are_kept(uri, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "")  # restored afterwards
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    uploader.client_of(uri)
    assert (os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"], os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"]) == ("7", "0")


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("HTTPConnectionPool(...): Max retries (Caused by E('<x>: [Errno 111] Connection refused'))", "Connection refused"),
        ("HTTPConnectionPool(host='x'): Read timed out. (read timeout=30)", "it does not answer"),
        ("Invalid metric name\nlong explanation", "Invalid metric name"),
    ],
)  # fmt: skip
def test_a_reason_is_a_few_words(text, short):
    assert reason(RuntimeError(text)) == short


def test_a_final_refusal_is_told_from_a_temporary_one():
    from mlflow.exceptions import MlflowException
    from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE, TEMPORARILY_UNAVAILABLE
    from requests import HTTPError, Response

    def http(status: int) -> HTTPError:
        response = Response()
        response.status_code = status
        return HTTPError(response=response)

    assert uploader._refused(MlflowException("x", INVALID_PARAMETER_VALUE), "metrics")
    assert not uploader._refused(MlflowException("x", TEMPORARILY_UNAVAILABLE), "metrics")
    assert [uploader._refused(http(status), "artifact") for status in (400, 404, 401, 429, 503)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert uploader._refused(FileNotFoundError("gone"), "artifact")
    assert not uploader._refused(OSError("network"), "metrics")
