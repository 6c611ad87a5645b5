"""What the networks must and must not see: both wrists alike, nothing that was not worn, no other window of the batch."""

from __future__ import annotations

import fnmatch

import numpy as np
import pytest
import torch
from torch import Tensor

from m3n.config import ModelConfig
from m3n.models import Multi3Net, make_classifier, make_imu_tower
from m3n.models.imu import IMU_ENCODERS
from m3n.models.multi3net import SequenceDecoder

WRISTS = ("left_wrist", "right_wrist")
POSE, TEXT = 135, 32
encoders = pytest.mark.parametrize("encoder", IMU_ENCODERS)
# A mirror in the sagittal plane turns the axis across the wrist (y) over: M = diag(1, -1, 1) for a vector, and det(M) M for an
# angular rate, which is a pseudovector.
MIRROR = torch.tensor(np.concatenate([np.diag(np.diag([1, -1, 1])), -1 * np.diag(np.diag([1, -1, 1]))]), dtype=torch.float32)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def architecture(encoder: str = "conv_transformer", **changes: object) -> dict[str, object]:
    return ModelConfig(**{"imu_encoder": encoder, "width": 16, "depth": 1, "embedding": 8, **changes}).model_dump()


def tower(encoder: str = "conv_transformer", placements=WRISTS, **changes: object):
    torch.manual_seed(0)
    return make_imu_tower(placements, architecture(encoder, **changes)).eval()


def network(encoder: str = "conv_transformer", placements=WRISTS, **changes: object) -> Multi3Net:
    torch.manual_seed(0)
    return Multi3Net(placements, POSE, TEXT, **architecture(encoder, **changes)).eval()


def batch(b: int = 3, p: int = 2, t: int = 100, f: int = 30) -> dict[str, Tensor]:
    tensors = {"imu_bpt6": noise(b, p, t, 6), "pose_bfd": noise(b, f, POSE, seed=1), "text_bc": noise(b, TEXT, seed=2)}
    return tensors | {"worn_bp": torch.ones(b, p, dtype=torch.bool)}


@encoders
@pytest.mark.parametrize(("shared", "placements"), [(True, WRISTS), (False, WRISTS), (True, ("head",))])
@pytest.mark.parametrize(("t", "f"), [(100, 30), (61, 7), (60, 2)])
def test_the_network_gives_what_the_losses_need(encoder, shared, placements, t, f):
    p = len(placements)
    out = network(encoder, placements, shared_imu_encoder=shared)(batch(3, p, t, f))
    shapes = {name: tuple(value.shape) for name, value in out.items()}
    assert shapes == {
        "text_be": (3, 8), "pose_be": (3, 8), "imu_be": (3, 8), "imu_bpe": (3, p, 8),
        "pose2imu_bpt6": (3, p, t, 6), "reconstruction_bpt6": (3, p, t, 6),
    }  # fmt: skip
    for name in ("text_be", "pose_be", "imu_be", "imu_bpe"):
        np.testing.assert_allclose(out[name].norm(dim=-1).detach(), 1, atol=1e-5)


@encoders
def test_a_left_wrist_is_a_right_one_in_the_mirror(encoder):
    model, right = tower(encoder), noise(4, 1, 100, 6)
    left_of = lambda x: model(x, columns=[0])  # noqa: E731
    np.testing.assert_allclose(left_of(right * MIRROR).detach(), model(right, columns=[1]).detach(), atol=1e-6)
    assert (left_of(right) - model(right, columns=[1])).abs().max() > 1e-3


def test_what_is_reconstructed_for_the_left_wrist_is_in_its_own_frame():
    model, right = network(), noise(4, 1, 100, 6)
    out = model({**batch(4), "imu_bpt6": torch.cat([right * MIRROR, right], dim=1)})["reconstruction_bpt6"]
    np.testing.assert_allclose((out[:, 0] * MIRROR).detach(), out[:, 1].detach(), atol=1e-6)


def test_wrists_with_encoders_of_their_own_are_not_mirrored():
    model, x = tower(shared_imu_encoder=False), noise(4, 1, 100, 6)
    assert len(model.encoders) == 2
    model.encoders[1].load_state_dict(model.encoders[0].state_dict())
    np.testing.assert_array_equal(model(x, columns=[0]).detach(), model(x, columns=[1]).detach())


@encoders
@pytest.mark.parametrize("shared", [True, False])
def test_a_wrist_that_was_not_worn_changes_nothing(encoder, shared):
    model = tower(encoder, shared_imu_encoder=shared)
    x, other = noise(5, 2, 100, 6), noise(5, 2, 100, 6, seed=9) * 100
    worn = torch.tensor([[True, False], [False, True], [True, True], [True, False], [False, True]])
    with torch.no_grad():
        features = model(x, worn)
        np.testing.assert_allclose(model(torch.where(worn[..., None, None], x, other), worn), features, atol=1e-6)
        np.testing.assert_allclose(model(x[:1, :1], columns=[0]), features[:1], atol=1e-6)
        both = (model(x[2:3, :1], columns=[0]) + model(x[2:3, 1:], columns=[1])) / 2
    np.testing.assert_allclose(both, features[2:3], atol=1e-6)  # two wrists: the mean of the two


def test_the_embedding_of_the_imu_is_that_of_the_worn_wrists_and_each_wrist_keeps_its_own():
    model, inputs = network(), batch(2)
    other = inputs | {"imu_bpt6": inputs["imu_bpt6"].clone(), "worn_bp": torch.tensor([[True, False], [True, True]])}
    other["imu_bpt6"][:, 1] = noise(2, 100, 6, seed=7)
    with torch.no_grad():
        found = model(inputs | {"worn_bp": other["worn_bp"]})
        changed = model(other)
    torch.testing.assert_close(found["imu_be"][0], found["imu_bpe"][0, 0])
    torch.testing.assert_close(changed["imu_be"][0], found["imu_be"][0])
    assert (changed["imu_be"][1] - found["imu_be"][1]).abs().max() > 1e-3
    assert (changed["imu_bpe"][:, 1] - found["imu_bpe"][:, 1]).abs().max() > 1e-3


def test_a_window_without_any_sensor_has_no_features():
    assert not tower()(noise(2, 2, 50, 6), torch.tensor([[False, False], [True, True]]))[0].any()


@encoders
def test_features_do_not_depend_on_the_other_windows_of_the_batch(encoder):
    model, inputs = network(encoder), batch(6)
    with torch.no_grad():
        whole = model(inputs)
        for rows in ([0], [3, 1], [5, 4, 3]):
            some = model({name: value[rows] for name, value in inputs.items()})
            for name, value in some.items():
                np.testing.assert_allclose(value, whole[name][rows], atol=2e-6, err_msg=name)


@encoders
def test_the_order_of_samples_and_of_channels_matters(encoder):
    model, x = tower(encoder), noise(4, 1, 96, 6)
    with torch.no_grad():
        features = model(x, columns=[1])
        for other in (x.flip(2), x.flip(3), x.reshape(4, 1, 6, 96).transpose(2, 3)):
            assert (model(other, columns=[1]) - features).abs().max() > 1e-3


@encoders
def test_convolutions_run_over_time_with_the_channels_as_channels(encoder):
    model, x, seen = network(encoder, WRISTS[1:]), batch(2, p=1), {}
    for name, stem in (("imu", model.imu.encoders[0].stem), ("pose", model.pose.joint_stem), ("root", model.pose.root_stem)):
        stem.register_forward_pre_hook(lambda module, inputs, name=name: seen.update({name: inputs[0]}))
    model(x)
    if encoder == "attend_discriminate":  # an image, time by channels
        assert torch.equal(seen["imu"][:, 0, :, :6], x["imu_bpt6"][:, 0])
    else:
        assert torch.equal(seen["imu"][:, :6], x["imu_bpt6"][:, 0].permute(0, 2, 1))
    assert torch.equal(seen["pose"].unflatten(0, (2, 22))[1, 3, 4], x["pose_bfd"][1, :, 3 * 6 + 4])
    assert torch.equal(seen["root"], x["pose_bfd"][..., -3:].permute(0, 2, 1))


@encoders
def test_an_encoder_gets_the_placement_and_the_rate_of_a_sensor(encoder):
    x, worn = noise(3, 1, 100, 6), None
    wrist, thigh, own = (tower(encoder, (name,)) for name in ("right_wrist", "right_thigh", "my_belt"))
    with torch.no_grad():
        assert (wrist(x) - thigh(x)).abs().max() > 1e-3
        assert (wrist(x) - own(x)).abs().max() > 1e-3
        fast, own_rate, slow = (wrist(x, worn, None, torch.full((3,), rate)) for rate in (200.0, 50.0, 20.0))
        np.testing.assert_array_equal(fast, own_rate)  # beyond 50 Hz there is nothing more of a body's movement to see
        np.testing.assert_array_equal(fast, wrist(x))
        assert (slow - fast).abs().max() > 1e-3


def test_a_decoder_puts_what_it_decodes_where_it_was_in_time():
    torch.manual_seed(0)
    decoder, tokens = SequenceDecoder(16, 6), noise(1, 13, 16)
    later = tokens.clone()
    later[:, -1] += 1.0
    with torch.no_grad():
        change = (decoder(tokens, 100) - decoder(later, 100)).abs().amax(dim=(0, 2))
    assert change.shape == (100,)
    assert change[-4:].min() > 0
    assert not change[:70].any()  # token 13 of 13 speaks for the last samples; three convolutions reach 3 steps of 4 samples


def test_dropout_is_off_when_a_model_is_used():
    model, x = tower(dropout=0.5), noise(2, 2, 100, 6)
    np.testing.assert_array_equal(model(x).detach(), model(x).detach())
    model.train()
    assert (model(x) - model(x)).abs().max() > 1e-3


# Sum and sum of magnitudes of the weights of seed 0, as they were before the encoders had a registry: the order in which the parts
# of a network are made decides its random weights, and with them every figure that has been published.
INITIAL = {
    "conv_transformer": (239.42576253310108, 2171.4439749552585),
    "residual_cnn": (219.94576224573393, 2040.3614381447514),
    "conv_lstm": (191.70985025656228, 2130.8860796624776),
    "attend_discriminate": (143.57665501514794, 2024.4983573419427),
}


@pytest.mark.parametrize("encoder", INITIAL)
def test_the_random_weights_of_a_seed_are_those_of_0_1_0(encoder):
    torch.manual_seed(0)
    model = Multi3Net(WRISTS, POSE, TEXT, **architecture(encoder))
    found = [weight.detach().double() for weight in model.parameters()]
    assert sum(float(weight.sum()) for weight in found) == pytest.approx(INITIAL[encoder][0], rel=1e-6)
    assert sum(float(weight.abs().sum()) for weight in found) == pytest.approx(INITIAL[encoder][1], rel=1e-6)


def test_blocks_of_a_classifier_are_named_as_in_its_own_weights():
    model = make_classifier(WRISTS, 2, "linear", architecture(shared_imu_encoder=False))
    names = [name for name, _ in model.named_parameters()]
    lowest, *_, pooling = model.blocks()
    assert {name.split(".")[2] for name in fnmatch.filter(names, lowest)} == {"0", "1"}  # of both wrists' encoders
    assert set(fnmatch.filter(names, pooling)) == {name for name in names if name.startswith("imu.pool.")}


def test_a_tower_that_assumes_unknown_mountings_needs_no_flag():
    one = tower(mounting_embedding=True)
    torch.nn.init.normal_(one.unknown_mounting)
    imu, flagged = noise(3, 2, 100, 6), torch.ones(3, dtype=torch.bool)
    with torch.no_grad():
        known, expected = one(imu), one(imu, unknown_b=flagged)
        assert not torch.allclose(known, expected, atol=1e-3)
        for _ in range(2):  # a second call changes nothing
            assert one.assume_unknown_mounting()
            torch.testing.assert_close(one(imu), expected)
            torch.testing.assert_close(one(imu, unknown_b=flagged), expected)
    assert not tower().assume_unknown_mounting()
