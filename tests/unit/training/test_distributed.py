"""What workers exchange: all rows with their gradients, means, and one buffer of all gradients. Two processes over gloo."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import nn

from m3n.training.distributed import Gradients, gather, mean_over_workers, world

WORKERS = 2


def rows(rank: int) -> torch.Tensor:
    return torch.randn(3, 4, generator=torch.Generator().manual_seed(rank), dtype=torch.float64)


def loss_of(whole: torch.Tensor) -> torch.Tensor:
    """Something that mixes all rows unevenly."""
    return (whole @ whole.T).softmax(-1).pow(2).mul(torch.arange(36.0, dtype=torch.float64).view(6, 6)).sum()


def worker(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=WORKERS)
    own = rows(rank).requires_grad_(True)
    loss_of(gather(own)).backward()
    flags = gather(torch.tensor([rank == 1, True]))
    mean = mean_over_workers(torch.tensor([float(rank), 10.0]))
    parameter = nn.Parameter(torch.zeros(2))
    unused = nn.Parameter(torch.zeros(1))
    gradients = Gradients([parameter, unused], 1)
    gradients.zero()
    (parameter * torch.tensor([3.0, 8.0 * rank])).sum().backward()
    numbers = gradients.exchange(torch.tensor([rank + 1.0]), clip_norm=2.5)
    torch.save(
        {"grad": own.grad, "flags": flags, "mean": mean, "numbers": numbers, "clipped": parameter.grad, "unused": unused.grad,
         "world": world()}, f"{folder}/{rank}.pt",
    )  # fmt: skip
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> list[dict[str, torch.Tensor]]:
    folder: Path = tmp_path_factory.mktemp("gloo")
    mp.spawn(worker, (str(folder),), nprocs=WORKERS)
    return [torch.load(folder / f"{rank}.pt") for rank in range(WORKERS)]


def test_a_rows_gradient_is_the_sum_over_all_workers_losses(found):
    alone = torch.cat([rows(rank) for rank in range(WORKERS)]).requires_grad_(True)
    (WORKERS * loss_of(alone)).backward()  # every worker computes the loss of all rows
    for rank, own in enumerate(found):
        torch.testing.assert_close(own["grad"], alone.grad[3 * rank : 3 * rank + 3], rtol=1e-12, atol=1e-12)


def test_flags_are_gathered_in_rank_order_and_means_are_the_same_on_all(found):
    for rank, own in enumerate(found):
        assert own["world"] == (rank, WORKERS)
        assert own["flags"].tolist() == [False, True, True, True]
        assert own["mean"].tolist() == [0.5, 10.0]


def test_gradients_are_averaged_then_clipped_and_numbers_travel_with_them(found):
    for own in found:  # mean gradient (3, 4), norm 5, clipped to 2.5
        assert own["numbers"] == pytest.approx([1.5, 5.0])
        assert own["clipped"].tolist() == pytest.approx([1.5, 2.0], rel=1e-5)
        assert own["unused"].tolist() == [0.0]


def test_alone_there_is_nothing_to_exchange():
    x = torch.ones(2, 3)
    assert world() == (0, 1)
    assert gather(x) is x
    assert mean_over_workers(x) is x
