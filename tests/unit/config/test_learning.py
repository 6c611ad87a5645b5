"""Windows count their own samples and frames; an architecture is what the layers can divide."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from m3n.config import AugmentConfig, ModelConfig, WindowsConfig
from m3n.models import Multi3Net


def test_a_window_holds_rate_times_duration():
    shape = WindowsConfig(window_s=2.5, rate_hz=50, pose_fps=12)
    assert (shape.samples, shape.pose_frames) == (125, 30)
    assert WindowsConfig(window_s=0.001).samples == 1


def test_an_architecture_is_the_arguments_of_the_network():
    made = Multi3Net(["right_wrist"], 135, 32, **ModelConfig(width=16, depth=1, embedding=8, strapdown=False).model_dump())
    assert made.imu_projection[-1].out_features == 8
    assert not made.imu.strapdown


@pytest.mark.parametrize("width", [0, 8, 24, 100])
def test_a_width_that_the_layers_cannot_divide_is_refused(width):
    with pytest.raises(ValidationError):
        ModelConfig(width=width)


def test_chances_stay_chances():
    assert AugmentConfig(placement_dropout=1.0).placement_dropout == 1.0
    for name in ("placement_dropout", "signal_dropout", "low_rate", "mask", "shift"):
        with pytest.raises(ValidationError):
            AugmentConfig(**{name: 1.01})
