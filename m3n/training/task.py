"""The pretraining task: a batch to a dict of losses by name, through the model and its losses."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from m3n.losses import Gather, MultiTaskLoss, no_gather
from m3n.models import Multi3Net


class PretrainingTask(nn.Module):
    """Model and losses. The losses, which sum over many numbers, are computed in float32 whatever the model's precision."""

    def __init__(self, model: Multi3Net, loss: MultiTaskLoss, *, bf16: bool = False) -> None:
        super().__init__()
        self.model, self.loss, self.bf16 = model, loss, bf16

    def outputs(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the losses compare, in float32."""
        with torch.autocast(batch["imu_bpt6"].device.type, torch.bfloat16, enabled=self.bf16):
            out = self.model(batch)
        return {name: value.float() for name, value in out.items()}

    def forward(self, batch: Mapping[str, Tensor], rank: int = 0, gather: Gather = no_gather) -> dict[str, Tensor]:
        """Losses by name, and their weighted sum as `total`; arguments as in `MultiTaskLoss`."""
        losses: dict[str, Tensor] = self.loss(self.outputs(batch), batch, rank, gather)
        return losses
