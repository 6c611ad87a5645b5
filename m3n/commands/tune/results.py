"""The results of a sweep: the best config, a table of the trials, the importance of every setting, and plots.

Importance is measured twice: as the share of the variance of macro F1 that a setting explains, by functional ANOVA over a random
forest (Hutter et al. 2014), and as how far the better trials agree on it, by PED-ANOVA (Watanabe et al. 2023). The two disagree
if there are few trials. Both use the complete trials, and the settings that all of these have drawn.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import yaml

from m3n import config as configs
from m3n.commands.tune.space import Settings, quiet_optuna, trial_configs
from m3n.commands.tune.study import COMPLETE, FAILED, METRIC, STOPPED, Study, Trial
from m3n.config import TuneConfig
from m3n.io import tables
from m3n.reports import sweep_plots
from m3n.reports.markdown import markdown_table

BEST, RESULTS, TRIALS, IMPORTANCE = "best.yaml", "results.md", "trials.json", "importance.json"
PARALLEL, CONTOUR, BARS, FRONT = "parallel.png", "contour.png", "importance.png", "pareto.png"
ARTIFACTS = (BEST, RESULTS, TRIALS, IMPORTANCE, PARALLEL, CONTOUR, BARS, FRONT)
GOOD = 0.25  # share of the trials that counts as good in PED-ANOVA
FEWEST = 4  # complete trials that importances need at least
MOST_CONTOURS = 3  # settings in the contour plot, every pair of them


def write_results(out: Path, study: Study) -> dict[str, Any]:
    """Write everything but the test result into `out`; returns the figures. There must be a complete trial."""
    best, config = study.best, study.config
    assert best is not None
    tables.write_text(out / BEST, config_yaml(config, best.settings))
    for trial in study.front():
        tables.write_text(out / f"pareto-{trial.number:04d}.yaml", config_yaml(config, trial.settings))
    tables.write_text(out / TRIALS, json.dumps([vars(trial) for trial in study.trials], indent=2) + "\n")
    found = importances(study)
    tables.write_text(out / IMPORTANCE, json.dumps(found, indent=2) + "\n")
    own = own_trial(study)
    figures = {
        "trials": len(study.trials),
        **{state: len(study.of(state)) for state in (COMPLETE, STOPPED, FAILED)},
        f"best_{METRIC}": best.figures[METRIC],
        "best_trial": best.number,
        **({f"own_{METRIC}": own.figures[METRIC]} if own else {}),
    }
    _plot(out, study, found)
    tables.write_text(out / RESULTS, _text(out.name, study, found, own))
    return figures


def config_yaml(config: TuneConfig, settings: Settings) -> str:
    """Settings as a config file for `m3n pretrain` and `m3n finetune`; settings left at their defaults are not in it."""
    pretraining, finetuning = trial_configs(config, settings)
    stages = {"pretrain": pretraining, "finetune": finetuning}
    found = {name: stage.model_dump(mode="json", exclude_unset=True) for name, stage in stages.items()}
    found["finetune"].pop("model", None)  # is the checkpoint's
    return yaml.safe_dump(found, sort_keys=False)


def own_trial(study: Study) -> Trial | None:
    """The complete trial of the sweep's own config, if there is one."""
    own = configs.flatten(study.config)
    return next((t for t in study.of(COMPLETE) if all(own.get(k) == v for k, v in t.settings.items())), None)


def importances(study: Study) -> dict[str, dict[str, float]]:
    """Setting -> `fanova` and `ped_anova`, each summing to 1, the most important first; empty if there are too few trials."""
    optuna = quiet_optuna()
    complete = study.of(COMPLETE)
    scores = [trial.figures[METRIC] for trial in complete]
    shared = sorted(set.intersection(*(set(trial.settings) for trial in complete)))
    if len(scores) < FEWEST or max(scores) == min(scores):
        return {}
    measures = optuna.importance
    evaluators = {
        "fanova": (measures.FanovaImportanceEvaluator(seed=study.config.seed), lambda trial: trial.values[0]),
        "ped_anova": (measures.PedAnovaImportanceEvaluator(target_quantile=GOOD), lambda trial: -trial.values[0]),
    }
    found: dict[str, dict[str, float]] = {}
    for name, (evaluator, target) in evaluators.items():
        with warnings.catch_warnings(action="ignore"):  # that PED-ANOVA takes low values for good ones
            values = measures.get_param_importances(study.optuna, evaluator=evaluator, params=shared, target=target)
        for key, value in values.items():
            found.setdefault(key, {})[name] = float(value)
    return dict(sorted(found.items(), key=lambda item: -item[1].get("fanova", 0.0)))


def _plot(out: Path, study: Study, found: dict[str, dict[str, float]]) -> None:
    complete = study.of(COMPLETE)
    scores = [trial.figures[METRIC] for trial in complete]
    columns = {key: [trial.settings.get(key) for trial in complete] for key in _keys(complete, found)}
    ranges = {key: study.ranges[key] for key in columns}
    sweep_plots.parallel_plot(out / PARALLEL, columns, ranges, scores)
    if found:
        sweep_plots.importance_plot(out / BARS, found, len(complete))
        numeric = [key for key in found if ranges[key].numeric][:MOST_CONTOURS]
        if len(numeric) > 1:
            sweep_plots.contour_plot(out / CONTOUR, {key: columns[key] for key in numeric}, ranges, scores)
    for objective in study.config.objectives[:1]:
        measured = [trial.figures[objective] for trial in complete]
        front = [trial.number for trial in study.front()]
        sweep_plots.front_plot(out / FRONT, measured, scores, [t.number for t in complete], front, objective)


def _keys(trials: list[Trial], found: dict[str, dict[str, float]]) -> list[str]:
    """Settings that any trial has, the important first."""
    return list(dict.fromkeys([*found, *(key for trial in trials for key in trial.settings)]))


def _text(name: str, study: Study, found: dict[str, dict[str, float]], own: Trial | None) -> str:
    best, config = study.best, study.config
    assert best is not None
    complete = study.of(COMPLETE)
    parts = [
        f"# Sweep {name}\n\nMacro F1 on validation subjects, taken from the training subjects; no trial saw the test "
        f"subjects. {len(study.trials)} trials: {len(complete)} complete, {len(study.of(STOPPED))} stopped early, "
        f"{len(study.of(FAILED))} failed. Sampler {config.sampler}, scheduler {config.scheduler}, seed {config.seed}.\n",
        f"Best: trial {best.number}, macro F1 {best.figures[METRIC]:.3f} ({BEST}).",
    ]
    if own is not None:
        gain = best.figures[METRIC] - own.figures[METRIC]
        parts.append(f"The sweep's own config, trial {own.number}: {own.figures[METRIC]:.3f}, {gain:.3f} less. The best of many "
                     "trials looks better than it is; `test=true` scores it on the test subjects.")  # fmt: skip
    if found:
        quarter = sorted(complete, key=lambda t: -t.figures[METRIC])[: max(2, len(complete) // 4)]
        rows = [
            [
                key,
                *(f"{v.get(n, float('nan')):.2f}" for n in ("fanova", "ped_anova")),
                short(best.settings[key]),
                _span(quarter, key),
            ]
            for key, v in found.items()
        ]
        header = ["setting", "fANOVA", "PED-ANOVA", "best trial", f"best {len(quarter)} trials"]
        parts.append(f"\n## Importance of the settings, over {len(complete)} complete trials\n\n{markdown_table(header, rows)}")
    if config.objectives:
        header = ["trial", METRIC, *config.objectives, "config"]
        rows = [[str(t.number), f"{t.figures[METRIC]:.3f}", *(f"{t.figures[o]:,.4g}" for o in config.objectives),
                 f"pareto-{t.number:04d}.yaml"] for t in study.front()]  # fmt: skip
        parts.append(f"\n## Pareto front\n\n{markdown_table(header, rows)}")
    keys = _keys(study.trials, found)
    ranked = sorted(study.trials, key=lambda t: (t.state != COMPLETE, -t.figures.get(METRIC, 0.0), t.number))
    rows = [[str(t.number), t.state, f"{t.figures[METRIC]:.3f}" if METRIC in t.figures else "", f"{t.elapsed_s:.0f}",
             *(short(t.settings.get(key)) for key in keys)] for t in ranked]  # fmt: skip
    parts.append(f"\n## Trials\n\n{markdown_table(['trial', 'state', METRIC, 'seconds', *keys], rows)}")
    failed = [f"- trial {t.number}: {t.error}" for t in study.of(FAILED)]
    return "\n".join([*parts, *(["\nFailed:\n", *failed] if failed else [])]) + "\n"


def short(value: Any) -> str:
    """A setting in a table."""
    return "" if value is None else f"{value:.3g}" if isinstance(value, float) else str(value)


def _span(trials: list[Trial], key: str) -> str:
    values = [trial.settings[key] for trial in trials]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return f"{short(min(values))} to {short(max(values))}"
    return ", ".join(sorted({short(value) for value in values}))
