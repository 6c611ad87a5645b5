"""The graph gives the same answers in onnxruntime as the classifier does in torch."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from exported import BOTH, CLASSES, SHAPE, classifier, windows

from m3n.config import ModelConfig
from m3n.data.windows import Normaliser
from m3n.models import HEADS, Classifier, make_classifier
from m3n.models.imu import IMU_ENCODERS
from m3n.training.classifier import classifier_checkpoint

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def differences(file: Path, net: Classifier, normaliser: Normaliser) -> float:
    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    largest = 0.0
    for batch in (1, 2, 17, 64):
        imu, worn, rate = windows(batch, len(net.imu.placements))
        with torch.no_grad():
            logits, _ = net(torch.from_numpy(normaliser(imu)), torch.from_numpy(worn), None, torch.from_numpy(rate))
        given = {"imu": np.where(worn[..., None, None], imu, np.nan), "worn": worn, "rate_hz": rate}  # a missing one may be NaN
        found = session.run(["logits", "probabilities"], {i.name: given[i.name] for i in session.get_inputs()})
        assert found[0].shape == (batch, len(CLASSES))
        largest = max(largest, *(np.abs(a - b.numpy()).max() for a, b in zip(found, (logits, logits.softmax(-1)), strict=True)))
    return largest


@pytest.mark.parametrize(("encoder", "head"), product(IMU_ENCODERS, HEADS))
def test_the_graph_agrees_with_torch_for_every_encoder_and_head(tmp_path, encoder, head):
    from m3n.export.network import write_onnx

    net, made = classifier(head=head, imu_encoder=encoder)
    write_onnx(tmp_path / "model.onnx", net, made)
    assert differences(tmp_path / "model.onnx", net, made.normaliser) < 1e-4


def test_the_graph_of_a_dense_classifier_agrees_with_torch(tmp_path):
    from m3n.export.network import write_onnx

    torch.manual_seed(0)
    architecture = ModelConfig(width=16, depth=1)
    net = make_classifier(BOTH, len(CLASSES), "mlp", architecture.model_dump(), dense=True).eval()
    made = classifier_checkpoint(net, CLASSES, "mlp", Normaliser(6.7, 1.2), architecture, SHAPE)
    write_onnx(tmp_path / "m.onnx", net, made)
    assert differences(tmp_path / "m.onnx", net, made.normaliser) < 1e-4


@pytest.mark.parametrize(
    ("placements", "shared"), [(("right_wrist",), True), (BOTH, False), (("left_wrist", "right_wrist", "pelvis"), True)]
)
def test_the_graph_agrees_with_torch_for_any_placements(tmp_path, placements, shared):
    from m3n.export.network import write_onnx

    net, made = classifier(placements, shared_imu_encoder=shared)
    write_onnx(tmp_path / "model.onnx", net, made)
    assert differences(tmp_path / "model.onnx", net, made.normaliser) < 1e-4
    inputs = [i.name for i in onnxruntime.InferenceSession(str(tmp_path / "model.onnx")).get_inputs()]
    assert ("worn" in inputs) == (len(placements) > 1)


def test_the_same_classifier_gives_the_same_bytes(tmp_path):
    from m3n.export.network import write_onnx

    for name in ("a", "b"):
        write_onnx(tmp_path / name, *classifier())
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
