"""A frozen encoder stays as it was pretrained, to the bit; a head always learns."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from gestures import classifier, on_either_wrist, train

from m3n.config import FreezeOptions, ModelConfig
from m3n.errors import InputError
from m3n.freeze import STRATEGIES, Freezing, add_adapters, merge_adapters, rules_of
from m3n.models import make_classifier
from m3n.models.imu import IMU_ENCODERS
from m3n.optim import Rule


@pytest.fixture(scope="module")
def windows(recording):
    return on_either_wrist(recording)


def changed(model, before: dict[str, torch.Tensor]) -> set[str]:
    """Parts of a classifier ("imu", "head") of which some weight has changed by a bit or more."""
    return {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, before[name])}


@pytest.mark.parametrize(("freeze", "learns"), [("frozen", {"head"}), ("not_frozen", {"imu", "head"})])
def test_what_is_frozen_keeps_every_bit_and_what_is_not_learns(windows, freeze, learns):
    model = classifier()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    train(model, windows, freeze=freeze)
    assert changed(model, before) == learns


def test_not_frozen_means_every_weight_of_the_encoder(windows):
    model = classifier()
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    train(model, windows, freeze="not_frozen")
    still = [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
    assert [name for name in still if "score.bias" not in name] == []  # a softmax does not see a constant


def test_a_frozen_encoder_gives_its_features_without_dropout(windows):
    model = classifier()
    seen = []
    model.imu.register_forward_hook(lambda module, inputs, output: seen.append(module.training))
    train(model, windows, freeze="frozen")
    assert not any(seen)
    seen.clear()
    train(model, windows, freeze="not_frozen")
    assert all(seen)


def freezing(model, strategy: str, **options) -> Freezing:
    rules = rules_of(strategy, model.blocks(), FreezeOptions(**options))
    return Freezing(model, rules, lr=0.1, encoder_lr=0.001, weight_decay=0.0)


def rates(made: Freezing, progress: float) -> dict[str, float]:
    """Parameter name -> learning rate at a share of the training; 0 where it is frozen."""
    made.at(progress)
    rate = {id(p): group["lr"] for group in made.optimizer.param_groups for p in group["params"]}
    return {name: rate.get(id(p), 0.0) if p.requires_grad else 0.0 for name, p in made.model.named_parameters()}


def test_encoder_and_head_learn_at_their_own_rates():
    found = rates(freezing(classifier(), "not_frozen"), 0.1)  # where the warm-up ends
    assert {round(rate, 6) for name, rate in found.items() if name.startswith("imu.")} == {0.001}
    assert {round(rate, 6) for name, rate in found.items() if name.startswith("head.")} == {0.1}


def test_the_rate_warms_up_and_ends_at_zero():
    made = freezing(classifier(), "not_frozen")
    course = [rates(made, progress)["head.out.bias"] for progress in (0.0, 0.05, 0.1, 0.55, 0.999)]
    assert course[0] < course[1] < course[2] == pytest.approx(0.1)
    assert course[3] == pytest.approx(0.05)  # half-way down the cosine
    assert course[4] < 1e-5


def test_a_probe_comes_first_and_then_everything_learns():
    made = freezing(classifier(), "lp_ft", probe=0.3)
    before, after = rates(made, 0.29), rates(made, 0.6)
    assert {name.split(".")[0] for name, rate in before.items() if rate > 0} == {"head"}
    assert all(rate > 0 for rate in after.values())


def test_blocks_thaw_from_the_top_one_by_one():
    made = freezing(classifier(), "gradual", probe=0.5)
    frozen = [sum(rate == 0 for rate in rates(made, progress).values()) for progress in np.linspace(0, 0.6, 13).tolist()]
    assert frozen[0] > 0
    assert frozen[-1] == 0
    assert all(later <= earlier for earlier, later in itertools.pairwise(frozen))
    assert len(set(frozen)) >= 4
    lowest = [name for name, rate in rates(made, 0.49).items() if rate == 0]
    assert lowest
    assert all("stem.0" in name or "_embedding" in name for name in lowest)


def test_the_lowest_blocks_stay_frozen():
    found = rates(freezing(classifier(), "first_k", first=2), 0.5)
    still = {name for name, rate in found.items() if rate == 0}
    assert still == {name for name in found if "stem.0." in name or "stem.1." in name or "_embedding" in name}
    with pytest.raises(InputError, match=r"freeze_options.first is 9, but the encoder has \d blocks"):
        freezing(classifier(), "first_k", first=9)


def test_rates_decay_from_block_to_block():
    found = rates(freezing(classifier(), "layer_decay", decay=0.5), 0.1)
    top, stem2, stem1 = (next(rate for name, rate in found.items() if part in name) for part in ("pool", "stem.2", "stem.1"))
    assert top == pytest.approx(0.001)
    assert stem1 == pytest.approx(stem2 / 2)
    assert all(rate > 0 for rate in found.values())


@pytest.mark.parametrize("encoder", IMU_ENCODERS)
def test_adapters_change_nothing_at_first_and_merge_into_the_weights(encoder):
    torch.manual_seed(0)
    model = make_classifier(["left_wrist"], 2, "linear", ModelConfig(imu_encoder=encoder, width=16, depth=1).model_dump())
    names, x = set(dict(model.named_parameters())), torch.randn(3, 1, 64, 6)
    plain = model(x)[0].detach()
    weights = sum(p.numel() for p in model.imu.parameters())
    add_adapters(model.imu, rank=2)
    torch.testing.assert_close(model(x)[0], plain)
    made = freezing(model, "adapters")
    made.at(0.5)
    learning = [name for name, p in model.named_parameters() if p.requires_grad]
    assert all(name.startswith("head.") or ".0.up_or" in name or ".0.down_rc" in name for name in learning)
    assert sum(p.numel() for name, p in model.named_parameters() if p.requires_grad and "imu." in name) < weights / 2
    model(x)[0].square().sum().backward()
    made.optimizer.step()
    learnt = model(x)[0].detach()
    assert (learnt - plain).abs().max() > 1e-4
    merge_adapters(model.imu)
    torch.testing.assert_close(model(x)[0].detach(), learnt)
    assert set(dict(model.named_parameters())) == names


def test_every_strategy_trains_and_leaves_the_weights_by_their_own_names(windows):
    names = set(classifier().state_dict())
    for strategy in STRATEGIES:
        model = classifier()
        before = {name: value.clone() for name, value in model.state_dict().items()}
        train(model, windows, freeze=strategy, min_steps=12)
        assert set(model.state_dict()) == names
        assert changed(model, before) == ({"head"} if strategy == "frozen" else {"head", "imu"})


def test_a_model_frozen_before_thaws_again():
    model = classifier()
    freezing(model, "frozen").at(0.5)
    freezing(model, "not_frozen").at(0.5)
    assert all(p.requires_grad for p in model.parameters())


def test_the_first_pattern_that_matches_decides(monkeypatch):
    rules = [Rule("imu.pool.*", 0.5), Rule("imu.*", 0.0), Rule("*", 1.0)]
    monkeypatch.setitem(STRATEGIES, "top", lambda blocks, options: rules)
    found = rates(freezing(classifier(), "top"), 0.1)
    assert found["imu.pool.mix.weight"] == pytest.approx(0.0005)
    assert found["imu.encoders.0.stem.0.0.weight"] == 0
    assert found["head.out.bias"] == pytest.approx(0.1)


def test_an_unknown_strategy_is_named_with_the_nearest():
    with pytest.raises(InputError, match=r"unknown freeze strategy 'frosen', did you mean 'frozen'\?"):
        rules_of("frosen", ["x"], FreezeOptions())
