"""Augmentation turns a sensor as a whole, and draws the same however the batch is shared out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from m3n.config import AugmentConfig
from m3n.training.augment import Augmented, augment, draw_worn, recorded_at, rotation_matrix

NAMES = ("turn_rad", "tilt_rad", "warp", "scale", "noise", "mask", "signal_dropout", "low_rate", "placement_dropout")
OFF = dict.fromkeys(NAMES, 0.0)
RATE_HZ = 50.0
ALL = slice(None)


def signal(b: int = 8, p: int = 2, t: int = 50) -> Tensor:
    return torch.randn(b, p, t, 6, generator=torch.Generator().manual_seed(1))


def draw(x: Tensor, rows: slice = ALL, total: int | None = None, seed: int = 0, **strength: float) -> Augmented:
    generator = torch.Generator().manual_seed(seed)
    return augment(x, AugmentConfig(**(OFF | strength)), generator, rows, len(x) if total is None else total, RATE_HZ)


def fitted_maps(before: Tensor, after: Tensor) -> np.ndarray:
    """The linear map of every window and placement that best takes `before` to `after`: (b, p, 3, 3), by least squares."""
    flat = (x.double().flatten(0, 1).numpy() for x in (before, after))
    maps = [np.linalg.lstsq(a, b, rcond=None)[0].T for a, b in zip(*flat, strict=True)]
    return np.array(maps).reshape(*before.shape[:2], 3, 3)


def test_switched_off_it_changes_nothing():
    changed, clean, _ = draw(signal())
    assert torch.equal(changed, signal())
    assert torch.equal(clean, signal())


def test_rotation_matrices_are_those_of_rodrigues():
    vectors = np.random.default_rng(0).normal(size=(20, 3)) * 2
    found = rotation_matrix(torch.from_numpy(vectors))
    np.testing.assert_allclose(found, Rotation.from_rotvec(vectors).as_matrix(), atol=1e-9)
    np.testing.assert_array_equal(rotation_matrix(torch.zeros(2, 3)), np.stack([np.eye(3)] * 2))


def test_mountings_are_proper_rotations_and_turn_both_sensors_together():
    x = signal()
    _, clean, _ = draw(x, turn_rad=3.14, tilt_rad=0.3)
    acc, gyro = fitted_maps(x[..., :3], clean[..., :3]), fitted_maps(x[..., 3:], clean[..., 3:])
    np.testing.assert_allclose(acc, gyro, atol=1e-4)
    np.testing.assert_allclose(acc @ acc.swapaxes(-1, -2), np.broadcast_to(np.eye(3), acc.shape), atol=1e-4)
    np.testing.assert_allclose(np.linalg.det(acc), 1, atol=1e-4)
    angles = Rotation.from_matrix(acc.reshape(-1, 3, 3)).magnitude()
    assert len(np.unique(np.round(angles, 4))) == 16  # every window and wrist is mounted anew


def test_a_strap_turns_about_the_forearm_only():
    x = signal(64)
    _, clean, _ = draw(x, turn_rad=0.4)
    torch.testing.assert_close(clean[..., [0, 3]], x[..., [0, 3]])
    angles = Rotation.from_matrix(fitted_maps(x[..., :3], clean[..., :3]).reshape(-1, 3, 3)).as_rotvec()[:, 0]
    assert np.abs(angles).max() <= 0.4 + 1e-4
    assert angles.std() == pytest.approx(0.4 / np.sqrt(3), rel=0.15)  # uniform over +-0.4


def test_tilts_have_the_spread_they_were_given():
    x = signal(200)
    _, clean, _ = draw(x, tilt_rad=0.1)
    vectors = Rotation.from_matrix(fitted_maps(x[..., :3], clean[..., :3]).reshape(-1, 3, 3)).as_rotvec()
    np.testing.assert_allclose(vectors.std(0), 0.1, rtol=0.12)


def test_a_gain_scales_all_channels_of_a_sensor_alike():
    x = signal(200)
    _, clean, _ = draw(x, scale=0.1)
    gain = (clean / x).flatten(2)
    torch.testing.assert_close(gain, gain[..., :1].expand_as(gain))
    assert float(gain[..., 0].log().std()) == pytest.approx(0.1, rel=0.1)


def test_noise_is_in_what_is_seen_and_not_in_what_is_reconstructed():
    x = signal(50)
    changed, clean, _ = draw(x, noise=0.2)
    torch.testing.assert_close(clean, x)
    assert float((changed - x).std()) == pytest.approx(0.2, rel=0.02)


def test_a_mask_blanks_one_span_of_all_channels_no_longer_than_its_share():
    changed, clean, _ = draw(signal(100), mask=0.3)
    assert torch.equal(clean, signal(100))
    hidden = (changed == 0).all(-1)
    assert torch.equal(hidden, (changed == 0).any(-1))
    spans = (hidden.int().diff(dim=-1) == 1).sum(-1) + hidden[..., 0]
    assert int(spans.max()) == 1
    lengths = hidden.float().mean(-1)
    assert 0.2 < float(lengths.max()) <= 0.3 + 1 / 50
    assert torch.equal(changed[~hidden], clean[~hidden])


def test_a_faster_tempo_shortens_a_movement_and_turns_the_sensor_faster():
    time = torch.arange(100) / RATE_HZ - 1.0
    bump = torch.exp(-(time**2) / (2 * 0.1**2))[None, None, :, None].expand(200, 1, -1, 6)
    _, clean, _ = draw(bump, warp=0.2)
    width = clean[..., 0].sum(-1) / bump[..., 0].sum(-1)  # of a Gaussian, as its area
    assert float(-width.log().std()) == pytest.approx(-0.2, rel=0.15)
    torch.testing.assert_close(clean[..., 3:].sum(2), bump[..., 3:].sum(2), rtol=2e-2, atol=0)  # the angle turned through


def test_one_of_the_two_sensors_is_blanked_with_the_given_chance():
    changed, clean, _ = draw(signal(1000, t=5), signal_dropout=0.4)
    assert torch.equal(clean, signal(1000, t=5))
    acc, gyro = ((changed[..., part] == 0).all(-1).all(-1) for part in (slice(0, 3), slice(3, 6)))
    assert not (acc & gyro).any()
    assert float((acc | gyro).float().mean()) == pytest.approx(0.4, abs=0.04)
    assert float(acc.float().mean()) == pytest.approx(0.2, abs=0.04)


def test_a_slow_sensor_keeps_slow_movement_loses_fast_and_says_its_rate():
    time = torch.arange(200) / RATE_HZ
    slow, fast = torch.sin(2 * torch.pi * time), torch.sin(2 * torch.pi * 21 * time)
    x = torch.stack([slow, fast], -1)[None, None].expand(300, 1, -1, -1).repeat(1, 1, 1, 3)
    changed, clean, rate = draw(x, low_rate=0.5)
    assert torch.equal(clean, x)
    drawn = rate < RATE_HZ
    assert float(drawn.float().mean()) == pytest.approx(0.5, abs=0.08)
    assert float(rate.min()) >= 20
    torch.testing.assert_close(changed[~drawn], x[~drawn], atol=1e-5, rtol=0)
    torch.testing.assert_close(changed[drawn][:, :, :-3, 0], x[drawn][:, :, :-3, 0], atol=0.02, rtol=0)
    whole = recorded_at(x[:1], torch.tensor([0.5]))  # 25 Hz: every second sample
    torch.testing.assert_close(whole[:, :, ::2], x[:1, :, ::2])
    torch.testing.assert_close(whole[:, :, 1:-1:2], (x[:1, :, :-2:2] + x[:1, :, 2::2]) / 2)


@pytest.mark.parametrize("workers", [2, 4])
def test_draws_do_not_depend_on_the_number_of_workers(workers):
    x, strength = signal(), {"turn_rad": 3.0, "tilt_rad": 0.2, "scale": 0.1, "noise": 0.1, "mask": 0.3}
    strength |= {"warp": 0.2, "signal_dropout": 0.3, "low_rate": 0.5}
    whole = draw(x, **strength)
    share = len(x) // workers
    for rank in range(workers):
        rows = slice(rank * share, (rank + 1) * share)
        for part, expected in zip(draw(x[rows], rows, len(x), **strength), whole, strict=True):
            torch.testing.assert_close(part, expected[rows], rtol=0, atol=1e-6)


def worn(x: Tensor, drop: float, rows: slice = ALL, total: int | None = None) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return draw_worn(x, AugmentConfig(placement_dropout=drop), generator, rows, len(x) if total is None else total)


def test_placements_are_dropped_with_the_given_chance_and_one_always_stays():
    x = signal(1000, t=5)
    assert worn(x, 0.0).all()
    found = worn(x, 0.3)
    assert found.any(1).all()
    assert float((~found.all(1)).float().mean()) == pytest.approx(0.3, abs=0.05)
    assert float((~worn(x, 0.99).all(1)).float().mean()) == pytest.approx(0.99, abs=0.01)
    assert worn(x[:, :1], 0.99).all()


def test_the_wrist_that_stays_is_drawn_by_how_much_it_turns():
    x = signal(2000, t=5)
    x[:, 0, :, 3:], x[:, 1, :, 3:] = 1.0, 2.0  # angular-rate energy 1 : 4
    found = worn(x, 0.99)
    alone = found[~found.all(1)]
    assert float(alone[:, 1].float().mean()) == pytest.approx(0.8, abs=0.03)


def test_who_wears_what_does_not_depend_on_the_number_of_workers():
    x = signal()
    parts = [worn(x[rows], 0.5, rows, 8) for rows in (slice(0, 4), slice(4, 8))]
    assert torch.equal(torch.cat(parts), worn(x, 0.5))


def test_another_seed_draws_anew():
    strength = {"turn_rad": 3.0, "noise": 0.1}
    assert torch.equal(draw(signal(), **strength)[0], draw(signal(), **strength)[0])
    assert (draw(signal(), **strength)[0] - draw(signal(), seed=1, **strength)[0]).abs().max() > 0.1
