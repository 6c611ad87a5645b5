"""MLflow: every stage's run, written by the driver alone, and never waited for. The only room that imports mlflow.

A run writes to a journal on local disk (`outbox`), from which a thread sends (`delivery`): a server that is slow, down or dying
neither slows nor stops anything, and gets what it missed, in order and once, when it is back: while the run goes on, at the next
command, or by `m3n sync`.

Experiments are `m3n-<stage>`, evaluations being among the pretrainings that they judge; params are the flattened config; tags
`m3n.stage`, `m3n.config_sha`, `m3n.data_sha`, `m3n.git_sha` and `m3n.seed`. The default store is a local SQLite file,
`mlflow.db`; `MLFLOW_TRACKING_URI` wins.
"""

from __future__ import annotations

import getpass
import logging
import os
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from m3n import config as configs
from m3n.errors import StoppedError, one_line
from m3n.io import storage
from m3n.io.storage import Location
from m3n.tracking import outbox
from m3n.tracking.delivery import MODEL_S, PREFIX, SETTLE_S, Courier, Sender, reason, send_spool
from m3n.tracking.notes import experiment_of, run_note
from m3n.tracking.outbox import Record
from m3n.tracking.system import Sampler

log = logging.getLogger(__name__)
CONFIG = "config.yaml"
_senders: dict[tuple[Path, str], Sender] = {}
_making = threading.Lock()


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
    scheme, separator, rest = uri.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}{separator}{host.rpartition('@')[2]}{slash}{path}"


class Run:
    """One MLflow run. Every call returns at once, whatever the server does; failures are logged, never raised."""

    def __init__(self, record: Record, sender: Sender | None, system: bool) -> None:
        self.reference: str = record["reference"]  # names the run to its children and to the command that goes on with it
        self._sender = sender
        self._journal = None
        self._closed = False
        self._patience_s = SETTLE_S
        with self._kept():
            self._journal = sender.open() if sender else None
        self._append(record)
        self._sampler = Sampler(self.metrics) if system else None

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of one step; what is not finite is left out."""
        finite = {k: float(v) for k, v in values.items() if v == v and abs(v) != float("inf")}
        if finite:
            self._append({"kind": "metrics", "values": finite, "step": step, "time_ms": _now_ms()})

    def artifact(self, path: Location, folder: str | None = None) -> None:
        """Keep a file (or a local folder, its content) as an artifact, as it is now."""
        with self._kept(), storage.local_copy(path) as file:
            if self._journal is not None:
                self._append({"kind": "artifact", "file": self._journal.attach(file), "folder": folder, "time_ms": _now_ms()})

    def text(self, name: str, content: str) -> None:
        """Keep a text as an artifact."""
        with self._kept():
            if self._journal is not None:
                file = self._journal.attach_text(name, content)
                self._append({"kind": "artifact", "file": file, "folder": None, "time_ms": _now_ms()})

    def register(self, classifier: Path, metric: str, score: float, note: str = "") -> None:
        """Make the classifier in a folder made by `m3n finetune` a version of the model `m3n-wrist-har`.

        It gets the alias `best` unless the one that has it was judged on the same data by the same `metric`, with a higher
        `score`.
        """
        with self._kept():
            if self._journal is not None:
                self._patience_s = MODEL_S
                file = self._journal.attach(classifier)
                self._append(
                    {"kind": "model", "file": file, "metric": metric, "score": float(score), "note": note, "time_ms": _now_ms()}
                )

    def compare(self, params: Sequence[str], metric: str = "val/macro_f1") -> None:
        """Put a link into this sweep's description that shows all trials in parallel coordinates: settings drawn, and `metric`."""
        names = list(short_names(params).values())
        self._append({"kind": "view", "params": names, "metric": metric, "time_ms": _now_ms()})

    def close(self, status: str) -> None:
        """End the run (FINISHED, FAILED or KILLED), and wait a while for what is under way to a server that answers."""
        if self._closed:
            return
        if self._sampler:
            self._sampler.close()
        self._append({"kind": "end", "status": status, "time_ms": _now_ms()})
        self._closed = True
        if self._journal is not None and self._sender is not None:
            self._journal.ended = True
            self._sender.settle(self._journal, self._patience_s)

    def _append(self, record: Record) -> None:
        if self._journal is None or self._sender is None or self._closed:
            return
        with self._kept():
            self._journal.append(record)
            self._sender.notify()

    @contextmanager
    def _kept(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # a full disk, a file that is not there: training goes on
            log.warning("MLflow will miss something of run %s: %s", self.reference, one_line(str(error), 300))


def start(
    stage: str,
    name: str,
    config: configs.Options,
    *,
    out: Location | None = None,
    data_sha: str = "",
    parent_id: str | None = None,
    run_id: str | None = None,
    params: Mapping[str, Any] = MappingProxyType({}),
    about: str = "",
) -> Run:
    """Begin a run of one stage, to be closed by whoever holds it.

    `out`: the folder of the result, named in the run's description, which begins with `about`; `parent_id`, `run_id`: the
    `reference` (or MLflow's id) of the run that this one belongs to, and of an earlier one to go on with; `params`: more of them
    than the config has.
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
        "mlflow.note.content": run_note(stage, about, out),
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
        "time_ms": _now_ms(),
    }
    run = Run(record, _sender(), system=parent_id is None)
    section = next((s for s, schema in configs.STAGES.items() if type(config) is schema), stage)
    run.text(CONFIG, yaml.safe_dump({section: config.model_dump(mode="json")}, sort_keys=False))
    return run


def reference(parent: str, name: str) -> str:
    """What m3n calls the run `name` of a parent: the same whenever it is asked, so that a part done twice has one run."""
    return f"{PREFIX}{parent.removeprefix(PREFIX)}-{name}"


def trial(
    sweep: Run, number: int, config: configs.Options, drawn: Mapping[str, Any], *, data_sha: str = "", run_id: str | None = None
) -> Run:
    """Begin the run of one trial of a sweep; `config`: the trial's own, with what was `drawn` (dotted key -> value) in it.

    What was drawn is also logged under short names, for the axes and columns of MLflow's pages.
    """
    rows = [f"| `{key}` | {_short(value)} |" for key, value in drawn.items()]
    about = "\n".join([f"Trial {number} of a sweep.\n", "| setting | drawn |", "| --- | --- |", *rows, ""])
    return start(
        "tune", f"trial {number:03d}", config, data_sha=data_sha, parent_id=sweep.reference, run_id=run_id,
        params={"trial": number, **{name: _short(drawn[key]) for key, name in short_names(drawn).items()}}, about=about,
    )  # fmt: skip


def short_names(keys: Iterable[str]) -> dict[str, str]:
    """Dotted key of a setting -> the name on a chart's axis, which has room for about 15 characters: the key without its stage."""
    short = {key: key.partition(".")[2] or key for key in keys}
    names = [*short.values(), *configs.TuneConfig.model_fields]
    return {key: name if names.count(name) == 1 else key for key, name in short.items()}


@contextmanager
def track(stage: str, name: str, config: configs.Options, **how: Any) -> Iterator[Run]:
    """`start`, and the end: FINISHED, or FAILED where the block raises."""
    run = start(stage, name, config, **how)
    try:
        yield run
    except BaseException:
        run.close("FAILED")
        raise
    run.close("FINISHED")


def sync() -> dict[str, Any]:
    """Send what MLflow at the present tracking URI has missed from processes that have ended; how many runs that concerned.

    Raises StoppedError where the server does not answer; everything is kept then.
    """
    uri = absolute_uri()
    server, runs = server_name(uri), 0
    others: dict[str, int] = {}
    courier: Courier | None = None
    for spool in outbox.abandoned(None):
        target = outbox.server_of(spool.folder)
        if target != server:
            others[target] = others.get(target, 0) + len(spool.journals())
        else:
            try:
                courier = courier or Courier(uri)
                runs += send_spool(courier, spool)
            except Exception as error:
                spool.close()
                raise StoppedError(
                    f"MLflow at {server}: {reason(error)}; nothing is lost, try again when it is back", 1
                ) from None
        spool.close()
    return {"runs": runs, "server": server, "for_other_servers": others}


def git_sha() -> str:
    """Commit of the code that runs, or an empty string outside a checkout."""
    folder = Path(__file__).resolve().parent
    try:
        found = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def _sender() -> Sender | None:
    """The thread that sends to the present tracking URI."""
    uri = absolute_uri()
    with _making:
        key = (outbox.root(), uri)
        if key not in _senders:
            try:
                _senders[key] = Sender(uri, server_name(uri))
            except OSError as error:
                log.warning("no place for what MLflow is to be told (%s): nothing is tracked", error)
                return None
        return _senders[key]


def _user() -> dict[str, str]:
    with suppress(OSError, KeyError):  # a container without a name for its user
        return {"mlflow.user": getpass.getuser()}
    return {}


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _now_ms() -> int:
    return int(time.time() * 1000)
