"""Freeze strategies: which parameters of a classifier learn, how fast, and from when on.

A strategy is a list of rules for an encoder's blocks; the first rule whose pattern matches a parameter's name decides. The encoder
itself names its blocks, from the sensor to the features. Papers: gradual unfreezing, Howard and Ruder, ACL 2018; lp_ft, Kumar et
al., ICLR 2022; adapters, Hu et al., ICLR 2022.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from m3n.errors import InputError, nearest
from m3n.optim import Rule, Schedule, make_optimizer, rule_of, set_rates

if TYPE_CHECKING:
    from m3n.config import FreezeOptions

SCHEDULE = Schedule(warmup=0.1, least=0.04)  # of every group, from its start on


def _frozen(blocks: Sequence[str], options: FreezeOptions) -> list[Rule]:
    return [Rule("imu.*", 0.0)]


def _first_k(blocks: Sequence[str], options: FreezeOptions) -> list[Rule]:
    if options.first > len(blocks):
        raise InputError(f"freeze_options.first is {options.first}, but the encoder has {len(blocks)} blocks")
    below = ["imu.placement_embedding.*", "imu.rate_embedding.*", *blocks[: options.first]]
    return [Rule(pattern, 0.0) for pattern in below]


def _gradual(blocks: Sequence[str], options: FreezeOptions) -> list[Rule]:
    step = options.probe / len(blocks)
    starts = {pattern: (i + 1) * step for i, pattern in enumerate(reversed(blocks))}
    return [*(Rule(pattern, 1.0, start) for pattern, start in starts.items()), Rule("imu.*", 1.0, options.probe)]


def _lp_ft(blocks: Sequence[str], options: FreezeOptions) -> list[Rule]:
    return [Rule("imu.*", 1.0, options.probe)]


def _layer_decay(blocks: Sequence[str], options: FreezeOptions) -> list[Rule]:
    shares = {pattern: options.decay**i for i, pattern in enumerate(reversed(blocks))}
    return [*(Rule(pattern, share) for pattern, share in shares.items()), Rule("imu.*", min(shares.values()))]


def _adapters(blocks: Sequence[str], options: FreezeOptions) -> list[Rule]:
    return [Rule("imu.*.parametrizations.*.0.*"), Rule("imu.*", 0.0)]


# those of `m3n.config.names.FREEZE_STRATEGIES`: an encoder's blocks to the rules, which leave the rest as it is
STRATEGIES: dict[str, Callable[[Sequence[str], FreezeOptions], list[Rule]]] = {
    "not_frozen": lambda blocks, options: [],
    "frozen": _frozen,
    "first_k": _first_k,
    "gradual": _gradual,
    "lp_ft": _lp_ft,
    "layer_decay": _layer_decay,
    "adapters": _adapters,
}


def rules_of(strategy: str, blocks: Sequence[str], options: FreezeOptions) -> list[Rule]:
    """The rules of a strategy for an encoder's blocks; InputError for an unknown strategy, or more blocks than there are."""
    if strategy not in STRATEGIES:
        raise InputError(
            f"unknown freeze strategy '{strategy}'{nearest(strategy, STRATEGIES)}; expected {', '.join(STRATEGIES)}"
        )
    return STRATEGIES[strategy](blocks, options)


class Freezing:
    """The optimiser of a classifier whose parameters learn as the rules say; `at` is called before every step."""

    def __init__(self, model: nn.Module, rules: Sequence[Rule], lr: float, encoder_lr: float, weight_decay: float) -> None:
        self.model = model
        learned = {name: p for name, p in model.named_parameters() if rule_of(name, rules).share > 0}
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(name in learned)

        def peak(name: str) -> float:
            return encoder_lr if name.startswith("imu.") else lr

        self.optimizer = make_optimizer(learned.items(), rules, peak, weight_decay, fused=True)

    def at(self, progress: float) -> None:
        """Set learning rates, and what is frozen, for a share of the training; a frozen encoder runs without dropout."""
        set_rates(self.optimizer, SCHEDULE, progress)
        for group in self.optimizer.param_groups:
            for parameter in group["params"]:
                parameter.requires_grad_(progress >= group["start"])
        for name, module in self.model.named_children():
            module.train(name != "imu" or any(p.requires_grad for p in module.parameters()))


class LowRank(nn.Module):
    """A weight (out, …) plus the product of two thin matrices, which is zero at first (Hu et al. 2022, eq. 3, alpha = rank)."""

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
    """Add every learned change to its weight for good, so that the module has its own architecture again."""
    for part in list(module.modules()):
        for name in list(getattr(part, "parametrizations", {})):
            parametrize.remove_parametrizations(part, name, leave_parametrized=True)
