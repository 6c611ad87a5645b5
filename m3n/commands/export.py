"""`m3n export`: write a classifier as ONNX and safetensors, with a model card, for use without m3n."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from m3n.commands.finetune import METRICS
from m3n.errors import InputError
from m3n.export.card import model_card
from m3n.export.network import AGREEMENT, largest_difference, write_onnx
from m3n.export.runtime import latency_ms, require
from m3n.io import tables
from m3n.io.staging import staged
from m3n.training import checkpoint as checkpoints
from m3n.training.classifier import load_classifier

MODEL, CARD = "model.onnx", "README.md"


def export(classifier: Path, out: Path) -> dict[str, Any]:
    """Write the classifier of a folder made by `m3n finetune` into `out`; returns the figures.

    Leaves `model.onnx` (raw samples to probabilities), `model.safetensors` with `checkpoint.json` (which `m3n` reads again), and
    a model card, `README.md`. Raises InputError for a folder without a classifier, and RuntimeError if onnxruntime and torch
    disagree; then nothing is left in `out`.
    """
    for package in ("onnx", "onnxruntime"):
        require(package)
    classifier = checkpoints.named(classifier)
    model, found = load_classifier(classifier)
    metrics = _metrics(classifier / METRICS)
    with staged(out, inputs=[classifier]) as staging:
        write_onnx(staging / MODEL, model, found)
        difference = largest_difference(staging / MODEL, model, found.normaliser)
        if not difference <= AGREEMENT:
            raise RuntimeError(f"the ONNX graph differs from the classifier by {difference:.2g}, more than {AGREEMENT:g}")
        median, high = latency_ms(staging / MODEL)
        figures = {
            "classes": len(found.classes),
            "parameters": sum(p.numel() for p in model.parameters()),
            "onnx_bytes": (staging / MODEL).stat().st_size,
            "largest_difference": difference,
            "latency_ms_median": median,
            "latency_ms_p95": high,
            "processor": _processor(),
            "measured": datetime.now(UTC).date().isoformat(),
        }
        checkpoints.save(staging, found)
        tables.write_text(staging / CARD, model_card(found, metrics, figures))
        inputs = {"classifier": tables.file_sha256(classifier)}
        tables.write_manifest(staging, table="export", totals={}, inputs=inputs, config={})
    return figures


def _metrics(file: Path) -> dict[str, Any]:
    """The metrics of the fine-tuning; empty if the folder has no such file."""
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read as JSON ({error}): fine-tune again, or remove it") from None
    if not isinstance(found, dict):
        raise InputError(f"{file} holds no JSON object: fine-tune again, or remove it")
    return found


def _processor() -> str:
    """The processor's name, as Linux gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "an unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith(("model name", "Model"))]
    return names[0] if names else "an unknown processor"
