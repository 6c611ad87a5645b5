"""Every pose encoder: one token a stride, blocks that cover its parameters; joints attend to each other within a step."""

from __future__ import annotations

import fnmatch
import math

import pytest
import torch
from torch import Tensor

from m3n.models.pose import POSE_ENCODERS, JointTransformer

POSE = 22 * 6 + 3
encoders = pytest.mark.parametrize("encoder", POSE_ENCODERS)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@encoders
@pytest.mark.parametrize("frames", [30, 7, 2])
def test_an_encoder_gives_one_token_per_stride_and_the_features_of_a_window(encoder, frames):
    model = POSE_ENCODERS[encoder](POSE, 16, 1, 0.0)
    tokens, features = model(noise(3, frames, POSE))
    assert tokens.shape == (3, math.ceil(frames / model.stride), 16)
    assert features.shape == (3, 16)


@encoders
def test_every_parameter_lies_in_one_block(encoder):
    model = POSE_ENCODERS[encoder](POSE, 16, 2, 0.0)
    names = [name for name, _ in model.named_parameters()]
    assert [sum(fnmatch.fnmatch(name, block) for block in model.blocks()) for name in names] == [1] * len(names)


@encoders
def test_every_parameter_of_an_encoder_learns(encoder):
    model = POSE_ENCODERS[encoder](POSE, 16, 1, 0.0)
    tokens, features = model(noise(4, 30, POSE))
    (tokens.pow(2).sum() + features.pow(2).sum()).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0] == []


def test_joints_attend_to_each_other_within_a_moment():
    torch.manual_seed(0)
    pose = JointTransformer(POSE, 16, 1, 0.0).eval()
    x = noise(1, 20, POSE)
    other = x.clone()
    other[:, :, 6 * 18 : 6 * 19] += 1.0  # the left elbow
    with torch.no_grad():
        assert (pose(x)[0] - pose(other)[0]).abs().amax(dim=(0, 2)).min() > 1e-4
