"""A trained classifier as an ONNX graph on raw sensor samples: it includes the normaliser and the softmax.

In training, the towers pick the placements that were worn, so the amount of work depends on the data. A graph of fixed shape
computes every placement and gives those that were not worn the weight 0, which yields the same mean. torch's tracing exporter is
used rather than its newer one: it needs no further package and takes one second instead of twenty. Since it is known to fix the
batch size of some recurrent layers, every graph is compared with torch at several batch sizes (`largest_difference`) before it is
written out.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from m3n.data.windows import Normaliser
from m3n.export.runtime import FACTS, feeds, open_session, require
from m3n.models import Classifier
from m3n.models.multi3net import mean_step, mean_worn
from m3n.schema import GRAVITY
from m3n.training.checkpoint import Checkpoint

OPSET = 17
AGREEMENT = 1e-4  # largest difference of a logit between torch and onnxruntime
BATCHES = (1, 3, 64)


class Deployed(nn.Module):
    """The classifier from raw windows (b, p, t, 6; m/s², rad/s), worn_bp and rate_b (Hz) to logits and probabilities."""

    scale_6: Tensor

    def __init__(self, model: Classifier, normaliser: Normaliser) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("scale_6", torch.tensor([normaliser.acc] * 3 + [normaliser.gyro] * 3))

    def forward(self, imu_bpt6: Tensor, worn_bp: Tensor, rate_b: Tensor) -> tuple[Tensor, Tensor]:
        imu_bpt6 = torch.where(
            worn_bp[:, :, None, None], imu_bpt6 / self.scale_6, 0.0
        )  # a placement that was not worn may be NaN
        tower, head = self.model.imu, self.model.head
        tokens_bpsw = tower.tokens(imu_bpt6, rate_b)
        if self.model.dense:
            tokens_bsw = mean_worn(tokens_bpsw.flatten(2), worn_bp).unflatten(1, tokens_bpsw.shape[2:])
            logits_bc = mean_step(self.model.of_tokens(tokens_bsw)[0])
        else:
            pool = getattr(head, "pool", tower.pool)
            features_bpw = pool(tokens_bpsw.flatten(0, 1)).unflatten(0, imu_bpt6.shape[:2])
            logits_bc, _ = head(mean_worn(features_bpw, worn_bp))
        return logits_bc, logits_bc.softmax(-1)


class _DeployedOne(Deployed):
    """The same for a single placement, which is always worn."""

    def forward(self, imu_bpt6: Tensor, rate_b: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return super().forward(imu_bpt6, torch.ones_like(imu_bpt6[:, :, 0, 0], dtype=torch.bool), rate_b)


def write_onnx(file: Path, model: Classifier, checkpoint: Checkpoint) -> None:
    """Write the graph, for any batch size.

    Inputs: `imu` (batch, placements, samples, 6), `worn` (batch, placements; only for several placements) and `rate_hz` (batch,).
    Outputs: `logits` and `probabilities` (batch, classes). The classes, placements and window are in its metadata, as JSON under
    "m3n". InputError if the package onnx is missing.
    """
    onnx = require("onnx")
    several = len(checkpoint.placements) > 1
    deployed = (Deployed if several else _DeployedOne)(model, checkpoint.normaliser).eval()
    facts = facts_of(checkpoint)
    example = feeds(*trial_windows(facts, 2))
    names = ["logits", "probabilities"]
    with _quiet_tracing(), torch.no_grad():
        torch.onnx.export(
            deployed, tuple(torch.from_numpy(value) for value in example.values()), file, dynamo=False, opset_version=OPSET,
            input_names=list(example), output_names=names, dynamic_axes={name: {0: "batch"} for name in [*example, *names]},
        )  # fmt: skip
    graph = onnx.load(file)
    graph.producer_name, graph.doc_string = "m3n", "Activity recognition from raw windows of m/s² and rad/s"
    onnx.helper.set_model_props(graph, {FACTS: json.dumps(facts)})
    onnx.checker.check_model(graph, full_check=True)
    onnx.save(graph, file)


@contextmanager
def _quiet_tracing() -> Iterator[None]:
    """Without the fused attention kernel, which ONNX lacks, and without warnings about what is checked afterwards."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


def facts_of(checkpoint: Checkpoint) -> dict[str, Any]:
    """The metadata of the graph."""
    shape = checkpoint.windows
    return {
        "classes": checkpoint.classes,
        "placements": checkpoint.placements,
        "samples": shape.samples,
        **{name: getattr(shape, name) for name in ("rate_hz", "window_s", "hop_s")},
    }


def trial_windows(facts: dict[str, Any], batch: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Windows to compare runtimes with, (imu, worn, rate): alternately noise, and a wrist that swings under gravity at 0.3 to 3 Hz;
    at least one placement worn, sensors of 20 to 200 Hz."""
    rng = np.random.default_rng(batch)
    placements, samples = len(facts["placements"]), facts["samples"]
    shape = (batch, placements, 1)
    t = np.arange(samples) / facts["rate_hz"]
    pace, reach = 2 * np.pi * rng.uniform(0.3, 3, shape), rng.uniform(0, 1.5, shape)
    phase = pace * t + rng.uniform(0, 6, shape)
    angle, speed, still = reach * np.sin(phase), pace * reach * np.cos(phase), np.zeros_like(phase)
    swing = [still, GRAVITY * np.sin(angle), GRAVITY * np.cos(angle), speed, still, still]
    imu = rng.normal(size=(batch, placements, samples, 6)) * ([10.0] * 3 + [3.0] * 3)
    imu[::2] = 0.05 * imu[::2] + np.stack(swing, axis=-1)[::2]
    worn = rng.random((batch, placements)) > 0.4
    worn[np.arange(batch), rng.integers(placements, size=batch)] = True
    return imu.astype(np.float32), worn, rng.uniform(20, 200, batch).astype(np.float32)


@torch.no_grad()
def largest_difference(file: Path, model: Classifier, normaliser: Normaliser) -> float:
    """Largest absolute difference of a logit or probability between torch and the ONNX file, over `trial_windows`."""
    session, facts = open_session(file)
    found = 0.0
    for batch in BATCHES:
        imu, worn, rate = trial_windows(facts, batch)
        expected, _ = model(torch.from_numpy(normaliser(imu)), torch.from_numpy(worn), None, torch.from_numpy(rate))
        logits, probabilities = session.run(["logits", "probabilities"], feeds(imu, worn, rate))
        found = max(found, float(np.abs(logits - expected.numpy()).max()))
        found = max(found, float(np.abs(probabilities - expected.softmax(-1).numpy()).max()))
    return found
