"""What a fine-tuning takes from its checkpoint, and what it refuses to change."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.config import FinetuneConfig, ModelConfig, WindowsConfig, check
from m3n.data.windows import Normaliser, cut_recordings
from m3n.errors import InputError
from m3n.training.checkpoint import Checkpoint, load, save
from m3n.training.fit import architecture_of, fit, window_shape

MODEL = ModelConfig(width=16, depth=1, embedding=8)
PRETRAINED = Checkpoint("multi3net", {}, MODEL, WindowsConfig(window_s=1.5, rate_hz=40), ["right_wrist"], Normaliser(9.8, 1.0))


def config(**settings: object) -> FinetuneConfig:
    return check(FinetuneConfig, settings)


def test_windows_are_the_checkpoints_with_the_given_settings_on_top():
    assert window_shape(config(), PRETRAINED) == PRETRAINED.windows
    changed = window_shape(config(windows={"hop_s": 0.25}), PRETRAINED)
    assert (changed.window_s, changed.rate_hz, changed.hop_s) == (1.5, 40, 0.25)
    assert window_shape(config(windows={"hop_s": 0.25}), None) == WindowsConfig(hop_s=0.25)


def test_the_sampling_rate_of_a_checkpoint_cannot_be_changed():
    assert window_shape(config(windows={"rate_hz": 40}), PRETRAINED).rate_hz == 40
    with pytest.raises(InputError, match=r"windows\.rate_hz is 50\.0, but the checkpoint was pretrained at 40\.0 Hz"):
        window_shape(config(windows={"rate_hz": 50}), PRETRAINED)


def test_the_architecture_is_the_checkpoints_and_another_is_refused():
    assert architecture_of(config(), None) == ModelConfig()
    assert architecture_of(config(model={"width": 32}), None).width == 32
    assert architecture_of(config(model={"width": 16}), PRETRAINED) == MODEL
    with pytest.raises(InputError, match=r"model\.width is 32, but the checkpoint has another architecture, with 16"):
        architecture_of(config(model={"width": 32}), PRETRAINED)


def test_what_is_fitted_travels_in_its_checkpoint(recording, tmp_path):
    shape = WindowsConfig(window_s=1.0, hop_s=0.5)
    rows = [recording(f"r{i}", label=("wave", "shake")[i % 2]) for i in range(4)]
    windows = cut_recordings(rows, shape, ["right_wrist"])
    fitted = fit(windows, shape, config(model={"width": 16, "depth": 1}, epochs=1, min_steps=2), None)
    save(tmp_path, fitted.checkpoint())
    read = load(tmp_path, "classifier")
    assert (read.windows, read.architecture, read.classes) == (shape, fitted.architecture, ["shake", "wave"])
    assert read.normaliser == Normaliser.fit(windows.imu_npt6)
    assert fitted.predict(windows).shape == (len(windows.label), 2)
    assert np.isfinite(fitted.predict(windows)).all()
