"""Exported files in onnxruntime: what they say about themselves, their inputs, and how fast they are."""

from __future__ import annotations

import shutil
from time import perf_counter

import numpy as np
import pytest
from exported import BOTH, CLASSES, windows

from m3n.errors import InputError
from m3n.export.runtime import feeds, latency_ms, open_session, require


def test_a_file_and_its_folder_open_alike_and_carry_what_a_user_must_know(exported):
    for place in (exported, exported / "model.onnx", str(exported)):
        session, facts = open_session(place)
        assert facts == {
            "classes": CLASSES, "placements": list(BOTH), "samples": 80, "rate_hz": 50.0, "window_s": 1.6, "hop_s": 0.5,
        }  # fmt: skip
        assert [i.name for i in session.get_inputs()] == ["imu", "worn", "rate_hz"]


def test_what_m3n_did_not_export_is_named(exported, tmp_path):
    with pytest.raises(InputError, match=r"absent\.onnx does not exist"):
        open_session(tmp_path / "absent.onnx")
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(exported / "model.onnx")
    del graph.metadata_props[:]
    onnx.save(graph, tmp_path / "model.onnx")  # a graph of somebody else's
    with pytest.raises(InputError, match="is not a model made by `m3n export`"):
        open_session(tmp_path)
    shutil.copy(exported / "model.onnx", tmp_path / "cut.onnx")
    (tmp_path / "cut.onnx").write_bytes((tmp_path / "cut.onnx").read_bytes()[:1000])
    with pytest.raises(InputError, match=r"cut\.onnx is not a model"):
        open_session(tmp_path / "cut.onnx")


def test_the_mask_is_an_input_of_several_placements_alone_and_numbers_become_float32():
    imu, worn, rate = windows(2, 2)
    assert list(feeds(imu.astype(np.float64), worn, rate)) == ["imu", "worn", "rate_hz"]
    one = feeds(imu[:, :1].astype(np.float64), worn[:, :1], rate)
    assert list(one) == ["imu", "rate_hz"]
    assert {value.dtype for value in one.values()} == {np.dtype("f4")}


def test_a_sensor_that_is_not_worn_does_not_count_whatever_it_reads(exported):
    session, _ = open_session(exported)
    imu, _, rate = windows(2, 2)
    worn = np.array([[True, False], [True, False]])
    other = imu.copy()
    other[:, 1] = np.nan
    first, second = (session.run(["probabilities"], feeds(values, worn, rate))[0] for values in (imu, other))
    np.testing.assert_allclose(first, second, atol=1e-6)
    np.testing.assert_allclose(first.sum(1), 1, atol=1e-5)


def test_the_latency_is_that_of_single_windows(exported):
    started = perf_counter()
    median, high = latency_ms(exported, runs=20)
    took_ms = 1000 * (perf_counter() - started)
    assert 0 < median <= high < took_ms
    assert 20 * median / 2 < took_ms  # half of twenty runs take at least the median each


def test_a_missing_package_says_how_to_get_it():
    with pytest.raises(InputError, match=r"no_such_package is not installed: `pip install m3n\[export\]`"):
        require("no_such_package")
