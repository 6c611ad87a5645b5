"""A DataFrame of samples in, a row per step out: the model that MLflow loads, without MLflow."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from exported import BOTH, CLASSES, SHAPE, classifier, saved

from m3n.data.windows import cut_recordings
from m3n.errors import InputError
from m3n.export.samples import SamplesClassifier, _load_pyfunc, example_samples, sample_columns
from m3n.schema import GRAVITY
from m3n.training.classifier import predict


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("samples") / "classifier", classifier()[1])


def test_the_example_is_a_sensor_that_turns_under_gravity():
    frame = example_samples(["right_wrist"], 100.0, 2.0)
    assert list(frame) == sample_columns("right_wrist") == [f"right_wrist_{c}" for c in ("ax", "ay", "az", "gx", "gy", "gz")]
    values = frame.to_numpy()
    np.testing.assert_allclose(np.linalg.norm(values[:, :3], axis=1), GRAVITY)  # it turns about its own place
    angle = np.unwrap(np.arctan2(values[:, 1], values[:, 2]))
    np.testing.assert_allclose(np.gradient(angle, 0.01)[1:-1], values[1:-1, 3], atol=0.02)  # the rate is that of the turning


def test_steps_of_half_a_window_cover_the_samples_and_average_the_windows_over_them(folder):
    model = _load_pyfunc(str(folder))
    frame = example_samples(BOTH, SHAPE.rate_hz, 4.8)
    found = model.predict(frame)
    assert list(found) == ["start_s", "stop_s", "label", "confidence"]
    np.testing.assert_allclose(found["start_s"], np.arange(6) * 0.8)
    np.testing.assert_allclose(found["stop_s"], np.arange(1, 7) * 0.8)
    row = {"recording_id": "r", "source": "s", "subject": "s", "label": CLASSES[0], "segments": None, "rate_hz": SHAPE.rate_hz}
    row |= {"n_samples": len(frame)} | {f"imu_{p}": frame[sample_columns(p)].to_numpy(np.float32).ravel() for p in BOTH}
    shape = SHAPE.model_copy(update={"hop_s": 0.8})
    windows = predict(model.model, cut_recordings([row], shape, BOTH, classes=CLASSES), model.checkpoint.normaliser)
    assert len(windows) == 5  # at 0, 0.8, … 3.2 s; every step between the first and the last is covered by two
    expected = np.vstack([windows[:1], (windows[1:] + windows[:-1]) / 2, windows[-1:]])
    np.testing.assert_allclose(found["confidence"], expected.max(1), atol=1e-5)
    assert list(found["label"]) == [CLASSES[i] for i in expected.argmax(1)]


def test_a_hop_and_a_rate_may_be_given(folder):
    model = SamplesClassifier(folder)
    frame = example_samples(BOTH, 100.0, 4.8)
    found = model.predict(frame, {"rate_hz": 100.0, "hop_s": 1.6})
    np.testing.assert_allclose(found["start_s"], [0, 1.6, 3.2])
    same_rate = model.predict(example_samples(BOTH, SHAPE.rate_hz, 4.8), {"hop_s": 1.6})
    np.testing.assert_allclose(found["confidence"], same_rate["confidence"], atol=0.05)  # but for the filter at the edges


def test_one_wrist_alone_is_enough_and_an_empty_column_counts_as_not_worn(folder):
    model = SamplesClassifier(folder)
    both = example_samples(BOTH, SHAPE.rate_hz, 3.2)
    right = both[sample_columns("right_wrist")]
    both[sample_columns("left_wrist")] = np.nan
    np.testing.assert_array_equal(model.predict(right)["confidence"], model.predict(both)["confidence"])


def test_a_hole_and_missing_columns_are_named(folder):
    model = SamplesClassifier(folder)
    frame = example_samples(["right_wrist"], SHAPE.rate_hz, 3.2)
    with pytest.raises(InputError, match="no samples"):
        model.predict(frame[:0])
    with pytest.raises(InputError, match=r"expected left_wrist_ax, .*; or right_wrist_ax"):
        model.predict(frame.drop(columns="right_wrist_gz"))
    frame.loc[7, "right_wrist_gz"] = np.nan
    with pytest.raises(InputError, match="right_wrist, row 7: a sample is missing"):
        model.predict(frame)
