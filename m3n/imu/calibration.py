"""Simulated signals brought to the distribution of real ones, channel by channel, without labels.

A simulated channel and the real one differ in how often they take which value: soft tissue, straps and pose estimators see to
that. Each simulated value is replaced by the real value of the same rank, as IMUTube does (Kwon et al., Proc. ACM IMWUT 4(3), 2020,
distribution mapping): y = Q_real(F_sim(x)) with both distributions held as quantiles. The map is monotone, so order and timing
stay; it is linear beyond the ends, with its own mean slope, so that nothing is cut off. It knows nothing of physics: gravity's
norm is matched in distribution only.

Both distributions come from uniform draws out of streams of any length, in bounded memory. Every sample gets a random key from
(seed, id of its sequence), and the smallest keys stay, so the draw depends neither on order nor on shards.
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
    """A uniform random draw of at most `size` rows out of all that were added, the same in whatever order they came."""

    def __init__(self, size: int, width: int) -> None:
        self._size = size
        self._keys = [np.empty(0)]
        self._values = [np.empty((0, width))]
        self._limit = np.inf  # the largest key that is still among the smallest

    def add(self, values: FloatArray, seed: int, *names: str) -> None:
        """Rows (n, width) of the sequence called `names`, which is added once."""
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
    """Draws of a placement's specific force (m/s²) and angular rate (rad/s); a recording may lack the second (NaN)."""

    def __init__(self, size: int) -> None:
        self._parts = (Draw(size, 3), Draw(size, 3))

    def add(self, samples: FloatArray, seed: int, *names: str) -> None:
        """Samples (n, 6) of one sequence; as `Draw.add`."""
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
    """A monotone map through quantiles of one simulated and one real channel, both (q,) and rising."""

    simulated: FloatArray
    real: FloatArray

    @classmethod
    def fit(cls, simulated: FloatArray, real: FloatArray, quantiles: int) -> ChannelMap:
        """Through `quantiles` evenly spaced quantiles, ends included, of samples (n,) and (m,)."""
        ranks = np.linspace(0, 1, quantiles)
        x, y = np.quantile(simulated, ranks), np.quantile(real, ranks)
        knots, place = np.unique(x, return_inverse=True)  # values that take up several ranks go to the mean of theirs
        return cls(knots, np.bincount(place, weights=y) / np.bincount(place))

    def __call__(self, values: FloatArray) -> FloatArray:
        """Mapped values, of any shape; a channel that never varied in the simulation is shifted."""
        x, y = self.simulated, self.real
        slope = (y[-1] - y[0]) / (x[-1] - x[0]) if len(x) > 1 else 1.0
        beyond = np.minimum(values - x[0], 0) + np.maximum(values - x[-1], 0)
        return np.interp(values, x, y) + slope * beyond


@dataclass(frozen=True)
class Calibration:
    """The maps of every calibrated placement and channel; what has none stays as it was simulated."""

    maps: Mapping[str, Mapping[str, ChannelMap]]

    def apply(self, placement: str, samples: np.ndarray) -> np.ndarray:
        """Samples (n, 6) float32 of a placement, calibrated."""
        out = np.array(samples, dtype=np.float32)
        for channel, to_real in self.maps.get(placement, {}).items():
            column = CHANNELS.index(channel)
            out[:, column] = to_real(samples[:, column].astype(float))
        return out

    def as_plain(self) -> dict[str, dict[str, dict[str, list[float]]]]:
        """Placement -> channel -> simulated and real quantiles, as JSON can hold them."""
        return {
            placement: {c: {"simulated": m.simulated.tolist(), "real": m.real.tolist()} for c, m in channels.items()}
            for placement, channels in self.maps.items()
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> Calibration:
        """The reverse of `as_plain`, to the bit."""
        return cls(
            {
                placement: {c: ChannelMap(np.array(m["simulated"]), np.array(m["real"])) for c, m in channels.items()}
                for placement, channels in plain.items()
            }
        )


def fit_calibration(
    simulated: Mapping[str, SampleDraw], real: Mapping[str, SampleDraw], quantiles: int, where: str
) -> Calibration:
    """Maps of every placement of `simulated`. Without a real gyroscope, the angular rate has no map.

    Raises InputError, which names `where`, for a placement that no recording has, for units that cannot be right, and for fewer
    samples than quantiles.
    """
    maps: dict[str, dict[str, ChannelMap]] = {}
    for placement, drawn in simulated.items():
        measured = real.get(placement)
        if measured is None or not len(measured.force):
            there = ", ".join(p for p, draw in real.items() if len(draw.force)) or "none"
            raise InputError(
                f"{where}: no recording of the chosen subjects has the placement '{placement}' (there are: {there}); name those "
                "to calibrate in calibrate.placements"
            )
        _check_units(measured, f"{where}: {placement}")
        columns = {name: (drawn.force[:, i], measured.force[:, i]) for i, name in enumerate(CHANNELS[:3])}
        if len(measured.rate):
            columns |= {name: (drawn.rate[:, i], measured.rate[:, i]) for i, name in enumerate(CHANNELS[3:])}
        for kind, count in (("simulated", len(drawn.force)), ("real", min(len(r) for _, r in columns.values()))):
            if count < quantiles:
                raise InputError(f"{where}: {count} {kind} samples of {placement} for {quantiles} quantiles: give more of them")
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
