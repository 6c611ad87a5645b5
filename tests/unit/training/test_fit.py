"""A fitted classifier keeps the window shape and the scale it was trained with, and refuses an architecture that does not fit."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.config import FinetuneConfig, ModelConfig, WindowsConfig
from m3n.data.windows import Normaliser, cut_recordings
from m3n.errors import InputError
from m3n.training.checkpoint import Checkpoint
from m3n.training.fit import architecture_of, fit, window_shape

SMALL = {"width": 16, "depth": 1, "embedding": 8}


def pretrained(**changes: object) -> Checkpoint:
    architecture = ModelConfig(**(SMALL | changes)).model_dump()
    return Checkpoint(
        "multi3net", {}, architecture, WindowsConfig(window_s=3.0).model_dump(), ["right_wrist"], Normaliser(9.0, 2.0)
    )


def test_the_shape_of_the_windows_is_the_checkpoints_changed_by_what_is_given():
    assert window_shape(FinetuneConfig(windows={"hop_s": 0.5}), pretrained()) == WindowsConfig(window_s=3.0, hop_s=0.5)
    assert window_shape(FinetuneConfig(windows={"hop_s": 0.5}), None) == WindowsConfig(hop_s=0.5)
    with pytest.raises(InputError, match=r"windows\.rate_hz is 25\.0, but the checkpoint was pretrained at 50\.0 Hz"):
        window_shape(FinetuneConfig(windows={"rate_hz": 25}), pretrained())


def test_the_architecture_is_the_checkpoints_and_must_not_be_another():
    assert architecture_of(FinetuneConfig(model={"width": 16}), pretrained())["depth"] == 1
    assert architecture_of(FinetuneConfig(), None) == ModelConfig().model_dump()
    with pytest.raises(InputError, match=r"model\.width is 32, but the checkpoint is of another architecture: it has 16"):
        architecture_of(FinetuneConfig(model={"width": 32}), pretrained())


def test_from_scratch_the_scale_is_that_of_the_windows_and_travels(recording):
    rows = [recording(f"r{i}", seconds=4.0, label=("wave", "shake")[i % 2]) for i in range(4)]
    windows = cut_recordings(rows, WindowsConfig(), ("right_wrist",))
    config = FinetuneConfig(model=SMALL, epochs=1, min_steps=2)
    fitted = fit(windows, WindowsConfig(), config, None)
    acc = np.sqrt(np.mean(np.square(windows.imu_npt6[..., :3])))
    assert fitted.normaliser.acc == pytest.approx(float(acc), rel=1e-4)
    assert fitted.checkpoint().normaliser == fitted.normaliser
    np.testing.assert_allclose(fitted.model.imu.unit_6[:3], fitted.normaliser.acc, rtol=1e-6)
