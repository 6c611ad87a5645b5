"""Pose encoder: a spatio-temporal transformer over joint rotations (after PoseFormer, Zheng et al., ICCV 2021).

Every joint's 6-D rotation, and the pelvis' velocity, become tokens by a short convolution over time, which can hold derivatives;
joints attend to each other within a moment, and moments attend to each other within the window. Rotations come in as global
ones in a root-yaw-free frame (`m3n.data.windows`): a sensor's position is linear in them, and gravity in a sensor's frame is a part
of one, so what an IMU reads is near at hand.

Legend of shape suffixes: b windows, f pose frames, s moments (f / 2), j tokens of a moment (22 joints and the root), c channels
of a joint, w width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from m3n.models.imu import AttentionPool, positions, transformer

_STEP = 2  # pose frames per moment


class PoseTower(nn.Module):
    """Pose windows (b, f, joints * 6 + 3) to tokens (b, s, w) and features (b, w)."""

    def __init__(self, pose_features: int, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.joints = (pose_features - 3) // 6
        channels = max(16, width // 4)
        self.joint_stem = nn.Conv1d(6, channels, 5, _STEP, padding=2)
        self.root_stem = nn.Conv1d(3, channels, 5, _STEP, padding=2)
        self.joint_place = nn.Parameter(0.02 * torch.randn(self.joints + 1, channels))
        self.across_joints = transformer(channels, 1, dropout)
        self.merge = nn.Linear((self.joints + 1) * channels, width)
        self.over_time = transformer(width, depth, dropout)
        self.pool = AttentionPool(width)

    def forward(self, pose_bfd: Tensor) -> tuple[Tensor, Tensor]:
        b = len(pose_bfd)
        rotations = pose_bfd[..., : 6 * self.joints].unflatten(-1, (self.joints, 6)).permute(0, 2, 3, 1)  # b j 6 f
        joints_bjcs = self.joint_stem(rotations.flatten(0, 1)).unflatten(0, (b, self.joints))
        root_b1cs = self.root_stem(pose_bfd[..., 6 * self.joints :].transpose(1, 2))[:, None]
        tokens_bsjc = torch.cat([joints_bjcs, root_b1cs], dim=1).permute(0, 3, 1, 2) + self.joint_place
        tokens_bsjc = self.across_joints(tokens_bsjc.flatten(0, 1)).unflatten(0, tokens_bsjc.shape[:2])
        tokens_bsw = self.merge(tokens_bsjc.flatten(2))
        tokens_bsw = self.over_time(tokens_bsw + positions(tokens_bsw.shape[1], tokens_bsw.shape[2], tokens_bsw))
        return tokens_bsw, self.pool(tokens_bsw)
