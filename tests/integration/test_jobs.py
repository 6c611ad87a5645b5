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

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from safetensors.numpy import load_file

from m3n import tables
from m3n.training import checkpoint as checkpoints

REPOSITORY = Path(__file__).resolve().parents[2]
START_S, JOB_S = 300, 600  # a few seconds, and half a minute, where the machine is quiet
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
        command = [ray_command(), "job", "submit", "--address", self.dashboard, "--submission-id", name]
        command += ["--working-dir", ".", "--runtime-env", "runtime_env.yaml", "--", "python", *entrypoint]
        return subprocess.run(
            command, cwd=REPOSITORY, env=self.environment, capture_output=True, text=True, timeout=JOB_S, check=False
        )

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
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")} | QUIET
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
    done = cluster.submit("simulate", "jobs/simulate.py", str(corpus / "poses"), "--out", str(tmp_path / "job"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert cluster.info("simulate").status == "SUCCEEDED"
    shards = tables.shard_paths(corpus / "synthetic")
    assert [shard.name for shard in tables.shard_paths(tmp_path / "job")] == [shard.name for shard in shards]
    for shard in shards:
        assert pq.read_table(tmp_path / "job" / shard.name).equals(pq.read_table(shard))


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
    assert weights.keys() == here.keys()
    for name in weights:
        np.testing.assert_allclose(weights[name], here[name], atol=1e-5, err_msg=name)


def test_a_job_with_bad_input_fails_with_status_2_and_one_line(cluster: Cluster, tmp_path: Path) -> None:
    done = cluster.submit("bad", "jobs/simulate.py", str(tmp_path / "nowhere"), "--out", str(tmp_path / "none"))
    assert done.returncode == 1
    info = cluster.info("bad")
    assert (info.status, info.driver_exit_code) == ("FAILED", 2)
    assert f"m3n: {tmp_path / 'nowhere'} does not exist" in done.stdout
    assert "Traceback" not in done.stdout
    assert not (tmp_path / "none").exists()
