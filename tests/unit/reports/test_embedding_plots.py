"""Embeddings in two dimensions: the same picture every time, of any number of points."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from m3n.errors import InputError
from m3n.reports import embedding_plots as plots


def test_groups_that_lie_apart_lie_apart_in_the_picture_and_the_seed_decides_it():
    rng = np.random.default_rng(0)
    groups = np.repeat([0, 1], 20)
    points = np.eye(8)[groups * 4] + 0.05 * rng.normal(size=(40, 8))
    flat = plots.in_two_dimensions(points, "tsne", 0)
    assert flat.shape == (40, 2)
    nearest = np.argsort(np.linalg.norm(flat[:, None] - flat[None], axis=-1), axis=1)[:, 1]
    assert (groups[nearest] == groups).all()
    np.testing.assert_array_equal(flat, plots.in_two_dimensions(points, "tsne", 0))


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5])
def test_a_few_points_are_enough(count):
    points = np.random.default_rng(0).normal(size=(count, 6))
    assert plots.in_two_dimensions(points, "tsne", 0).shape == (count, 2)


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match="picture=umap needs the package umap-learn"):
        plots.require_umap()


def test_pictures_are_written_with_more_labels_than_colours_and_with_none(tmp_path):
    names = [f"label {i}" for i in range(plots.MOST_COLOURS + 3)]
    points = {"pose": np.random.default_rng(0).normal(size=(len(names), 2)), "text": np.zeros((1, 2))}
    plots.embedding_plot(tmp_path / "a.png", points, {"pose": names, "text": [None]}, "title")
    figures = {f"r{k}": k / 20 for k in (1, 5, 10)} | {f"chance_r{k}": 0.05 for k in (1, 5, 10)} | {"queries": 4.0}
    plots.retrieval_plot(tmp_path / "b.png", {"imu_to_pose": figures, "text_to_imu": {"queries": 0.0}}, "title")
    for name in ("a", "b"):
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG\r\n")
