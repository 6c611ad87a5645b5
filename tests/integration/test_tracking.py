"""MLflow through bad weather: a real server that is slow, killed or restarted, or whose answers get lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from m3n import tracking
from m3n.cli import main
from m3n.config import SimulateConfig

STEPS = 30


class Server:
    """`mlflow server` on loopback, on one port and one database however often it is started."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        command += [
            "--backend-store-uri",
            f"sqlite:///{self.folder / 'server.db'}",
            "--artifacts-destination",
            str(self.folder),
        ]
        environment = os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        for _ in range(600):
            with suppress(OSError), urllib.request.urlopen(f"{self.uri}/health", timeout=1):
                return
            time.sleep(0.1)
        pytest.fail((self.folder / "server.log").read_text())

    def kill(self) -> None:
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process = None


class Proxy:
    """Passes requests on to a port, `delay_s` late. The answer to what holds a text in `deaf_to` is lost, as often as that says."""

    def __init__(self, port: int) -> None:
        self.target, self.delay_s = port, 0.0
        self.deaf_to: dict[bytes, int] = {}
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.uri = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, deaf = self.listener.accept()[0], threading.Event()
                far = socket.create_connection(("127.0.0.1", self.target))
                threading.Thread(target=self._ask, args=(near, far, deaf), daemon=True).start()
                threading.Thread(target=self._answer, args=(far, near, deaf), daemon=True).start()

    def _ask(self, near: socket.socket, far: socket.socket, deaf: threading.Event) -> None:
        with suppress(OSError):
            while data := near.recv(1 << 16):
                time.sleep(self.delay_s)
                for text, times in self.deaf_to.items():
                    if times and text in data:
                        self.deaf_to[text] -= 1
                        deaf.set()
                far.sendall(data)

    def _answer(self, far: socket.socket, near: socket.socket, deaf: threading.Event) -> None:
        with suppress(OSError):
            while (data := far.recv(1 << 16)) and not deaf.is_set():
                near.sendall(data)
        for end in (far, near):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, surroundings: Path) -> Iterator[Server]:
    found = Server(tmp_path_factory.mktemp("mlflow"))
    found.start()
    yield found
    found.kill()


@pytest.fixture
def outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An outbox of this test's own, so that a new sending thread looks at it."""
    monkeypatch.setenv("M3N_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "outbox"


def runs_called(uri: str, name: str) -> list[Any]:
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    client = MlflowClient(uri)
    experiments = [e.experiment_id for e in client.search_experiments()]
    wanted = f"attributes.run_name = '{name}'"
    return list(client.search_runs(experiments, wanted, run_view_type=ViewType.ACTIVE_ONLY))


def history(uri: str, run: Any, metric: str) -> list[tuple[int, float]]:
    """In the order of the times at which the values were logged."""
    from mlflow import MlflowClient

    found = MlflowClient(uri).get_metric_history(run.info.run_id, metric)
    return [(m.step, m.value) for m in sorted(found, key=lambda m: (m.timestamp, m.step))]


def artifacts(uri: str, run: Any) -> set[str]:
    from mlflow import MlflowClient

    return {item.path for item in MlflowClient(uri).list_artifacts(run.info.run_id)}


def seconds_to_log(run: tracking.Run, steps: range) -> float:
    """Log a loss at every step; how long the calls took together, in seconds."""
    total = 0.0
    for step in steps:
        started = time.perf_counter()
        run.metrics({"train/loss": 1 / (1 + step), "train/lr": 0.1}, step)
        total += time.perf_counter() - started
        time.sleep(0.01)
    return total


def until(true: Callable[[], Any], seconds: float = 60.0) -> None:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < seconds
        time.sleep(0.1)


def assert_whole(uri: str, name: str, steps: int) -> Any:
    """One run of that name, with every step once and in order."""
    (run,) = runs_called(uri, name)
    assert history(uri, run, "train/loss") == [(step, 1 / (1 + step)) for step in range(steps)]
    assert run.info.status == "FINISHED"
    assert {"config.yaml", "notes.txt"} <= artifacts(uri, run)
    return run


def test_a_server_that_is_killed_and_restarted_in_mid_run_has_everything_in_the_end(server, outbox, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    (tmp_path / "notes.txt").write_text("as it was then")
    with tracking.track("simulate", "killed", SimulateConfig(seed=5)) as run:
        took_s = [seconds_to_log(run, range(STEPS))]
        until(lambda: len(runs_called(server.uri, "killed")) == 1)
        server.kill()
        run.artifact(tmp_path / "notes.txt")
        (tmp_path / "notes.txt").unlink()  # what is kept is a copy
        took_s.append(seconds_to_log(run, range(STEPS, 2 * STEPS)))
        server.start()
        took_s.append(seconds_to_log(run, range(2 * STEPS, 3 * STEPS)))
    found = assert_whole(server.uri, "killed", 3 * STEPS)
    assert found.data.params["seed"] == "5"
    assert max(took_s) < STEPS * 0.05  # a call writes a line to a local disk
    assert not list(outbox.glob("*/*/journal.jsonl"))


def test_what_a_dead_server_missed_is_sent_by_a_later_command_once(server, outbox, tmp_path, monkeypatch, capsys):
    """The run is a process of its own, which has ended when the server comes back."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    server.kill()
    program = (
        "import time\nfrom pathlib import Path\nfrom m3n import tracking\nfrom m3n.config import SimulateConfig\n"
        "Path('notes.txt').write_text('x')\nbegun = time.monotonic()\n"
        "with tracking.track('simulate', 'missed', SimulateConfig()) as parent:\n"
        "    parent.artifact(Path('notes.txt'))\n"
        f"    for step in range({STEPS}): parent.metrics({{'train/loss': 1 / (1 + step)}}, step)\n"
        "    with tracking.track('simulate', 'missed child', SimulateConfig(), parent_id=parent.reference) as child:\n"
        "        child.metrics({'train/loss': 1.0})\n"
        "print(time.monotonic() - begun)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 60.0  # two runs; most of it is importing mlflow
    assert "are sent when it answers again" in done.stderr
    assert main(["sync"]) == 1
    assert "nothing is lost" in capsys.readouterr().err
    server.start()
    assert main(["sync"]) == 0
    parent = assert_whole(server.uri, "missed", STEPS)
    (child,) = runs_called(server.uri, "missed child")
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert parent.info.end_time <= child.info.end_time + 60_000
    assert main(["sync"]) == 0
    assert_whole(server.uri, "missed", STEPS)
    assert not list(outbox.glob("*/*/journal.jsonl"))


def test_a_process_that_was_killed_leaves_its_values_and_its_run_ends_as_killed(server, outbox, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    program = (
        "import os\nfrom m3n import tracking\nfrom m3n.config import SimulateConfig\n"
        "run = tracking.start('simulate', 'shot', SimulateConfig())\n"
        "run.metrics({'train/loss': 1.0}, 0)\nrun.metrics({'train/loss': 0.5}, 1)\nos.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=False)
    (queue,) = outbox.glob("*")
    left = json.loads((queue / "server.json").read_text())
    (queue / "server.json").write_text(json.dumps(left | {"server": server.uri}))  # as if it had been for this server
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    with tracking.track("simulate", "next command", SimulateConfig()):
        pass
    (run,) = runs_called(server.uri, "shot")
    assert run.info.status == "KILLED"
    assert history(server.uri, run, "train/loss") == [(0, 1.0), (1, 0.5)]
    assert len(runs_called(server.uri, "next command")) == 1


def test_a_slow_server_slows_nothing_and_answers_that_are_lost_double_nothing(server, outbox, tmp_path, monkeypatch):
    proxy = Proxy(server.port)
    proxy.delay_s = 0.1
    proxy.deaf_to = {b"runs/create": 1, b"runs/log-batch": 2, b"runs/update": 1, b"PUT": 1}
    monkeypatch.setenv("MLFLOW_TRACKING_URI", proxy.uri)
    (tmp_path / "notes.txt").write_text("x")
    with tracking.track("simulate", "slow", SimulateConfig()) as run:
        run.artifact(tmp_path / "notes.txt")
        took_s = seconds_to_log(run, range(STEPS))
    until(lambda: [found.info.status for found in runs_called(server.uri, "slow")] == ["FINISHED"])
    assert_whole(server.uri, "slow", STEPS)
    assert set(proxy.deaf_to.values()) == {0}
    assert took_s < STEPS * 0.05  # one request alone takes 0.1 s and more


def test_values_that_mlflow_refuses_do_not_hold_up_the_others(server, outbox, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    with tracking.track("simulate", "refused", SimulateConfig()) as run:
        run.metrics({"good": 1.0}, 0)
        run.metrics({"not a name!": 1.0}, 1)
        run.metrics({"good": 2.0}, 2)
        run.artifact(Path("is-not-there"))
    (found,) = runs_called(server.uri, "refused")
    assert history(server.uri, found, "good") == [(0, 1.0), (2, 2.0)]
    assert found.info.status == "FINISHED"
    assert "MLflow refuses a record (metrics) of run refused" in caplog.text
    assert json.loads((outbox / "rejected.jsonl").read_text())["values"] == {"not a name!": 1.0}
