"""results.md of `m3n reproduce strangers`: macro F1 of every dataset, their mean, the gain, and what each part is worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from m3n import tracking
from m3n.commands.reproduce.cells import ZERO, CellResult
from m3n.commands.reproduce.text import budget_head, by_amount, processor
from m3n.config.names import ABLATIONS, METHODS
from m3n.evaluation.intervals import Estimate, estimate, paired_difference
from m3n.reports.markdown import markdown_table

Results = Sequence[CellResult]
ByFold = dict[str, dict[int, float]]  # people tested -> seed -> macro F1
CURVES = ("scratch", "random_forest", "frozen", "not_frozen", "auto")  # methods in the picture


def strangers_text(
    found: Mapping[str, Results], without: Mapping[str, Mapping[str, Results]], sketch_clips: int
) -> tuple[str, dict[str, Any], dict[str, dict[float, list[float]]], dict[float, str]]:
    """(Markdown, figures by name, method -> place of a budget -> scores by dataset, place -> name of a budget).

    `found`: dataset -> results of its grid; `without`: part -> dataset -> results of the grid without it.
    """
    budgets = by_amount({result.labels for results in found.values() for result in results} - {ZERO})
    methods = sorted({result.method for results in found.values() for result in results}, key=list(METHODS).index)
    learned = [m for m in methods if m != "zero_shot"]
    figures: dict[str, Any] = {}
    heads = ["", *(budget_head(budget) for budget in budgets)]
    parts = ["# Strangers: macro F1 on datasets that nothing was pretrained on, people never seen\n"]
    for name, results in found.items():
        parts.append(f"\n## {name}\n\n{_described(results)}\n")
        rows = [
            [m, *_row(f"{name}/{m}", budgets, [_estimate(results, m, budget) for budget in budgets], figures)] for m in learned
        ]
        gains = [
            [m, *_row(f"{name}/gain/{m}", budgets, [_gain(results, m, budget) for budget in budgets], figures, "+")]
            for m in learned
            if m != "scratch"
        ]
        difference = "\nDifference from scratch, paired by people and seed, with its 95 % interval:\n"
        parts += [markdown_table(heads, rows), difference, markdown_table(heads, gains)]
        if zero := _estimate(results, "zero_shot", ZERO):
            times = zero.mean * len(results[0].per_class)
            figures |= {f"{name}/zero_shot": zero.mean, f"{name}/zero_shot_over_chance": times}
            parts.append(f"\nZero-shot: {zero.mean:.3f}, {times:.1f} times chance.\n")
    parts.append(f"\n## Mean over the {len(found)}\n")
    rows, gains, curves = [], [], {}
    for method in learned:
        means = {b: [figures[k] for name in found if (k := f"{name}/{method}/{b}") in figures] for b in budgets}
        rows.append([method, *(f"{np.mean(v):.3f}" if len(v) == len(found) else "" for v in means.values())])
        figures |= {f"mean/{method}/{b}": float(np.mean(v)) for b, v in means.items() if len(v) == len(found)}
        if method in CURVES:
            curves[method] = {float(i): means[b] for i, b in enumerate(budgets) if means[b]}
        if method != "scratch":
            gains.append([method, *(_mean_gain(found, method, budget, figures) for budget in budgets)])
    parts += [markdown_table(heads, rows), "\nGain over scratch: the mean, and in brackets the smallest of any dataset:\n"]
    parts.append(markdown_table(heads, gains))
    if without:
        parts.append(
            "\n## What each part is worth\n\nThe whole, less the same without the part, of `not_frozen` and `auto`, mean:\n"
        )
        worth = [[f"{part} ({ABLATIONS[part]}), {m}", *_worth(found, results, part, m, budgets, figures)]
                 for part, results in without.items() for m in ("not_frozen", "auto") if m in methods]  # fmt: skip
        parts.append(markdown_table(heads, worth))
    parts.append("\n" + "\n".join(f"- `{method}`: {METHODS[method].help}" for method in methods) + "\n")
    parts.append(f"\n{sketch_clips} clips of the classes' sketches. {date.today().isoformat()}, ")
    parts.append(f"commit {tracking.git_sha()[:7] or 'unknown'} ({processor()}).\n")
    return "\n".join(parts), figures, curves, {float(i): budget_head(b) for i, b in enumerate(budgets)}


def _described(results: Results) -> str:
    folds, seeds = {result.test_subjects for result in results}, sorted({result.seed for result in results})
    return f"{len(results[0].per_class)} classes, {len(folds)} folds of people, seeds {', '.join(map(str, seeds))}."


def _scores(results: Results, method: str, budget: str) -> ByFold:
    scores: ByFold = {}
    for result in results:
        if (result.method, result.labels) == (method, budget):
            scores.setdefault(",".join(result.test_subjects), {})[result.seed] = result.macro_f1
    return scores


def _row(
    key: str, budgets: Sequence[str], found: Sequence[Estimate | None], figures: dict[str, Any], sign: str = ""
) -> list[str]:
    """Estimates by budget as cells; their means become `figures`."""
    figures |= {f"{key}/{budget}": one.mean for budget, one in zip(budgets, found, strict=True) if one}
    return [f"{one.mean:{sign}.3f} [{one.low:{sign}.3f}, {one.high:{sign}.3f}]" if one else "" for one in found]


def _estimate(results: Results, method: str, budget: str) -> Estimate | None:
    scores = _scores(results, method, budget)
    return estimate({people: [*by_seed.values()] for people, by_seed in scores.items()}) if scores else None


def _gain(results: Results, method: str, budget: str) -> Estimate | None:
    return paired_difference(_scores(results, method, budget), _scores(results, "scratch", budget))


def _mean_gain(found: Mapping[str, Results], method: str, budget: str, figures: dict[str, Any]) -> str:
    gains = [figures[key] for name in found if (key := f"{name}/gain/{method}/{budget}") in figures]
    if len(gains) < len(found):
        return ""
    figures |= {f"mean/gain/{method}/{budget}": float(np.mean(gains)), f"smallest/gain/{method}/{budget}": min(gains)}
    return f"{np.mean(gains):+.3f} ({min(gains):+.3f})"


def _worth(
    found: Mapping[str, Results],
    without: Mapping[str, Results],
    part: str,
    method: str,
    budgets: Sequence[str],
    figures: dict[str, Any],
) -> list[str]:
    """Mean over datasets of a method with everything, less the method without the part."""
    shown = []
    for budget in budgets:
        pairs = [
            paired_difference(_scores(found[name], method, budget), _scores(without[name], method, budget)) for name in found
        ]
        means = [pair.mean for pair in pairs if pair]
        if len(means) == len(found):
            figures[f"worth/{part}/{method}/{budget}"] = float(np.mean(means))
        shown.append(f"{np.mean(means):+.3f}" if len(means) == len(found) else "")
    return shown
