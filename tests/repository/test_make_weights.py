"""Weights that come with m3n are a pretraining without its pose encoder, and their card says what was measured."""

from __future__ import annotations

import importlib.util
import json
import sys

import pytest
import torch
from places import REPOSITORY

from m3n.config import ModelConfig, WindowsConfig
from m3n.data.windows import POSE_FEATURES, Normaliser
from m3n.models import Multi3Net
from m3n.training.checkpoint import Checkpoint, load_pretrained, save

MODEL = ModelConfig(width=16, depth=1, embedding=8)


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("make_weights", REPOSITORY / "tools" / "make_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def pretrained(tmp_path):
    network = Multi3Net(["left_wrist", "right_wrist"], POSE_FEATURES, 12, **MODEL.model_dump())
    found = Checkpoint(
        "multi3net", network.state_dict(), MODEL, WindowsConfig(), ["left_wrist", "right_wrist"], Normaliser(9.8, 1.0),
        text_model="some model", text_features=12, subjects={"sketch": ["person-1", "person-2"], "ui_prmd": ["s01"]},
    )  # fmt: skip
    folder = tmp_path / "pretrained"
    folder.mkdir()
    save(folder, found)
    return folder


def test_what_is_kept_embeds_windows_and_sentences(tool, pretrained, tmp_path, monkeypatch):
    kept = load_pretrained(tool.packed(pretrained, tmp_path / "wrist-small")).weights
    whole = load_pretrained(pretrained).weights
    assert {name.split(".")[0] for name in kept} == {"imu", "imu_projection", "text_projection"}
    assert all(torch.equal(value, whole[name]) for name, value in kept.items())
    monkeypatch.setattr(tool, "MOST_BYTES", 1000)
    with pytest.raises(SystemExit, match="expected at most 1000: choose a smaller model"):
        tool.packed(pretrained, tmp_path / "large")


def test_the_card_holds_the_measured_figures_and_their_command(tool, pretrained, tmp_path, monkeypatch):
    folder = tool.packed(pretrained, tmp_path / "wrist-small")
    tool.write_card(folder, None)
    card = (folder / tool.CARD).read_text()
    assert "sketch (2), ui_prmd (1)" in card
    assert "Nothing was measured" in card
    row = {"dataset": "a watch", "labels": "10 %", "people": 9, "scratch": 0.7, "weights": 0.765, "interval": [0.01, 0.12]}
    figures = {"measured": {"date": "2026-01-02", "commit": "abc", "machine": "a machine"}, "command": "m3n x", "rows": [row]}
    (tmp_path / "figures.json").write_text(json.dumps(figures))
    monkeypatch.setattr(sys, "argv", ["make_weights.py", "--card", str(tmp_path / "figures.json"), "--out", str(tmp_path)])
    tool.main()
    card = (folder / tool.CARD).read_text()
    for said in ("| 0.700 ", "| +0.065 |", "+0.010 to +0.120", "    m3n x", "2026-01-02, commit abc, a machine"):
        assert said in card
    assert json.loads((folder / tool.FIGURES).read_text()) == figures
