"""Maps simulated signals to the distribution of real ones, channel by channel, without labels.

Because of soft tissue, straps and pose estimators, a simulated channel does not have the distribution of the real one. Each
simulated value is replaced by the real value of the same rank, as in IMUTube (Kwon et al., Proc. ACM IMWUT 4(3), 2020, distribution
mapping): y = Q_real(F_sim(x)), with both distributions stored as quantiles. The map is monotone, so order and timing are kept;
beyond both ends it continues with its mean slope, so no value is clipped. It ignores physics: the norm of gravity is matched in
distribution only.

Both distributions are uniform random samples of streams of any length, in bounded memory. Every sample gets a random key from
(seed, id of its sequence), and the smallest keys are kept, so the result depends on neither order nor sharding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from m3n.body.model import FloatArray
from m3n.errors import InputError
from m3n.randomness import generator
from m3n.schema import CHANNELS, GRAVITY

FASTEST_RAD_S = 40.0  # 2,292 °/s: beyond what a wrist does and most gyroscopes measure


class Draw:
    """A uniform random sample of at most `size` of the rows added; it does not depend on their order."""

    def __init__(self, size: int, width: int) -> None:
        self._size = size
        self._keys = [np.empty(0)]
        self._values = [np.empty((0, width))]
        self._limit = np.inf  # larger keys are dropped

    def add(self, values: FloatArray, seed: int, *names: str) -> None:
        """Add the rows (n, width) of the sequence identified by `names`; add each sequence once."""
        keys = generator(seed, *names).random(len(values))
        small = keys < self._limit
        self._keys.append(keys[small])
        self._values.append(values[small])
        if sum(map(len, self._keys)) > 2 * self._size:
            self._shrink()

    def _shrink(self) -> None:
        keys, values = np.concatenate(self._keys), np.concatenate(self._values)
        kept = np.argsort(keys)[: self._size]
        self._keys, self._values = [keys[kept]], [values[kept]]
        self._limit = keys[kept[-1]] if len(kept) == self._size else np.inf

    @property
    def values(self) -> FloatArray:
        """The rows drawn, (at most size, width), in the order of their keys."""
        self._shrink()
        return self._values[0]


class SampleDraw:
    """Random samples of a placement's specific force (m/s²) and angular rate (rad/s); a recording without a gyroscope has NaN."""

    def __init__(self, size: int) -> None:
        self._parts = (Draw(size, 3), Draw(size, 3))

    def add(self, samples: FloatArray, seed: int, *names: str) -> None:
        """Add the samples (n, 6) of one sequence, as in `Draw.add`."""
        for draw, values in zip(self._parts, (samples[:, :3], samples[:, 3:]), strict=True):
            if not np.isnan(values).all():
                draw.add(values.astype(float), seed, *names)

    @property
    def force(self) -> FloatArray:
        """Specific force drawn, (n, 3) m/s²."""
        return self._parts[0].values

    @property
    def rate(self) -> FloatArray:
        """Angular rate drawn, (n, 3) rad/s; empty where no sequence had a gyroscope."""
        return self._parts[1].values


@dataclass(frozen=True)
class ChannelMap:
    """A monotone map from a simulated to a real channel, through quantiles of both, each (q,) and ascending."""

    simulated: FloatArray
    real: FloatArray

    @classmethod
    def fit(cls, simulated: FloatArray, real: FloatArray, quantiles: int) -> ChannelMap:
        """Fit to `quantiles` evenly spaced quantiles, ends included, of samples (n,) and (m,)."""
        ranks = np.linspace(0, 1, quantiles)
        x, y = np.quantile(simulated, ranks), np.quantile(real, ranks)
        knots, place = np.unique(x, return_inverse=True)  # a value with several ranks maps to their mean
        return cls(knots, np.bincount(place, weights=y) / np.bincount(place))

    def __call__(self, values: FloatArray) -> FloatArray:
        """Map values of any shape; a channel that is constant in the simulation is shifted."""
        x, y = self.simulated, self.real
        slope = (y[-1] - y[0]) / (x[-1] - x[0]) if len(x) > 1 else 1.0
        beyond = np.minimum(values - x[0], 0) + np.maximum(values - x[-1], 0)
        return np.interp(values, x, y) + slope * beyond


@dataclass(frozen=True)
class Calibration:
    """One map per placement and channel; channels without a map stay as simulated."""

    maps: Mapping[str, Mapping[str, ChannelMap]]

    def apply(self, placement: str, samples: np.ndarray) -> np.ndarray:
        """Calibrate the samples (n, 6) of a placement; float32."""
        out = np.array(samples, dtype=np.float32)
        for channel, to_real in self.maps.get(placement, {}).items():
            column = CHANNELS.index(channel)
            out[:, column] = to_real(samples[:, column].astype(float))
        return out

    def as_plain(self) -> dict[str, dict[str, dict[str, list[float]]]]:
        """Placement -> channel -> simulated and real quantiles, ready for JSON."""
        return {
            placement: {c: {"simulated": m.simulated.tolist(), "real": m.real.tolist()} for c, m in channels.items()}
            for placement, channels in self.maps.items()
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Calibration:
        """The exact inverse of `as_plain`."""
        return cls(
            {
                placement: {c: ChannelMap(np.array(m["simulated"]), np.array(m["real"])) for c, m in channels.items()}
                for placement, channels in plain.items()
            }
        )


def fit_calibration(
    simulated: Mapping[str, SampleDraw], real: Mapping[str, SampleDraw], quantiles: int, where: str
) -> Calibration:
    """Fit a map for every placement in `simulated`. Without a real gyroscope, the angular rate is not mapped.

    Raises InputError, naming `where`, for a placement that no recording has, for implausible units, and for fewer samples than
    quantiles.
    """
    maps: dict[str, dict[str, ChannelMap]] = {}
    for placement, drawn in simulated.items():
        measured = real.get(placement)
        if measured is None or not len(measured.force):
            there = ", ".join(p for p, draw in real.items() if len(draw.force)) or "none"
            raise InputError(
                f"{where}: no recording of the chosen subjects has the placement '{placement}' (available: {there}); list the "
                "placements to calibrate in calibrate.placements"
            )
        _check_units(measured, f"{where}: {placement}")
        columns = {name: (drawn.force[:, i], measured.force[:, i]) for i, name in enumerate(CHANNELS[:3])}
        if len(measured.rate):
            columns |= {name: (drawn.rate[:, i], measured.rate[:, i]) for i, name in enumerate(CHANNELS[3:])}
        for kind, count in (("simulated", len(drawn.force)), ("real", min(len(r) for _, r in columns.values()))):
            if count < quantiles:
                raise InputError(
                    f"{where}: {count} {kind} samples of {placement}, expected at least {quantiles}, one per quantile: give more"
                    " data or lower calibrate.quantiles"
                )
        maps[placement] = {name: ChannelMap.fit(*pair, quantiles) for name, pair in columns.items()}
    return Calibration(maps)


def _check_units(drawn: SampleDraw, where: str) -> None:
    norm = float(np.median(np.linalg.norm(drawn.force, axis=1)))
    if not 0.5 * GRAVITY < norm < 2 * GRAVITY:
        likely = next((f", as if in {unit}" for unit, g in (("g", 1.0), ("mg", 1e3)) if 0.5 < norm / g < 2), "")
        raise InputError(f"{where}: the median norm of acceleration is {norm:.3g}{likely}; expected m/s², near {GRAVITY}")
    if len(drawn.rate):
        fast = float(np.quantile(np.linalg.norm(drawn.rate, axis=1), 0.9))
        if fast > FASTEST_RAD_S:
            raise InputError(f"{where}: a tenth of the angular rates is above {fast:.3g}, as if in deg/s; expected rad/s")
