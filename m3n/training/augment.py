"""Random changes of a batch of normalised IMU windows, on the batch's own device.

What changes: the mounting (a turn about the forearm, as of a strap, and a small tilt about any axis), the tempo (Um et al., ICMI
2017; the angular rate is scaled with it), the gain, white noise, the sampling rate, and what is set to zero: spans of time, or the
accelerometer or gyroscope. Every worker draws the random numbers of the whole global batch from the same generator and uses those
of its own rows, so the number of workers does not change them.
"""

from __future__ import annotations

import math
from itertools import permutations, product
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from m3n.config import AugmentConfig

LOWEST_HZ = 20.0
Rows = slice | Tensor  # of a global batch


class Augmented(NamedTuple):
    """An augmented batch."""

    imu_bpt6: Tensor
    clean_bpt6: Tensor  # the same mounting, tempo and gain, without noise or loss
    rate_b: Tensor  # sampling rates of the sensors [Hz]


def augment(
    imu_bpt6: Tensor, strength: AugmentConfig, generator: torch.Generator, rows: Rows, total: int, rate_hz: float
) -> Augmented:
    """Change the rows `rows` of a global batch of `total` windows at `rate_hz`; `generator` is a CPU generator."""
    b, p, t, _ = imu_bpt6.shape

    def normal(*shape: int) -> Tensor:
        return torch.randn(total, *shape, generator=generator)[rows].to(imu_bpt6.device)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(total, *shape, generator=generator)[rows].to(imu_bpt6.device)

    turn_bp3 = torch.stack([strength.turn_rad * (2 * uniform(p) - 1), *torch.zeros(2, b, p).to(imu_bpt6)], -1)
    rotation_bp33 = rotation_matrix(turn_bp3) @ rotation_matrix(strength.tilt_rad * normal(p, 3))
    clean_bpt6 = (imu_bpt6.unflatten(-1, (2, 3)) @ rotation_bp33[:, :, None]).flatten(-2)
    clean_bpt6 = clean_bpt6 * torch.exp(strength.scale * normal(p, 1, 1))
    time_t = torch.arange(t, device=imu_bpt6.device, dtype=imu_bpt6.dtype)
    if strength.warp > 0 or strength.shift > 0:
        tempo_b1 = torch.exp(strength.warp * normal(1))
        begin_b1 = t / 2 + strength.shift * t * (2 * uniform(1) - 1)
        clean_bpt6 = at_times(clean_bpt6, (time_t - t / 2) * tempo_b1 + begin_b1, tempo_b1)
    changed_bpt6, rate_b = clean_bpt6, torch.full((b,), rate_hz, device=imu_bpt6.device)
    if strength.low_rate > 0 and rate_hz > LOWEST_HZ:
        drawn_b = LOWEST_HZ * torch.exp(uniform(1)[:, 0] * math.log(rate_hz / LOWEST_HZ))
        rate_b = torch.where(uniform(1)[:, 0] < strength.low_rate, drawn_b, rate_b)
        changed_bpt6 = recorded_at(changed_bpt6, rate_b / rate_hz)
    changed_bpt6 = changed_bpt6 + strength.noise * normal(p, t, 6)
    if strength.mask > 0:
        start_bp1 = uniform(p, 1) * (1 - strength.mask)
        share_t = time_t / t
        hidden_bpt = (share_t >= start_bp1) & (share_t < start_bp1 + strength.mask * uniform(p, 1))
        changed_bpt6 = changed_bpt6 * ~hidden_bpt[..., None]
    if strength.signal_dropout > 0:
        blank_bp1, which_bp1 = uniform(p, 1) < strength.signal_dropout, uniform(p, 1) < 0.5
        hidden_bp6 = torch.cat([(blank_bp1 & which_bp1).expand(-1, -1, 3), (blank_bp1 & ~which_bp1).expand(-1, -1, 3)], -1)
        changed_bpt6 = changed_bpt6 * ~hidden_bp6[:, :, None]
    return Augmented(changed_bpt6, clean_bpt6, rate_b)


def at_times(x_bpt6: Tensor, time_bt: Tensor, tempo_b1: Tensor | None = None) -> Tensor:
    """Samples at fractional times (b, t), counted in samples, by linear interpolation; beyond an end, the last sample there.

    `tempo_b1`: how fast time runs, by which angular rates are multiplied; beyond an end they are 0.
    """
    asked_bt, time_bt = time_bt, time_bt.clamp(0, x_bpt6.shape[2] - 1)
    low_bt = time_bt.floor().long().clamp(max=x_bpt6.shape[2] - 2)
    share_b1t1 = (time_bt - low_bt)[:, None, :, None]
    index = low_bt[:, None, :, None].expand(-1, x_bpt6.shape[1], -1, x_bpt6.shape[3])
    found_bpt6 = torch.lerp(x_bpt6.gather(2, index), x_bpt6.gather(2, index + 1), share_b1t1)
    if tempo_b1 is None:
        return found_bpt6
    speed_bt = tempo_b1 * (asked_bt == time_bt)
    return torch.cat([found_bpt6[..., :3], found_bpt6[..., 3:] * speed_bt[:, None, :, None]], -1)


def recorded_at(x_bpt6: Tensor, ratio_b: Tensor) -> Tensor:
    """The signal if only every 1 / `ratio_b`-th sample had been recorded, with linear interpolation between them."""
    place_bt = torch.arange(x_bpt6.shape[2], device=x_bpt6.device) * ratio_b[:, None]
    low_bt = place_bt.floor()
    before, after = (at_times(x_bpt6, k_bt / ratio_b[:, None]) for k_bt in (low_bt, low_bt + 1))
    return torch.lerp(before, after, (place_bt - low_bt)[:, None, :, None])


def draw_worn(
    imu_bpt6: Tensor,
    strength: AugmentConfig,
    generator: torch.Generator,
    rows: Rows,
    total: int,
    there_bp: Tensor | None = None,
) -> Tensor:
    """Which placements are used, (b, p) bool: with chance `placement_dropout` only one, as if the person wore one watch.

    The one that is kept is drawn in proportion to its angular-rate energy, because a resting hand says little about the activity.
    `there_bp`: placements that were recorded, of which alone some are used; None for all.
    """
    p = imu_bpt6.shape[1]
    alone_b1 = torch.rand(total, generator=generator)[rows, None].to(imu_bpt6.device) < strength.placement_dropout
    energy_bp = imu_bpt6[..., 3:].square().mean((2, 3)) + 1e-6
    drawn_b1 = torch.rand(total, generator=generator)[rows, None].to(imu_bpt6.device)
    if there_bp is None:
        share_bp = (energy_bp / energy_bp.sum(1, keepdim=True)).cumsum(1)
        chosen_b = (drawn_b1 > share_bp[:, :-1]).sum(1)
        return ~alone_b1 | torch.nn.functional.one_hot(chosen_b, p).bool()
    sum_bp = (energy_bp * there_bp).cumsum(1)
    passed_bp = there_bp & (sum_bp >= drawn_b1 * sum_bp[:, -1:])  # the first of them holds the drawn share of the energy
    return there_bp & (~alone_b1 | torch.nn.functional.one_hot(passed_bp.int().argmax(1), p).bool())


def turned_by_right_angles(imu_bpt6: Tensor, generator: torch.Generator, rows: Rows, total: int) -> Tensor:
    """Every placement's signal as a sensor reads it that sits in one of the 24 right-angled ways, drawn for each window."""
    drawn_bp = torch.randint(24, (total, imu_bpt6.shape[1]), generator=generator)[rows]
    rotation_bp33 = right_angle_rotations()[drawn_bp].to(imu_bpt6)
    return (imu_bpt6.unflatten(-1, (2, 3)) @ rotation_bp33[:, :, None]).flatten(-2)


def right_angle_rotations() -> Tensor:
    """The 24 rotations of a cube onto itself, (24, 3, 3): permutations of the axes with signs, of determinant 1."""
    signed = [
        torch.diag(torch.tensor(signs))[list(axes)]
        for axes in permutations(range(3))
        for signs in product((1.0, -1.0), repeat=3)
    ]
    return torch.stack([matrix for matrix in signed if torch.linalg.det(matrix) > 0])


def rotation_matrix(rotvec: Tensor) -> Tensor:
    """Rotation matrices (…, 3, 3) of axis-angle vectors (…, 3), by Rodrigues' formula."""
    x, y, z = rotvec.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    angle = torch.linalg.vector_norm(rotvec, dim=-1)[..., None, None]
    first, second = torch.sinc(angle / math.pi), 0.5 * torch.sinc(angle / (2 * math.pi)).square()
    return torch.eye(3, device=rotvec.device, dtype=rotvec.dtype) + first * cross + second * (cross @ cross)
