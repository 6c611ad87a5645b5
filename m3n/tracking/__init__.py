"""MLflow: the run of every command, written by the driver alone, without waiting for the server. Only this folder imports mlflow.

A run appends to a journal on local disk (`outbox`), and a thread (`writer`) uploads from there (`uploader`). A server that is
slow, down or restarting therefore neither slows nor stops anything. It receives what it missed, in order and once, when it
answers again: during the run, at the next command, or by `m3n sync`.

Experiments are called `m3n-<stage>`; evaluations are in the experiment of the pretrainings they evaluate. Params are the
flattened config. Tags are `m3n.stage`, `m3n.config_sha`, `m3n.data_sha`, `m3n.git_sha` and `m3n.seed`. The default store is a
local SQLite file, `mlflow.db`; `MLFLOW_TRACKING_URI` overrides it.
"""

from __future__ import annotations

import getpass
import logging
import math
import os
import subprocess
import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from m3n import config as configs
from m3n.errors import INTERRUPTED, TERMINATED, StoppedError, one_line
from m3n.io import storage
from m3n.io.storage import Location
from m3n.logins import HIDDEN, hidden, without_logins
from m3n.tracking import outbox
from m3n.tracking.descriptions import experiment_of, run_description
from m3n.tracking.outbox import Record
from m3n.tracking.system import Sampler
from m3n.tracking.uploader import PREFIX, Uploader, reason, upload_queue
from m3n.tracking.writer import FLUSH_S, MODEL_S, MlflowWriter, WriterPool

log = logging.getLogger(__name__)
CONFIG = "config.yaml"
JOB_FOLDER = "/runtime_resources/working_dir_files/"  # of Ray, in which jobs run
_WRITERS = WriterPool()


def tracking_uri() -> str:
    """Where runs go: `MLFLOW_TRACKING_URI`, or a SQLite file in the working folder."""
    return os.environ.get("MLFLOW_TRACKING_URI") or "sqlite:///mlflow.db"


def absolute_uri() -> str:
    """The same place, for a process with another working folder."""
    uri = tracking_uri()
    path = uri.removeprefix("sqlite:///")
    return f"sqlite:///{Path(path).resolve()}" if uri != path else uri


def server_name(uri: str) -> str:
    """A tracking URI without a login, as it may be shown and kept."""
    return without_logins(uri).replace(f"{HIDDEN}@", "")


class Run:
    """One MLflow run. Every call returns at once, whatever the server does; errors are logged, never raised."""

    def __init__(self, record: Record, writer: MlflowWriter | None, system: bool) -> None:
        self.reference: str = record["reference"]  # names the run to its children and to a command that resumes it
        self._writer = writer
        self._journal = None
        self._closed = False
        self._flush_s = FLUSH_S
        with self._logged():
            self._journal = writer.open() if writer else None
        self._append(record)
        self._sampler = Sampler(self.metrics) if system else None

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of one step; values that are not finite are left out."""
        finite = {k: float(v) for k, v in values.items() if v == v and abs(v) != float("inf")}
        if finite:
            self._append({"kind": "metrics", "values": finite, "step": step, "time_ms": _now_ms()})

    def artifact(self, path: Location, folder: str | None = None) -> None:
        """Log a file, or the content of a local folder, as an artifact; later changes to it do not matter."""
        with self._logged(), storage.local_copy(path) as file:
            if self._journal is not None:
                self._append({"kind": "artifact", "file": self._journal.attach(file), "folder": folder, "time_ms": _now_ms()})

    def text(self, name: str, content: str) -> None:
        """Log a text as an artifact."""
        with self._logged():
            if self._journal is not None:
                file = self._journal.attach_text(name, without_logins(content))
                self._append({"kind": "artifact", "file": file, "folder": None, "time_ms": _now_ms()})

    def register(
        self, classifier: Path, metric: str, score: float, note: str = "", facts: Mapping[str, str] = MappingProxyType({})
    ) -> None:
        """Register the classifier in a folder made by `m3n finetune` as a version of the model `m3n-wrist-har`, with tags.

        It gets the alias `best` unless the present holder has a higher `score` by the same `metric` on the same data.
        """
        with self._logged():
            if self._journal is not None:
                self._flush_s = MODEL_S
                file = self._journal.attach(classifier)
                self._append(
                    {"kind": "model", "file": file, "metric": metric, "score": float(score), "note": note, "facts": dict(facts),
                     "time_ms": _now_ms()}
                )  # fmt: skip

    def compare(self, params: Sequence[str], metric: str = "val/macro_f1", logarithmic: Collection[str] = ()) -> None:
        """Add a link to this sweep's description: all trials in parallel coordinates, with their drawn settings and `metric`.

        Axes of the `logarithmic` settings show the decimal logarithm.
        """
        names = short_names(params)
        axes = [log_name(name) if key in logarithmic else name for key, name in names.items()]
        self._append({"kind": "view", "params": [*names.values()], "axes": axes, "metric": metric, "time_ms": _now_ms()})

    def close(self, status: str) -> None:
        """End the run (FINISHED, FAILED or KILLED), and wait a limited time for the last values to be uploaded."""
        if self._closed:
            return
        if self._sampler:
            self._sampler.close()
        self._append({"kind": "end", "status": status, "time_ms": _now_ms()})
        self._closed = True
        if self._journal is not None and self._writer is not None:
            self._journal.ended = True
            self._writer.flush(self._journal, self._flush_s)

    def _append(self, record: Record) -> None:
        if self._journal is None or self._writer is None or self._closed:
            return
        with self._logged():
            self._journal.append(hidden(record))
            self._writer.notify()

    @contextmanager
    def _logged(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a full disk or a missing file must not stop a training
            log.warning("a value of run %s is lost to MLflow: %s", self.reference, one_line(str(error), 300))


def start(
    stage: str,
    name: str,
    config: configs.Options,
    *,
    out: Location | None = None,
    data: Location | None = None,
    data_sha: str = "",
    parent_id: str | None = None,
    run_id: str | None = None,
    params: Mapping[str, Any] = MappingProxyType({}),
    about: str = "",
) -> Run:
    """Start a run of one stage; the caller closes it.

    `out`: the folder of the result, named in the run's description after the text `about`; `data`: the table it is made from, whose
    digest is `data_sha`; `parent_id`: the `reference` (or
    MLflow's id) of the parent run; `run_id`: that of an earlier run to resume; `params`: logged in addition to the config.
    """
    import yaml

    described = dict(params) | configs.flatten(config)  # MLflow lists them in this order
    commit = git_sha()
    tags = {
        "m3n.stage": stage,
        "m3n.config_sha": configs.sha256(config),
        "m3n.data_sha": data_sha,
        "m3n.git_sha": commit,
        "m3n.seed": str(described.get("seed", "")),
        "mlflow.note.content": run_description(stage, about, out),
        "mlflow.source.name": f"m3n {stage}",
        "mlflow.source.type": "LOCAL",
        **({"mlflow.source.git.commit": commit} if commit else {}),
        **_user(),
    }
    record = {
        "kind": "run",
        "reference": run_id or f"{PREFIX}{uuid4().hex}",
        "resumed": run_id is not None,
        "experiment": experiment_of(stage),
        "name": name,
        "tags": tags,
        "params": {k[:250]: str(v)[:500] for k, v in described.items()},
        "parent": parent_id,
        "data": {
            "name": f"{data.parent.name}/{data.name}" if isinstance(data, Path) else str(data),
            "source": str(data),
            "digest": data_sha,
        }
        if data and data_sha
        else None,
        "time_ms": _now_ms(),
    }
    _warn_of_a_job()
    run = Run(record, _writer(), system=parent_id is None)
    section = next((s for s, schema in configs.STAGES.items() if type(config) is schema), stage)
    run.text(CONFIG, yaml.safe_dump({section: config.model_dump(mode="json")}, sort_keys=False))
    return run


def prepare() -> None:
    """Load MLflow, which takes seconds, in the thread that will write to it, while the caller works."""
    _writer()


def reference(parent: str, name: str) -> str:
    """The reference of the child run `name` of a parent: always the same, so that a part that is repeated has one run."""
    return f"{PREFIX}{parent.removeprefix(PREFIX)}-{name}"


def trial(
    sweep: Run, number: int, config: configs.Options, drawn: Mapping[str, Any], *, logarithmic: Collection[str] = (),
    data: Location | None = None, data_sha: str = "",
) -> Run:  # fmt: skip
    """Start, or take up, the run of one trial of a sweep; `config`: the trial's own, which includes the `drawn` settings (dotted
    key -> value).

    The drawn settings are logged under short names too, for the axes and columns of MLflow's pages; those of the `logarithmic`
    keys also as their decimal logarithm, because MLflow's axes are linear.
    """
    rows = [f"| `{key}` | {_short(value)} |" for key, value in drawn.items()]
    about = "\n".join([f"Trial {number} of a sweep.\n", "| setting | drawn |", "| --- | --- |", *rows, ""])
    names = short_names(drawn)
    scaled = {log_name(names[key]): _short(math.log10(drawn[key])) for key in drawn if key in logarithmic and drawn[key] > 0}
    return start(
        "tune", f"trial {number:03d}", config, data=data, data_sha=data_sha, parent_id=sweep.reference,
        run_id=reference(sweep.reference, f"trial-{number}"),
        params={"trial": number, **{name: _short(drawn[key]) for key, name in names.items()}, **scaled}, about=about,
    )  # fmt: skip


def log_name(name: str) -> str:
    """The name of the decimal logarithm of a setting."""
    return f"lg {name}"


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Dotted key of a setting -> its name on the axis of a chart: the key without its stage, as there is room for 15 characters."""
    short = {key: key.partition(".")[2] or key for key in keys}
    names = [*short.values(), *configs.TuneConfig.model_fields]
    return {key: name if names.count(name) == 1 else key for key, name in short.items()}


@contextmanager
def track(stage: str, name: str, config: configs.Options, **how: Any) -> Iterator[Run]:
    """`start` a run and close it: FINISHED; KILLED if somebody stops it; or FAILED if the block raises."""
    run = start(stage, name, config, **how)
    try:
        yield run
    except (StoppedError, KeyboardInterrupt, SystemExit) as stopped:
        deliberate = not isinstance(stopped, StoppedError) or stopped.status in (INTERRUPTED, TERMINATED)
        run.close("KILLED" if deliberate else "FAILED")
        raise
    except BaseException:
        run.close("FAILED")
        raise
    run.close("FINISHED")


def sync() -> dict[str, Any]:
    """Upload what ended processes have left for MLflow at the present tracking URI, and return the number of runs.

    Raises StoppedError if the server does not answer; everything is kept then.
    """
    uri = absolute_uri()
    server, runs = server_name(uri), 0
    others: dict[str, int] = {}
    uploader: Uploader | None = None
    for queue in outbox.abandoned(None):
        target = outbox.server_of(queue.folder)
        if target != server:
            others[target] = others.get(target, 0) + len(queue.journals())
        else:
            try:
                uploader = uploader or Uploader(uri)
                runs += upload_queue(uploader, queue)
            except Exception as error:
                queue.close()
                raise StoppedError(
                    f"MLflow at {server}: {reason(error)}; nothing is lost; run `m3n sync` again when it answers", 1
                ) from None
        queue.close()
    return {"runs": runs, "server": server, "for_other_servers": others}


def git_sha() -> str:
    """Commit of the running code, or an empty string outside a checkout."""
    folder = Path(__file__).resolve().parent
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def _warn_of_a_job() -> None:
    """Say it where runs would be removed with the files of a Ray job, whose working folder is a copy."""
    if JOB_FOLDER in absolute_uri():
        log.warning(
            "runs go to %s, which is removed with the files of this job: set MLFLOW_TRACKING_URI in runtime_env.yaml",
            absolute_uri(),
        )


def _writer() -> MlflowWriter | None:
    """The writer for the present tracking URI."""
    uri = absolute_uri()
    try:
        return _WRITERS.writer(uri, server_name(uri))
    except OSError as error:
        log.warning("no folder for the outbox (%s): nothing is logged to MLflow", error)
        return None


def _user() -> dict[str, str]:
    with suppress(OSError, KeyError):  # a container without a name for its user
        return {"mlflow.user": getpass.getuser()}
    return {}


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _now_ms() -> int:
    return int(time.time() * 1000)
