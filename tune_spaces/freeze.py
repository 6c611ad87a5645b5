"""Which part of the encoder learns from the labels, and how fast: every freeze strategy with its own options, on one pretraining.

The first trials are the two extremes: everything learns at one rate, and a linear probe.
"""

from typing import Any

from m3n.config.names import FREEZE_OPTIONS, FREEZE_STRATEGIES

FIRST = [{"finetune.freeze": "not_frozen", "finetune.encoder_lr": 1e-3}, {"finetune.freeze": "frozen"}]


def space(trial: Any) -> None:
    strategy = FREEZE_STRATEGIES[trial.suggest_categorical("finetune.freeze", list(FREEZE_STRATEGIES))]
    for option in strategy.options:
        FREEZE_OPTIONS[option].suggest(trial, f"finetune.freeze_options.{option}")
    if strategy.encoder_learns:
        trial.suggest_float("finetune.encoder_lr", 1e-4, 3e-3, log=True)
