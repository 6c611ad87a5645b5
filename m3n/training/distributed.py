"""What the workers of a training exchange: rows with their gradients, means, and gradients. A single worker is a group of one.

The gather is written out here because torch's own with gradient is deprecated (`torch.distributed.nn.functional`), or private,
asynchronous and not in every torch that this package accepts (`torch.distributed._functional_collectives`).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn


class _AllGather(torch.autograd.Function):
    """All workers' rows, in rank order. The gradient of a row is the sum of its gradients of all workers' losses."""

    @staticmethod
    def forward(ctx: object, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: object, grad: Tensor) -> Tensor:
        grad = grad.contiguous()
        dist.all_reduce(grad)
        return grad.chunk(dist.get_world_size())[dist.get_rank()]


def world() -> tuple[int, int]:
    """(rank, number of workers)."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def gather(x: Tensor) -> Tensor:
    """Rows of all workers, with gradient."""
    if world()[1] == 1:
        return x
    if x.dtype == torch.bool:
        return gather(x.to(torch.uint8)).bool()
    gathered: Tensor = _AllGather.apply(x)  # type: ignore[no-untyped-call]
    return gathered


def mean_over_workers(values: Tensor) -> Tensor:
    """The mean of a small tensor over all workers."""
    if world()[1] > 1:
        dist.all_reduce(values)
        values /= world()[1]
    return values


class Gradients:
    """All gradients of a model in one buffer, followed by a few numbers that workers exchange in the same message.

    The buffer makes a run repeatable: its layout never changes, so workers always add up in the same order
    (DistributedDataParallel changes its layout after the first step, which a resumed run would do at another step). A parameter
    that no loss depends on has a gradient of 0 on every worker.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], numbers: int) -> None:
        self.size = sum(p.numel() for p in parameters)
        self.buffer = torch.zeros(self.size + numbers, device=parameters[0].device)
        offset = 0
        for p in parameters:
            p.grad = self.buffer[offset : offset + p.numel()].view_as(p)
            offset += p.numel()

    def zero(self) -> None:
        """Set all gradients to 0; backward passes add to them until `exchange`."""
        self.buffer.zero_()

    def exchange(self, numbers: Tensor, clip_norm: float) -> list[float]:
        """Average gradients and `numbers` over all workers, then clip; returns the numbers and, last, the norm before clipping."""
        self.buffer[self.size :] = numbers
        mean_over_workers(self.buffer)
        gradient = self.buffer[: self.size]
        norm = gradient.norm()
        gradient *= (clip_norm / (norm + 1e-6)).clamp(max=1.0)
        return torch.cat([self.buffer[self.size :], norm[None]]).tolist()
