"""Classifier heads: the features of an IMU tower to class logits.

A head maps features_bw to (logits_bc, penalty). The penalty is added to the training loss; only the mixture of experts has one. A
head with a `pool` of its own replaces the tower's pooling of tokens. It is made with (width, classes, embedding).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class LinearHead(nn.Module):
    """One linear layer: with a frozen encoder, a linear probe."""

    def __init__(self, width: int, classes: int, embedding: int) -> None:
        super().__init__()
        self.out = nn.Linear(width, classes)

    def forward(self, features_bw: Tensor) -> tuple[Tensor, Tensor]:
        return self.out(features_bw), features_bw.new_zeros(())


class MlpHead(nn.Module):
    """One hidden layer."""

    def __init__(self, width: int, classes: int, embedding: int) -> None:
        super().__init__()
        self.out = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Dropout(0.2), nn.Linear(width, classes))

    def forward(self, features_bw: Tensor) -> tuple[Tensor, Tensor]:
        return self.out(features_bw), features_bw.new_zeros(())


class TokenAttention(nn.Module):
    """Tokens (batch, steps, width) to features (batch, width), by the attention of several learned queries."""

    def __init__(self, width: int, queries: int = 4) -> None:
        super().__init__()
        self.score = nn.Linear(width, queries, bias=False)
        self.mix = nn.Linear(queries * width, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens_bsw: Tensor) -> Tensor:
        attention_bqs = self.score(tokens_bsw).softmax(dim=1).transpose(1, 2)
        return self.norm(self.mix((attention_bqs @ tokens_bsw).flatten(1)))


class AttentionHead(nn.Module):
    """Attention pooling over time, learned for the classes, then one linear layer."""

    def __init__(self, width: int, classes: int, embedding: int) -> None:
        super().__init__()
        self.pool = TokenAttention(width)
        self.out = nn.Linear(width, classes)

    def forward(self, features_bw: Tensor) -> tuple[Tensor, Tensor]:
        return self.out(features_bw), features_bw.new_zeros(())


class ExpertsHead(nn.Module):
    """A gated mixture of small experts, as in Multi3Net+, balanced by the auxiliary loss of the Switch Transformer (Fedus et al.
    2022, eq. 4): number of experts x sum over experts of (share of windows sent there x mean gate)."""

    BALANCE = 0.01  # weight of the auxiliary loss in that paper

    def __init__(self, width: int, classes: int, embedding: int, experts: int = 4) -> None:
        super().__init__()
        self.gate = nn.Linear(width, experts)
        self.experts = nn.ModuleList(
            nn.Sequential(nn.Linear(width, width // 2), nn.GELU(), nn.Linear(width // 2, classes)) for _ in range(experts)
        )

    def forward(self, features_bw: Tensor) -> tuple[Tensor, Tensor]:
        gate_be = self.gate(features_bw).softmax(-1)
        logits_bec = torch.stack([expert(features_bw) for expert in self.experts], dim=1)
        sent_e = functional.one_hot(gate_be.argmax(-1), gate_be.shape[1]).to(gate_be.dtype).mean(0)
        balance = gate_be.shape[1] * (sent_e * gate_be.mean(0)).sum()
        return (gate_be[..., None] * logits_bec).sum(1), self.BALANCE * balance


class TextHead(nn.Module):
    """Cosine similarity of the window's joint embedding with one direction for each class.

    With a pretrained projection, and embeddings of the classes' sentences as directions, this is zero-shot classification; training
    starts from there (as Wortsman et al. 2022 fine-tune CLIP from its zero-shot weights).
    """

    def __init__(self, width: int, classes: int, embedding: int, temperature: float = 0.07) -> None:
        super().__init__()
        self.projection = projection(width, embedding)
        self.directions_ce = nn.Parameter(torch.randn(classes, embedding))
        self.temperature = temperature

    def forward(self, features_bw: Tensor) -> tuple[Tensor, Tensor]:
        embedded_be = functional.normalize(self.projection(features_bw), dim=-1)
        logits_bc = embedded_be @ functional.normalize(self.directions_ce, dim=-1).T / self.temperature
        return logits_bc, features_bw.new_zeros(())


def projection(inputs: int, outputs: int) -> nn.Sequential:
    """Two-layer projection into the joint embedding."""
    return nn.Sequential(nn.Linear(inputs, outputs), nn.GELU(), nn.Linear(outputs, outputs))


# those of `m3n.config.names.HEADS`
HEADS: dict[str, type[nn.Module]] = {
    "linear": LinearHead, "mlp": MlpHead, "attention": AttentionHead, "experts": ExpertsHead, "text": TextHead,
}  # fmt: skip


def make_head(name: str, classes: int, architecture: dict[str, Any]) -> nn.Module:
    """A head with fresh weights, for a tower with the fields of `m3n.config.ModelConfig`."""
    return HEADS[name](architecture["width"], classes, architecture["embedding"])
