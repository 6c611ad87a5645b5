"""Embeddings of arrays are those of the pretrained network, whatever the rate, and refuse what the classifier refuses."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch

import m3n
from m3n.config import ModelConfig, WindowsConfig
from m3n.data.windows import POSE_FEATURES, Normaliser
from m3n.errors import InputError
from m3n.models import Multi3Net
from m3n.schema import GRAVITY
from m3n.training import checkpoint as checkpoints
from m3n.training.checkpoint import Checkpoint

WRISTS = ["left_wrist", "right_wrist"]
MODEL = ModelConfig(width=16, depth=1, embedding=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    torch.manual_seed(0)
    network = Multi3Net(WRISTS, POSE_FEATURES, 12, **MODEL.model_dump())
    network.imu.in_units_of(5.7, 2.0, 50.0)
    found = Checkpoint(
        "multi3net", network.state_dict(), MODEL, WindowsConfig(), WRISTS, Normaliser(5.7, 2.0), text_model="some model",
        text_features=12,
    )  # fmt: skip
    place = tmp_path_factory.mktemp("encoder")
    checkpoints.save(place, found)
    return place


def windows(n: int = 3, rate_hz: float = 50.0) -> np.ndarray:
    """Forearms that turn about themselves, faster from window to window."""
    t = np.arange(round(2 * rate_hz)) / rate_hz
    made = []
    for hz in 1 + np.arange(n):
        angle, speed, still = np.sin(2 * np.pi * hz * t), 2 * np.pi * hz * np.cos(2 * np.pi * hz * t), 0 * t
        made.append(np.stack([still, GRAVITY * np.sin(angle), GRAVITY * np.cos(angle), speed, still, still], axis=1))
    return np.array(made, np.float32)


def test_embeddings_have_length_one_and_come_from_the_features(folder):
    encoder, X = m3n.load(folder), windows()
    vectors, features = encoder.embed(X), encoder.features(X)
    assert (vectors.shape, features.shape) == ((3, 8), (3, 16))
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    projected = encoder.model.imu_projection(torch.from_numpy(features)).detach().numpy()
    np.testing.assert_allclose(vectors, projected / np.linalg.norm(projected, axis=1, keepdims=True), atol=1e-5)
    assert np.abs(vectors[0] - vectors[2]).max() > 1e-3


def test_the_rate_and_the_wrist_are_those_that_are_given(folder):
    encoder = m3n.load(str(folder))
    expected = encoder.embed(windows())
    np.testing.assert_allclose(encoder.embed(windows(rate_hz=100.0), rate_hz=100), expected, atol=0.05)
    mirrored = windows() * np.float32([1, -1, 1, -1, 1, -1])  # the same movement of the left arm
    np.testing.assert_allclose(encoder.embed(mirrored, placements="left_wrist"), expected, atol=1e-5)
    both = np.concatenate([mirrored, windows()], axis=2)
    np.testing.assert_allclose(encoder.embed(both, placements=("left_wrist", "right_wrist")), expected, atol=1e-5)


def test_sentences_share_the_embedding(folder, tmp_path, monkeypatch):
    """A sentence in the cache of the text model costs no text model."""
    monkeypatch.setenv("M3N_CACHE", str(tmp_path))
    cache = tmp_path / "text" / f"{hashlib.sha256(b'some model').hexdigest()[:16]}.npz"
    cache.parent.mkdir()
    key, vector = hashlib.sha256(b"A person waves.").hexdigest()[:32], np.linspace(-1, 1, 12, dtype=np.float32)
    np.savez(cache, keys=np.array([key]), vectors=vector[None])
    encoder = m3n.load(folder)
    found = encoder.embed_text(["A person waves."])
    projected = encoder.model.text_projection(torch.from_numpy(vector[None])).detach().numpy()
    np.testing.assert_allclose(found, projected / np.linalg.norm(projected), atol=1e-6)


def test_mistakes_are_named(folder, tmp_path):
    encoder, X = m3n.load(folder), windows()
    with pytest.raises(InputError, match="in g "):
        encoder.embed(X / np.float32(GRAVITY))
    with pytest.raises(InputError, match=r"expected \(windows, samples, 6\)"):
        encoder.embed(X[:, :, :5])
    with pytest.raises(InputError, match="the placement 'head'"):
        encoder.embed(X, placements="head")
    with pytest.raises(InputError, match="no checkpoint 'no-such-weights'"):
        m3n.load("no-such-weights")
