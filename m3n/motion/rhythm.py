"""When and how far a person moves: the random, smooth signals that drive motions authored by formula.

Nobody repeats a movement in exactly the same way. For each clip, a `Rhythm` draws tempo, range, asymmetry, pauses and sway from
wide ranges: pretraining on a simulation narrower than real life was measured to hurt. Every signal has at least two continuous
derivatives, so that accelerations, and with them simulated accelerometers, have no jumps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Rhythm:
    """Random draws and signals of one clip. `t` (frames,) is time in seconds; `amplitude` scales the range of motion."""

    rng: np.random.Generator
    t: Array
    amplitude: float = 1.0

    def uniform(self, low: float, high: float) -> float:
        """A number between low and high."""
        return float(self.rng.uniform(low, high))

    def normal(self, mean: float, sd: float) -> float:
        """A number around mean, never further off than 2.5 sd."""
        return float(mean + sd * np.clip(self.rng.standard_normal(), -2.5, 2.5))

    def chance(self, share: float) -> bool:
        """True in `share` of the clips."""
        return bool(self.rng.random() < share)

    def period(self, low: float, high: float) -> float:
        """A repetition time [s], log-uniform."""
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def sway(self, sd: float, highest_hz: float = 0.7) -> Array:
        """Smooth noise (frames,) of standard deviation `sd`, below `highest_hz`."""
        rates = self.rng.uniform(0.15, 1.0, 5) * highest_hz
        phases = self.rng.uniform(0, 2 * np.pi, 5)
        return np.asarray(sd * np.sqrt(2 / 5) * np.sin(2 * np.pi * np.outer(self.t, rates) + phases).sum(axis=1))

    def tremor(self) -> Array:
        """Faint noise (frames,) of 4 to 9 Hz, as muscles and a loosely worn watch have [rad]."""
        rates = self.rng.uniform(4.0, 9.0, 4)
        sd = float(np.exp(self.rng.uniform(np.log(0.0002), np.log(0.0015))))
        phases = self.rng.uniform(0, 2 * np.pi, 4)
        return np.asarray(sd * np.sqrt(0.5) * np.sin(2 * np.pi * np.outer(self.t, rates) + phases).sum(axis=1))

    def phase(self, period: float) -> Array:
        """Phase (frames,) in radians that grows by 2 pi in about `period` s, with a tempo that wanders."""
        start, wander = self.rng.uniform(0, 2 * np.pi), self.uniform(0.05, 0.35)
        return np.asarray(start + 2 * np.pi * self.t / period + self.sway(wander, min(0.3, 0.3 / period)))

    def swing(self, period: float) -> Array:
        """To and fro between -1 and 1 in about `period` s, one way possibly faster than the other, range wandering."""
        angle = self.phase(period)
        uneven = self.uniform(-0.45, 0.45) * float(np.clip(period - 0.5, 0.1, 1.0))
        angle = angle + uneven * np.sin(angle + self.uniform(0, 2 * np.pi))
        return np.asarray(np.sin(angle) * (1 + self.sway(0.07, 0.4)))

    def stroke(self, period: float, hold: float = 0.3, rest: float = 0.3) -> Array:
        """There and back between 0 and about 1 in about `period` s: either swung, or with a dwell at both ends.

        `hold` and `rest` are the largest shares of the period spent at 1 and at 0. Short periods leave little time to dwell.
        """
        slow = float(np.clip((period - 0.8) / 2.0, 0, 1))
        if self.chance(0.55) or period < 1.3:
            return np.asarray(0.5 + 0.5 * self.swing(period))
        return self.reps(period, self.uniform(0, hold) * slow, self.uniform(0, rest) * slow)

    def reps(self, period: float, hold: float, rest: float) -> Array:
        """Repetitions of rise, hold, fall and rest, travelling by minimum jerk (Flash and Hogan 1985) between 0 and about 1.

        `hold` and `rest` are shares of the period [s]; they shrink where they would leave too little time to travel.
        """
        spare = max(0.0, 1 - 0.8 / period)  # a way takes 0.4 s or more, where the period allows
        calm = min(1.0, spare / max(hold + rest, 1e-9))
        hold, rest = hold * calm, rest * calm
        count = int(self.t[-1] / (0.7 * period)) + 3
        rise = (1 - hold - rest) * (0.5 + self.uniform(-0.12, 0.12) * float(np.clip(period - 0.5, 0.2, 1.0)))
        shares = np.array([rise, hold, 1 - hold - rest - rise, rest])
        spans = period * shares * np.exp(0.08 * np.clip(self.rng.standard_normal((count, 4)), -2, 2))
        tops = 1 + 0.08 * np.clip(self.rng.standard_normal(count), -2, 2)
        lows = 0.05 * np.clip(self.rng.standard_normal(count + 1), -2, 2)
        times = np.concatenate([[0.0], np.cumsum(spans.ravel())]) - self.uniform(0, period)
        values = np.concatenate([[lows[0]], np.stack([tops, tops, lows[1:], lows[1:]], axis=1).ravel()])
        return minimum_jerk(self.t, times, values)

    def spread(self, natural: float, sd: float, widest: float = 1.8) -> float:
        """Forearm pronation [rad]: half of the clips about the natural one, half anywhere within +-widest."""
        return self.normal(natural, sd) if self.chance(0.5) else self.uniform(-widest, widest)


def minimum_jerk(t: Array, times: Array, values: Array) -> Array:
    """Signal (frames,) that is at values[k] at times[k], at rest there, and travels between by minimum jerk (C2)."""
    part = np.clip(np.searchsorted(times, t, side="right") - 1, 0, len(times) - 2)
    span = np.maximum(times[part + 1] - times[part], 1e-6)
    u = np.clip((t - times[part]) / span, 0.0, 1.0)
    return np.asarray(values[part] + (values[part + 1] - values[part]) * u**3 * (10 - 15 * u + 6 * u**2))
