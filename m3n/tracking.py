"""MLflow: every stage's run, written by the driver alone.

Values go through a queue to a thread of their own, so that a slow tracking server never slows training and one that is down
never stops it: what cannot be delivered is kept, in order, in a file beside the result.

Experiments are `m3n-<stage>`, evaluations being among the pretrainings that they judge; params are the flattened config; tags
`m3n.stage`, `m3n.config_sha`, `m3n.data_sha`, `m3n.git_sha` and `m3n.seed`. The default store is a local SQLite file,
`mlflow.db`; `MLFLOW_TRACKING_URI` wins.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from m3n import config as configs
from m3n import storage
from m3n.storage import Location

log = logging.getLogger(__name__)
CLOSE_TIMEOUT_S = 30.0
UNSENT = "mlflow-unsent.jsonl"
EXPERIMENTS = {"evaluate": "m3n-pretrain"}  # where it is not m3n-<stage>


def tracking_uri() -> str:
    """Where runs go: `MLFLOW_TRACKING_URI`, or a SQLite file in the working folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"


def absolute_uri() -> str:
    """The same place, for a process with another working folder."""
    uri = tracking_uri()
    path = uri.removeprefix("sqlite:///")
    return f"sqlite:///{Path(path).resolve()}" if uri != path else uri


class Run:
    """One MLflow run. Every call returns at once; failures are logged, never raised."""

    def __init__(
        self, stage: str, name: str, tags: dict[str, str], params: dict[str, Any], parent_id: str | None, run_id: str | None
    ) -> None:
        self.run_id: str | None = run_id
        self._unsent: list[dict[str, Any]] = []
        self._queue: queue.Queue[tuple[Callable[[Any], None], dict[str, Any]] | None] = queue.Queue()
        self._client: Any = None
        self._down = False
        self._started = threading.Event()
        arguments = (stage, name, tags, params, parent_id)
        self._thread = threading.Thread(target=self._deliver, args=arguments, daemon=True, name="m3n-mlflow")
        self._thread.start()

    def metrics(self, values: dict[str, float], step: int = 0) -> None:
        """Log metrics of one step."""
        now = int(time.time() * 1000)
        finite = {k: float(v) for k, v in values.items() if v == v and abs(v) != float("inf")}

        def send(client: Any) -> None:
            from mlflow.entities import Metric

            client.log_batch(self.run_id, metrics=[Metric(k, v, now, step) for k, v in finite.items()])

        self._queue.put((send, {"metrics": finite, "step": step, "time_ms": now}))

    def artifact(self, path: Location, folder: str | None = None) -> None:
        """Upload a file."""

        def send(client: Any) -> None:
            with storage.local_copy(path) as file:
                client.log_artifact(self.run_id, str(file), folder)

        self._queue.put((send, {"artifact": path.name}))

    def close(self, status: str, out: Location | None) -> None:
        """End the run, wait a while for what is still under way, and keep what could not be sent."""
        self._queue.put((lambda client: client.set_terminated(self.run_id, status), {"status": status}))
        self._queue.put(None)
        self._thread.join(CLOSE_TIMEOUT_S)
        if self._unsent and out is not None and (out.is_dir() or not isinstance(out, Path)):
            storage.write(out / UNSENT, "".join(json.dumps(v) + "\n" for v in self._unsent).encode())

    def wait_started(self) -> str | None:
        """The run's id, once the server has given one (None where it does not answer)."""
        self._started.wait(CLOSE_TIMEOUT_S)
        return self.run_id

    def _deliver(self, stage: str, name: str, tags: dict[str, str], params: dict[str, Any], parent_id: str | None) -> None:
        try:
            self._start(stage, name, tags, params, parent_id)
        except Exception as error:  # whatever the store raises, training goes on
            self._fail(error, {"run": name, "tags": tags, "params": params})
        self._started.set()
        while (item := self._queue.get()) is not None:
            send, record = item
            if self._down:
                self._unsent.append(record)
                continue
            try:
                send(self._client)
            except Exception as error:
                self._fail(error, record)

    def _start(self, stage: str, name: str, tags: dict[str, str], params: dict[str, Any], parent_id: str | None) -> None:
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
        os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
        from mlflow import MlflowClient
        from mlflow.entities import Param

        client = MlflowClient(tracking_uri())
        if self.run_id is not None and self._taken_up(client):
            self._client = client
            return
        experiment_name = EXPERIMENTS.get(stage, f"m3n-{stage}")
        experiment = client.get_experiment_by_name(experiment_name)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(experiment_name)
        all_tags = {**tags, "m3n.stage": stage, **({"mlflow.parentRunId": parent_id} if parent_id else {})}
        run = client.create_run(experiment_id, tags=all_tags, run_name=name)
        self.run_id, self._client = run.info.run_id, client
        client.log_batch(self.run_id, params=[Param(k[:250], str(v)[:500]) for k, v in params.items()])

    def _taken_up(self, client: Any) -> bool:
        """Whether an earlier run is there to go on with."""
        from mlflow.exceptions import MlflowException

        try:
            client.update_run(self.run_id, status="RUNNING")
        except MlflowException:  # of another store, or deleted
            self.run_id = None
        return self.run_id is not None

    def _fail(self, error: Exception, record: dict[str, Any]) -> None:
        if not self._down:
            log.warning("MLflow at %s: %s; values are kept in %s", tracking_uri(), str(error).split("\n")[0], UNSENT)
        self._down = True
        self._unsent.append(record)


@contextmanager
def track(
    stage: str,
    name: str,
    config: configs.Options,
    *,
    out: Location | None,
    data_sha: str = "",
    parent_id: str | None = None,
    run_id: str | None = None,
    params: Mapping[str, Any] = MappingProxyType({}),
) -> Iterator[Run]:
    """A run of one stage; it ends FINISHED, or FAILED where the block raises. `out`: where unsent values are kept, if anywhere;
    `run_id`: an earlier run to go on with; `params`: more of them than the config has."""
    described = configs.flatten(config) | dict(params)
    tags = {
        "m3n.config_sha": configs.sha256(config),
        "m3n.data_sha": data_sha,
        "m3n.git_sha": git_sha(),
        "m3n.seed": str(described.get("seed", "")),
    }
    run = Run(stage, name, tags, described, parent_id, run_id)
    try:
        yield run
    except BaseException:
        run.close("FAILED", out)
        raise
    run.close("FINISHED", out)


def git_sha() -> str:
    """Commit of the code that runs, or an empty string outside a checkout."""
    folder = Path(__file__).resolve().parent
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""
