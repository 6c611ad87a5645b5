"""results.md of `m3n reproduce`: macro F1 with confidence intervals, and the gain over training from scratch."""

from __future__ import annotations

import os
import platform
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from m3n import tracking
from m3n.commands.reproduce.cells import CellResult
from m3n.config import ReproduceConfig
from m3n.config.names import METHODS
from m3n.evaluation.intervals import Estimate, estimate, paired_difference
from m3n.reports.markdown import markdown_table

# (setting, method) -> labels -> fold -> seed -> macro F1
Scores = dict[tuple[str, str], dict[str, dict[str, dict[int, float]]]]


def results_text(
    name: str, results: Sequence[CellResult], config: ReproduceConfig
) -> tuple[str, dict[str, Any], dict[str, dict[str, list[float]]]]:
    """(Markdown, figures by name, method -> labels -> scores of every fold and seed)."""
    scores: Scores = defaultdict(lambda: defaultdict(lambda: defaultdict(dict)))
    for result in results:
        fold = ",".join(result.test_subjects)
        scores[result.setting, result.method][result.labels][fold][result.seed] = result.macro_f1
    scores = dict(sorted(scores.items(), key=lambda item: (list(METHODS).index(item[0][1]), item[0][0] != "same_corpus")))
    labels = by_amount({result.labels for result in results})
    seeds = sorted({result.seed for result in results})
    figures: dict[str, Any] = {}
    means, gains = [], []
    scratch = scores.get(("none", "scratch"), {})
    for (setting, method), by_labels in scores.items():
        shown = _shown(setting, method)
        cells, differences = [], []
        for budget in labels:
            found = estimate({k: list(v.values()) for k, v in by_labels[budget].items()}) if budget in by_labels else None
            cells.append(_mean(found))
            gain = paired_difference(by_labels[budget], scratch[budget]) if found and budget in scratch else None
            differences.append(_difference(gain))
            if found:
                figures[f"{setting}/{method}/{budget}"] = found.mean
        means.append([shown, *cells])
        if setting != "none":
            gains.append([shown, *differences])
    folds = sorted({",".join(result.test_subjects) for result in results})
    heads = ["", *(budget_head(budget) for budget in labels)]
    parts = [
        f"# {name}: macro F1 on unseen subjects\n",
        f"{len(results[0].per_class)} classes, {len(folds)} folds ({_split(config)}), seeds {', '.join(map(str, seeds))}. "
        "Mean over subjects ± standard deviation over subjects, and the 95 % confidence interval, bootstrapped over "
        "subjects. Class probabilities are averaged over the windows of a labelled stretch; results.parquet also has the macro F1 "
        "of single windows.\n",
        markdown_table(heads, means),
    ]
    if gains and scratch:
        parts.append("\nDifference from scratch, paired by subject and seed, with its 95 % confidence interval:\n")
        parts.append(markdown_table(heads, gains))
    used = sorted({result.method for result in results}, key=list(METHODS).index)
    parts.append("\n" + "\n".join(f"- `{method}`: {METHODS[method].help}" for method in used) + "\n")
    cross = [f"poses of {source}" for source in config.corpora]
    cross += [f"{config.sketch_clips} clips of the classes' sketches"] if config.sketch_clips else []
    cross += [f"recordings of {source}" for source in config.recordings]
    parts.append(
        f"\nPretrained on: same, the training subjects' own poses; cross, {', '.join(cross)}; all, both.\n\n"
        f"{date.today().isoformat()}, commit {tracking.git_sha()[:7] or 'unknown'}, {os.cpu_count()} cores ({processor()}).\n"
    )
    curves: dict[str, dict[str, list[float]]] = {}
    for (setting, method), by_labels in scores.items():
        shown = _shown(setting, method)
        if method in CURVES:
            curves[shown] = {b: [v for by_seed in folds.values() for v in by_seed.values()] for b, folds in by_labels.items()}
    return "\n".join(parts), figures, curves


CURVES = ("scratch", "random_forest", "frozen", "not_frozen")  # methods in the picture


def _shown(setting: str, method: str) -> str:
    return method if setting == "none" else f"{method} ({setting.replace('_corpus', '')})"


def _mean(found: Estimate | None) -> str:
    return "" if found is None else f"{found.mean:.3f} ± {found.sd:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _difference(found: Estimate | None) -> str:
    return "" if found is None else f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def by_amount(labels: Iterable[str]) -> list[str]:
    """Label budgets in ascending order: none, examples per class, then shares of all labels."""
    return sorted(labels, key=lambda budget: (budget.endswith("%"), int(budget.rstrip("%"))))


def budget_head(labels: str) -> str:
    """A label budget as the head of a column."""
    if labels.endswith("%"):
        return labels
    return "none" if labels == "0" else f"{labels} per class"


def _split(config: ReproduceConfig) -> str:
    return {"leave_one_subject_out": "leave one subject out", "k_fold": "folds of subjects", "official": "official split"}[
        config.protocol.split
    ]


def processor() -> str:
    """The name of this machine's processor."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()
