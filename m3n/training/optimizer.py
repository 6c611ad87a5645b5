"""The optimiser of pretraining: parameter groups by name pattern, and a learning rate that is a pure function of the step.

Nothing but the moments of Adam and the number of steps has to be kept to take a run up again.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from m3n.errors import InputError, nearest

if TYPE_CHECKING:
    from m3n.config import OptimConfig


def make_optimizer(named: Iterable[tuple[str, nn.Parameter]], config: OptimConfig) -> torch.optim.Optimizer:
    """Adam or AdamW; the first pattern of `config.groups` that matches a parameter's name decides its group.

    Raises InputError for a pattern that matches no parameter.
    """
    groups: dict[str, dict[str, Any]] = {
        pattern: {
            "params": [],
            "share": group.lr,
            "weight_decay": config.weight_decay if group.weight_decay is None else group.weight_decay,
        }
        for pattern, group in config.groups.items()
    }
    rest: dict[str, Any] = {"params": [], "share": 1.0, "weight_decay": config.weight_decay}
    parameters = dict(named)
    for pattern in groups:
        if not fnmatch.filter(parameters, pattern):
            raise InputError(f"optim.groups: no parameter is called '{pattern}'{nearest(pattern, parameters)}")
    for name, parameter in parameters.items():
        group = next((g for pattern, g in groups.items() if fnmatch.fnmatch(name, pattern)), rest)
        group["params"].append(parameter)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
    return kind([g for g in (*groups.values(), rest) if g["params"]], lr=config.lr)


def learning_rate(config: OptimConfig, step: int, steps: int) -> float:
    """The learning rate at a step of `steps`: a linear warm-up, then a cosine to zero or a constant rate."""
    warmup = max(1, round(config.warmup * steps))
    if step < warmup:
        return config.lr * (step + 1) / warmup
    if config.schedule == "constant":
        return config.lr
    return config.lr * 0.5 * (1 + math.cos(math.pi * min((step - warmup) / max(1, steps - warmup), 1.0)))


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of a learning rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["share"]
