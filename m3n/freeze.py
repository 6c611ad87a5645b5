"""Freeze strategies: a name -> how fast each parameter learns, as (parameter-name pattern, share of the learning rate).

The first pattern that matches a parameter's name decides; a share of 0 freezes it.
"""

from __future__ import annotations

import fnmatch
from typing import Any

from torch import nn

from m3n.errors import InputError, nearest

STRATEGIES: dict[str, list[tuple[str, float]]] = {
    "all": [("imu.*", 0.0), ("*", 1.0)],  # frozen: a linear probe
    "none": [("*", 1.0)],  # not frozen: everything learns
}


def learning_shares(names: list[str], strategy: str) -> dict[str, float]:
    """Parameter name -> share of its learning rate under a strategy."""
    if strategy not in STRATEGIES:
        raise InputError(
            f"unknown freeze strategy '{strategy}'{nearest(strategy, STRATEGIES)}; expected {', '.join(STRATEGIES)}"
        )
    return {name: next(share for pattern, share in STRATEGIES[strategy] if fnmatch.fnmatch(name, pattern)) for name in names}


def parameter_groups(model: nn.Module, strategy: str, lr: float, encoder_lr: float) -> list[dict[str, Any]]:
    """Optimiser groups of the parameters that learn; the frozen ones stop requiring a gradient."""
    shares = learning_shares([name for name, _ in model.named_parameters()], strategy)
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        rate = shares[name] * (encoder_lr if name.startswith("imu.") else lr)
        parameter.requires_grad_(rate > 0)
        if rate > 0:
            groups.setdefault(rate, []).append(parameter)
    return [{"params": parameters, "lr": rate} for rate, parameters in groups.items()]
