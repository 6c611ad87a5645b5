"""Fine-tuning learns, the same to the bit for the same seed, and rehearsal takes its share of every batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gestures import MODEL, classifier, on_either_wrist, train

from m3n.data.windows import Normaliser
from m3n.models import make_classifier
from m3n.training import finetune as module
from m3n.training.classifier import predict


@pytest.fixture(scope="module")
def windows(recording):
    return on_either_wrist(recording)


def test_two_gestures_are_learnt_and_the_seed_decides_every_bit(windows):
    models, normaliser = [], Normaliser.fit(windows.imu_npt6)
    for _ in range(2):
        models.append(classifier())
        train(models[-1], windows, min_steps=60, lr=3e-3)
    probabilities = [predict(model, windows, normaliser, batch) for model, batch in zip(models, (512, 7), strict=True)]
    np.testing.assert_allclose(probabilities[0], probabilities[1], atol=1e-6)  # the batches of a prediction do not matter
    for first, second in zip(*(model.state_dict().values() for model in models), strict=True):
        assert torch.equal(first, second)
    np.testing.assert_allclose(probabilities[0].sum(1), 1, atol=1e-5)
    assert np.mean(probabilities[0].argmax(1) == windows.label) == 1.0


def test_class_weights_let_every_class_count_the_same():
    weight = module._class_weights(np.array([0, 0, 0, 2]), classes=3)
    assert weight.tolist() == pytest.approx([4 / 3 / 2, 0, 4 / 2])
    assert 3 * weight[0] == pytest.approx(float(weight[2]))


def test_labels_of_steps_are_those_nearest_to_an_encoders_steps():
    label = torch.tensor([[0, 1, 2, 3]])
    assert torch.equal(module._at_steps(label, 4), label)
    assert module._at_steps(label, 2).tolist() == [[1, 3]]  # the middles of the halves, at 1 and 3 of 4
    assert module._at_steps(label, 8).tolist() == [[0, 0, 1, 1, 2, 2, 3, 3]]


def test_rows_are_drawn_pass_after_pass_and_can_be_resumed():
    first = [next(rows) for rows in [module._rows(5, 0, "order", 0)] for _ in range(12)]
    assert sorted(first[:5]) == sorted(first[5:10]) == [0, 1, 2, 3, 4]
    assert first[:5] != first[5:10]
    for done in (1, 5, 7):
        rows = module._rows(5, 0, "order", done)
        assert [next(rows) for _ in range(12 - done)] == first[done:]


def test_kinds_of_rehearsed_windows_take_turns():
    parts = [np.array([10, 11]), np.array([20, 21, 22, 23])]
    rows = module._in_turn(parts, 0, "rehearse", 0)
    found = [next(rows) for _ in range(8)]
    assert sorted(found[::2]) == [10, 10, 11, 11]
    assert sorted(found[1::2]) == [20, 21, 22, 23]


def test_rehearsal_fades_as_a_prior_does():
    assert [module.faded(0.5, n, 30.0) for n in (0, 30, 90)] == [0.5, 0.25, 0.125]
    assert module.faded(0.5, 1000, None) == module.faded(0.5, 1000, 0.0) == 0.5


def test_dense_targets_need_a_dense_model(windows):
    model = make_classifier(("left_wrist", "right_wrist"), 2, "linear", MODEL.model_dump(), dense=True)
    train(model, windows, targets="dense")
    assert model.steps(torch.zeros(1, 2, 100, 6))[0].shape == (1, -(-100 // model.imu.stride), 2)
