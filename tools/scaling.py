"""What 10 million clips and 1,000 trials would cost, in hours and money, on the cluster of cluster.yaml: a calculation on paper.

    python tools/scaling.py
    python tools/scaling.py --clips 1e6 --trials 200 --set gpu_hour=0.60 gpus=8

Every number is measured, with the page that says how, or an assumption, and marked as such; docs/scaling.md holds what this
prints. A stage takes as long as its slowest resource: arithmetic, feed, or network. Prices are assumptions: put in today's.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path

GB = 1e9


@dataclass(frozen=True)
class Number:
    """A value, its unit, and where it comes from."""

    value: float
    unit: str
    source: str


def measured(value: float, unit: str, where: str) -> Number:
    return Number(value, unit, f"measured, {where}")


def assumed(value: float, unit: str, why: str) -> Number:
    return Number(value, unit, f"assumed: {why}")


SPEED = "[results.md](results.md#how-fast)"
NUMBERS = {
    # the corpus
    "clip_s": assumed(10, "s", "length of a clip of video"),
    "fps": assumed(30, "frames/s", "as video has it"),
    "pose_floats": Number(75, "floats/frame", "24 rotations and a translation of SMPL, `m3n/schema.py`"),
    "imu_rate": assumed(50, "samples/s", "`rate_hz=50`, two wrists"),
    # what was measured
    "simulate": measured(0.31e6, "frames/s a core", f"{SPEED}: the job on Ray, one worker, Parquet to Parquet"),
    "cpu_windows": measured(211, "windows/s a core", f"{SPEED}: `m3n pretrain`, default model, one thread"),
    "feed_windows": measured(23_800, "windows/s a worker", f"{SPEED}: data alone, Ray Data, two cores"),
    "cut_windows": measured(1_600, "windows/s a core", "`cut_shard` on clips of 10 s, CPU time on a busy machine, 2026-11-26"),
    "window_kb": measured(21, "kB a window", "[pretraining_data.md](pretraining_data.md#four-steps)"),
    "gflops": measured(0.171, "GFLOP a window", "forward and backward of the default model, counted by PyTorch (`gpu_step.py`)"),
    "finetune_windows": Number(540, "windows/s a core", "`cpu_windows`, by the 0.067 GFLOP that the IMU encoder alone takes"),
    # the cluster
    "cpu_nodes": assumed(8, "nodes", "`max_workers` of `cpu` in cluster.yaml"),
    "cpu_node_cores": assumed(4, "cores", "c7i.2xlarge: 8 vCPUs are 4 cores"),
    "gpus": assumed(4, "GPUs", "`max_workers` of `gpu` in cluster.yaml, one L4 each"),
    "gpu_tflops": assumed(121, "TFLOP/s", "data sheet of the L4, dense bf16"),
    "gpu_share": assumed(0.1, "of peak", "networks this small; **not measured yet**: `m3n bench gpu_step` on the card tells"),
    "node_gbps": assumed(0.3, "GB/s a node", "sustained network of an 8-vCPU node; bursts are four times that"),
    "cache_gb": assumed(20, "GB a node", "what a GPU node's memory keeps of files it has read: those are not fetched again"),
    # the work
    "window_s": assumed(2, "s", "`windows.window_s`"),
    "hop_s": assumed(1, "s", "`windows.hop_s`"),
    "epochs": assumed(5, "passes", "of a corpus this large; 60 is the default for thousands of clips"),
    "trial_share": assumed(0.01, "of the clips", "what a trial pretrains on: 100,000 clips"),
    "trial_epochs": assumed(10, "passes", "of that share"),
    "stopped_early": assumed(0.4, "of the work", "what ASHA (reduction 3) leaves of running all trials to their end"),
    "finetune_s_of_data": assumed(36_000, "s", "ten hours of labelled recordings, for each trial"),
    "finetune_epochs": assumed(20, "passes", "over them"),
    "trial_start_s": assumed(20, "s", "start of a Ray Train worker group, imports included"),
    # prices, US dollars
    "cpu_hour": assumed(0.14, "$/h", "c7i.2xlarge, spot, us-west-2; on demand 0.36"),
    "gpu_hour": assumed(0.45, "$/h", "g6.2xlarge, spot, us-west-2; on demand 0.98"),
    "head_hour": assumed(0.20, "$/h", "m7i.xlarge, on demand"),
    "s3_month": assumed(0.023, "$/GB and month", "S3 standard"),
    "efs_read": assumed(0.03, "$/GB", "EFS elastic throughput, read"),
    "efs_write": assumed(0.06, "$/GB", "EFS elastic throughput, written"),
}  # fmt: skip


@dataclass(frozen=True)
class Stage:
    """Hours that each resource of a stage is busy; the largest is how long it takes."""

    name: str
    busy_h: dict[str, float]
    dollars: float
    note: str = ""

    @property
    def bound_by(self) -> str:
        return max(self.busy_h, key=lambda resource: self.busy_h[resource])

    @property
    def hours(self) -> float:
        return self.busy_h[self.bound_by]


def calculate(clips: float, trials: float, n: dict[str, float]) -> tuple[dict[str, float], list[Stage]]:
    """(sizes, stages) of a corpus and a sweep; `n`: the numbers above by name."""
    frames = clips * n["clip_s"] * n["fps"]
    windows = clips * (1 + (n["clip_s"] - n["window_s"]) // n["hop_s"])
    poses_gb = frames * n["pose_floats"] * 4 / GB
    imu_gb = clips * n["clip_s"] * n["imu_rate"] * 2 * 6 * 4 / GB
    windows_gb = windows * n["window_kb"] * 1e3 / GB
    sizes = {
        "frames": frames,
        "windows": windows,
        "poses_gb": poses_gb,
        "synthetic_gb": poses_gb + imu_gb,
        "windows_gb": windows_gb,
    }

    cores = n["cpu_nodes"] * n["cpu_node_cores"]
    through = n["cpu_nodes"] * n["node_gbps"] * GB * 3600 / 1e9  # GB/h of all nodes
    simulate = {"cores": frames / n["simulate"] / cores / 3600, "network": (2 * poses_gb + imu_gb) / through}
    cut = {"cores": windows / n["cut_windows"] / cores / 3600, "network": (poses_gb + imu_gb + windows_gb) / through}

    gpu_windows = n["gpu_tflops"] * n["gpu_share"] * 1e3 / n["gflops"]

    def pretrain(of: float, passes: float, gpus: float) -> dict[str, float]:
        """Hours for so many passes over `of` windows."""
        gb = of * n["window_kb"] * 1e3 / GB
        fetched = gb * (1 if gb / gpus <= n["cache_gb"] else passes)
        return {
            "GPUs": of * passes / gpu_windows / gpus / 3600,
            "feed": of * passes / n["feed_windows"] / gpus / 3600,
            "network": fetched / (gpus * n["node_gbps"]) / 3600,
        }

    whole = pretrain(windows, n["epochs"], n["gpus"])
    one = pretrain(windows * n["trial_share"], n["trial_epochs"], 1)
    finetune_h = n["finetune_s_of_data"] / n["hop_s"] * n["finetune_epochs"] / n["finetune_windows"] / 3600
    gpu_h = {k: trials * n["stopped_early"] * v / n["gpus"] for k, v in one.items()}
    gpu_h = {k: v + trials * n["trial_start_s"] / 3600 / n["gpus"] for k, v in gpu_h.items()}  # nothing is read or learnt then
    search = gpu_h | {"cores": trials * n["stopped_early"] * finetune_h / cores}

    def stage(name: str, busy: dict[str, float], hourly: float, storage: float = 0.0) -> Stage:
        hours = max(busy.values())
        return Stage(name, busy, hours * (hourly + n["head_hour"]) + storage)

    cpus, gpus = n["cpu_nodes"] * n["cpu_hour"], n["gpus"] * n["gpu_hour"]
    reads = windows_gb * n["efs_write"] + windows_gb * n["epochs"] * n["efs_read"]
    stages = [
        stage("simulate", simulate, cpus),
        stage("pretrain: cutting windows", cut, cpus),
        stage("pretrain: training", whole, gpus, reads),
        stage(f"tune: {trials:,.0f} trials", search, gpus + cpus),
    ]
    return sizes, stages


def short(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def tables_of(clips: float, trials: float, n: dict[str, float]) -> str:
    """The tables of docs/scaling.md."""
    sizes, stages = calculate(clips, trials, n)
    storage = (sizes["poses_gb"] + sizes["synthetic_gb"]) * n["s3_month"]
    lines = [
        f"{clips:,.0f} clips: {sizes['frames'] / 1e9:,.1f} billion frames, {sizes['windows'] / 1e6:,.0f} million windows; "
        f"poses {sizes['poses_gb']:,.0f} GB, synthetic clips {sizes['synthetic_gb']:,.0f} GB (before compression, on S3 "
        f"${storage:,.0f} a month), windows {sizes['windows_gb']:,.0f} GB while they are trained on.",
        "",
        "| stage | hours | saturates first | then | dollars |",
        "| --- | --- | --- | --- | --- |",
    ]
    for stage in stages:
        order = sorted(stage.busy_h, key=lambda resource: -stage.busy_h[resource])
        second = f"{order[1]} ({short(stage.busy_h[order[1]])} h)"
        lines.append(f"| {stage.name} | {short(stage.hours)} | {order[0]} | {second} | {short(stage.dollars)} |")
    lines += [f"| **all** | **{short(sum(s.hours for s in stages))}** | | | **{short(sum(s.dollars for s in stages))}** |", ""]
    lines += ["| number | value | |", "| --- | --- | --- |"]
    lines += [f"| `{name}` | {n[name]:,g} {number.unit} | {number.source} |" for name, number in NUMBERS.items()]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=float, default=10e6)
    parser.add_argument("--trials", type=float, default=1000)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="other numbers than those of the table")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    arguments = parser.parse_args()
    numbers = {name: number.value for name, number in NUMBERS.items()}
    for item in arguments.set:
        name, _, value = item.partition("=")
        if name not in numbers:
            parser.error(f"no number {name}: expected one of {', '.join(numbers)}")
        numbers[name] = float(value)
    print(tables_of(arguments.clips, arguments.trials, numbers))
    if arguments.json:
        sizes, stages = calculate(arguments.clips, arguments.trials, numbers)
        figures = {
            "sizes": sizes,
            "stages": {s.name: {"hours": s.hours, "busy_h": s.busy_h, "dollars": s.dollars} for s in stages},
        }
        arguments.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
