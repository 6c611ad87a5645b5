"""How much each pretraining loss should count: their weights, and the temperature of the contrastive ones.

A space is a function `space(trial)` that draws settings with Optuna's `trial.suggest_*`, each named by its dotted config key below
`pretrain.` or `finetune.`; `FIRST` lists settings to try before any are drawn (here: the authors' equal weights).
"""

from typing import Any

from m3n.config.names import LOSSES

FIRST = [
    {
        **{f"pretrain.loss.{name}": 1.0 for name, loss in LOSSES.items() if not loss.recordings_only},
        "pretrain.loss.temperature": 0.07,
    },
    {},
]


def space(trial: Any) -> None:
    for name in (name for name, loss in LOSSES.items() if not loss.recordings_only):
        trial.suggest_float(f"pretrain.loss.{name}", 0.05, 4.0, log=True)
    trial.suggest_float("pretrain.loss.temperature", 0.03, 0.3, log=True)
