"""`m3n export`: a folder with the graph, the checkpoint and the card, or one line."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from exported import CLASSES, classifier, saved

from m3n.cli import main
from m3n.errors import InputError
from m3n.export import Stream
from m3n.training.classifier import load_classifier

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def test_what_is_exported_is_the_classifier_and_m3n_reads_it_again(exported):
    net, made = load_classifier(exported)
    original, _ = load_classifier(exported.parent / "classifier")
    assert made.classes == CLASSES
    for a, b in zip(net.parameters(), original.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)
    figures = json.loads((exported.parent / "figures.json").read_text())
    assert figures["largest_difference"] < 1e-4
    assert 0 < figures["latency_ms_median"] <= figures["latency_ms_p95"]


def test_folders_without_a_classifier_end_in_one_line(tmp_path, capsys):
    (tmp_path / "model.onnx").write_bytes(b"not a graph")
    assert main(["export", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert "expected a checkpoint folder made by m3n" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match="is not a model made by `m3n export`"):
        Stream(tmp_path)
    with pytest.raises(InputError, match=r"expected a model\.onnx made by `m3n export`"):
        Stream(tmp_path / "nowhere")


def test_without_the_packages_the_user_is_told_how_to_get_them(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["export", str(saved(tmp_path / "made", classifier()[1])), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err == "m3n: onnx is not installed: `pip install m3n[export]`\n"
