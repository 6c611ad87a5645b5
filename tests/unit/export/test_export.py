"""Exported classifiers: the same answers in onnxruntime as in torch, live as in whole recordings, and a card whose code runs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tracemalloc
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from m3n.cli import main
from m3n.config import ModelConfig, WindowsConfig
from m3n.data.windows import Normaliser, cut_recordings
from m3n.errors import InputError
from m3n.export import Stream
from m3n.models import HEADS, Classifier, make_classifier
from m3n.models.imu import IMU_ENCODERS
from m3n.training.checkpoint import Checkpoint, save
from m3n.training.classifier import classifier_checkpoint, load_classifier, predict

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

BOTH = ("left_wrist", "right_wrist")
SHAPE = WindowsConfig(window_s=1.6, hop_s=0.5, rate_hz=50)
HEAVY = ["torch", "scipy", "sklearn", "pyarrow", "pydantic", "safetensors", "matplotlib", "onnx", "ray", "mlflow"]
CLASSES = ["sit | rest", "walk", "wave"]
METRICS = {
    "method": "frozen", "train_subjects": 6, "train_windows": 900, "test_subjects": ["ann", "bob"], "test_windows": 200,
    "test_recordings": 20, "test_macro_f1": 0.8125, "test_macro_f1_ci95": [0.75, 0.875], "test_accuracy": 0.9,
    "test_per_class": {"walk": {"precision": 0.5, "recall": 1.0, "f1": 2 / 3, "count": 80}}, "sources": ["my_watch"],
}  # fmt: skip


def classifier(placements: tuple[str, ...] = BOTH, head: str = "linear", **model: object) -> tuple[Classifier, Checkpoint]:
    """With random weights, larger than fresh ones, so that there is something to disagree about."""
    torch.manual_seed(0)
    architecture = ModelConfig(width=16, depth=2, embedding=16, **model)
    net = make_classifier(placements, len(CLASSES), head, architecture.model_dump()).eval()
    net.imu.in_units_of(6.7, 1.2, SHAPE.rate_hz)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(1.5).add_(0.05 * torch.randn_like(parameter))
        if head == "linear":  # in such a way that every class is given sometimes
            imu, worn, rate = (torch.from_numpy(x) for x in windows(64, len(placements)))
            logits, _ = net(imu / 6.7, worn, None, rate)
            net.head.out.bias.data -= logits.mean(0)
            net.head.out.weight.data *= 3 / logits.std(0)[:, None]
            net.head.out.bias.data *= 3 / logits.std(0)
    return net, classifier_checkpoint(net, CLASSES, head, Normaliser(6.7, 1.2), architecture, SHAPE)


def saved(folder: Path, made: Checkpoint) -> Path:
    folder.mkdir()
    save(folder, made)
    (folder / "metrics.json").write_text(json.dumps(METRICS))
    return folder


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of both wrists, exported by the command."""
    folder = tmp_path_factory.mktemp("export")
    made = saved(folder / "classifier", classifier()[1])
    assert main(["export", str(made), "--out", str(folder / "out"), "--json", str(folder / "figures.json")]) == 0
    return folder / "out"


def windows(batch: int, placements: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half noise, half a wrist that turns under gravity; one placement missing here and there; several sensor rates."""
    rng = np.random.default_rng(batch)
    imu = rng.normal(size=(batch, placements, SHAPE.samples, 6)) * ([8.0] * 3 + [3.0] * 3)
    angle = np.sin(2 * np.pi * np.arange(SHAPE.samples) / SHAPE.rate_hz)
    imu[::2] *= 0.02
    imu[::2, ..., 1] += 9.81 * np.sin(angle)
    imu[::2, ..., 2] += 9.81 * np.cos(angle)
    worn = np.ones((batch, placements), bool)
    worn[np.arange(1, batch, 3), np.arange(1, batch, 3) % placements] = placements == 1
    return imu.astype(np.float32), worn, rng.choice([20, 33.3, 50, 200], batch).astype(np.float32)


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


def test_what_is_exported_is_the_classifier_and_m3n_reads_it_again(exported):
    net, made = load_classifier(exported)
    original, _ = load_classifier(exported.parent / "classifier")
    assert made.classes == CLASSES
    for a, b in zip(net.parameters(), original.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=0, rtol=0)
    figures = json.loads((exported.parent / "figures.json").read_text())
    assert figures["largest_difference"] < 1e-4
    assert 0 < figures["latency_ms_median"] <= figures["latency_ms_p95"]


def test_the_card_says_what_a_stranger_must_know(exported):
    card = (exported / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\n")
    for said in ("m/s²", "rad/s", "z out of the back of the wrist", "80 samples at **50 Hz**", "the left wrist and the right wrist",
                 "2 people", "0.812 ", "0.750 to 0.875", "not given", "`my_watch`", "Apache-2.0", "sit \\| rest"):  # fmt: skip
        assert said in card


def test_the_card_says_so_where_nothing_was_measured(tmp_path):
    made = saved(tmp_path / "made", classifier(("right_wrist",))[1])
    (made / "metrics.json").unlink()
    assert main(["export", str(made), "--out", str(tmp_path / "out")]) == 0
    assert "No figures came with the classifier" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("placements", [BOTH, ("right_wrist",)])
def test_the_cards_code_runs_on_numpy_and_onnxruntime_alone(tmp_path, exported, placements):
    out = exported
    if placements != BOTH:
        out = tmp_path / "out"
        assert main(["export", str(saved(tmp_path / "made", classifier(placements)[1])), "--out", str(out)]) == 0
    plain, live = re.findall(r"```python\n(.*?)```", (out / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert "m3n." not in plain
    lines = {}
    for name, code in (("plain", plain), ("live", live)):
        code = f"import sys\nsys.modules |= dict.fromkeys({HEAVY})\n{code}"  # None: the import fails
        done = subprocess.run([sys.executable, "-c", code], cwd=out, capture_output=True, text=True, check=True)
        lines[name] = done.stdout.splitlines()
    assert re.fullmatch(rf"({'|'.join(map(re.escape, CLASSES))}) \d\.\d\d", lines["plain"][0])
    assert lines["live"][0].startswith("1.6 s: ")  # the first window's end
    assert lines["live"][-1].startswith("19.6 s: ")  # of 20 s, less what the resampler looks ahead


def a_day(seconds: float, rate_hz: float, seed: int = 0) -> np.ndarray:
    """(n, 12): slow movements of both wrists, below 5 Hz, under gravity."""
    rng = np.random.default_rng(seed)
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    waves = [
        a * np.sin(2 * np.pi * f * t[:, None] + p) for a, f, p in rng.uniform([1, 0.1, 0], [4, 5, 6], (5, 12, 3)).swapaxes(1, 2)
    ]
    found = np.sum(waves, axis=0)
    found[:, 2::6] += 9.81
    return found.astype(np.float32)


def offline(
    exported: Path, samples: np.ndarray, rate_hz: float, worn: tuple[str, ...] = BOTH
) -> tuple[np.ndarray, list[str], np.ndarray]:
    """(end of every window, its label, its confidence) of a whole recording, by what fine-tuning and scoring use."""
    net, made = load_classifier(exported)
    columns = {f"imu_{p}": samples[:, 6 * i : 6 * i + 6].ravel() for i, p in enumerate(worn)}
    row = {"recording_id": "r", "source": "test", "subject": "s", "label": CLASSES[0], "segments": None, "rate_hz": rate_hz,
           "n_samples": len(samples), **columns}  # fmt: skip
    cut = cut_recordings([row], SHAPE, BOTH, classes=CLASSES)
    found = predict(net, cut, made.normaliser)
    return cut.start_s + SHAPE.window_s, [CLASSES[i] for i in found.argmax(1)], found.max(1)


def pushed(stream: Stream, samples: np.ndarray, seed: int = 1) -> list[tuple[float, str, float]]:
    """What comes out when the samples come in packets of 0 to 40."""
    rng, found, at = np.random.default_rng(seed), [], 0
    while at < len(samples):
        size = int(rng.integers(0, 41))
        found += stream.push(samples[at : at + size])
        at += size
    return found


def test_a_stream_decides_what_whole_recordings_give(exported):
    samples = a_day(30, 50)
    ends, labels, confidences = offline(exported, samples, 50)
    assert len(set(labels)) > 1
    found = pushed(Stream(exported), samples)
    assert [d[1] for d in found] == labels
    np.testing.assert_allclose([d[0] for d in found], ends, atol=1e-9)
    np.testing.assert_allclose([d[2] for d in found], confidences, atol=1e-4)
    assert Stream(exported / "model.onnx").push(samples.reshape(-1, 2, 6)) == found  # however they arrive, to the last bit


def test_a_stream_of_one_wrist_is_a_recording_of_one_wrist(exported):
    samples = a_day(10, 50)[:, 6:]
    samples[100:110] = np.nan  # counts as 0, as in training
    _, labels, confidences = offline(exported, samples, 50, ("right_wrist",))
    found = pushed(Stream(exported, worn=["right_wrist"]), samples)
    assert [d.label for d in found] == labels
    np.testing.assert_allclose([d.confidence for d in found], confidences, atol=1e-4)


@pytest.mark.parametrize("rate_hz", [100.0, 33.3, 64.0])
def test_a_stream_of_another_rate_is_resampled_as_a_recording_is(exported, rate_hz):
    """But for the edges: a recording's end is known there, and a stream's decision waits for what the filter looks ahead."""
    samples = a_day(30, rate_hz)
    _, labels, confidences = offline(exported, samples, rate_hz)
    stream = Stream(exported, rate_hz=rate_hz)
    found = pushed(stream, samples)
    assert len(labels) - 1 <= len(found) <= len(labels)
    inner = slice(1, len(found) - 1)
    np.testing.assert_allclose([d.confidence for d in found][inner], confidences[inner], atol=0.01)
    stream.reset()
    assert stream.push(samples) == found


def test_the_streams_own_filter_is_that_of_whole_recordings():
    from m3n.data.resampling import resample
    from m3n.export.stream import _Resampler

    samples = a_day(10, 100)[:, :6]
    for from_hz, to_hz in ((100, 50), (100, 30), (25, 50), (64, 50)):
        expected = resample(samples, from_hz, to_hz)
        resampler = _Resampler(from_hz, to_hz, 6)
        found = np.concatenate([resampler(piece) for piece in np.array_split(samples, 37)])
        ahead = int(np.ceil(10 * max(1, to_hz / from_hz))) + 2
        assert len(expected) - ahead <= len(found) <= len(expected)
        inner = slice(2 * ahead, len(found) - 2 * ahead)
        assert np.abs(found[inner] - expected[inner]).max() < 0.01 * np.abs(expected).max()


def test_a_stream_takes_no_more_memory_the_longer_it_runs(exported):
    stream, packet = Stream(exported, rate_hz=100), a_day(1, 100)
    tracemalloc.start()
    held = []
    for _ in range(2):
        for _ in range(100):
            stream.push(packet)
        held.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert held[1] - held[0] < 2 * packet.nbytes  # of a hundred that went through it


def test_a_stream_forgets_on_reset_and_takes_another_hop(exported):
    samples = a_day(6, 50)
    stream = Stream(exported, hop_s=1.0)
    first = stream.push(samples)
    assert [d.time_s for d in first] == pytest.approx([1.6, 2.6, 3.6, 4.6, 5.6])
    stream.reset()
    assert stream.push(samples) == first


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"worn": ["left_wirst"]}, "did you mean 'left_wrist'"),
        ({"worn": []}, "one or more of left_wrist, right_wrist"),
        ({"rate_hz": 0}, "rate_hz is 0"),
        ({"hop_s": -1}, "hop_s -1"),
    ],
)
def test_what_does_not_fit_the_model_is_said(exported, arguments, says):
    with pytest.raises(InputError, match=says):
        Stream(exported, **arguments)


def test_samples_of_another_shape_are_refused(exported):
    stream = Stream(exported)
    for wrong in (np.zeros((10, 6)), np.zeros(12), np.zeros((4, 3, 6))):
        with pytest.raises(InputError, match=r"expected \(n, 12\), 6 channels of left_wrist, right_wrist"):
            stream.push(wrong)


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
