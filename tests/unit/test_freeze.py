"""A frozen encoder stays as it was pretrained, to the bit; a head always learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from m3n.config import FinetuneConfig, ModelConfig, WindowsConfig
from m3n.errors import InputError
from m3n.freeze import STRATEGIES, learning_shares, parameter_groups
from m3n.training import finetune as training
from m3n.training.metrics import classification
from m3n.windows import Normaliser, cut_recordings

ARCHITECTURE = ModelConfig(width=16, depth=1, dropout=0.2).model_dump()


@pytest.fixture(scope="module")
def windows(recording):
    """40 windows of two gestures that a child could tell apart, on either wrist."""
    rows = [
        recording(f"r{i}", seconds=6.0, label=("wave", "shake")[i % 2], worn=("left_wrist", "right_wrist")[i // 4])
        for i in range(8)
    ]
    return cut_recordings(rows, WindowsConfig(), ("left_wrist", "right_wrist"))


def classifier(seed: int = 0):
    return training.make_classifier(("left_wrist", "right_wrist"), 2, ARCHITECTURE, None, seed)


def train(model, windows, **settings) -> None:
    options = {"epochs": 1, "min_steps": 4, "batch_size": 8} | settings
    training.finetune(model, windows, Normaliser.fit(windows.imu_npt6), FinetuneConfig(**options), own_hz=50.0)


def changed(model, before: dict[str, torch.Tensor]) -> set[str]:
    """Parts of a classifier ("imu", "head") of which some weight has changed by a bit or more."""
    return {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize(("freeze", "learns"), [("all", {"head"}), ("none", {"imu", "head"})])
def test_what_is_frozen_keeps_every_bit_and_what_is_not_learns(windows, freeze, learns):
    model = classifier()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train(model, windows, freeze=freeze)
    assert changed(model, before) == learns


def test_not_frozen_means_every_weight_of_the_encoder(windows):
    model = classifier()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train(model, windows, freeze="none")
    still = [name for name, value in model.state_dict().items() if torch.equal(value, before[name])]
    assert [name for name in still if "score.bias" not in name] == []  # a softmax does not see a constant


def test_a_frozen_encoder_gives_its_features_without_dropout(windows):
    model = classifier()
    seen = []
    model.imu.register_forward_hook(lambda module, inputs, output: seen.append(module.training))
    train(model, windows, freeze="all")
    assert not any(seen)
    seen.clear()
    train(model, windows, freeze="none")
    assert all(seen)


def test_encoder_and_head_learn_at_their_own_rates():
    groups = parameter_groups(classifier(), "none", lr=0.1, encoder_lr=0.001)
    assert sorted(group["lr"] for group in groups) == [0.001, 0.1]
    sizes = {group["lr"]: sum(p.numel() for p in group["params"]) for group in groups}
    assert sizes[0.1] == 16 * 2 + 2  # the linear head on 16 features
    frozen = classifier()
    (head,) = parameter_groups(frozen, "all", lr=0.1, encoder_lr=0.001)
    assert head["lr"] == 0.1
    assert [name for name, p in frozen.named_parameters() if p.requires_grad] == ["head.weight", "head.bias"]


def test_a_model_frozen_before_thaws_again():
    model = classifier()
    parameter_groups(model, "all", 0.1, 0.1)
    parameter_groups(model, "none", 0.1, 0.1)
    assert all(p.requires_grad for p in model.parameters())


def test_the_first_pattern_that_matches_decides(monkeypatch):
    monkeypatch.setitem(STRATEGIES, "top", [("imu.pool.*", 0.5), ("imu.*", 0.0), ("*", 1.0)])
    names = ["imu.pool.score.weight", "imu.encoders.0.stem.0.0.weight", "head.bias"]
    assert learning_shares(names, "top") == dict(zip(names, (0.5, 0.0, 1.0), strict=True))


def test_an_unknown_strategy_is_named_with_the_nearest():
    with pytest.raises(InputError, match=r"unknown freeze strategy 'al', did you mean 'all'\?"):
        learning_shares(["x"], "al")


def test_two_gestures_are_learnt_and_the_seed_decides_every_bit(windows):
    models, normaliser = [], Normaliser.fit(windows.imu_npt6)
    for _ in range(2):
        models.append(classifier())
        train(models[-1], windows, min_steps=60, lr=3e-3)
    probabilities = [training.predict(model, windows, normaliser, batch) for model, batch in zip(models, (512, 7), strict=True)]
    np.testing.assert_allclose(probabilities[0], probabilities[1], atol=1e-6)  # the batches of a prediction do not matter
    for first, second in zip(*(model.state_dict().values() for model in models), strict=True):
        assert torch.equal(first, second)
    np.testing.assert_allclose(probabilities[0].sum(1), 1, atol=1e-5)
    assert np.mean(probabilities[0].argmax(1) == windows.label) == 1.0


def test_a_recording_is_scored_by_the_mean_of_its_windows(windows):
    probabilities = np.random.default_rng(0).dirichlet([1, 1], len(windows.label)).astype(np.float32)
    means, labels = training.recording_probabilities(probabilities, windows)
    assert [windows.classes[i] for i in labels] == ["wave", "shake"] * 4
    np.testing.assert_allclose(means[3], probabilities[windows.recording == 3].mean(0), rtol=1e-6)


def test_macro_f1_is_the_plain_mean_over_classes():
    """By hand: a has 2 of 3 right and one false alarm (F1 2/3), b has 1 of 2 right and one false alarm (F1 1/2)."""
    truth, predicted = np.array([0, 0, 0, 1, 1]), np.array([0, 0, 1, 1, 0])
    scores = classification(truth, predicted, ["a", "b"])
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert scores["accuracy"] == pytest.approx(3 / 5)
    assert scores["confusion"] == [[2, 1], [1, 1]]
    assert scores["per_class"]["a"] == pytest.approx({"precision": 2 / 3, "recall": 2 / 3, "f1": 2 / 3, "count": 3})


def test_a_class_that_is_missed_altogether_counts_as_zero_and_an_absent_one_not_at_all():
    scores = classification(np.array([0, 0, 1, 1]), np.array([0, 0, 0, 0]), ["a", "b", "never there"])
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)  # a: precision 1/2, recall 1
    wrong = classification(np.array([0, 0]), np.array([0, 1]), ["a", "b"])
    assert wrong["macro_f1"] == pytest.approx((2 / 3 + 0) / 2)  # predicted, though nobody did it
