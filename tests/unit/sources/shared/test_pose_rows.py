"""What all pose sources share: worlds turned z up, registered modules."""

from __future__ import annotations

import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fuzz.originals import npy

from m3n.config.names import SOURCES
from m3n.errors import InputError
from m3n.imu.smoothing import LOW_PASSES
from m3n.sources import load
from m3n.sources.shared.pose_rows import TURN_UP, read_npz

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


def test_an_array_that_an_npz_holds_twice_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            for value in (1.0, 2.0):
                archive.writestr("fps.npy", npy(np.array(value)))
    with pytest.raises(InputError, match=r"a\.npz: holds fps twice"):
        read_npz(tmp_path / "a.npz", ["fps"])
