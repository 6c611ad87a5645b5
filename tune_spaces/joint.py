"""Loss weights, freeze strategy and learning rates together, because what is worth learning beforehand depends on what is kept.

First the authors' equal weights with nothing frozen.
"""

from typing import Any

OBJECTIVES = ("text_imu", "text_pose", "imu_pose", "left_right", "pose2imu", "reconstruction")
FIRST = [{**{f"pretrain.loss.{name}": 1.0 for name in OBJECTIVES}, "pretrain.optim.lr": 2e-3, "finetune.freeze": "none"}, {}]


def space(trial: Any) -> None:
    for name in OBJECTIVES:
        trial.suggest_float(f"pretrain.loss.{name}", 0.05, 4.0, log=True)
    trial.suggest_float("pretrain.optim.lr", 3e-4, 5e-3, log=True)
    strategy = trial.suggest_categorical("finetune.freeze", ["none", "all", "lp_ft", "layer_decay"])
    trial.suggest_float("finetune.lr", 3e-4, 5e-3, log=True)
    if strategy != "all":
        trial.suggest_float("finetune.encoder_lr", 1e-4, 3e-3, log=True)
    if strategy == "lp_ft":
        trial.suggest_float("finetune.freeze_options.probe", 0.1, 0.6)
    if strategy == "layer_decay":
        trial.suggest_float("finetune.freeze_options.decay", 0.4, 0.95)
