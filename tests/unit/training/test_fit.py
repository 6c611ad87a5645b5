"""What a fine-tuning takes from its checkpoint, and what it refuses to change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from m3n.config import FinetuneConfig, ModelConfig, WindowsConfig, check
from m3n.data.windows import Normaliser, cut_recordings
from m3n.errors import InputError
from m3n.models import make_imu_tower
from m3n.training.augment import right_angle_rotations
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


def test_the_encoder_learns_that_mountings_are_unknown_and_predictions_know_it_too(recording, tmp_path):
    torch.manual_seed(0)
    architecture, shape = ModelConfig(width=16, depth=1, embedding=8, mounting_embedding=True), WindowsConfig(window_s=1.0)
    tower = make_imu_tower(["right_wrist"], architecture.model_dump())
    torch.nn.init.normal_(tower.unknown_mounting)
    weights = {f"imu.{name}": value.clone() for name, value in tower.state_dict().items()}
    pretrained = Checkpoint("multi3net", weights, architecture, shape, ["right_wrist"], Normaliser(5.7, 2.0))
    rows = [recording(f"r{i}", label=("wave", "shake")[i % 2]) for i in range(4)]
    windows = cut_recordings(rows, shape, ["right_wrist"])
    settings = {"freeze": "frozen", "epochs": 1, "min_steps": 2}
    known, told = (fit(windows, shape, config(**settings, mounting_unknown=unknown), pretrained) for unknown in (False, True))
    placement = "imu.placement_embedding.weight"
    torch.testing.assert_close(known.model.state_dict()[placement], weights[placement])
    torch.testing.assert_close(told.model.state_dict()[placement], weights[placement] + weights["imu.unknown_mounting"])
    assert not torch.equal(known.model.head.out.weight, told.model.head.out.weight)


def test_windows_of_unknown_mountings_are_learnt_in_every_mounting(recording):
    shape = WindowsConfig(window_s=1.0)
    rows = [recording(f"r{i}", label=("wave", "shake")[i % 2]) for i in range(4)]
    windows = cut_recordings(rows, shape, ["right_wrist"])
    turned = [
        replace(
            windows,
            imu_npt6=(windows.imu_npt6.reshape(*windows.imu_npt6.shape[:3], 2, 3) @ r.numpy()).reshape(windows.imu_npt6.shape),
        )
        for r in right_angle_rotations()
    ]

    def right(unknown: bool) -> float:
        settings = {"model": {"width": 16, "depth": 1}, "epochs": 1, "min_steps": 60, "lr": 8e-3, "mounting_unknown": unknown}
        fitted = fit(windows, shape, config(**settings), None)
        return float(np.mean([fitted.predict(one).argmax(1) == windows.label for one in turned]))

    assert right(False) < 0.9 < right(True)
