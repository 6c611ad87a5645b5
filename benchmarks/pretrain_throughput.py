"""How fast pretraining is fed with data, beside a bare loop: default model and batch, one worker on the CPU.

    m3n bench pretrain_throughput --record

- in memory: a bare PyTorch loop over tensors that are already in memory, which is the limit (rounds before, between and after);
- ours: `m3n pretrain`'s own workers, Ray Data into Ray Train, from the windows on disk (epochs after the first, by their own
  clock);
- data alone, without training: batches of tensors from Ray Data, and from a torch DataLoader over one small file per window,
  the layout that scripts of the field use (safetensors files; the better of 0 and 1 loader processes);
- memory: the peak over all processes of the command, for an epoch on the windows and on 10 times as many.

All files are in the page cache, for each loader alike. Speeds of training are those of the best round or epoch, so that other
work on the machine counts for little.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from m3n import schema
from m3n.cluster.feed import ray_reader
from m3n.cluster.pretrain import run_workers
from m3n.cluster.start import connect
from m3n.config import OptimConfig, PretrainConfig, WindowsConfig
from m3n.data.corpora import Shard
from m3n.data.window_store import WindowStore, cut_shard, write_index
from m3n.data.windows import POSE_FEATURES
from m3n.io import tables
from m3n.losses import MultiTaskLoss
from m3n.models import Multi3Net
from m3n.training.augment import augment, draw_worn
from m3n.training.batch_order import BatchSampler
from m3n.training.batches import BatchMaker

WRISTS, SHAPE, BATCH, TEXT = ("left_wrist", "right_wrist"), WindowsConfig(), 128, 384
CLIP_WINDOWS, CLIPS_PER_SHARD = 16, 16
ROUND_STEPS = 20
DELIVERED = 150_000  # windows, so many that those read ahead before the first one is counted do not count
TRAIN_HERE = """
import json, runpy, sys
from pathlib import Path
print(json.dumps(runpy.run_path(sys.argv[1])["train_here"](Path(sys.argv[2]), int(sys.argv[3]))))
"""


def make_store(folder: Path, windows: int) -> WindowStore:
    """Smooth random clips of 16 windows, 16 clips a shard, cut into windows."""
    rng = np.random.default_rng(0)
    frames, samples = (CLIP_WINDOWS + 1) * 30 + 1, (CLIP_WINDOWS + 1) * 60 + 1
    t = np.arange(frames)[:, None, None] / 30
    table = folder / "table"
    table.mkdir(parents=True)

    def rows() -> Iterator[dict[str, object]]:
        for i in range(windows // CLIP_WINDOWS):
            yield {
                "clip_id": f"{i}", "source": "bench", "text": f"sentence {i % 500}", "fps": 30.0, "body_model": "smpl",
                "gender": "neutral", "betas": np.zeros(10), "n_frames": frames, "trans": np.zeros((frames, 3)),
                "poses": np.sin(rng.uniform(0, 6, (24, 3)) * t), "rate_hz": 60.0, "n_samples": samples,
                **{schema.imu_column(wrist): 5 * rng.normal(size=(samples, 6)) for wrist in WRISTS},
            }  # fmt: skip

    tables.write_table(table, rows(), schema.synthetic_clips(WRISTS), CLIPS_PER_SHARD)
    shards = [Shard(path, path.stem, WRISTS) for path in tables.shard_paths(table)]
    for shard in shards:
        cut_shard(shard, folder / "windows", SHAPE, WRISTS, [])
    embed = lambda sentences: rng.normal(size=(len(sentences), TEXT)).astype(np.float32)  # noqa: E731
    return write_index(folder / "windows", shards, SHAPE, WRISTS, val_share=0.0, seed=0, embed=embed)


def settings(epochs: int) -> PretrainConfig:
    return PretrainConfig(optim=OptimConfig(epochs=epochs, batch_size=BATCH), workers=1, device="cpu")


class InMemory:
    """The bare loop; call it for the windows per second of one round."""

    def __init__(self, store: WindowStore) -> None:
        sampler = BatchSampler(store, 0, BATCH)
        make_batch = BatchMaker(store, torch.device("cpu"), SHAPE.rate_hz)
        raw_batches = islice(sampler.batches(0, 0, 1, sampler.in_process), ROUND_STEPS)
        self.batches = [make_batch(raw) for raw in raw_batches]
        self.config = settings(1)
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))  # as the worker does
        self.model = Multi3Net(WRISTS, POSE_FEATURES, TEXT, **self.config.model.model_dump())
        self.loss = MultiTaskLoss(self.config.loss.weights, self.config.loss.temperature, WRISTS)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=1e-3, weight_decay=0.01)
        self.draws = torch.Generator().manual_seed(0)

    def __call__(self) -> float:
        clock = time.perf_counter()
        for batch in self.batches:
            inputs, rows = dict(batch), slice(0, BATCH)
            changed = augment(batch["ideal_bpt6"], self.config.augment, self.draws, rows, BATCH, SHAPE.rate_hz)
            inputs["imu_bpt6"], inputs["clean_bpt6"], inputs["rate_b"] = changed
            inputs["worn_bp"] = draw_worn(batch["ideal_bpt6"], self.config.augment, self.draws, rows, BATCH)
            total = self.loss(self.model(inputs), inputs)["total"]
            self.optimizer.zero_grad(set_to_none=True)
            total.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
        return len(self.batches) * BATCH / (time.perf_counter() - clock)


def train_here(folder: Path, epochs: int) -> list[float]:
    """Windows per second of every epoch of a run on Ray."""
    connect(None, 1)
    rates: list[float] = []
    with tempfile.TemporaryDirectory(dir=folder) as staging:
        on_metrics = lambda epoch, metrics: rates.append(metrics["train/windows_per_s"])  # noqa: E731
        run_workers(WindowStore.open(folder / "windows"), settings(epochs), Path(staging), Path(staging), {}, on_metrics)
    return rates


def train_apart(folder: Path, epochs: int) -> tuple[list[float], float]:
    """The same in processes of its own: (windows per second of every epoch, peak memory of all its processes [MB])."""
    command = [sys.executable, "-c", TRAIN_HERE, __file__, str(folder), str(epochs)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    peak = 0.0
    while child.poll() is None:
        peak = max(peak, sum(map(proportional_mb, family(child.pid))))
        time.sleep(1.0)
    out = child.stdout.read() if child.stdout else ""
    rates = json.loads(out.splitlines()[-1])
    print(f"trained {folder.name}: {[round(r) for r in rates]} windows/s, peak {peak:.0f} MB", file=sys.stderr)
    return rates, peak


def family(ancestor: int) -> list[int]:
    """A process and all below it."""
    parents: dict[int, list[int]] = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(file.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
        parents.setdefault(parent, []).append(int(file.parent.name))
    found, new = [ancestor], [ancestor]
    while new:
        new = [child for parent in new for child in parents.get(parent, [])]
        found += new
    return found


def proportional_mb(pid: int) -> float:
    """Memory of a process, shared pages divided among those that share them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def delivered_by_ray(store: WindowStore, epochs: int) -> float:
    """Windows per second, from the first batch on, as tensors with their sentences looked up."""
    connect(None, 1)
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    sampler, sentences = BatchSampler(store, 0, BATCH), store.sentences

    def tensors() -> Iterator[int]:
        for raw in sampler.batches(0, 0, epochs, ray_reader(sampler)):
            batch = [torch.from_numpy(raw["imu"]), torch.from_numpy(raw["pose"])]
            batch.append(torch.from_numpy(sentences[raw["keys"][:, 1]]))
            yield len(batch[0])

    return rate(tensors())


class FilePerWindow(torch.utils.data.Dataset):
    """One small file per window."""

    def __init__(self, folder: Path, windows: int) -> None:
        self.folder, self.windows = folder, windows

    def __len__(self) -> int:
        return self.windows

    def __getitem__(self, i: int) -> dict[str, torch.Tensor]:
        return safetensors.torch.load_file(self.folder / f"{i}.safetensors")


def write_files(store: WindowStore, folder: Path) -> FilePerWindow:
    folder.mkdir()
    sampler, count = BatchSampler(store, 0, BATCH), 0
    for raw in sampler.batches(0, 0, 1, sampler.in_process):
        text = store.sentences[raw["keys"][:, 1]]
        for imu, pose, keys, sentence in zip(raw["imu"], raw["pose"], raw["keys"], text, strict=True):
            values = {"imu": imu, "pose": pose, "keys": keys, "text": sentence}
            content = {name: torch.tensor(value) for name, value in values.items()}
            safetensors.torch.save_file(content, folder / f"{count}.safetensors")
            count += 1
    return FilePerWindow(folder, count)


def delivered_by_files(files: FilePerWindow, processes: int, epochs: int) -> float:
    loader = torch.utils.data.DataLoader(
        files, BATCH, shuffle=True, drop_last=True, num_workers=processes, persistent_workers=processes > 0
    )
    return rate(len(batch["imu"]) for _ in range(epochs) for batch in loader)


def rate(batches: Iterator[int]) -> float:
    """Windows per second, counted from the first batch."""
    next(batches)
    clock = time.perf_counter()
    windows = sum(batches)
    return windows / (time.perf_counter() - clock)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--windows", type=int, default=4096, help="windows of the small corpus")


def run(options: argparse.Namespace) -> dict[str, float]:
    windows = options.windows
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = make_store(folder / "small", windows)
        make_store(folder / "large", 10 * windows)
        bare = InMemory(store)
        bare()
        limit, ours, peaks = [bare()], [], []
        for _ in range(2):
            rates, peak = train_apart(folder / "small", 4)
            ours += rates[1:]
            peaks.append(peak)
            limit.append(bare())
        _, large = train_apart(folder / "large", 1)
        files = write_files(store, folder / "files")
        delivered_by_files(files, 0, 1)
        by_files = max(delivered_by_files(files, processes, 3) for processes in (0, 1))
        large_store = WindowStore.open(folder / "large" / "windows")
        by_ray = delivered_by_ray(large_store, 1 + DELIVERED // (10 * windows))
    return {
        "in_memory_windows_per_s": max(limit),
        "ours_windows_per_s": max(ours),
        "ratio_to_in_memory": max(ours) / max(limit),
        "data_windows_per_s": by_ray,
        "file_per_window_windows_per_s": by_files,
        "ratio_to_file_per_window": by_ray / by_files,
        "peak_memory_mb": max(peaks),
        "peak_memory_mb_10_times_the_data": large,
        "memory_growth_mb": large - max(peaks),
    }
