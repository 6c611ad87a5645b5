"""Exported classifiers in onnxruntime, on one core, as a watch or a phone has no second one to spare."""

from __future__ import annotations

import importlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from m3n.errors import InputError

FACTS = "m3n"  # key of the metadata


def require(package: str) -> Any:
    """An optional package; InputError that says how to get it."""
    try:
        return importlib.import_module(package)
    except ImportError:
        raise InputError(f"{package} is not installed: `pip install m3n[export]`") from None


def open_session(file: str | Path) -> tuple[Any, dict[str, Any]]:
    """(session of onnxruntime, facts) of a file made by `m3n export`, or of its folder.

    The facts, from the metadata of the file, are `classes`, `placements`, `samples` (per window), `rate_hz`, `window_s` and
    `hop_s`. InputError for anything else.
    """
    runtime = require("onnxruntime")
    file = Path(file)
    file = file / "model.onnx" if file.is_dir() else file
    if not file.is_file():
        raise InputError(f"{file} does not exist: expected a model.onnx made by `m3n export`")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = runtime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        return session, json.loads(session.get_modelmeta().custom_metadata_map[FACTS])
    except Exception as error:  # onnxruntime has many exceptions for broken files
        reason = str(error).strip().splitlines()[0]
        raise InputError(f"{file} is not a model made by `m3n export` ({reason}): export it again") from None


def feeds(imu: np.ndarray, worn: np.ndarray, rate_hz: np.ndarray) -> dict[str, np.ndarray]:
    """Inputs by name from imu (b, p, t, 6) in m/s² and rad/s, worn (b, p) bool and rate_hz (b,); no `worn` for one placement."""
    found = {"imu": imu.astype(np.float32, copy=False), "worn": worn, "rate_hz": rate_hz.astype(np.float32, copy=False)}
    return found if imu.shape[1] > 1 else {name: value for name, value in found.items() if name != "worn"}


def latency_ms(file: str | Path, runs: int = 300) -> tuple[float, float]:
    """(median, 95th percentile) of the time for one window on one core, in ms; a tenth as many runs warm it up."""
    session, facts = open_session(file)
    placements = len(facts["placements"])
    imu = np.zeros((1, placements, facts["samples"], 6), np.float32)
    inputs = feeds(imu, np.ones((1, placements), bool), np.full(1, facts["rate_hz"], np.float32))
    times = []
    for _ in range(runs // 10 + runs):
        started = time.perf_counter()
        session.run(None, inputs)
        times.append(1000 * (time.perf_counter() - started))
    median, high = np.percentile(times[-runs:], [50, 95])
    return float(median), float(high)
