"""Looking at a fine-tuning on the way, and going on from there after an interruption, with the same weights in the end.

Beside weights and moments the state holds the generators of the augmentation and of dropout; the order of the windows follows from
the step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from m3n.models import Classifier
from m3n.training.state import Progress, read_header, restore, save_state

# number of the look, counted from 1, and the classifier as it is
OnLook = Callable[[int, Classifier], None]


class Midway:
    """Calls `on_look` after each of some shares of the steps, and then saves the state in `path`."""

    def __init__(self, path: Path, shares: Sequence[float], on_look: OnLook) -> None:
        self.path, self.shares, self.on_look = path, shares, on_look

    def start(self, model: Classifier, optimizer: torch.optim.Optimizer, draws: torch.Generator) -> int:
        """Steps done; puts everything back to where the state was saved."""
        header = read_header(self.path)
        if header is None:
            return 0
        step = restore(self.path, model, optimizer).step
        draws.set_state(_bytes(header["draws"]))
        torch.set_rng_state(_bytes(header["rng"]))
        return step

    def after(
        self,
        step: int,
        steps: int,
        model: Classifier,
        optimizer: torch.optim.Optimizer,
        draws: torch.Generator,
    ) -> None:
        """Called after every step of the optimiser."""
        at = [math.ceil(share * steps) for share in self.shares]
        if step not in at:
            return
        self.on_look(at.index(step) + 1, model)
        model.train()  # whatever the look has left
        drawn = {"draws": _hex(draws.get_state()), "rng": _hex(torch.get_rng_state())}
        save_state(self.path, Progress(step=step), model, optimizer, drawn)


def _hex(state: torch.Tensor) -> str:
    return state.numpy().tobytes().hex()


def _bytes(text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
