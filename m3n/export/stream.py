"""Samples in, labels out: an exported classifier on a live sensor, in constant memory, with NumPy and onnxruntime alone.

The windows are those that `m3n.data.windows` cuts from a whole recording, classified one at a time, so the labels do not depend
on how the samples are divided into packets. Samples at another rate are resampled as they arrive, by the same filter as there,
which looks ten samples of the slower rate ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import numpy as np

from m3n.errors import InputError, nearest
from m3n.export.runtime import feeds, open_session

PIECE = 1024  # samples processed at a time, however many are pushed


class Decision(NamedTuple):
    """The activity in the window that ends `time_s` seconds after the first sample; confidence is its probability."""

    time_s: float
    label: str
    confidence: float


class Stream:
    """A classifier that takes samples as they arrive.

    model: a model.onnx made by `m3n export`, or its folder; worn: the placements that the samples hold, in their order (None: all
    of the model's); rate_hz: sampling rate of the sensor (None: the model's); hop_s: time between decisions (None: as in
    training). InputError for settings that do not fit the model.
    """

    def __init__(
        self,
        model: str | Path,
        worn: Sequence[str] | None = None,
        rate_hz: float | None = None,
        hop_s: float | None = None,
    ) -> None:
        self._session, facts = open_session(model)
        self.classes: list[str] = facts["classes"]
        self.placements: list[str] = facts["placements"]
        self.worn = list(self.placements if worn is None else worn)
        self._rate: float = facts["rate_hz"]
        self._samples: int = facts["samples"]
        self._window_s: float = facts["window_s"]
        self.rate_hz = float(self._rate if rate_hz is None else rate_hz)
        self.hop_s = float(facts["hop_s"] if hop_s is None else hop_s)
        for placement in self.worn:
            if placement not in self.placements:
                known = ", ".join(self.placements)
                raise InputError(
                    f"worn: unknown placement '{placement}'{nearest(placement, self.placements)}; expected {known}"
                )
        if not self.worn or len(set(self.worn)) < len(self.worn):
            raise InputError(f"worn: expected one or more of {', '.join(self.placements)}, each once")
        if not (0 < self.rate_hz < np.inf and 0 < self.hop_s < np.inf):
            raise InputError(f"rate_hz is {self.rate_hz:g}, hop_s {self.hop_s:g}: expected positive numbers")
        self._columns = [self.placements.index(p) for p in self.worn]
        self._mask = np.isin(np.arange(len(self.placements)), self._columns)[None]
        self.reset()

    def reset(self) -> None:
        """Forget all samples; the next one is at time 0."""
        self._resampler = _Resampler(self.rate_hz, self._rate, 6 * len(self.worn))
        self._kept = np.empty((0, 6 * len(self.worn)))
        self._kept_from = 0  # index, at the model's rate, of the first sample kept
        self._windows = 0

    def push(self, samples: np.ndarray) -> list[Decision]:
        """Decisions for the windows that these samples complete, oldest first; often none.

        samples: (n, 6 * placements) or (n, placements, 6), in m/s² and rad/s; NaN counts as 0, as in training. InputError for
        another shape.
        """
        samples = np.asarray(samples, dtype=np.float32)
        width = 6 * len(self.worn)
        if samples.ndim < 2 or samples[:1].size not in (0, width) or samples.ndim > 3:
            raise InputError(
                f"samples have the shape {samples.shape}: expected (n, {width}), 6 channels of {', '.join(self.worn)}"
            )
        flat = np.nan_to_num(samples.reshape(len(samples), width))
        return [found for i in range(0, len(flat), PIECE) for found in self._push(flat[i : i + PIECE])]

    def _push(self, samples: np.ndarray) -> list[Decision]:
        self._kept = np.concatenate([self._kept, self._resampler(samples)])
        found = []
        while self._first() + self._samples <= self._kept_from + len(self._kept):
            start = self._first() - self._kept_from
            found.append(self._decide(self._kept[start : start + self._samples]))
            self._windows += 1
        done = min(self._first() - self._kept_from, len(self._kept))
        self._kept, self._kept_from = self._kept[done:].copy(), self._kept_from + done
        return found

    def _first(self) -> int:
        """Index of the first sample of the next window, at the exact rate of the resampler, or it would drift."""
        return int(np.round(self._windows * self.hop_s * self._resampler.rate_hz))

    def _decide(self, window: np.ndarray) -> Decision:
        imu = np.zeros((1, len(self.placements), self._samples, 6), np.float32)
        imu[0, self._columns] = window.reshape(self._samples, len(self.worn), 6).swapaxes(0, 1)
        rate = np.full(1, self.rate_hz, np.float32)
        probabilities = self._session.run(["probabilities"], feeds(imu, self._mask, rate))[0][0]
        best = int(probabilities.argmax())
        return Decision(self._windows * self.hop_s + self._window_s, self.classes[best], float(probabilities[best]))


class _Resampler:
    """SciPy's `resample_poly` (a sinc of 10 samples of the slower rate to either side, Kaiser window with beta 5) for an endless
    signal, which is taken to be constant before its first sample."""

    def __init__(self, from_hz: float, to_hz: float, channels: int) -> None:
        ratio = Fraction(to_hz / from_hz).limit_denominator(200)
        if not ratio:
            raise InputError(f"rate_hz is {from_hz:g}: expected at most {200 * to_hz:g} Hz")
        self._up, self._down = ratio.numerator, ratio.denominator
        self.rate_hz = from_hz * self._up / self._down
        slower = max(self._up, self._down)
        self._half = 10 * slower
        taps = np.sinc(np.arange(-self._half, self._half + 1) / slower) * np.kaiser(2 * self._half + 1, 5.0)
        self._taps = np.append(taps / taps.sum() * self._up, 0.0)  # the last one: everything outside the filter
        self._reach = self._half // self._up + 1
        self._kept = np.empty((0, channels))
        self._kept_from = -self._reach
        self._next = 0

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """The resampled samples that are final now."""
        if self._up == self._down or not len(samples):
            return samples
        if not len(self._kept):
            self._still = samples[0].astype(float)
            self._kept = np.zeros((self._reach, samples.shape[1]))
        self._kept = np.concatenate([self._kept, samples - self._still])
        last = self._kept_from + len(self._kept) - 1
        stop = ((last - self._reach + 1) * self._up - 1) // self._down + 1
        wanted = np.arange(self._next, max(stop, self._next))
        middle = wanted * self._down // self._up
        inputs = middle[:, None] + np.arange(-self._reach, self._reach + 1)
        tap = self._half + wanted[:, None] * self._down - inputs * self._up
        weights = self._taps[np.where((tap < 0) | (tap > 2 * self._half), len(self._taps) - 1, tap)]
        found = np.einsum("nk,nkc->nc", weights, self._kept[inputs - self._kept_from]) + self._still
        self._next += len(wanted)
        done = max(0, self._next * self._down // self._up - self._reach - self._kept_from)
        self._kept, self._kept_from = self._kept[done:], self._kept_from + done
        return found
