"""A classifier is made, applied to windows and recordings, and loaded."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gestures import on_either_wrist

from m3n.config import ModelConfig, WindowsConfig
from m3n.data.windows import Normaliser
from m3n.errors import InputError
from m3n.models import make_imu_tower
from m3n.training.checkpoint import Checkpoint, save
from m3n.training.classifier import (
    classifier_checkpoint,
    load_classifier,
    new_classifier,
    predict,
    recording_probabilities,
    tower_columns,
)


@pytest.fixture(scope="module")
def windows(recording):
    return on_either_wrist(recording)


def test_a_recording_is_scored_by_the_mean_of_its_windows(windows):
    probabilities = np.random.default_rng(0).dirichlet([1, 1], len(windows.label)).astype(np.float32)
    means, labels = recording_probabilities(probabilities, windows)
    assert [windows.classes[i] for i in labels] == ["wave", "shake"] * 4
    np.testing.assert_allclose(means[3], probabilities[windows.recording == 3].mean(0), rtol=1e-6)


MODEL = ModelConfig(width=16, depth=1, embedding=8)
WRISTS = ("left_wrist", "right_wrist")


def pretrained_on_wrists() -> Checkpoint:
    torch.manual_seed(3)
    tower = make_imu_tower(WRISTS, MODEL.model_dump())
    weights = {f"imu.{name}": value for name, value in tower.state_dict().items()}
    return Checkpoint("multi3net", weights, MODEL, WindowsConfig(), list(WRISTS), Normaliser(9.8, 1.0))


def test_a_classifier_of_a_checkpoint_starts_with_its_encoder_and_a_head_of_its_own():
    found = pretrained_on_wrists()
    made = new_classifier(("right_wrist",), ["a", "b"], "linear", MODEL, found, seed=0)
    assert tuple(made.imu.placements) == WRISTS
    for name, value in made.imu.state_dict().items():
        assert torch.equal(value, found.weights[f"imu.{name}"]), name
    again = new_classifier(("right_wrist",), ["a", "b"], "linear", MODEL, found, seed=0)
    other = new_classifier(("right_wrist",), ["a", "b"], "linear", MODEL, found, seed=1)
    heads = [torch.cat([p.flatten() for p in model.head.parameters()]) for model in (made, again, other)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_probabilities_sum_to_one_and_do_not_depend_on_the_batch(windows):
    model = new_classifier(WRISTS, windows.classes, "linear", MODEL, None, seed=0)
    one, other = (predict(model, windows, Normaliser(9.8, 1.0), batch) for batch in (3, 512))
    np.testing.assert_allclose(one.sum(1), 1, atol=1e-5)
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_placements_are_found_by_name_and_an_unknown_one_is_refused():
    tower = make_imu_tower(WRISTS, MODEL.model_dump())
    assert tower_columns(tower, ("right_wrist",)) == [1]
    assert tower_columns(tower, ("right_wrist", "left_wrist")) == [1, 0]
    with pytest.raises(
        InputError, match=r"recordings have the placement .head., but the checkpoint was trained with left_wrist"
    ):
        tower_columns(tower, ("head",))


def test_a_saved_classifier_of_an_unknown_head_is_refused(tmp_path):
    model = new_classifier(WRISTS, ["a", "b"], "linear", MODEL, None, seed=0)
    save(tmp_path, classifier_checkpoint(model, ["a", "b"], "wings", Normaliser(9.8, 1.0), MODEL, WindowsConfig()))
    with pytest.raises(InputError, match="head is 'wings' with 2 classes, expected one of linear"):
        load_classifier(tmp_path)
