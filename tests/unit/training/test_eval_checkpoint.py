"""Evaluating a fine-tuning on the way, and resuming an interrupted one, leave the final weights as they would have been."""

from __future__ import annotations

import pytest
import torch

from m3n.config import FinetuneConfig, ModelConfig, WindowsConfig
from m3n.data.windows import Normaliser, cut_recordings
from m3n.training.classifier import new_classifier, predict
from m3n.training.eval_checkpoint import EvalCheckpoint
from m3n.training.finetune import finetune

ARCHITECTURE = ModelConfig(width=16, depth=1, dropout=0.2)
STEPS = 12


class CutOffError(Exception):
    pass


@pytest.fixture(scope="module")
def windows(recording):
    rows = [recording(f"r{i}", seconds=6.0, label=("wave", "shake")[i % 2], worn="right_wrist") for i in range(8)]
    return cut_recordings(rows, WindowsConfig(), ("right_wrist",))


@pytest.mark.parametrize("freeze", ["none", "lp_ft", "adapters"])
def test_evaluated_or_interrupted_and_resumed_the_weights_are_the_same(windows, freeze, tmp_path):
    normaliser = Normaliser.fit(windows.imu_npt6)
    config = FinetuneConfig(freeze=freeze, epochs=1, min_steps=STEPS, batch_size=12)

    def trained(eval_checkpoint: EvalCheckpoint | None = None, last: int = STEPS) -> dict[str, torch.Tensor]:
        model = new_classifier(("right_wrist",), windows.classes, "linear", ARCHITECTURE, None, 0)

        def on_step(step: int, steps: int, loss: float) -> None:
            if step > last:
                raise CutOffError

        finetune(model, windows, normaliser, config, 50.0, on_step, eval_checkpoint=eval_checkpoint)
        return model.state_dict()

    evaluations: list[int] = []

    def on_evaluation(number: int, model: torch.nn.Module) -> None:
        evaluations.append(number)
        predict(model, windows, normaliser)

    alone = trained()
    seen = trained(EvalCheckpoint(tmp_path / "seen", [1 / 3, 2 / 3, 1], on_evaluation))
    assert evaluations == [1, 2, 3]
    with pytest.raises(CutOffError):
        trained(EvalCheckpoint(tmp_path / "cut", [1 / 3, 2 / 3, 1], on_evaluation), last=9)
    evaluations.clear()
    taken_up = trained(EvalCheckpoint(tmp_path / "cut", [1 / 3, 2 / 3, 1], on_evaluation))
    assert evaluations == [3]
    for found in (seen, taken_up):
        assert all(torch.equal(alone[name], found[name]) for name in alone)
