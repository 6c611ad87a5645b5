"""Embeddings are the model's own outputs, at unit length, whatever the batch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from m3n.config import ModelConfig, WindowsConfig
from m3n.data.windows import POSE_FEATURES, Normaliser, cut_clips, cut_recordings
from m3n.errors import InputError
from m3n.evaluation.embed import embed_clips, embed_recordings, embed_sentences, load_multi3net
from m3n.models import Multi3Net
from m3n.training.checkpoint import Checkpoint, save

SHAPE = WindowsConfig(window_s=1.0, hop_s=0.5)
MODEL = ModelConfig(width=16, depth=1, embedding=8)
WRISTS = ("left_wrist", "right_wrist")


@pytest.fixture(scope="module")
def pretrained() -> tuple[Multi3Net, Checkpoint]:
    torch.manual_seed(0)
    model = Multi3Net(WRISTS, POSE_FEATURES, 12, **MODEL.model_dump()).eval()
    made = Checkpoint(
        "multi3net", model.state_dict(), MODEL, SHAPE, list(WRISTS), Normaliser(9.8, 1.5), text_model="some", text_features=12
    )
    return model, made


@pytest.fixture(scope="module")
def windows(synthetic_clip):
    return cut_clips([synthetic_clip(f"c{i}", 61, 20.0) for i in range(3)], SHAPE, WRISTS)


def test_embeddings_have_unit_length_and_do_not_depend_on_the_batch(pretrained, windows):
    shares: list[float] = []
    one, other = (embed_clips(*pretrained, windows, [True, True], size, shares.append) for size in (4, 100))
    np.testing.assert_allclose(np.linalg.norm(one.imu_ne, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(one.pose_ne, axis=1), 1, rtol=1e-5)
    for name in ("imu_ne", "pose_ne", "pose2imu_npt6", "reconstruction_npt6"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-4)
    assert sum(shares) == pytest.approx(2.0)  # once for each of the two calls


def test_predicted_samples_are_in_physical_units(pretrained, windows):
    """With a normaliser twice as large, the model sees half the signal and its outputs mean twice as much."""
    model, made = pretrained
    doubled = replace(made, normaliser=Normaliser(2 * 9.8, 2 * 1.5))
    larger = replace(windows, imu_npt6=2 * windows.imu_npt6)
    one, two = embed_clips(model, made, windows, [True, True], 8), embed_clips(model, doubled, larger, [True, True], 8)
    np.testing.assert_allclose(two.pose2imu_npt6, 2 * one.pose2imu_npt6, rtol=1e-4, atol=1e-4)


def test_a_placement_that_does_not_count_changes_no_embedding(pretrained, windows):
    noisy = replace(windows, imu_npt6=windows.imu_npt6.copy())
    noisy.imu_npt6[:, 0] = 100
    left_out = [embed_clips(*pretrained, w, [False, True], 8).imu_ne for w in (windows, noisy)]
    np.testing.assert_array_equal(*left_out)


def test_features_of_recordings_are_those_of_the_frozen_encoder(pretrained, recording):
    model, made = pretrained
    real = cut_recordings([recording("r", seconds=4.0)], SHAPE, ["right_wrist"])
    features, embeddings = embed_recordings(model, made, real, batch=3)
    with torch.no_grad():
        imu = torch.from_numpy(made.normaliser(real.imu_npt6))
        expected = model.imu(imu, torch.ones(len(imu), 1, dtype=torch.bool), [1], torch.from_numpy(real.rate_n))
    np.testing.assert_allclose(features, expected, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, rtol=1e-5)


def test_sentences_are_projected_to_unit_length(pretrained):
    found = embed_sentences(pretrained[0], np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32))
    assert found.shape == (5, MODEL.embedding)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_a_loaded_model_embeds_as_the_saved_one(pretrained, windows, tmp_path):
    save(tmp_path, pretrained[1])
    loaded = embed_clips(*load_multi3net(tmp_path), windows, [True, True], 8)
    np.testing.assert_array_equal(loaded.imu_ne, embed_clips(*pretrained, windows, [True, True], 8).imu_ne)


def test_a_checkpoint_without_its_text_model_is_refused(pretrained, tmp_path):
    save(tmp_path, replace(pretrained[1], text_model=None))
    with pytest.raises(InputError, match="does not name its text model"):
        load_multi3net(tmp_path)
