"""A task is the losses of a model's outputs, in float32 whatever the model's precision."""

from __future__ import annotations

import pytest
import torch

from m3n.config import ModelConfig
from m3n.config.names import LOSSES
from m3n.losses import MultiTaskLoss
from m3n.models import Multi3Net
from m3n.training.task import PretrainingTask

WRISTS = ("left_wrist", "right_wrist")


def task(bf16: bool = False) -> PretrainingTask:
    torch.manual_seed(0)
    model = Multi3Net(WRISTS, 135, 32, **ModelConfig(width=16, depth=1, embedding=8).model_dump()).eval()
    return PretrainingTask(model, MultiTaskLoss(dict.fromkeys(LOSSES, 0.5), 0.07, WRISTS), bf16=bf16)


def batch() -> dict[str, torch.Tensor]:
    draws = torch.Generator().manual_seed(1)
    imu = torch.randn(4, 2, 100, 6, generator=draws)
    return {
        "imu_bpt6": imu, "ideal_bpt6": imu, "clean_bpt6": imu, "worn_bp": torch.ones(4, 2, dtype=torch.bool),
        "pose_bfd": torch.randn(4, 30, 135, generator=draws), "text_bc": torch.randn(4, 32, generator=draws),
        "keys_bk": torch.arange(4)[:, None].expand(-1, 3),
    }  # fmt: skip


def test_a_batch_becomes_every_loss_and_their_weighted_sum():
    losses = task()(batch())
    names = [name for name, loss in LOSSES.items() if not loss.recordings_only]
    assert list(losses) == [*names, "total"]
    assert float(losses["total"].detach()) == pytest.approx(0.5 * sum(float(losses[name].detach()) for name in names), rel=1e-6)


def test_bf16_changes_the_model_and_not_the_type_of_the_losses():
    exact, coarse = task(), task(bf16=True)
    assert {value.dtype for value in coarse.outputs(batch()).values()} == {torch.float32}
    first, second = (made(batch())["total"] for made in (exact, coarse))
    assert second.dtype == torch.float32
    assert float(first.detach()) != float(second.detach())
    assert float(second.detach()) == pytest.approx(float(first.detach()), rel=0.02)


def test_weights_have_the_names_under_which_a_state_keeps_them():
    names = {name.split(".")[0] for name, _ in task().named_parameters()}
    assert names == {"model", "loss"}
