"""The optimiser of pretraining and of fine-tuning: parameter groups by rules, and a learning rate that depends on the step alone.

A rule gives the parameters whose names match a pattern a share of the learning rate and a start (big_vision configures its
optimisers in this way). So only Adam's moments and the number of the step have to be saved to resume a run.
"""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from m3n.errors import InputError, nearest

if TYPE_CHECKING:
    from m3n.config import OptimConfig


@dataclass(frozen=True)
class Rule:
    """Parameters whose names match `pattern` learn at `share` of their learning rate from `start` (share of the training) on."""

    pattern: str
    share: float = 1.0
    start: float = 0.0
    weight_decay: float | None = None  # None: that of the optimiser


@dataclass(frozen=True)
class Schedule:
    """A linear warm-up, then a cosine to zero or a constant rate."""

    warmup: float  # share of the training
    constant: bool = False
    lead: float = 0.0  # the warm-up is ahead by this share of the training
    least: float = 0.0  # share of the peak where the warm-up begins

    @classmethod
    def of(cls, config: OptimConfig, steps: int) -> Schedule:
        """That of a pretraining of so many steps: the warm-up takes whole steps, and is one step ahead."""
        return cls(max(1, round(config.warmup * steps)) / steps, config.schedule == "constant", lead=1 / steps)

    def rate(self, peak: float, progress: float, start: float = 0.0) -> float:
        """The learning rate at a share of the training, for what starts to learn at `start`."""
        share = (progress - start) / (1 - start)
        if share < 0:
            return 0.0
        if share < self.warmup:
            return peak * max((share + self.lead) / self.warmup, self.least)
        if self.constant:
            return peak
        return peak * (0.5 * (1 + math.cos(math.pi * (share - self.warmup) / (1 - self.warmup))))


def rule_of(name: str, rules: Sequence[Rule]) -> Rule:
    """The first rule whose pattern matches a parameter's name; a rule without exceptions if none does."""
    return next((rule for rule in rules if fnmatch.fnmatch(name, rule.pattern)), Rule("*"))


def make_optimizer(
    named: Iterable[tuple[str, nn.Parameter]],
    rules: Sequence[Rule],
    peak: Callable[[str], float],
    weight_decay: float,
    *,
    kind: str = "adamw",
    fused: bool | None = None,
) -> torch.optim.Optimizer:
    """Adam or AdamW (`kind`) over the parameters, one group for those that learn alike; `peak` gives a name's learning rate."""
    groups: dict[tuple[float, float, float], dict[str, Any]] = {}
    for name, parameter in named:
        rule = rule_of(name, rules)
        decay = weight_decay if rule.weight_decay is None else rule.weight_decay
        like = (rule.share * peak(name), rule.start, decay)
        new = {"params": [], "peak": like[0], "start": rule.start, "weight_decay": decay}
        groups.setdefault(like, new)["params"].append(parameter)
    made = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[kind]
    return made(list(groups.values()), fused=fused)


def pretraining_optimizer(named: Iterable[tuple[str, nn.Parameter]], config: OptimConfig) -> torch.optim.Optimizer:
    """The optimiser of a pretraining; InputError for a pattern of `optim.groups` that matches no parameter."""
    parameters = dict(named)
    for pattern in config.groups:
        if not fnmatch.filter(parameters, pattern):
            raise InputError(f"optim.groups: no parameter matches '{pattern}'{nearest(pattern, parameters)}")
    rules = [Rule(pattern, group.lr, weight_decay=group.weight_decay) for pattern, group in config.groups.items()]
    return make_optimizer(parameters.items(), rules, lambda name: config.lr, config.weight_decay, kind=config.optimizer)


def set_rates(optimizer: torch.optim.Optimizer, schedule: Schedule, progress: float) -> None:
    """Set every group's learning rate for a share of the training."""
    for group in optimizer.param_groups:
        group["lr"] = schedule.rate(group["peak"], progress, group["start"])
