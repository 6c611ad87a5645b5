"""How fast one training step of Multi3Net is on a GPU: windows/s, share of the GPU's peak arithmetic, and memory.

    python benchmarks/gpu_step.py --json gpu_step.json

Two models (the default one, and one with about ten times the parameters) at global batches of 256, 1,024 and 8,192 windows, bf16
autocast where the device has it, augmentation and all six objectives included, on data already on the device. It needs torch and
numpy alone, so that it runs on a bare GPU machine. FLOPs are counted by PyTorch (matrix products and convolutions, forward and
backward); the share of peak is against the data sheet's dense bf16 figure of the device, or `--peak-tflops`.
"""

from __future__ import annotations

import argparse
import json
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
    "ten times": {"width": 384, "depth": 3, "embedding": 512},
}
OBJECTIVES = {"text_imu": 1.0, "text_pose": 0.5, "imu_pose": 1.0, "left_right": 0.25, "pose2imu": 3.0, "reconstruction": 1.0}
STRENGTH = SimpleNamespace(
    turn_rad=1.0, tilt_rad=0.15, scale=0.1, noise=0.05, warp=0.15, mask=0.2, mask_signal=0.0, slow=0.2, drop=0.5
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


def measure(batches: list[int], steps: int, peak_tflops: float | None, compiled: bool) -> dict[str, object]:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    name = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    bf16 = device.type == "cuda" and torch.cuda.is_bf16_supported()
    peak = peak_tflops or next((value for part, value in PEAKS.items() if part in name), None)
    rows: list[dict[str, object]] = []
    for model, size in MODELS.items():
        training = Training(size, device, bf16, compiled)
        counted = Training(size, device, bf16, compiled=False)
        with FlopCounterMode(display=False) as counter:
            counted.step(random_batch(batches[0], device))
        flops_per_window = counter.get_total_flops() / batches[0]
        del counted
        for windows in batches:
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats()
            seconds = seconds_per_step(training, random_batch(windows, device), steps)
            row: dict[str, object] = {
                "model": model, "parameters": training.parameters, "batch": windows, "windows_per_s": windows / seconds,
                "tflops": flops_per_window * windows / seconds / 1e12,
            }  # fmt: skip
            if peak:
                row["model_flop_utilisation"] = flops_per_window * windows / seconds / 1e12 / peak
            if device.type == "cuda":
                row["peak_memory_gb"] = torch.cuda.max_memory_allocated() / 1e9
            print(json.dumps(row), flush=True)
            rows.append(row)
    return {"device": name, "torch": torch.__version__, "bf16": bf16, "compiled": compiled, "peak_tflops": peak, "steps": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, nargs="+", default=[256, 1024, 8192])
    parser.add_argument("--steps", type=int, default=20, help="timed steps of each kind")
    parser.add_argument("--peak-tflops", type=float, help="the device's dense bf16 peak, where it is not known here")
    parser.add_argument("--compile", action="store_true", help="torch.compile the model")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    options = parser.parse_args()
    figures = measure(options.batches, options.steps, options.peak_tflops, options.compile)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
