"""How much each pretraining objective should count: six weights, and a temperature for the contrastive ones.

A space is a function `space(trial)` that draws settings with Optuna's `trial.suggest_*`, each named by its dotted config key below
`pretrain.` or `finetune.`; `FIRST` names settings to try before anything is drawn (here: the authors' equal weights).
"""

from typing import Any

OBJECTIVES = ("text_imu", "text_pose", "imu_pose", "left_right", "pose2imu", "reconstruction")
FIRST = [{**{f"pretrain.loss.{name}": 1.0 for name in OBJECTIVES}, "pretrain.loss.temperature": 0.07}, {}]


def space(trial: Any) -> None:
    for name in OBJECTIVES:
        trial.suggest_float(f"pretrain.loss.{name}", 0.05, 4.0, log=True)
    trial.suggest_float("pretrain.loss.temperature", 0.03, 0.3, log=True)
