"""Windows that come as arrays: what `M3NClassifier` and `m3n.load` take, checked and brought to a network's rate."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from m3n.data.resampling import resample
from m3n.data.scale import check_windows
from m3n.data.window_physics import numbered
from m3n.data.windows import RecordingWindows
from m3n.errors import InputError
from m3n.models.imu import IMU_ENCODERS
from m3n.schema import PLACEMENTS, check_placement_names

CHANNELS = 6  # of a placement: specific force x y z [m/s²], angular rate x y z [rad/s]
SHORTEST = max(encoder.stride for encoder in IMU_ENCODERS.values())  # samples: one step of any encoder


@dataclass(frozen=True)
class WindowArrays:
    """How arrays are read: channels are those of `placements`, one after the other, sampled at `rate_hz`."""

    placements: tuple[str, ...]
    rate_hz: float

    @classmethod
    def checked(cls, placements: Any, rate_hz: Any) -> WindowArrays:
        """The reader for a placement's name, or several; InputError for a rate or placements that cannot be meant."""
        try:
            rate = float(rate_hz)
        except (TypeError, ValueError):
            rate = np.nan
        if not 1 <= rate <= 10_000:
            raise InputError(f"rate_hz is {rate_hz!r}: expected the sampling rate of X, 1 to 10,000 Hz")
        if not isinstance(placements, str | Sequence):
            raise InputError(f"placements is {placements!r}: expected the name of a placement, or several")
        names = (placements,) if isinstance(placements, str) else tuple(map(str, placements))
        check_placement_names(list(names))
        for name in names:
            if name in PLACEMENTS:
                continue
            sides = [known for known in PLACEMENTS if known.endswith(f"_{name}")] or get_close_matches(name, PLACEMENTS, 2, 0.8)
            if sides:
                raise InputError(f"placements: '{name}' is unknown; is it {' or '.join(sides)}?")
        return cls(names, rate)

    def flat(self, X: Any) -> Any:
        """Windows (n, samples, channels) flattened row by row; anything else as it is, for scikit-learn to check."""
        if isinstance(X, list | tuple) and X and all(np.ndim(window) == 2 for window in X):
            shapes = {np.shape(window) for window in X}
            if len(shapes) > 1:
                named = " and ".join(map(str, sorted(shapes)[:2]))
                raise InputError(
                    f"X is a list of windows of {len(shapes)} shapes, such as {named}: expected windows of one length"
                )
            X = np.stack([np.asarray(window) for window in X])
        p = len(self.placements)
        if isinstance(X, np.ndarray) and X.ndim == 2 and X.dtype.kind == "f" and X.size and X.shape[1] % (CHANNELS * p) == 0:
            X = X.reshape(len(X), -1, CHANNELS * p)
        if getattr(X, "ndim", None) != 3:
            return X
        n, samples, channels = X.shape
        if channels not in (CHANNELS * p, CHANNELS // 2 * p):
            turned = samples in (CHANNELS * p, CHANNELS // 2 * p)
            hint = "; it looks like (windows, channels, samples): give X.transpose(0, 2, 1)" if turned else ""
            raise InputError(
                f"X is {tuple(X.shape)}: expected (windows, samples, {CHANNELS * p}), 6 channels for each of "
                f"{', '.join(self.placements)}, or {CHANNELS // 2 * p} without gyroscopes{hint}"
            )
        if not n:
            raise InputError(f"X is {tuple(X.shape)}: expected at least one window")
        held = np.asarray(X)
        if held.dtype.kind == "c":
            raise InputError(f"X holds {held.dtype}: expected numbers, m/s² and rad/s")
        if held.dtype.kind not in "fiub":
            try:
                held = held.astype(np.float64)
            except (TypeError, ValueError):
                raise InputError(f"X holds {held.dtype}: expected numbers, m/s² and rad/s") from None
        held = _with_gyroscopes(held.reshape(n, samples, p, -1)).reshape(n, -1)
        broken = np.flatnonzero(~np.isfinite(held).all(1))
        if len(broken):
            raise InputError(
                f"X, {numbered(broken.tolist())} of {n}: NaN or infinite values; expected numbers, or NaN for the whole angular "
                "rate of a window without a gyroscope: correct these windows or leave them out"
            )
        return held

    def samples(self, flat: np.ndarray) -> np.ndarray:
        """(windows, samples, placements, 6) from (windows, numbers); InputError for numbers that are no whole samples."""
        width = CHANNELS * len(self.placements)
        if flat.shape[1] % width:
            raise InputError(
                f"X has {flat.shape[1]} numbers in a window, which is no multiple of {width}: expected {CHANNELS} channels for "
                f"each of {', '.join(self.placements)}"
            )
        if flat.shape[1] < SHORTEST * width:
            raise InputError(
                f"X has windows of {flat.shape[1] // width} samples: expected at least {SHORTEST}, one step of the encoder"
            )
        return flat.reshape(len(flat), -1, len(self.placements), CHANNELS)

    def windows(self, samples: np.ndarray, own_hz: float, label: np.ndarray, classes: Iterable[Any]) -> RecordingWindows:
        """Windows at `own_hz` of samples (windows, samples, placements, 6); InputError for what no sensors measured."""
        check_windows(samples, self.placements, self.rate_hz, "X")
        imu_npt6 = samples.transpose(0, 2, 1, 3)
        n, p, t, _ = imu_npt6.shape
        if own_hz != self.rate_hz:
            series = imu_npt6.transpose(2, 0, 1, 3).reshape(t, -1)
            imu_npt6 = resample(series, self.rate_hz, own_hz).reshape(-1, n, p, CHANNELS).transpose(1, 2, 0, 3)
        return RecordingWindows(
            imu_npt6=np.ascontiguousarray(imu_npt6, np.float32),
            worn_np=np.ones((n, p), bool),
            label=label.astype(int),
            recording=np.arange(n),
            start_s=np.zeros(n),
            rate_n=np.full(n, self.rate_hz, np.float32),
            classes=[str(name) for name in classes],
            recording_ids=[],
            subjects=[],
            sources=[],
            placements=self.placements,
        )


def _with_gyroscopes(held: np.ndarray) -> np.ndarray:
    """Six channels of windows (n, samples, placements, 3 or 6): an angular rate that is absent, or NaN throughout, is zero."""
    if held.shape[-1] == 3:
        return np.concatenate([held, np.zeros_like(held)], axis=-1)
    if held.dtype.kind != "f":
        return held
    absent = np.isnan(held[..., 3:]).all(axis=(1, 3))  # of a window and placement
    return np.where(absent[:, None, :, None] & (np.arange(CHANNELS) >= 3), 0, held) if absent.any() else held
