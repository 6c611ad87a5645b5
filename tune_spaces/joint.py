"""Loss weights, freeze strategy and learning rates together, because what pretraining should learn depends on what is kept of it.

The first trials are the authors' equal weights with nothing frozen, and the settings of the sweep.
"""

from typing import Any

from m3n.config.names import FREEZE_OPTIONS, FREEZE_STRATEGIES, LOSSES

STRATEGIES = ["not_frozen", "frozen", "lp_ft", "layer_decay"]
EQUAL = {f"pretrain.loss.{name}": 1.0 for name, loss in LOSSES.items() if not loss.recordings_only}
FIRST = [{**EQUAL, "pretrain.optim.lr": 2e-3, "finetune.freeze": "not_frozen"}, {}]


def space(trial: Any) -> None:
    for name in (name for name, loss in LOSSES.items() if not loss.recordings_only):
        trial.suggest_float(f"pretrain.loss.{name}", 0.05, 4.0, log=True)
    trial.suggest_float("pretrain.optim.lr", 3e-4, 5e-3, log=True)
    strategy = FREEZE_STRATEGIES[trial.suggest_categorical("finetune.freeze", STRATEGIES)]
    trial.suggest_float("finetune.lr", 3e-4, 5e-3, log=True)
    if strategy.encoder_learns:
        trial.suggest_float("finetune.encoder_lr", 1e-4, 3e-3, log=True)
    for option in strategy.options:
        FREEZE_OPTIONS[option].suggest(trial, f"finetune.freeze_options.{option}")
