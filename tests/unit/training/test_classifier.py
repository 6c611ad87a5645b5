"""A classifier from a pretrained tower, and what is said of recordings from their windows."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from m3n.config import ModelConfig, WindowsConfig
from m3n.data.windows import POSE_FEATURES, Normaliser, cut_recordings
from m3n.errors import InputError
from m3n.models import Multi3Net
from m3n.training.checkpoint import Checkpoint, part
from m3n.training.classifier import new_classifier, predict, recording_probabilities, tower_columns

WRISTS = ("left_wrist", "right_wrist")
ARCHITECTURE = ModelConfig(width=16, depth=1, embedding=8).model_dump()


@pytest.fixture(scope="module")
def windows(recording):
    rows = [recording(f"r{i}", seconds=6.0, label=("wave", "shake")[i % 2], worn=WRISTS[i // 4]) for i in range(8)]
    return cut_recordings(rows, WindowsConfig(), WRISTS)


def test_a_recording_is_scored_by_the_mean_of_its_windows(windows):
    probabilities = np.random.default_rng(0).dirichlet([1, 1], len(windows.label)).astype(np.float32)
    means, labels = recording_probabilities(probabilities, windows)
    assert [windows.classes[i] for i in labels] == ["wave", "shake"] * 4
    np.testing.assert_allclose(means[3], probabilities[windows.recording == 3].mean(0), rtol=1e-6)


def test_a_classifier_takes_the_pretrained_tower_and_a_fresh_head():
    torch.manual_seed(1)
    weights = Multi3Net(WRISTS, POSE_FEATURES, 12, **ARCHITECTURE).state_dict()
    made = Checkpoint("multi3net", weights, ARCHITECTURE, {}, list(WRISTS), Normaliser(5.0, 2.0))
    for seed in (0, 1):
        model = new_classifier(WRISTS, ["a", "b"], "linear", ARCHITECTURE, made, seed)
        for name, value in part(weights, "imu.").items():
            assert torch.equal(model.imu.state_dict()[name], value)
    heads = [new_classifier(WRISTS, ["a", "b"], "linear", ARCHITECTURE, made, seed).head.out.weight for seed in (0, 0, 1)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_a_placement_that_the_tower_does_not_know_is_named():
    tower = new_classifier(WRISTS, ["a", "b"], "linear", ARCHITECTURE, None, 0).imu
    assert tower_columns(tower, ("right_wrist",)) == [1]
    with pytest.raises(
        InputError, match="the checkpoint knows the placements left_wrist, right_wrist; the recordings have 'head'"
    ):
        tower_columns(tower, ("head",))


def test_probabilities_sum_to_one_whatever_the_batch(windows):
    model = new_classifier(WRISTS, windows.classes, "linear", ARCHITECTURE, None, 0)
    whole, pieces = (predict(model, windows, Normaliser(5.0, 2.0), batch) for batch in (512, 3))
    np.testing.assert_allclose(whole.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(whole, pieces, atol=1e-6)
