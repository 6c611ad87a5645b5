"""Windows without labels change the training through their samples alone; without such windows, nothing changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from gestures import classifier, on_either_wrist

from m3n.config import FinetuneConfig
from m3n.data.windows import Normaliser
from m3n.training import unlabelled as module
from m3n.training.finetune import finetune


@pytest.fixture(scope="module")
def windows(recording):
    return on_either_wrist(recording)


def trained(windows, unlabelled):
    model = classifier()
    config = FinetuneConfig(epochs=1, min_steps=8, batch_size=8, lr=1e-2)
    finetune(model, windows, Normaliser.fit(windows.imu_npt6), config, own_hz=50.0, unlabelled=unlabelled)
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def test_no_window_changes_nothing_and_labels_that_are_there_are_not_read(windows, monkeypatch):
    monkeypatch.setattr(module, "SURE", 0.5)  # of two classes, one is always as sure: no need to train for long
    labelled, rest = windows.subset(np.arange(20)), windows.subset(np.arange(20, 40))
    without = trained(labelled, None)
    assert torch.equal(trained(labelled, rest.subset(np.zeros(20, bool))), without)
    one, other = (trained(labelled, replace(rest, label=label)) for label in (rest.label, 1 - rest.label))
    assert torch.equal(one, other)
    assert not torch.equal(one, without)
