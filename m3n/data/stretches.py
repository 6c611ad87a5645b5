"""Windows of real recordings for pretraining, labelled or not.

A recording is divided into stretches: runs of windows with one label, or pieces of at most `UNLABELLED_S` without a label. A
stretch is to a recording what a clip is to a table of clips: its windows share a label and a sentence, and are never each other's
negatives, because neighbours in time look alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from m3n.config import WindowsConfig
from m3n.data.windows import held_starts, imu_windows, shown_activity, window_end
from m3n.schema import imu_column

UNLABELLED_S = 30.0


@dataclass(kw_only=True)
class Stretches:
    """Windows of recordings, and the stretches they come from; the windows of a stretch follow each other."""

    imu_npt6: np.ndarray  # (n, p, t, 6) float32, m/s² and rad/s; 0 where nothing was recorded
    clip: np.ndarray  # (n,) int, index into `clip_ids`
    clip_ids: list[str]  # names of the stretches: recording_id#number
    sources: list[str]
    subjects: list[str]
    texts: list[str]  # (n,) "": sentences are made from the labels (`m3n.data.window_store.write_index`)
    labels: list[str]  # (n,) label of every window; "" for none
    signals_cp2: np.ndarray  # (stretches, p, 2) bool: whether acceleration and angular rate were recorded
    rates_hz: list[float]  # the sensors' own sampling rates
    short: list[str]  # none: short recordings are padded
    unworn: int  # recordings left out because none of the placements was worn


def cut_stretches(rows: Iterable[dict[str, Any]], shape: WindowsConfig, placements: Sequence[str]) -> Stretches:
    """Windows of checked `imu_recordings` rows, each with the label of most of its time.

    A recording shorter than a window is padded as if the sensor stood still after the last sample, as for fine-tuning.
    """
    imu = [np.empty((0, len(placements), shape.samples, 6), np.float32)]
    clip: list[int] = []
    labels: list[str] = []
    kept: list[tuple[str, dict[str, Any]]] = []  # name of the stretch, its recording
    signals: list[list[tuple[bool, bool]]] = []
    unworn = 0
    for row in rows:
        worn = [None if (s := row.get(imu_column(p))) is None else np.reshape(s, (-1, 6)) for p in placements]
        if all(s is None for s in worn):
            unworn += 1
            continue
        duration = row["n_samples"] / row["rate_hz"]
        begin = held_starts(duration, shape.window_s, shape.hop_s)
        blank = np.zeros((len(begin), shape.samples, 6), np.float32)
        imu.append(np.stack([blank if s is None else imu_windows(s, row["rate_hz"], begin, shape) for s in worn], axis=1))
        names = [shown_activity(row, t, window_end(t, duration, shape))["label"] or "" for t in begin]
        number = _runs(names, begin)
        clip += (number + len(kept)).tolist()
        labels += names
        stretches = int(number[-1]) + 1
        kept += [(f"{row['recording_id']}#{k}", row) for k in range(stretches)]
        signals += [[(s is not None, s is not None and not np.isnan(s[:, 3:]).all()) for s in worn]] * stretches
    return Stretches(
        imu_npt6=np.concatenate(imu),
        clip=np.array(clip, int),
        clip_ids=[name for name, _ in kept],
        sources=[row["source"] for _, row in kept],
        subjects=[row["subject"] for _, row in kept],
        texts=[""] * len(clip),
        labels=labels,
        signals_cp2=np.array(signals, bool).reshape(-1, len(placements), 2),
        rates_hz=[float(row["rate_hz"]) for _, row in kept],
        short=[],
        unworn=unworn,
    )


def _runs(names: Sequence[str], begin_s: np.ndarray) -> np.ndarray:
    """The number of every window's stretch."""
    number = np.zeros(len(names), int)
    since = begin_s[0]
    for i in range(1, len(names)):
        changed = names[i] != names[i - 1] or (not names[i] and begin_s[i] - since >= UNLABELLED_S)
        since = begin_s[i] if changed else since
        number[i] = number[i - 1] + changed
    return number
