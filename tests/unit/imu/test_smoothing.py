"""The default low pass of every pose source: known, shown in the help, and in the documentation as it is."""

from __future__ import annotations

import re

import numpy as np
import pytest
from places import REPOSITORY

from m3n import sources
from m3n.cli import main
from m3n.config.names import SOURCES
from m3n.imu.smoothing import LOW_PASSES, LowPass, low_pass

PAGE = REPOSITORY / "docs" / "simulator.md"
KIND_OF = {name: kind for name, (_, _, kind) in SOURCES.items() if kind}


def test_every_source_of_poses_has_a_kind():
    assert KIND_OF.keys() == {name for name in SOURCES if hasattr(sources.load(name), "pose_clips")}
    assert set(KIND_OF.values()) == set(LOW_PASSES)


def test_the_documentation_has_the_low_pass_of_every_pose_source():
    found = {}
    for kind, text, names in re.findall(r"^\| `(\w+)`[^|]* \| ([^|]+) \| (`[^|]+`) \|$", PAGE.read_text(), re.MULTILINE):
        assert text == str(LOW_PASSES[kind] or "none")
        found |= dict.fromkeys(re.findall(r"`(\w+)`", names), kind)
    assert found == KIND_OF


def test_the_help_of_simulate_has_the_low_pass_of_every_pose_source(capsys):
    assert main(["simulate", "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for name, kind in KIND_OF.items():
        assert f"{name} {LOW_PASSES[kind] or 'none'}" in shown, name
    assert "seglearn_watch" not in shown  # it has no poses


def response(cutoff_hz: float, frequency_hz: float, fps: float = 60.0) -> float:
    """Amplitude that is left of a sine, in the middle of 20 s."""
    time = np.arange(int(20 * fps)) / fps
    smooth = low_pass(np.sin(2 * np.pi * frequency_hz * time)[:, None], cutoff_hz, fps)[:, 0]
    middle = slice(len(time) // 4, -len(time) // 4)
    sine, cosine = np.sin(2 * np.pi * frequency_hz * time), np.cos(2 * np.pi * frequency_hz * time)
    in_phase, shifted = (2 * np.mean(smooth[middle] * wave[middle]) for wave in (sine, cosine))
    assert abs(shifted) < 1e-3  # zero lag
    return float(in_phase)


def test_both_passes_together_take_three_decibels_at_the_cutoff_and_shift_nothing():
    assert response(2.0, 2.0) == pytest.approx(np.sqrt(0.5), rel=0.01)  # far below half the frame rate, as the formula assumes
    assert response(6.0, 1.0) == pytest.approx(1, abs=0.01)
    assert response(6.0, 15.0) < 0.05


def test_a_cutoff_above_half_the_frame_rate_changes_nothing():
    values = np.random.default_rng(0).normal(size=(50, 7))
    assert low_pass(values, 20.0, 30.0) is values


def test_a_low_pass_that_knows_the_noise_opens_for_movement_and_stays_shut_without():
    fps, noise_m = 30.0, 0.02
    time = np.arange(600) / fps
    motion = np.zeros((600, 7))
    motion[:, 6] = 1
    motion[:, 0] = 0.3 * np.sin(2 * np.pi * 2.2 * time) * (time > 10)
    noisy = motion.copy()
    noisy[:, :3] += noise_m * np.random.default_rng(0).normal(size=(600, 3))
    opened, shut = LowPass(1.2, noise_m)(noisy, fps), LowPass(1.2)(noisy, fps)
    moving, resting = slice(360, 580), slice(20, 260)
    error = {name: np.abs(found - motion)[:, 0] for name, found in (("opened", opened), ("shut", shut))}
    assert error["opened"][moving].mean() < 0.4 * error["shut"][moving].mean()
    assert error["opened"][resting].mean() < 0.5 * np.abs(noisy - motion)[resting, 0].mean()
