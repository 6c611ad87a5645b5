"""What of the encoder should learn from the labels, and how fast: every freeze strategy with its own settings, on one pretraining.

First the two ends: a linear probe, and everything at one rate.
"""

from typing import Any

FIRST = [{"finetune.freeze": "none", "finetune.encoder_lr": 1e-3}, {"finetune.freeze": "all"}]


def space(trial: Any) -> None:
    strategies = ["none", "all", "first_k", "gradual", "lp_ft", "layer_decay", "adapters"]
    strategy = trial.suggest_categorical("finetune.freeze", strategies)
    if strategy == "first_k":
        trial.suggest_int("finetune.freeze_options.first", 1, 4)
    if strategy in ("gradual", "lp_ft"):
        trial.suggest_float("finetune.freeze_options.probe", 0.1, 0.6)
    if strategy == "layer_decay":
        trial.suggest_float("finetune.freeze_options.decay", 0.4, 0.95)
    if strategy == "adapters":
        trial.suggest_int("finetune.freeze_options.rank", 2, 16, log=True)
    if strategy != "all":
        trial.suggest_float("finetune.encoder_lr", 1e-4, 3e-3, log=True)
