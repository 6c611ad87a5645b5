"""evaluate.md of `m3n evaluate`: the figures as tables, each beside its chance level."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m3n.config import EvaluateConfig
from m3n.reports.markdown import markdown_table

RANKS = ("r1", "r5", "r10", "mrr")
SIGNALS = {"pose2imu": "Pose2IMU", "reconstruction": "reconstruction"}


def evaluation_text(figures: Mapping[str, Any], config: EvaluateConfig) -> str:
    """Markdown of what `m3n.evaluate` returns."""
    parts = [f"# Evaluation of {figures['checkpoint']}\n\nScored on subjects that the checkpoint was not trained on.\n"]
    if config.allow_seen:
        parts.append("**`allow_seen=true`: the scored subjects may include some that the checkpoint was trained on.**\n")
    if "clips" in figures:
        parts.append(_clips(figures, config))
    if "recordings" in figures:
        parts.append(_recordings(figures, config))
    return "\n".join(parts)


def _clips(figures: Mapping[str, Any], config: EvaluateConfig) -> str:
    aligned = [
        [name.replace("_", " - "), _number(pair["value"]), _number(pair["chance"])]
        for name, pair in figures["alignment"].items()
    ]
    uniform = [[name, _number(value)] for name, value in figures["uniformity"].items()]
    signals = [
        [
            f"{title}, {'acceleration' if kind == 'acc' else 'angular rate'}",
            *(_number(figures[f"{name}_{figure}_{kind}"]) for figure in ("r", "r_all", "rmse", "rmse_median", "rmse_mean")),
            "m/s²" if kind == "acc" else "rad/s",
        ]
        for name, title in SIGNALS.items()
        for kind in ("acc", "gyro")
    ]
    signal_heads = ["", "r, median window", "r, all samples", "RMSE", "median window", "of the mean", "unit"]
    picture = "" if config.picture == "none" else "\n![embeddings](embeddings.png)\n"
    return (
        f"## Synthetic clips\n\n{figures['clip_windows']} windows of {figures['clips']} clips, {len(figures['clip_subjects'])} "
        f"subjects, {_places(figures['clip_placements'])}.\n\n"
        f"Retrieval (chance in brackets), among at most {config.max_windows} windows. Between pose and IMU, a window of the same "
        "clip is a hit; with text, a window or sentence that shares the sentence or label. Every sentence is ranked once.\n\n"
        f"{_retrieval(figures['retrieval'])}\n![retrieval](retrieval.png)\n\n"
        "Alignment: mean squared distance of pairs, lower is better. Uniformity: 0 if all embeddings are one point, lower is "
        "more even (Wang and Isola 2020).\n\n"
        f"{markdown_table(['alignment of', 'value', 'chance'], aligned)}\n"
        f"{markdown_table(['uniformity of', 'value'], uniform)}\n"
        "Predicted compared with simulated samples: correlation r, channel by channel, and RMSE beside that of predicting "
        "every channel's mean.\n\n"
        f"{markdown_table(signal_heads, signals)}{picture}"
    )


def _recordings(figures: Mapping[str, Any], config: EvaluateConfig) -> str:
    names = {
        "zero_shot": "zero-shot, from sentences alone",
        "knn": f"{config.neighbours} nearest neighbours",
        "linear_probe": "linear probe",
    }
    rows = [
        [title, *(_number(figures[f"{name}_{part}macro_f1"]) for part in ("", "recording_"))]
        for name, title in names.items()
        if f"{name}_macro_f1" in figures
    ]
    rows.append(
        ["chance (uniform guesses)", _number(figures["chance_macro_f1"]), _number(figures["chance_recording_macro_f1"])]
    )
    zero_shot = ""
    if "real_retrieval" in figures:
        zero_shot = (
            f"\nRetrieval between real windows and the classes' sentences (chance in brackets):\n\n"
            f"{_retrieval(figures['real_retrieval'])}\n![zero-shot confusion](confusion.png)\n"
        )
    return (
        f"## Real recordings\n\n{figures['recording_windows']} windows of {figures['recordings']} recordings, "
        f"{figures['classes']} classes, subjects {', '.join(figures['recording_subjects'])}, "
        f"{_places(figures['recording_placements'])}. Probes of the frozen features were trained on "
        f"{figures['probes_trained_on']}.\n\n"
        f"{markdown_table(['macro F1', 'windows', 'recordings'], rows)}{zero_shot}"
    )


def _retrieval(directions: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        [name.replace("_", " "), *(f"{_number(d.get(r))} ({_number(d.get(f'chance_{r}'))})" for r in RANKS), f"{d['queries']:.0f}",
         f"{d['items']:.0f}"]
        for name, d in directions.items()
    ]  # fmt: skip
    return markdown_table(["direction", "R@1", "R@5", "R@10", "MRR", "queries", "items"], rows)


def _places(placements: list[str]) -> str:
    return " and ".join(p.replace("_", " ") for p in placements)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
