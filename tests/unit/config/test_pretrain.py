"""Settings of a pretraining: loss weights, what decides the weights, and pose frames enough to move."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from m3n.config import HARDWARE, LossConfig, OptimConfig, PretrainConfig
from m3n.losses import MultiTaskLoss


def test_all_but_the_weights_are_arguments_of_the_loss():
    options = LossConfig(temperature=0.1, contrast="siglip").options
    made = MultiTaskLoss(LossConfig().weights, placements=("left_wrist", "right_wrist"), **options)
    assert (made.temperature, made.contrast) == (0.1, "siglip")


def test_some_loss_needs_a_weight():
    with pytest.raises(ValidationError, match="every loss weight is 0"):
        LossConfig(**dict.fromkeys(LossConfig().weights, 0))


def test_speed_does_not_decide_the_weights_and_all_else_does():
    base = PretrainConfig()
    faster = PretrainConfig(workers=7, device="cpu", gpu_wait_s=3, restarts=0, optim={"save_every_s": 1})
    assert faster.deciding == base.deciding
    assert PretrainConfig(seed=1).deciding != base.deciding
    assert PretrainConfig(optim={"lr": 1e-3}).deciding != base.deciding
    assert set(base.model_dump()) - set(base.deciding) == HARDWARE
    assert json.loads(json.dumps(base.deciding)) == base.deciding


def test_a_window_of_a_single_pose_frame_is_refused():
    with pytest.raises(ValidationError, match=r"1 pose frame at windows\.pose_fps = 15 Hz: expected at least 2"):
        PretrainConfig(windows={"window_s": 0.05})


def test_a_group_of_parameters_has_its_own_share_and_decay():
    group = OptimConfig(groups={"imu.*": {"lr": 0.1}}).groups["imu.*"]
    assert (group.lr, group.weight_decay) == (0.1, None)
    with pytest.raises(ValidationError):
        OptimConfig(groups={"imu.*": {"lr": -1}})


def test_subjects_may_be_numbers():
    assert PretrainConfig(exclude_subjects=[1, 2]).exclude_subjects == ["1", "2"]
