"""The zero-lag low pass over a motion before it is differentiated twice; each kind of pose source has its own.

Differentiating twice amplifies noise with the square of its frequency, so a cut-off trades noise against fast movement. Optical
motion capture needs none. A depth camera's joints jitter by centimetres, and no single cut-off suits it: one that keeps still arms
still also flattens a throw. So for a source with known noise the low pass adapts to the movement: bands above the cut-off pass
with Wiener's gain 1 - noise / power (Wiener, Extrapolation, Interpolation, and Smoothing of Stationary Time Series, 1949), where a
band's power is measured around each moment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from m3n.body.model import FloatArray
from m3n.imu.kernel import CHANNELS

_STEP = 1.27  # ratio of neighbouring band edges
_BANDS = 5  # the highest edge is 3.3 times the cut-off
_FOREARM_M = 0.25  # lever over which noise of two joints becomes noise of a direction
_FREQUENCIES = 400  # at which the response is averaged


@dataclass(frozen=True)
class LowPass:
    """A pose source's low pass: `cutoff_hz` (-3 dB), and `noise_m`, the standard deviation of its joint positions (white noise in
    each coordinate). Movement above the noise raises the cut-off, at most 3.3 times; with `noise_m` 0 it is fixed."""

    cutoff_hz: float
    noise_m: float = 0.0

    def __str__(self) -> str:
        if not self.noise_m:
            return f"{self.cutoff_hz:g} Hz"
        highest = self.cutoff_hz * _STEP**_BANDS
        return f"{self.cutoff_hz:g} Hz, rising to {highest:.1f} Hz for movement above {self.noise_m:g} m"

    def __call__(self, motion: FloatArray, fps: float) -> FloatArray:
        """Smooth sensor paths (F, sensors * 7), laid out as for `m3n.imu.signals.measured`."""
        if not self.noise_m:
            return low_pass(motion, self.cutoff_hz, fps)
        edges = [edge for edge in self.cutoff_hz * _STEP ** np.arange(_BANDS + 1) if _single(edge) < fps / 2]
        if not edges:
            return motion
        passed = [low_pass(motion, edge, fps) for edge in edges]
        smooth = passed[0].copy()
        for k in range(len(edges) - 1):
            share = _noise_share(edges[k], edges[k + 1], fps)
            band = passed[k + 1] - passed[k]
            for start in range(0, motion.shape[1], CHANNELS):
                for part, noise in (
                    (slice(start, start + 3), self.noise_m),
                    (
                        slice(start + 3, start + CHANNELS),
                        np.sqrt(2) * self.noise_m / (2 * _FOREARM_M),
                    ),  # a quaternion: half angles
                ):
                    power = low_pass(np.sum(band[:, part] ** 2, axis=1, keepdims=True), edges[k], fps)
                    expected = share * noise**2 * (part.stop - part.start)
                    smooth[:, part] += np.clip(1 - expected / np.maximum(power, 1e-15), 0, 1) * band[:, part]
        return smooth


# Kind of pose source -> its low pass. Video estimators smooth over time themselves, and arm movements lie below 6 Hz (Winter 2009,
# ch. 3). Depth camera: measured against the wearable sensor of UTD-MHAD (Kinect v1), odd and even subjects agreeing.
LOW_PASSES: dict[str, LowPass | None] = {
    "formula": None,
    "optical": None,
    "video": LowPass(6.0),
    "depth_camera": LowPass(1.2, noise_m=0.03),
}


def low_pass(values: FloatArray, cutoff_hz: float, fps: float) -> FloatArray:
    """Zero-lag second-order Butterworth low pass over axis 0, run forwards and backwards.

    The cut-off is where the two passes together have -3 dB (Winter, Biomechanics and Motor Control of Human Movement, 2009,
    ch. 3). A cut-off at or above half the frame rate changes nothing.
    """
    single = _single(cutoff_hz)
    if single >= fps / 2:
        return values
    from scipy.signal import butter, sosfiltfilt  # see `m3n.data.windows`

    sections = butter(2, single, fs=fps, output="sos")
    return sosfiltfilt(sections, values, axis=0, padlen=min(len(values) - 1, int(3 * fps / cutoff_hz)))


def _single(cutoff_hz: float) -> float:
    """Cut-off (Hz) of each single pass."""
    return cutoff_hz / (np.sqrt(2) - 1) ** 0.25


def _noise_share(low_hz: float, high_hz: float, fps: float) -> float:
    """Share of the variance of white noise between two low passes: the mean square of the difference of their responses, each
    1 / (1 + (tan(pi f / fps) / tan(pi f_c / fps))^4), a bilinear second-order Butterworth forwards and backwards."""
    tangent = np.tan(np.pi * (np.arange(_FREQUENCIES) + 0.5) / (2 * _FREQUENCIES))
    low, high = (1 / (1 + (tangent / np.tan(np.pi * _single(hz) / fps)) ** 4) for hz in (low_hz, high_hz))
    return float(np.mean((high - low) ** 2))
