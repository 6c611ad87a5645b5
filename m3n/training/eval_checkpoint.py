"""Evaluate a fine-tuning at set points of the training, and save its state there, so that an interrupted one resumes exactly.

The state holds weights, optimiser moments, and the random generators of augmentation and dropout; the order of the windows follows
from the step number. A resumed fine-tuning therefore ends with the same weights, bit for bit, as one that was never interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from m3n.models import Classifier
from m3n.training.state import Progress, recovered, restore, save_state

# number of the evaluation, counted from 1, and the classifier as it is then
OnEvaluation = Callable[[int, Classifier], None]


class EvalCheckpoint:
    """Calls `on_evaluation` after each of some fractions of the training steps, then saves the state in `path`."""

    def __init__(self, path: Path, fractions: Sequence[float], on_evaluation: OnEvaluation) -> None:
        self.path, self.fractions, self.on_evaluation = path, fractions, on_evaluation

    def resume(self, model: Classifier, optimizer: torch.optim.Optimizer, draws: torch.Generator) -> int:
        """Restore the saved state, if there is one; returns the number of steps it had done."""
        header = recovered(self.path)
        if header is None:
            return 0
        step = restore(self.path, model, optimizer).step
        draws.set_state(_bytes(header["draws"]))
        torch.set_rng_state(_bytes(header["rng"]))
        return step

    def after_step(
        self,
        step: int,
        steps: int,
        model: Classifier,
        optimizer: torch.optim.Optimizer,
        draws: torch.Generator,
    ) -> None:
        """Called after every step of the optimiser, `step` of `steps`."""
        evaluated = [math.ceil(fraction * steps) for fraction in self.fractions]
        if step not in evaluated:
            return
        self.on_evaluation(evaluated.index(step) + 1, model)
        model.train()  # an evaluation leaves it in eval mode
        drawn = {"draws": _hex(draws.get_state()), "rng": _hex(torch.get_rng_state())}
        save_state(self.path, Progress(step=step), model, optimizer, drawn)


def _hex(state: torch.Tensor) -> str:
    return state.numpy().tobytes().hex()


def _bytes(text: str) -> torch.Tensor:
    return torch.frombuffer(bytearray.fromhex(text), dtype=torch.uint8)
