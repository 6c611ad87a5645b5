"""The scripts that draw the docs' pictures still find what they draw; the pictures themselves are looked at by people."""

from __future__ import annotations

import runpy
import sys
from typing import Any

import numpy as np
import pytest
from places import REPOSITORY

from m3n.schema import PLACEMENTS


def script(name: str, patch: pytest.MonkeyPatch) -> dict[str, Any]:
    patch.syspath_prepend(str(REPOSITORY / "tools"))
    patch.delitem(sys.modules, "draw_placements", raising=False)
    return runpy.run_path(str(REPOSITORY / "tools" / f"{name}.py"))


def test_every_placement_is_drawn_where_it_is_worn(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = script("draw_placements", monkeypatch)["standing"]()
    assert set(scene.frames) == set(PLACEMENTS)
    for place, axes in scene.frames.values():
        nearest = np.linalg.norm(scene.vertices - place, axis=1).min()
        assert nearest < 0.01  # on the skin
        np.testing.assert_allclose(axes.T @ axes, np.eye(3), atol=1e-6)
    assert scene.frames["head"][0][2] > scene.frames["pelvis"][0][2] > scene.frames["left_ankle"][0][2]


def test_the_overview_shows_a_wrist_that_rises_and_samples_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    overview = script("draw_overview", monkeypatch)
    overview["clips_of"].__globals__["LEARNT_FROM"] = 3
    found = overview["clips_of"](("abduction",), seed=0)
    moving = overview["Moving"](found["abduction"][0])
    low, high = moving.stroke()
    assert moving.sensor[high, 2] - moving.sensor[low, 2] > 0.3  # metres that an arm is lifted sideways
    samples = overview["samples_of"](found["abduction"][0])
    assert 8 < np.median(np.linalg.norm(samples[:, :3], axis=1)) < 14  # gravity is in them
