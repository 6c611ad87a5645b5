"""How fast one training step of Multi3Net is on a GPU: windows/s, share of the GPU's peak arithmetic, and memory.

    m3n bench gpu_step --record
    python benchmarks/gpu_step.py --record --results DIR     # a bare GPU machine, with a checkout, torch and NumPy alone

Two models (the default one, and one with about ten times the parameters) at global batches of 256, 1,024 and 8,192 windows, in bf16
autocast where the device has it, with augmentation and all losses, on data that is already on the device. PyTorch counts the FLOPs
(matrix products and convolutions, forward and backward); the share of peak is against the dense bf16 figure of the device's data
sheet, or `--peak-tflops`. A figure's name begins with the model and the batch.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import torch
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # a bare machine has a checkout, not an installed package

from m3n.losses import MultiTaskLoss
from m3n.models import Multi3Net
from m3n.training.augment import augment, draw_worn

PLACEMENTS = ("left_wrist", "right_wrist")
RATE_HZ, SAMPLES, POSE_FRAMES, POSE_FEATURES, TEXT_FEATURES = 50.0, 100, 30, 22 * 6 + 3, 384  # windows of 2 s, as the default
MODELS = {
    "default": {"width": 128, "depth": 2, "embedding": 256},
    "large": {"width": 384, "depth": 3, "embedding": 512},
}
OBJECTIVES = {"text_imu": 1.0, "text_pose": 0.5, "imu_pose": 1.0, "left_right": 0.25, "pose2imu": 3.0, "reconstruction": 1.0}
# the defaults of `augment`, whose config needs more than a bare machine has
STRENGTH = SimpleNamespace(
    turn_rad=1.0, tilt_rad=0.15, scale=0.1, noise=0.05, warp=0.15, shift=0.0, mask=0.2, mask_signal=0.0, slow=0.2, drop=0.5
)
# dense bf16 peak of data sheets, TFLOP/s, by a part of the device's name
PEAKS = {"H200": 989.0, "H100": 989.0, "A100": 312.0, "L40S": 362.0, "L4": 121.0, "4090": 165.0}


def random_batch(windows: int, device: torch.device) -> dict[str, torch.Tensor]:
    """A batch of noise, ten sentences and as many labels."""
    draw = torch.Generator(device).manual_seed(0)
    imu = torch.randn(windows, len(PLACEMENTS), SAMPLES, 6, generator=draw, device=device)
    number = torch.arange(windows, device=device)
    return {
        "ideal_bpt6": imu,
        "pose_bfd": torch.randn(windows, POSE_FRAMES, POSE_FEATURES, generator=draw, device=device),
        "text_bc": torch.randn(windows, TEXT_FEATURES, generator=draw, device=device),
        "keys_bk": torch.stack([number, number % 10, number % 10], dim=1),
    }


class Training:
    """A model, its losses and its optimiser, and one step of them."""

    def __init__(self, size: dict[str, int], device: torch.device, bf16: bool, compiled: bool) -> None:
        torch.manual_seed(0)
        self.device, self.bf16 = device, bf16
        model = Multi3Net(PLACEMENTS, POSE_FEATURES, TEXT_FEATURES, **size).to(device)
        self.parameters = sum(p.numel() for p in model.parameters())
        self.model = torch.compile(model) if compiled else model
        self.loss = MultiTaskLoss(OBJECTIVES, 0.07, PLACEMENTS).to(device)
        self.optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, fused=device.type == "cuda")
        self.draws = torch.Generator().manual_seed(0)

    def step(self, batch: dict[str, torch.Tensor]) -> None:
        ideal, total = batch["ideal_bpt6"], len(batch["ideal_bpt6"])
        imu, clean, rate = augment(ideal, STRENGTH, self.draws, slice(None), total, RATE_HZ)
        worn = draw_worn(ideal, STRENGTH, self.draws, slice(None), total)
        inputs = batch | {"imu_bpt6": imu, "clean_bpt6": clean, "rate_b": rate, "worn_bp": worn}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            out = self.model(inputs)
        losses = self.loss({name: value.float() for name, value in out.items()}, inputs)
        self.optimizer.zero_grad(set_to_none=True)
        losses["total"].backward()
        self.optimizer.step()


def seconds_per_step(training: Training, batch: dict[str, torch.Tensor], steps: int) -> float:
    def wait() -> None:
        if training.device.type == "cuda":
            torch.cuda.synchronize()

    for _ in range(3):
        training.step(batch)
    wait()
    started = time.perf_counter()
    for _ in range(steps):
        training.step(batch)
    wait()
    return (time.perf_counter() - started) / steps


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--batches", type=int, nargs="+", default=[256, 1024, 8192], help="windows of a step")
    parser.add_argument("--steps", type=int, default=20, help="timed steps of each kind")
    parser.add_argument("--peak-tflops", type=float, help="the device's dense bf16 peak, where it is not known here")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")


def run(options: argparse.Namespace) -> dict[str, float]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    peak = options.peak_tflops or next((value for part, value in PEAKS.items() if part in name), None)
    figures: dict[str, float] = {}
    for model, size in MODELS.items():
        training = Training(size, device, bf16, options.compile)
        counted = Training(size, device, bf16, compiled=False)
        with FlopCounterMode(display=False) as counter:
            counted.step(random_batch(options.batches[0], device))
        flops_per_window = counter.get_total_flops() / options.batches[0]
        del counted
        figures[f"{model}_parameters"] = training.parameters
        for windows in options.batches:
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            speed = windows / seconds_per_step(training, random_batch(windows, device), options.steps)
            row = {"windows_per_s": speed, "tflops": flops_per_window * speed / 1e12}
            if peak:
                row["share_of_peak"] = flops_per_window * speed / 1e12 / peak
            if device.type == "cuda":
                row["peak_memory_gb"] = torch.cuda.max_memory_allocated() / 1e9
            figures |= {f"{model}_{windows}_{what}": value for what, value in row.items()}
    return figures


if __name__ == "__main__":
    from m3n.commands.bench.command import run_benchmark

    run_benchmark(__file__, sys.argv[1:])
