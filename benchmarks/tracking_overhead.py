"""What tracking costs a training: the same pretraining with MLflow and without it, side by side.

    m3n bench tracking_overhead --record

Blocks of steps of the default model and batch, in the order off, on, on, off, and so on, after one of each that does not count.
With tracking on, a run is open: 13 values are logged every 20 steps (`m3n pretrain` logs that many once an epoch, `m3n
finetune` one every 20 steps), the machine is sampled, and a thread of this process sends to SQLite (or to `--uri`). So the
training shares its interpreter with all of it, whereas `m3n pretrain` has separate processes. Wall time is the lower quartile
over blocks, so that other work on the machine counts for little; CPU time is that of all threads of the process, and stays
meaningful on a busy machine. What the start costs once (importing mlflow, making the database) is a figure of its own.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from m3n import schema, tracking
from m3n.config import OptimConfig, PretrainConfig, WindowsConfig
from m3n.data.corpora import Shard
from m3n.data.window_store import WindowStore, cut_shard, write_index
from m3n.io import tables
from m3n.training.batch_order import BatchSampler
from m3n.training.pretrain import Loop, Run

WRISTS, SHAPE, EVERY = ("left_wrist", "right_wrist"), WindowsConfig(), 20


def make_store(folder: Path, windows: int) -> WindowStore:
    """Windows of noise, as large as real ones."""
    rng = np.random.default_rng(0)
    frames, samples = (windows + 1) * 30 + 1, (windows + 1) * 60 + 1
    (folder / "table").mkdir(parents=True)
    row = {
        "clip_id": "0", "source": "bench", "text": "somebody moves", "fps": 30.0, "body_model": "smpl", "gender": "neutral",
        "betas": np.zeros(10), "n_frames": frames, "trans": np.zeros((frames, 3)), "poses": rng.normal(size=(frames, 24, 3)),
        "rate_hz": 60.0, "n_samples": samples, **{schema.imu_column(w): 5 * rng.normal(size=(samples, 6)) for w in WRISTS},
    }  # fmt: skip
    tables.write_table(folder / "table", [row], schema.synthetic_clips(WRISTS), 1)
    (path,) = tables.shard_paths(folder / "table")
    shard = Shard(path, path.stem, WRISTS)
    cut_shard(shard, folder / "windows", SHAPE, WRISTS, [])
    embed = lambda sentences: rng.normal(size=(len(sentences), 384)).astype(np.float32)  # noqa: E731
    return write_index(folder / "windows", [shard], SHAPE, WRISTS, val_share=0.0, seed=0, embed=embed)


class Training:
    """The plain loop of `m3n pretrain`, a block of steps at a time."""

    def __init__(self, folder: Path, batch: int) -> None:
        self.config = PretrainConfig(optim=OptimConfig(epochs=10_000, batch_size=batch), workers=1, device="cpu")
        store = make_store(folder, 4 * batch)
        sampler = BatchSampler(store, 0, batch)
        torch.set_num_threads(1)
        self.loop = Loop(sampler, self.config, Run(folder, {}), sampler.in_process, torch.device("cpu"))
        self.loop.task.train()
        self.batches: Iterator[Any] = sampler.batches(0, 0, 10_000, sampler.in_process)

    def block(self, steps: int, run: tracking.Run | None) -> tuple[float, float, float]:
        """(wall seconds, CPU seconds, longest call that logged [s]) of some steps."""
        wall, cpu, longest = time.perf_counter(), time.process_time(), 0.0
        for step in range(steps):
            self.loop.progress.step = 0
            self.loop.step(self.batches)
            if run is not None and step % EVERY == 0:
                before = time.perf_counter()
                run.metrics({f"train/loss/{i}": 1 / (1 + step) for i in range(13)}, step)
                longest = max(longest, time.perf_counter() - before)
        return time.perf_counter() - wall, time.process_time() - cpu, longest


def measure(folder: Path, blocks: int, steps: int, batch: int) -> dict[str, float]:
    training = Training(folder / "data", batch)
    on: list[tuple[float, float, float]] = []
    off: list[tuple[float, float, float]] = []
    training.block(EVERY, None)
    begun, cpu = time.perf_counter(), time.process_time()
    with tracking.track("pretrain", "warm up", training.config):
        pass
    start_s, start_cpu_s = time.perf_counter() - begun, time.process_time() - cpu
    for i in range(blocks):
        for tracked in ((False, True), (True, False))[i % 2]:
            if tracked:
                with tracking.track("pretrain", f"block {i}", training.config) as run:
                    on.append(training.block(steps, run))
            else:
                off.append(training.block(steps, None))
    wall_on, wall_off = (float(np.quantile([b[0] for b in found], 0.25)) for found in (on, off))
    cpu_on, cpu_off = (float(np.median([b[1] for b in found])) for found in (on, off))
    return {
        "step_ms_without": 1000 * wall_off / steps,
        "step_ms_with": 1000 * wall_on / steps,
        "overhead_wall_percent": 100 * (wall_on / wall_off - 1),
        "overhead_cpu_percent": 100 * (cpu_on / cpu_off - 1),
        "longest_call_ms": 1000 * max(b[2] for b in on),
        "once_wall_s": start_s,
        "once_cpu_s": start_cpu_s,
    }


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--blocks", type=int, default=10, help="blocks with tracking, and as many without")
    parser.add_argument("--steps", type=int, default=200, help="steps of a block")
    parser.add_argument("--batch", type=int, default=128, help="windows of a batch")
    parser.add_argument("--uri", help="tracking server (default: a SQLite file in a temporary folder)")


def run(options: argparse.Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as name:
        os.environ["MLFLOW_TRACKING_URI"] = options.uri or f"sqlite:///{name}/mlflow.db"
        os.environ["M3N_CACHE"] = name
        os.chdir(name)
        return measure(Path(name), options.blocks, options.steps, options.batch)
