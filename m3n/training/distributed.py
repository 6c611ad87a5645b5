"""What a training loop needs to know about the other workers; alone, it is a group of one."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel


class _AllGather(torch.autograd.Function):
    """All workers' rows, in rank order. A row's gradient is the sum of what every worker's loss asks of it."""

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


def parallel(model: nn.Module, *, some_unused: bool) -> nn.Module:
    """The model, its gradients averaged over all workers. `some_unused`: not every parameter takes part in the loss."""
    return DistributedDataParallel(model, find_unused_parameters=some_unused) if world()[1] > 1 else model
