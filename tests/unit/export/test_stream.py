"""A stream labels samples as they come, as whole recordings are labelled."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from exported import BOTH, CLASSES, SHAPE, a_day

from m3n.data.windows import cut_recordings
from m3n.errors import InputError
from m3n.export import Stream
from m3n.training.classifier import load_classifier, predict

pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


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
