"""The scripts of `jobs/`, submitted to a real Ray cluster, give what the commands give.

One head node on loopback, with a temporary folder and ports of its own, serves the whole file; it is ended by a signal to its
own process, because `ray stop` would end every Ray on the machine.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from places import REPOSITORY
from processes import surroundings
from safetensors.torch import load_file
from weights import assert_same_weights

from m3n.io import tables
from m3n.training import checkpoint as checkpoints
from m3n.training.state import LAST, read_header

pytestmark = pytest.mark.slow

TINY = ("model.width=16", "model.depth=1", "model.embedding=16")
START_S, JOB_S = 300, 600  # a few seconds, and half a minute, where the machine is quiet
CARRIED = ("--working-dir", ".", "--runtime-env", "runtime_env.yaml")
QUIET = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",
}


@dataclass
class Cluster:
    """A running head node: where jobs are handed in, and the environment of a user of it."""

    dashboard: str
    environment: dict[str, str]

    def submit(self, name: str, *entrypoint: str) -> subprocess.CompletedProcess[str]:
        """`ray job submit` of the checkout, as the docstrings of `jobs/` say it; waits for the end."""
        return self.run("submit", "--submission-id", name, *CARRIED, "--", "python", *entrypoint)

    def start(self, name: str, *entrypoint: str) -> None:
        """The same, without waiting for the end."""
        done = self.run("submit", "--no-wait", "--submission-id", name, *CARRIED, "--", "python", *entrypoint)
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [ray_command(), "job", verb, "--address", self.dashboard, *arguments]
        return subprocess.run(
            command, cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, timeout=JOB_S, check=False
        )

    def ended(self, *names: str) -> None:
        """Wait until the jobs have succeeded."""
        for name in names:
            until = monotonic() + JOB_S
            while (info := self.info(name)).status in ("PENDING", "RUNNING") and monotonic() < until:
                sleep(0.2)
            assert info.status == "SUCCEEDED", f"{info.message}\n{self.logs(name)}"

    def logs(self, name: str) -> str:
        return self.run("logs", name).stdout

    def info(self, name: str) -> Any:
        from ray.job_submission import JobSubmissionClient

        return JobSubmissionClient(self.dashboard).get_job_info(name)


def ray_command() -> str:
    return str(Path(sys.executable).with_name("ray"))


def free_ports(count: int) -> list[int]:
    """Ports that are free, from below those that the system deals out, so that no other Ray gets them before ours listens."""
    found: list[int] = []
    for port in random.sample(range(20_000, 32_000), 1000):
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            break
    return found


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A head node with two CPUs, as `ray start --head` makes it on a small machine."""
    names = (
        "port", "dashboard-port", "dashboard-agent-listen-port", "dashboard-agent-grpc-port", "metrics-export-port",
        "ray-client-server-port",
    )  # fmt: skip
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    with tempfile.TemporaryDirectory(prefix="m3n-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        environment = surroundings() | QUIET
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"  # as in an activated .venv
        environment["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        command = [ray_command(), "start", "--head", "--block", "--node-ip-address=127.0.0.1", "--dashboard-host=127.0.0.1"]
        command += ["--num-cpus=2", "--num-gpus=0", f"--object-store-memory={100 * 2**20}", "--disable-usage-stats"]
        command += [f"--temp-dir={folder}/ray", *(f"--{name}={port}" for name, port in ports.items())]
        log = Path(folder) / "start.log"
        with log.open("w") as out:
            head = subprocess.Popen(command, env=environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:
            dashboard = f"http://127.0.0.1:{ports['dashboard-port']}"
            wait_until_up(f"{dashboard}/api/version", head, log)
            yield Cluster(dashboard, environment)
        finally:
            head.send_signal(signal.SIGTERM)
            try:
                head.wait(60)
            except subprocess.TimeoutExpired:
                head.kill()


def wait_until_up(url: str, head: subprocess.Popen[bytes], log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = monotonic() + START_S
    while monotonic() < deadline and head.poll() is None:
        try:
            direct.open(url, timeout=5).close()
            return
        except (urllib.error.URLError, OSError):
            sleep(0.2)
    pytest.fail(f"no head node after {START_S} s:\n{log.read_text()}")


def test_simulated_rows_of_a_job_are_those_of_the_command(cluster: Cluster, corpus: Path, tmp_path: Path) -> None:
    done = cluster.submit("simulate", "jobs/simulate.py", str(corpus / "poses"), "--out", str(tmp_path / "job"), "workers=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert cluster.info("simulate").status == "SUCCEEDED"
    shards = tables.shard_paths(corpus / "synthetic")
    assert [shard.name for shard in tables.shard_paths(tmp_path / "job")] == [shard.name for shard in shards]
    for shard in shards:
        assert pq.read_table(tmp_path / "job" / shard.name).equals(pq.read_table(shard))

    before = (tmp_path / "job" / tables.MANIFEST).stat().st_mtime_ns  # a client that tries again, as after a lost connection
    again = cluster.submit("simulate", "jobs/simulate.py", str(corpus / "poses"), "--out", str(tmp_path / "job"))
    assert again.returncode == 1
    assert "simulate already exists" in again.stdout + again.stderr
    assert cluster.info("simulate").status == "SUCCEEDED"
    assert (tmp_path / "job" / tables.MANIFEST).stat().st_mtime_ns == before


def test_weights_of_a_pretraining_job_are_those_of_the_command(
    cluster: Cluster, corpus: Path, checkpoint: Path, tmp_path: Path
) -> None:
    expected = json.loads((checkpoint / tables.MANIFEST).read_text())
    settings = tmp_path / "settings.yaml"
    settings.write_text(yaml.safe_dump({"pretrain": expected["config"]}))
    arguments = [str(corpus / "synthetic"), "--out", str(tmp_path / "job"), "--config", str(settings)]
    done = cluster.submit("pretrain", "jobs/pretrain.py", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    assert cluster.info("pretrain").status == "SUCCEEDED"
    found = json.loads((tmp_path / "job" / tables.MANIFEST).read_text())
    for name in ("train/loss", "val/loss"):
        assert found[name] == pytest.approx(expected[name], abs=1e-5)
    weights, here = (load_file(folder / checkpoints.WEIGHTS) for folder in (tmp_path / "job", checkpoint))
    assert_same_weights(weights, here)


def test_a_job_that_is_stopped_leaves_a_run_that_the_next_job_takes_up(cluster: Cluster, corpus: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    settings = ["optim.epochs=60", "optim.patience=60", "optim.batch_size=16", "windows.hop_s=2", "workers=1", *TINY]
    entrypoint = ["jobs/pretrain.py", str(corpus / "synthetic"), "--out", str(out), *settings]
    cluster.start("stopped", *entrypoint)
    state, until = tmp_path / "out.partial" / LAST, monotonic() + JOB_S
    while not (header := read_header(state)) or header["progress"]["epoch"] < 2:
        assert cluster.info("stopped").status in ("PENDING", "RUNNING"), cluster.logs("stopped")
        assert monotonic() < until
        sleep(0.05)
    assert cluster.run("stop", "stopped").returncode == 0
    assert cluster.info("stopped").status == "STOPPED"
    assert "rerun the same command to resume" in cluster.logs("stopped")
    assert not out.exists()
    kept = read_header(state)["progress"]["epoch"]
    assert 2 <= kept < 60
    done = cluster.submit("taken-up", *entrypoint)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"resumes an interrupted run at epoch {kept + 1}" in done.stdout
    assert json.loads((out / tables.MANIFEST).read_text())["epochs"] == 60


def test_a_classifier_is_made_and_used_by_jobs(
    cluster: Cluster, corpus: Path, checkpoint: Path, watch: Path, tmp_path: Path
) -> None:
    settings = ["epochs=1", "min_steps=3", "folds=3", "windows.hop_s=8"]
    cluster.start(
        "evaluate", "jobs/evaluate.py", str(checkpoint), "--recordings", str(watch), "--out", str(tmp_path / "judged")
    )
    done = cluster.submit(
        "finetune", "jobs/finetune.py", str(watch), "--checkpoint", str(checkpoint), "--out", str(tmp_path / "ft"), *settings
    )
    assert done.returncode == 0, done.stdout + done.stderr
    done = cluster.submit(
        "predict", "jobs/predict.py", str(watch), "--checkpoint", str(tmp_path / "ft"), "--out", str(tmp_path / "timeline")
    )
    assert done.returncode == 0, done.stdout + done.stderr
    cluster.ended("evaluate")
    assert (tmp_path / "timeline" / "timeline.csv").stat().st_size > 1000
    assert (tmp_path / "judged" / tables.MANIFEST).is_file()


def test_a_grid_and_a_sweep_are_jobs_too(cluster: Cluster, corpus: Path, watch: Path, tmp_path: Path) -> None:
    (tmp_path / "space.py").write_text('def space(trial):\n    trial.suggest_float("pretrain.loss.pose2imu", 0.5, 3.0)\n')
    tiny = [f"pretrain.{setting}" for setting in (*TINY, "optim.epochs=1", "workers=1", "windows.hop_s=2")]
    tiny += ["finetune.epochs=1", "finetune.min_steps=2", "finetune.windows.hop_s=8", "trials=1", "concurrent=1"]
    data = [str(corpus / "synthetic"), str(watch)]
    cluster.start("tune", "jobs/tune.py", *data, "--space", str(tmp_path / "space.py"), "--out", str(tmp_path / "sweep"), *tiny)
    grid = ["methods=[random_forest]", "labels=[1]", "seeds=[0]", "workers=1", "protocol.split=k_fold", "protocol.folds=2"]
    cluster.start("reproduce", "jobs/reproduce.py", "seglearn_watch", "--out", str(tmp_path / "grid"), *grid)
    cluster.ended("tune", "reproduce")
    assert (tmp_path / "sweep" / "best.yaml").is_file()
    assert "random_forest" in (tmp_path / "grid" / "results.md").read_text()


def test_a_job_with_bad_input_fails_with_status_2_and_one_line(cluster: Cluster, tmp_path: Path) -> None:
    done = cluster.submit("bad", "jobs/simulate.py", str(tmp_path / "nowhere"), "--out", str(tmp_path / "none"))
    assert done.returncode == 1
    info = cluster.info("bad")
    assert (info.status, info.driver_exit_code) == ("FAILED", 2)
    assert f"m3n: {tmp_path / 'nowhere'} does not exist" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "none").exists()
