"""`m3n demo`: all stages on data that needs no licence, through the same commands that a user would type.

IMUs are simulated for choreographed poses and pretrained on. Classifiers are then trained on real smartwatch recordings of one, two
and all training subjects (from scratch, frozen and not frozen) and tested on unseen subjects.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from m3n import schema
from m3n.data.resampling import resample
from m3n.io import tables
from m3n.reports import classification_plots, signal_plots
from m3n.reports.markdown import markdown_table
from m3n.tracking import server_name, tracking_uri

LABELLED = {"1": ["train_subjects=1"], "2": ["train_subjects=2"], "all": []}  # subjects with labels -> settings
FOLDS = (0, 1)
METHODS: dict[str, Callable[[Path], list[str]]] = {
    "from scratch": lambda checkpoint: [],
    "pretrained, frozen": lambda checkpoint: ["--checkpoint", str(checkpoint), "freeze=frozen"],
    "pretrained, not frozen": lambda checkpoint: ["--checkpoint", str(checkpoint), "freeze=not_frozen"],
}
RATE_HZ = 50.0
TRACE_S = 8.0

Scores = dict[str, dict[str, list[float]]]  # method -> subjects with labels -> macro F1 of every fold


def demo(out: Path, run_command: Callable[[list[str]], Any], echo: Callable[[str], Any]) -> dict[str, Any]:
    """Run the demo into `out`; `run_command` takes the arguments of one m3n command. Returns the figures."""
    started = time.perf_counter()
    preset = ["--config", "demo"]
    choreography, synthetic, watch, checkpoint = (out / name for name in ("choreography", "synthetic", "watch", "pretrain"))
    run_command(["ingest", "choreography", "--out", str(choreography)])
    run_command(["simulate", str(choreography / "poses"), "--out", str(synthetic), *preset])
    run_command(["pretrain", str(synthetic), "--out", str(checkpoint), *preset])
    run_command(["ingest", "seglearn_watch", "--out", str(watch)])
    scores: Scores = {method: {labelled: [] for labelled in LABELLED} for method in METHODS}
    for labelled, settings in LABELLED.items():
        for method, start in METHODS.items():
            for fold in FOLDS:
                result = out / "finetune" / f"{method.replace(', ', '-').replace(' ', '-')}-{labelled}-fold{fold}"
                run_command(
                    [
                        "finetune",
                        str(watch / "recordings"),
                        "--out",
                        str(result),
                        *preset,
                        *start(checkpoint),
                        *settings,
                        f"fold={fold}",
                    ]
                )
                scores[method][labelled].append(json.loads((result / "metrics.json").read_text())["test_macro_f1"])
    figures = {"macro_f1": scores, "gain_over_scratch": gains(scores), "elapsed_s": time.perf_counter() - started}
    _write_results(out, scores, figures, watch, synthetic)
    echo("\n" + (out / "results.md").read_text())
    echo(f"Plots: {out}/learning_curve.png, {out}/confusion.png, {out}/traces.png")
    echo(f"Runs:  mlflow ui --backend-store-uri {server_name(tracking_uri())}   (then open http://127.0.0.1:5000)")
    return {
        "elapsed_s": figures["elapsed_s"],
        **{f"gain_{k}_subjects": v for k, v in gains(scores).items()},
        "macro_f1": scores,
    }


def gains(scores: Scores) -> dict[str, float]:
    """Mean difference in macro F1, pretrained and not frozen less scratch, by subjects with labels."""
    ours, base = scores["pretrained, not frozen"], scores["from scratch"]
    return {k: float(np.mean(np.subtract(ours[k], base[k]))) for k in ours}


def verdict(gain: dict[str, float]) -> str:
    """What the table says about pretraining, in one sentence, whether it helps or not."""
    words = ", ".join(f"{value:+.3f} with labels from {_subjects(k)}" for k, value in gain.items())
    if all(value > 0 for value in gain.values()):
        return f"Pretraining helps: pretrained and not frozen against from scratch is {words}."
    if all(value <= 0 for value in gain.values()):
        return f"Pretraining does NOT help here: pretrained and not frozen against from scratch is {words}."
    return f"Pretraining helps only in some cases: pretrained and not frozen against from scratch is {words}."


def _subjects(labelled: str) -> str:
    return {"1": "1 subject", "all": "all training subjects"}.get(labelled, f"{labelled} subjects")


def _write_results(out: Path, scores: Scores, figures: dict[str, Any], watch: Path, synthetic: Path) -> None:
    metrics = json.loads((out / "finetune" / f"pretrained-not-frozen-all-fold{FOLDS[0]}" / "metrics.json").read_text())
    classes, test = list(metrics["test_per_class"]), len(metrics["test_subjects"])
    header = ["labels from", *scores]
    rows = [[_subjects(k), *(f"{np.mean(scores[m][k]):.3f} ± {np.std(scores[m][k]):.3f}" for m in scores)] for k in LABELLED]
    table = markdown_table(header, rows)
    explanation = (
        f"Macro F1 over {len(classes)} exercises, in windows of 4 s, on unseen subjects: mean ± standard deviation over "
        f"{len(FOLDS)} folds of {test} test subjects."
    )
    tables.write_text(out / "results.md", f"{explanation}\n\n{table}\n{verdict(gains(scores))}\n")
    tables.write_text(out / "results.json", json.dumps(figures, indent=2) + "\n")
    amounts = {"1": 1.0, "2": 2.0, "all": float(metrics["train_subjects"])}
    classification_plots.learning_curve_plot(
        out / "learning_curve.png",
        {method: {amounts[k]: values for k, values in by_labels.items()} for method, by_labels in scores.items()},
        "training subjects with labels", "Seven exercises, real smartwatch", {v: f"{v:.0f}" for v in amounts.values()},
    )  # fmt: skip
    title = f"pretrained, not frozen: macro F1 {metrics['test_macro_f1']:.3f} on unseen subjects"
    classification_plots.confusion_plot(out / "confusion.png", metrics["test_confusion"], classes, title)
    real = _real_traces(watch / "recordings", classes)
    signal_plots.traces_plot(
        out / "traces.png", real, _simulated_traces(synthetic, classes), RATE_HZ,
        "First real and first simulated clip of every exercise (right wrist, or left wrist mirrored)",
    )  # fmt: skip


def _real_traces(recordings: Path, labels: list[str]) -> dict[str, np.ndarray]:
    """The middle of the first right-wrist recording of every label."""
    found: dict[str, np.ndarray] = {}
    for shard in tables.shard_paths(recordings):
        for row in tables.rows(tables.read_shard(shard, schema.imu_recordings())):
            if row["label"] in labels and row["label"] not in found and row["imu_right_wrist"] is not None:
                samples = np.reshape(row["imu_right_wrist"], (-1, 6))
                start = len(samples) // 2
                found[row["label"]] = samples[start : start + int(TRACE_S * RATE_HZ)]
    return {label: found[label] for label in labels if label in found}


def _simulated_traces(synthetic: Path, labels: list[str]) -> dict[str, np.ndarray]:
    """The wrist that moves most in the first clip of every label; a left wrist is mirrored onto the right."""
    found: dict[str, np.ndarray] = {}
    for shard in tables.shard_paths(synthetic):
        for row in tables.rows(tables.read_shard(shard, schema.synthetic_clips(("left_wrist", "right_wrist")))):
            if row["label"] in labels and row["label"] not in found:
                left, right = (np.reshape(row[f"imu_{side}_wrist"], (-1, 6)) for side in ("left", "right"))
                moving = right if np.var(right[:, 3:]) >= np.var(left[:, 3:]) else left * [1, -1, 1, -1, 1, -1]
                found[row["label"]] = resample(moving, float(row["rate_hz"]), RATE_HZ)[: int(TRACE_S * RATE_HZ)]
    return found
