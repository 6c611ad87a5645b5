"""Pose encoders: a window of joint rotations and root velocity to a short sequence of tokens, and to features.

Each maps pose_bfd (batch, frames, joints x 6 + 3) to tokens_bsw (batch, steps, width), one step for `stride` frames, and to
features_bw. Rotations are global ones in a frame without the root's yaw (`m3n.data.windows`): the position of a sensor is linear in
them, and gravity in the sensor's frame is a part of them, so they are close to what an IMU reads.

Legend of shape suffixes: b windows, f pose frames, s steps, j tokens of a step (22 joints and the root), c channels of a joint,
w width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from m3n.models.imu import AttentionPool, positions, transformer


class PoseEncoder(nn.Module):
    """What every pose encoder declares; it is made with (pose_features, width, depth, dropout)."""

    stride: int  # pose frames per token

    def blocks(self) -> list[str]:
        """Patterns of the names of its parameters, a block of layers each, from the pose to the features."""
        raise NotImplementedError


class JointTransformer(PoseEncoder):
    """A spatio-temporal transformer (after PoseFormer, Zheng et al., ICCV 2021).

    A short convolution over time, which can form derivatives, makes a token of every joint's 6-D rotation and of the root's
    velocity; joints attend to each other within a step, then steps attend to each other within the window.
    """

    stride = 2

    def __init__(self, pose_features: int, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.joints = (pose_features - 3) // 6
        channels = max(16, width // 4)
        self.joint_stem = nn.Conv1d(6, channels, 5, self.stride, padding=2)
        self.root_stem = nn.Conv1d(3, channels, 5, self.stride, padding=2)
        self.joint_place = nn.Parameter(0.02 * torch.randn(self.joints + 1, channels))
        self.across_joints = transformer(channels, 1, dropout)
        self.merge = nn.Linear((self.joints + 1) * channels, width)
        self.over_time = transformer(width, depth, dropout)
        self.pool = AttentionPool(width)

    def blocks(self) -> list[str]:
        layers = [f"over_time.layers.{i}.*" for i in range(len(self.over_time.layers))]
        return ["joint_*", "root_stem.*", "across_joints.*", "merge.*", *layers, "over_time.norm.*", "pool.*"]

    def forward(self, pose_bfd: Tensor) -> tuple[Tensor, Tensor]:
        b = len(pose_bfd)
        rotations_bj6f = pose_bfd[..., : 6 * self.joints].unflatten(-1, (self.joints, 6)).permute(0, 2, 3, 1)
        joints_bjcs = self.joint_stem(rotations_bj6f.flatten(0, 1)).unflatten(0, (b, self.joints))
        root_b1cs = self.root_stem(pose_bfd[..., 6 * self.joints :].transpose(1, 2))[:, None]
        tokens_bsjc = torch.cat([joints_bjcs, root_b1cs], dim=1).permute(0, 3, 1, 2) + self.joint_place
        tokens_bsjc = self.across_joints(tokens_bsjc.flatten(0, 1)).unflatten(0, tokens_bsjc.shape[:2])
        tokens_bsw = self.merge(tokens_bsjc.flatten(2))
        tokens_bsw = self.over_time(tokens_bsw + positions(tokens_bsw.shape[1], tokens_bsw.shape[2], tokens_bsw))
        return tokens_bsw, self.pool(tokens_bsw)


# those of `m3n.config.names.POSE_ENCODERS`
POSE_ENCODERS: dict[str, type[PoseEncoder]] = {"joint_transformer": JointTransformer}
