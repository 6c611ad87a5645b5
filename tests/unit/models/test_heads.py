"""Heads: shapes, what the mixture of experts pays for, and a text head that starts as zero-shot classification."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from m3n.config import FinetuneConfig, ModelConfig, WindowsConfig
from m3n.data import text
from m3n.data.windows import POSE_FEATURES, Normaliser, cut_recordings
from m3n.errors import InputError
from m3n.models import HEADS, Multi3Net, make_classifier
from m3n.models.heads import ExpertsHead
from m3n.training.checkpoint import Checkpoint, save
from m3n.training.classifier import classifier_checkpoint, load_classifier, new_classifier
from m3n.training.fit import fit

MODEL = ModelConfig(width=16, depth=1, embedding=16)
ARCHITECTURE = MODEL.model_dump()
SENTENCES = {"shake": ["Somebody shakes a hand."], "wave": ["A person waves.", "Someone greets from afar."]}


def multi3net() -> tuple[Multi3Net, Checkpoint]:
    torch.manual_seed(1)
    model = Multi3Net(["right_wrist"], POSE_FEATURES, 384, **ARCHITECTURE).eval()
    made = Checkpoint(
        "multi3net", model.state_dict(), MODEL, WindowsConfig(), ["right_wrist"], Normaliser(5.0, 2.0),
        text_model="all-MiniLM-L6-v2", text_features=384,
    )  # fmt: skip
    return model, made


@pytest.mark.parametrize("head", HEADS)
def test_every_head_gives_a_logit_per_class_for_any_number_of_worn_placements(head):
    torch.manual_seed(0)
    model = make_classifier(["left_wrist", "right_wrist"], 5, head, ARCHITECTURE).eval()
    x, worn = torch.randn(4, 2, 100, 6), torch.tensor([[True, True], [True, False], [False, True], [True, True]])
    logits, penalty = model(x, worn)
    assert logits.shape == (4, 5)
    assert penalty.shape == ()
    other = x.clone()
    other[1, 1] = 100.0  # not worn, so not looked at
    torch.testing.assert_close(model(other, worn)[0], logits)


def test_a_linear_head_is_linear_in_the_features():
    torch.manual_seed(0)
    model = make_classifier(["right_wrist"], 3, "linear", ARCHITECTURE).eval()
    x = torch.randn(4, 1, 100, 6)
    expected = model.imu(x) @ model.head.out.weight.T + model.head.out.bias
    torch.testing.assert_close(model(x)[0], expected)


def test_experts_pay_least_when_they_share_the_work():
    """Switch Transformer, eq. 4: with even shares and gates the loss is 1 times its weight; with one expert for all, near the
    number of experts."""
    head = ExpertsHead(4, 2, embedding=8, experts=4)
    torch.nn.init.zeros_(head.gate.bias)
    head.gate.weight.data = 20 * torch.eye(4)
    _, even = head(torch.eye(4).repeat(8, 1))
    _, uneven = head(torch.tensor([[1.0, 0, 0, 0]]).repeat(32, 1))
    assert even.item() == pytest.approx(ExpertsHead.BALANCE * 1.0, rel=1e-3)
    assert uneven.item() == pytest.approx(ExpertsHead.BALANCE * 4.0, rel=1e-3)


def test_a_text_head_starts_as_zero_shot_classification():
    model, made = multi3net()
    x = torch.randn(6, 1, 100, 6)
    classifier = new_classifier(("right_wrist",), ["shake", "wave"], "text", MODEL, made, 0, SENTENCES).eval()
    with torch.no_grad():
        imu = torch.nn.functional.normalize(model.imu_projection(model.imu(x)), dim=-1)
        classes = []
        for name in ("shake", "wave"):
            words = torch.from_numpy(text.embed(SENTENCES[name]))
            unit = torch.nn.functional.normalize(model.text_projection(words), dim=-1).mean(0)
            classes.append(unit / unit.norm())
        logits, _ = classifier(x)
    torch.testing.assert_close(0.07 * logits, imu @ torch.stack(classes).T, atol=1e-5, rtol=0)


@pytest.mark.parametrize("head", HEADS)
def test_a_saved_classifier_predicts_the_same(head, tmp_path):
    torch.manual_seed(0)
    model = make_classifier(["right_wrist"], 3, head, ARCHITECTURE).eval()
    shape = WindowsConfig()
    save(tmp_path, classifier_checkpoint(model, ["a", "b", "c"], head, Normaliser(5.0, 2.0), MODEL, shape))
    loaded, described = load_classifier(tmp_path)
    x = torch.randn(2, 1, 100, 6)
    np.testing.assert_array_equal(loaded(x)[0].detach(), model(x)[0].detach())
    assert (described.classes, described.head, described.normaliser) == (["a", "b", "c"], head, Normaliser(5.0, 2.0))


def test_a_classifier_of_an_unknown_head_is_refused(tmp_path):
    model = make_classifier(["right_wrist"], 2, "linear", ARCHITECTURE)
    shape = WindowsConfig()
    save(tmp_path, classifier_checkpoint(model, ["a", "b"], "wings", Normaliser(5.0, 2.0), MODEL, shape))
    with pytest.raises(InputError, match="made by another version of m3n, or damaged: head is 'wings'"):
        load_classifier(tmp_path)


def test_dense_targets_teach_where_in_a_window_the_label_changes(recording):
    """Two gestures in turn, 3 s each: the steps of a window that holds both are told apart, and their mean is its answer."""
    segments = [{"start_s": 3.0 * k, "stop_s": 3.0 * k + 3, "label": ("wave", "shake")[k % 2]} for k in range(10)]
    rows = []
    for seed in range(2):
        wave, shake = (recording("x", seconds=30.0, label=label)["imu_right_wrist"] for label in ("wave", "shake"))
        turn = (np.arange(len(wave)) // 150) % 2 == 0
        imu = np.where(turn[:, None], wave, shake) + np.random.default_rng(seed).normal(0, 0.1, wave.shape).astype(np.float32)
        rows.append(recording(f"r{seed}", seconds=30.0, label=None, segments=segments, imu_right_wrist=imu, subject=f"s{seed}"))
    shape = WindowsConfig(hop_s=0.5)
    windows = cut_recordings(rows, shape, ("right_wrist",))
    assert windows.step_label_ns.shape == (len(windows.label), 13)
    mixed = [i for i in range(len(windows.label)) if 0 < np.mean(windows.step_label_ns[i] == 0) < 1]
    train, test = (windows.subset(windows.subject == who) for who in ("s0", "s1"))
    model = ModelConfig(width=16, depth=1).model_dump()
    config = FinetuneConfig(targets="dense", model=model, epochs=1, min_steps=150, lr=3e-3, augment={"warp": 0})
    fitted = fit(train, shape, config, None)
    inputs = torch.from_numpy(fitted.normaliser(test.imu_npt6)), torch.from_numpy(test.worn_np)
    with torch.no_grad():
        steps = fitted.model.steps(*inputs)[0].softmax(-1).numpy()
    assert len(mixed) > 20
    assert np.mean(steps.argmax(-1) == test.step_label_ns) > 0.85
    np.testing.assert_allclose(fitted.predict(test), steps.mean(1), atol=1e-5)
