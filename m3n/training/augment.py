"""Random changes of a batch of normalised IMU windows, on the batch's own device.

What changes: the mounting (a turn about the forearm, as of a strap, and a small tilt about any axis), the gain, white noise,
and spans of time that are blanked. Draws come from one generator for the whole global batch, which every worker makes alike and
then takes its own rows from, so that the number of workers does not change them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from m3n.config import AugmentConfig


def augment(
    imu_bpt6: Tensor, strength: AugmentConfig, generator: torch.Generator, rows: slice, total: int
) -> tuple[Tensor, Tensor]:
    """(changed windows, the same windows with the new mounting and gain only).

    imu_bpt6 holds the rows `rows` of a global batch of `total` windows; `generator` is a CPU generator.
    """
    _, p, t, _ = imu_bpt6.shape

    def normal(*shape: int) -> Tensor:
        return torch.randn(total, *shape, generator=generator)[rows].to(imu_bpt6.device)

    def uniform(*shape: int) -> Tensor:
        return torch.rand(total, *shape, generator=generator)[rows].to(imu_bpt6.device)

    turn_bp3 = torch.stack([strength.turn_rad * (2 * uniform(p) - 1), *torch.zeros(2, *imu_bpt6.shape[:2]).to(imu_bpt6)], -1)
    rotation_bp33 = rotation_matrix(turn_bp3) @ rotation_matrix(strength.tilt_rad * normal(p, 3))
    clean_bpt6 = (imu_bpt6.unflatten(-1, (2, 3)) @ rotation_bp33[:, :, None]).flatten(-2)
    clean_bpt6 = clean_bpt6 * torch.exp(strength.scale * normal(p, 1, 1))
    changed_bpt6 = clean_bpt6 + strength.noise * normal(p, t, 6)
    if strength.mask > 0:
        start_bp1 = uniform(p, 1) * (1 - strength.mask)
        time_t = torch.arange(t, device=imu_bpt6.device) / t
        hidden_bpt = (time_t >= start_bp1) & (time_t < start_bp1 + strength.mask * uniform(p, 1))
        changed_bpt6 = changed_bpt6 * ~hidden_bpt[..., None]
    return changed_bpt6, clean_bpt6


def draw_worn(imu_bpt6: Tensor, strength: AugmentConfig, generator: torch.Generator, rows: slice, total: int) -> Tensor:
    """Which placements take part, (b, p) bool: with chance `drop` only one, as of a person who wears one watch.

    The one that stays is drawn in proportion to its angular-rate energy, because a resting hand says little of what is done.
    """
    p = imu_bpt6.shape[1]
    alone_b1 = torch.rand(total, generator=generator)[rows, None].to(imu_bpt6.device) < strength.drop
    energy_bp = imu_bpt6[..., 3:].square().mean((2, 3)) + 1e-6
    share_bp = (energy_bp / energy_bp.sum(1, keepdim=True)).cumsum(1)
    drawn_b1 = torch.rand(total, generator=generator)[rows, None].to(imu_bpt6.device)
    chosen_b = (drawn_b1 > share_bp[:, :-1]).sum(1)
    return ~alone_b1 | torch.nn.functional.one_hot(chosen_b, p).bool()


def rotation_matrix(rotvec: Tensor) -> Tensor:
    """Rotation matrices (…, 3, 3) of axis-angle vectors (…, 3), by the matrix exponential of their cross-product matrix."""
    x, y, z = rotvec.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    return torch.linalg.matrix_exp(cross)
