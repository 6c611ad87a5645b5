"""What all pose sources share: worlds turned z up, registered modules."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.config.names import SOURCES
from m3n.imu.smoothing import LOW_PASSES
from m3n.sources import load
from m3n.sources.shared.pose_rows import TURN_UP

ALL = (
    "joints",
    "bvh",
    "bandai_namco",
    "msr_action3d",
    "ui_prmd",
    "asf_amc",
    "smplx_npz",
    "wham",
    "gvhmr",
    "hmr4d",
    "romp",
    "glamr",
)


def test_every_source_is_registered_and_loads() -> None:
    for name in ALL:
        assert name in SOURCES
        assert load(name).Options()
        assert SOURCES[name].poses_from in LOW_PASSES


@pytest.mark.parametrize("up", ["z", "y", "-y"])
def test_turning_a_world_upright_is_a_rotation_that_raises_its_vertical(up: str) -> None:
    axis = {"z": (0, 0, 1), "y": (0, 1, 0), "-y": (0, -1, 0)}[up]
    np.testing.assert_allclose(TURN_UP[up] @ axis, (0, 0, 1))
    assert np.linalg.det(TURN_UP[up]) == pytest.approx(1.0)
