"""What is lost when a node of the cluster dies in the middle of a stage and another one joins: must be nothing.

    m3n bench node_faults                        # simulate, pretrain, the trials of tune, the cells of reproduce
    m3n bench node_faults simulate

Each node is a raylet on this machine, with its own processes and object store (`ray.cluster_utils`). The head has no CPUs to
give, so all work is on the others. Each stage runs twice as the command that a user types: undisturbed, and with the node that
does the work killed by SIGKILL once something is finished, while a fresh one joins. What differs between the two results is
lost: it is named, and the exit status is 1.
"""

from __future__ import annotations

import os

QUIET = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # loopback alone
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
    "RAY_health_check_period_ms": "500",  # a dead node is noticed within seconds; by default, within half a minute
    "RAY_health_check_failure_threshold": "3",
    "OMP_NUM_THREADS": "1",
}
os.environ.update(QUIET)  # before Ray is imported: it reads them once

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from ray.cluster_utils import Cluster

from m3n import schema
from m3n.cli import main as m3n
from m3n.errors import StoppedError
from m3n.io import tables
from m3n.training.state import LAST, read_header

M3N = [sys.executable, "-c", "from m3n.cli import entry; entry()"]
PATIENCE_S = 300.0
SIMULATE = [
    "placements=[left_wrist,right_wrist,head,pelvis,left_thigh,right_thigh]",
    "rate_hz=200",
    "sensor=bmi160",
    "workers=2",
]
PRETRAIN = ["optim.epochs=15", "optim.batch_size=16", "windows.hop_s=2", "model.width=16", "model.depth=1", "workers=2"]
TUNE = [
    "trials=3",
    "concurrent=1",
    "scheduler=none",
    "pretrain.workers=1",
    "pretrain.optim.epochs=8",
    "pretrain.windows.hop_s=2",
]
TUNE += ["pretrain.optim.batch_size=16", "pretrain.model.width=16", "pretrain.model.depth=1", "finetune.epochs=1"]
TUNE += ["finetune.min_steps=20", "finetune.test_subjects=[person-0,person-1]", "finetune.val_subjects=[person-2,person-3]"]
REPRODUCE = """
reproduce:
  protocol: {source: seglearn_watch, placements: [left_wrist, right_wrist], split: k_fold, folds: 2}
  methods: [scratch, random_forest]
  labels: ["1", "50%"]
  seeds: [0, 1]
  workers: 2
  finetune:
    windows: {window_s: 4.0, hop_s: 8.0}
    model: {width: 16, depth: 1}
    epochs: 1
    min_steps: 10
"""


class Nodes:
    """A cluster of raylets on this machine: a head without CPUs, and two nodes."""

    def __init__(self) -> None:
        self.cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        for _ in range(2):
            self.join()

    def join(self) -> None:
        self.cluster.add_node(num_cpus=2)

    def kill_the_one_with(self, work: str) -> None:
        """SIGKILL to every process of the node on which a process whose title holds `work` runs."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            for node in list(self.cluster.worker_nodes):
                family = _below(node.all_processes["raylet"][0].process.pid)
                if any(work in command for command in family.values()):
                    self.cluster.remove_node(node, allow_graceful=False)
                    for pid in family:  # they would end by themselves, a moment later
                        _kill(pid)
                    return
            time.sleep(0.02)
        raise SystemExit(f"no node ran {work} within {PATIENCE_S:.0f} s")


def _kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _below(ancestor: int) -> dict[int, str]:
    """Command lines of a process' descendants."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
    found: dict[int, str] = {}
    new = {ancestor}
    while new:
        new = {pid for pid, parent in parents.items() if parent in new}
        for pid in new:
            try:
                found[pid] = (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
    return found


def disturbed(nodes: Nodes, command: list[str], begun: Callable[[], bool], work: str) -> dict[str, Any]:
    """Run an m3n command, kill the node that does `work` when `begun`, and let another one join; how it ended."""
    before = time.monotonic()
    arguments = [*M3N, *command, "--address", nodes.cluster.address]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    while not begun():
        if process.poll() is not None or time.monotonic() - before > PATIENCE_S:
            process.kill()
            raise SystemExit(f"{' '.join(command)} ended before a node could be killed:\n{process.communicate()[0]}")
        time.sleep(0.02)
    nodes.kill_the_one_with(work)
    in_the_middle = process.poll() is None
    nodes.join()
    output = process.communicate(timeout=PATIENCE_S)[0]
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{output}")
    return {"in_the_middle": in_the_middle, "elapsed_s": round(time.monotonic() - before, 1)}


def undisturbed(nodes: Nodes, command: list[str]) -> None:
    arguments = [*M3N, *command, "--address", nodes.cluster.address]
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=PATIENCE_S)


def different(one: Path, other: Path) -> list[str]:
    """Names of files that only one of two folders holds, or whose bytes differ."""
    names = {str(file.relative_to(folder)) for folder in (one, other) for file in folder.rglob("*") if file.is_file()}
    return sorted(
        n
        for n in names
        if not all((f / n).is_file() for f in (one, other)) or (one / n).read_bytes() != (other / n).read_bytes()
    )


def simulate(nodes: Nodes, folder: Path) -> dict[str, Any]:
    """Shards of a node that dies are simulated again by one that joins."""
    poses = folder / "clips" / "poses"
    m3n(["ingest", "choreography", "--out", str(folder / "clips"), "clips=120", "rows_per_shard=8"])
    shards = len(tables.shard_paths(poses))

    def command(out: Path) -> list[str]:
        return ["simulate", str(poses), "--out", str(out), *SIMULATE]

    def begun() -> bool:
        return len(list((folder / "disturbed.partial").glob("*.parquet"))) >= 2

    undisturbed(nodes, command(folder / "undisturbed"))
    how = disturbed(nodes, command(folder / "disturbed"), begun, "ItemWorker")
    return how | {"of": f"{shards} shards", "lost": different(folder / "undisturbed", folder / "disturbed")}


def pretrain(nodes: Nodes, folder: Path) -> dict[str, Any]:
    """The workers start again on the nodes that are left, from the last state; the weights are the same, bit for bit."""
    m3n(["ingest", "choreography", "--out", str(folder / "clips"), "clips=48", "rows_per_shard=8"])
    undisturbed(nodes, ["simulate", str(folder / "clips" / "poses"), "--out", str(folder / "synthetic")])

    def command(out: Path) -> list[str]:
        return ["pretrain", str(folder / "synthetic"), "--out", str(out), *PRETRAIN]

    def begun() -> bool:
        header = read_header(folder / "disturbed.partial" / LAST)
        return header is not None and header["progress"]["epoch"] >= 3

    undisturbed(nodes, command(folder / "undisturbed"))
    how = disturbed(nodes, command(folder / "disturbed"), begun, "RayTrainWorker")
    return how | {"of": "15 epochs", "lost": different(folder / "undisturbed", folder / "disturbed")}


def tune(nodes: Nodes, folder: Path) -> dict[str, Any]:
    """A trial whose node dies resumes on another one from its last epoch; every trial ends as in the undisturbed sweep."""
    m3n(["ingest", "choreography", "--out", str(folder / "clips"), "clips=48", "rows_per_shard=8"])
    undisturbed(nodes, ["simulate", str(folder / "clips" / "poses"), "--out", str(folder / "synthetic")])
    (folder / "recordings").mkdir()
    tables.write_table(folder / "recordings", list(_recordings()), schema.imu_recordings(), rows_per_shard=8)

    def trials(out: Path) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((out / "trials.json").read_text())
        for trial in found:
            del trial["elapsed_s"]
            trial["figures"].pop("latency_ms", None)
        return found

    def command(out: Path) -> list[str]:
        return ["tune", str(folder / "synthetic"), str(folder / "recordings"), "--space", "joint", "--out", str(out), *TUNE]

    def begun() -> bool:
        return bool(list((folder / "disturbed").glob(f"pretrained/*.partial/{LAST}")))

    undisturbed(nodes, command(folder / "undisturbed"))
    how = disturbed(nodes, command(folder / "disturbed"), begun, "RayTrainWorker")
    pairs = zip(trials(folder / "undisturbed"), trials(folder / "disturbed"), strict=True)
    return how | {"of": "3 trials", "lost": [f"trial {one['number']}" for one, other in pairs if one != other]}


def _recordings() -> Iterator[dict[str, Any]]:
    """Six people's swings of the right wrist, of two tempos."""
    time_t = np.arange(300) / 50.0
    for person in range(6):
        for label, hz in (("wave", 1.0), ("shake", 3.0)):
            for take in range(2):
                swing_t = np.sin(2 * np.pi * (hz + 0.1 * person) * time_t + take)
                still_t = np.zeros_like(time_t)
                samples = np.stack([still_t, still_t, 9.81 + 3 * swing_t, 2 * swing_t, still_t, still_t], axis=1)
                yield {
                    "recording_id": f"{person}-{label}-{take}",
                    "source": "swings",
                    "subject": f"person-{person}",
                    "session": "1",
                    "label": label,
                    "segments": None,
                    "rate_hz": 50.0,
                    "n_samples": len(samples),
                    "imu_right_wrist": samples.astype(np.float32).ravel(),
                }


def reproduce(nodes: Nodes, folder: Path) -> dict[str, Any]:
    """Cells of a node that dies run again on another; every cell has the score of the undisturbed grid."""
    protocol = folder / "tiny.yaml"
    protocol.write_text(REPRODUCE)

    def cells(out: Path) -> dict[str, Any]:
        found = {str(file.relative_to(out)): json.loads(file.read_text()) for file in (out / "cells").rglob("*.json")}
        return {name: {key: value for key, value in cell.items() if key != "elapsed_s"} for name, cell in found.items()}

    def command(out: Path) -> list[str]:
        return ["reproduce", str(protocol), "--out", str(out)]

    undisturbed(nodes, command(folder / "undisturbed"))
    how = disturbed(nodes, command(folder / "disturbed"), lambda: bool(cells(folder / "disturbed")), "ray::run_cell")
    expected, found = cells(folder / "undisturbed"), cells(folder / "disturbed")
    lost = sorted(name for name in expected | found if expected.get(name) != found.get(name))
    return how | {"of": f"{len(expected)} cells", "lost": lost}


STAGES = {"simulate": simulate, "pretrain": pretrain, "tune": tune, "reproduce": reproduce}


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("stages", nargs="*", choices=[*STAGES, []], help="which (default: all)")


def run(options: argparse.Namespace) -> dict[str, float]:
    figures: dict[str, float] = {}
    failed = []
    nodes = Nodes()
    try:
        for name in options.stages or STAGES:
            with tempfile.TemporaryDirectory(prefix="m3n-nodes-") as folder:
                os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
                found = STAGES[name](nodes, Path(folder))
            when = "in the middle" if found["in_the_middle"] else "after the end"
            print(f"{name}: a node died {when}, one joined; lost of {found['of']}: {found['lost'] or 'nothing'}", flush=True)
            figures |= {f"{name}_elapsed_s": found["elapsed_s"], f"{name}_lost": len(found["lost"])}
            if found["lost"] or not found["in_the_middle"]:
                failed.append(name)
    finally:
        nodes.cluster.shutdown()
    if failed:
        raise StoppedError(f"node_faults: {', '.join(failed)}: something was lost, or the node died too late to matter", 1)
    return figures
