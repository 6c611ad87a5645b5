"""Freeze strategies: a name -> schedules of learning over patterns of parameter names.

A strategy is a list of rules (pattern, share of the learning rate, when it starts); the first whose pattern matches a parameter's
name decides. The encoder's blocks, from the sensor to the features, are read off the parameters' own names, so that every encoder
of `m3n.models` has them.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from m3n.errors import InputError, nearest

if TYPE_CHECKING:
    from m3n.config import FreezeOptions

WARMUP = 0.1  # share of a group's own schedule with a rising learning rate


@dataclass(frozen=True)
class Rule:
    """Parameters called like `pattern` learn at `share` of their learning rate from `start` (share of the training) on."""

    pattern: str
    share: float = 1.0
    start: float = 0.0


def blocks(names: Sequence[str]) -> list[str]:
    """Patterns of the encoder's blocks, lowest first: what is told of the sensor goes with the first, the pooling is the last."""
    found: list[str] = []
    for name in names:
        inner = re.match(r"imu\.encoders\.\d+\.(.+)", name)
        if inner and not any(fnmatch.fnmatch(name, pattern) for pattern in found):
            recurrent = re.match(r"(.+)\.(?:weight|bias)_[ih]h(_l\d+)", inner[1])
            numbered = re.match(r"[a-z_.]*?\.\d+", inner[1])
            block = f"{recurrent[1]}.*{recurrent[2]}" if recurrent else f"{(numbered or [inner[1].rpartition('.')[0]])[0]}.*"
            found.append(f"imu.encoders.*.{block}")
    return [*found, "imu.pool.*"]


def _first_k(blocks: Sequence[str], options: FreezeOptions) -> list[Rule]:
    frozen = ["imu.told_*", *blocks[: options.first]]
    return [*(Rule(pattern, 0.0) for pattern in frozen), Rule("*")]


def _gradual(blocks: Sequence[str], options: FreezeOptions) -> list[Rule]:
    step = options.probe / len(blocks)
    starts = {pattern: (i + 1) * step for i, pattern in enumerate(reversed(blocks))}
    return [*(Rule(pattern, 1.0, start) for pattern, start in starts.items()), Rule("imu.*", 1.0, options.probe), Rule("*")]


def _layer_decay(blocks: Sequence[str], options: FreezeOptions) -> list[Rule]:
    shares = {pattern: options.decay**i for i, pattern in enumerate(reversed(blocks))}
    return [*(Rule(pattern, share) for pattern, share in shares.items()), Rule("imu.*", min(shares.values())), Rule("*")]


# name -> (what it does, the rules for an encoder's blocks)
STRATEGIES: dict[str, tuple[str, Callable[[Sequence[str], FreezeOptions], list[Rule]]]] = {
    "none": ("not frozen: everything learns", lambda blocks, options: [Rule("*")]),
    "all": ("frozen encoder: with a linear head, a linear probe", lambda blocks, options: [Rule("imu.*", 0.0), Rule("*")]),
    "first_k": ("the lowest blocks of the encoder stay as they are", _first_k),
    "gradual": ("blocks are unfrozen one after the other, from the top (Howard and Ruder 2018)", _gradual),
    "lp_ft": (
        "linear probe first, then everything (Kumar et al. 2022)",
        lambda blocks, options: [Rule("imu.*", 1.0, options.probe), Rule("*")],
    ),
    "layer_decay": ("smaller learning rates deeper down", _layer_decay),
    "adapters": (
        "frozen weights, each with a learned change of low rank (LoRA, Hu et al. 2022)",
        lambda blocks, options: [Rule("imu.*.parametrizations.*.0.*"), Rule("imu.*", 0.0), Rule("*")],
    ),
}


def rules_of(strategy: str, names: Sequence[str], options: FreezeOptions) -> list[Rule]:
    """The rules of a strategy for a model's parameter names; InputError for an unknown strategy or more blocks than there are."""
    if strategy not in STRATEGIES:
        raise InputError(
            f"unknown freeze strategy '{strategy}'{nearest(strategy, STRATEGIES)}; expected {', '.join(STRATEGIES)}"
        )
    there = blocks(names)
    if strategy == "first_k" and options.first > len(there):
        raise InputError(f"freeze_options.first is {options.first}, but the encoder has {len(there)} blocks")
    return STRATEGIES[strategy][1](there, options)


class Schedule:
    """An optimiser whose parameter groups learn as the rules say; `at` is called before every step."""

    def __init__(self, model: nn.Module, rules: Sequence[Rule], lr: float, encoder_lr: float, weight_decay: float) -> None:
        self.model = model
        groups: dict[tuple[float, float], dict[str, Any]] = {}
        for name, parameter in model.named_parameters():
            rule = next(rule for rule in rules if fnmatch.fnmatch(name, rule.pattern))
            parameter.requires_grad_(rule.share > 0)
            if rule.share > 0:
                peak = rule.share * (encoder_lr if name.startswith("imu.") else lr)
                group = groups.setdefault((peak, rule.start), {"params": [], "peak": peak, "start": rule.start})
                group["params"].append(parameter)
        self.optimizer = torch.optim.AdamW(list(groups.values()), lr=lr, weight_decay=weight_decay, fused=True)

    def at(self, progress: float) -> None:
        """Set learning rates for a share of the training; a frozen encoder runs as it does in use, without dropout."""
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * _shape(progress, group["start"])
            for parameter in group["params"]:
                parameter.requires_grad_(progress >= group["start"])
        for name, module in self.model.named_children():
            module.train(name != "imu" or any(p.requires_grad for p in module.parameters()))


def _shape(progress: float, start: float) -> float:
    """A linear warm-up, then a cosine to zero, from `start` on."""
    share = (progress - start) / (1 - start)
    if share < 0:
        return 0.0
    if share < WARMUP:
        return max(share / WARMUP, 0.04)
    return 0.5 * (1 + math.cos(math.pi * (share - WARMUP) / (1 - WARMUP)))


class LowRank(nn.Module):
    """A weight (out, …) plus the product of two thin matrices, zero at first (Hu et al. 2022, eq. 3, alpha = rank)."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        rows, columns = weight.shape[0], weight[0].numel()
        rank = min(rank, rows, columns)
        self.down_rc = nn.Parameter(torch.randn(rank, columns) / columns**0.5)
        self.up_or = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.up_or @ self.down_rc).view_as(weight)


def add_adapters(module: nn.Module, rank: int) -> None:
    """Give every weight matrix of a module, convolutions and attention included, a learned change of low rank."""
    for part in list(module.modules()):
        for name, parameter in list(part.named_parameters(recurse=False)):
            if parameter.dim() >= 2 and not isinstance(part, nn.Embedding | LowRank | nn.RNNBase):
                parametrize.register_parametrization(part, name, LowRank(parameter.detach(), rank))


def merge_adapters(module: nn.Module) -> None:
    """Add every learned change to its weight for good, so that the module is again of its own architecture."""
    for part in list(module.modules()):
        for name in list(getattr(part, "parametrizations", {})):
            parametrize.remove_parametrizations(part, name, leave_parametrized=True)
