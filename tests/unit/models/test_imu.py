"""Every IMU encoder: one token a stride, blocks that cover its parameters, and parameters that all learn."""

from __future__ import annotations

import fnmatch
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from m3n.models.imu import IMU_ENCODERS, AttentionPool, positions

encoders = pytest.mark.parametrize("encoder", IMU_ENCODERS)


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@encoders
@pytest.mark.parametrize("samples", [100, 60, 97, 8])
def test_an_encoder_gives_one_token_per_stride(encoder, samples):
    model = IMU_ENCODERS[encoder](16, 2, 0.0)
    assert model(noise(3, samples, 6), noise(3, 16)).shape == (3, math.ceil(samples / model.stride), 16)


@encoders
def test_the_first_token_sees_the_start_of_a_window_and_the_stem_no_later_part(encoder):
    stem, x = IMU_ENCODERS[encoder](16, 1, 0.0).eval().stem, noise(1, 96, 6)
    later = x.clone()
    later[:, 48:] += 1.0
    inputs = [v[:, None] if encoder == "attend_discriminate" else v.transpose(1, 2) for v in (x, later)]
    with torch.no_grad():
        first, second = (stem(v)[:, :, 0] for v in inputs)
    if encoder == "attend_discriminate":  # the others normalise over the window
        torch.testing.assert_close(first, second)
    assert first.shape == second.shape


@encoders
@pytest.mark.parametrize("depth", [1, 3])
def test_every_parameter_lies_in_one_block_and_blocks_rise_from_the_sensor(encoder, depth):
    model = IMU_ENCODERS[encoder](16, depth, 0.0)
    names, blocks = [name for name, _ in model.named_parameters()], model.blocks()
    assert [sum(fnmatch.fnmatch(name, block) for block in blocks) for name in names] == [1] * len(names)
    assert all(fnmatch.filter(names, block) for block in blocks)
    assert len(blocks) >= 2 + depth
    assert fnmatch.filter(names, blocks[0]) == [name for name in names if name.startswith("stem.0.")]


@encoders
def test_every_parameter_of_an_encoder_learns(encoder):
    model = IMU_ENCODERS[encoder](16, 2, 0.0)
    model(noise(4, 96, 6), noise(4, 16, seed=1)).pow(2).sum().backward()
    assert [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().max() > 0] == []


@encoders
def test_more_depth_is_more_layers_and_the_sensor_matters(encoder):
    small, large = (sum(p.numel() for p in IMU_ENCODERS[encoder](16, depth, 0.0).parameters()) for depth in (1, 2))
    assert small < large
    model, x = IMU_ENCODERS[encoder](16, 1, 0.0).eval(), noise(2, 64, 6)
    with torch.no_grad():
        assert (model(x, noise(2, 16)) - model(x, noise(2, 16, seed=1))).abs().max() > 1e-3


def test_attention_weights_a_token_by_its_score_and_adds_the_mean():
    torch.manual_seed(0)
    pool, tokens = AttentionPool(16), noise(2, 5, 16)
    with torch.no_grad():
        scores = (tokens @ pool.score.weight.T).squeeze(-1).numpy()
        share = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
        pooled = np.concatenate([(share[..., None] * tokens.numpy()).sum(1), tokens.numpy().mean(1)], axis=1)
        expected = pool.norm(torch.from_numpy(pooled) @ pool.mix.weight.T + pool.mix.bias)
        np.testing.assert_allclose(pool(tokens), expected, atol=1e-5)


def test_positions_are_the_sines_of_vaswani():
    found = positions(50, 8, torch.zeros(1))
    t, i = np.arange(50)[:, None], np.arange(4)[None]
    angle = t / 10000 ** (2 * i / 8)
    np.testing.assert_allclose(found, np.concatenate([np.sin(angle), np.cos(angle)], axis=1), atol=1e-4)
