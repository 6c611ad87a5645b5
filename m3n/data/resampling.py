"""Signals at another sampling rate, anti-aliased, as a whole or any part of them.

The ratio of the rates is approximated by a fraction: polyphase filtering (`scipy.signal.resample_poly`) is exact and fast for
fractions. `resampled_rate` says what rate that gives.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from m3n.errors import InputError


def resample(samples: np.ndarray, from_hz: float, to_hz: float) -> np.ndarray:
    """A signal (samples, channels) at another rate, anti-aliased; sample k of the result is at k / to_hz.

    The ratio is approximated by a fraction with a denominator of at most 200 (33.3 to 50 Hz is 3/2 within 0.1 %).
    """
    ratio = _ratio(from_hz, to_hz)
    if ratio == 1:
        return samples
    from scipy.signal import resample_poly  # takes half a second to import, which processes that only train need not wait for

    return resample_poly(samples, ratio.numerator, ratio.denominator, axis=0, padtype="line")


def resample_part(samples: np.ndarray, from_hz: float, to_hz: float, start: int, stop: int) -> np.ndarray:
    """`resample(samples, from_hz, to_hz)[start:stop]`, but computing only that part; NaN counts as 0.

    The filter of `scipy.signal.resample_poly` reaches 10 max(up, down) / up samples to either side; beyond the ends the signal
    continues along the line through its first and last sample.
    """
    ratio = _ratio(from_hz, to_hz)
    up, down = ratio.numerator, ratio.denominator
    if ratio == 1:
        return np.nan_to_num(samples[start:stop])
    reach = -(-10 * max(up, down) // up) + 1
    low = (start * down // up - reach) // down * down  # where a sample of the result and one of the signal fall together
    index = np.arange(low, -(-stop * down // up) + reach)
    inside = np.clip(index, 0, len(samples) - 1)
    ends = np.nan_to_num(samples[[0, -1]])
    slope = (ends[1] - ends[0]) / max(len(samples) - 1, 1)
    piece = np.nan_to_num(samples[inside]) + ((index - inside)[:, None] * slope).astype(samples.dtype)
    offset = low // down * up
    from scipy.signal import resample_poly

    return resample_poly(piece, up, down, axis=0)[start - offset : stop - offset]


def resampled_rate(from_hz: float, to_hz: float) -> float:
    """The exact rate [Hz] of what `resample` returns; it differs a little from `to_hz`, so time counted at `to_hz` would drift."""
    ratio = _ratio(from_hz, to_hz)
    return from_hz * ratio.numerator / ratio.denominator


def _ratio(from_hz: float, to_hz: float) -> Fraction:
    if not 1e-3 < to_hz / from_hz < 1e3:
        raise InputError(f"cannot resample a recording from {from_hz:g} Hz to {to_hz:g} Hz: its rate_hz is probably wrong")
    return Fraction(to_hz / from_hz).limit_denominator(200)
