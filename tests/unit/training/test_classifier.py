"""A classifier is made, applied to windows and recordings, and loaded."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.config import WindowsConfig
from m3n.data.windows import cut_recordings
from m3n.training.classifier import recording_probabilities


@pytest.fixture(scope="module")
def windows(recording):
    """40 windows of two gestures that a child could tell apart, on either wrist."""
    rows = [
        recording(f"r{i}", seconds=6.0, label=("wave", "shake")[i % 2], worn=("left_wrist", "right_wrist")[i // 4])
        for i in range(8)
    ]
    return cut_recordings(rows, WindowsConfig(), ("left_wrist", "right_wrist"))


def test_a_recording_is_scored_by_the_mean_of_its_windows(windows):
    probabilities = np.random.default_rng(0).dirichlet([1, 1], len(windows.label)).astype(np.float32)
    means, labels = recording_probabilities(probabilities, windows)
    assert [windows.classes[i] for i in labels] == ["wave", "shake"] * 4
    np.testing.assert_allclose(means[3], probabilities[windows.recording == 3].mean(0), rtol=1e-6)
