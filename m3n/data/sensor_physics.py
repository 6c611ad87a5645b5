"""What gravity and rigid rotation say about the samples of one accelerometer and gyroscope, whatever their unit is called.

Three facts hold for every sensor that a body wears. The specific force, averaged over seconds in a frame that does not turn, is
gravity, because a body's velocity hardly changes in that time; so the root mean square over seconds is never much below 1 g. The
norm of a real accelerometer changes while the sensor turns, because it does not sit on the axis; a fused gravity vector's does not.
And the direction of gravity turns in the sensor's axes as fast as the gyroscope says: d(force)/dt = -rate x force, which tells a
gyroscope that is 57 times too small or too large (degrees and radians mixed up) from a right one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from m3n.schema import GRAVITY

FloatArray = NDArray[np.float64]
PIECE_S = 4.0
_SHORTEST_S = 0.4
_REST_S, _REST_SHARE, _FEWEST_RESTS = 0.32, 0.05, 3  # length of a block; share and number of the steadiest, taken as rest
_LEAST_AT_REST, _FILLS, _STROKE = 0.75, 0.75, 0.85  # g there; `steady` and `mean` from which on it may vanish in a stroke
_PIECES_OF_ONE_ADD = 16
_MOST_PIECES = 256
_TURNING = 1.5  # rad/s, of gravity in the axes: a slower sensor's own acceleration may vanish in its noise
_SLOW_S, _FAST_S = 0.5, 0.2  # intervals that a gyroscope which is too small, or too large, is looked at over
_SLOW_TURN, _FAST_TURN = 0.3, 1.0  # rad in those intervals, by the force and by the gyroscope
_SLOWEST_HZ = 12.0  # slower gyroscopes do not follow an arm
_FEWEST_TURNS = 4
# factors that are tried on the angular rate, or on the time between samples
_SCALES = (1.0, 0.3, 0.4, 0.5, 2.0, 2.5, 3.3, -1.0)
# orders of the gyroscope's columns, and what must be gained by one
_ORDERS = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
_ORDER_GAIN = 0.1
_TURNING_SHARE = 0.1  # of gravity that a factor makes or breaks, in a piece that turns enough to tell
_FEWEST_TURNING, _MOST_TURNING = 6, 64  # pieces
# share of the force that becomes steady gravity: on average; in one piece; and the share of pieces in which it does
_GAIN, _PIECE_GAIN, _GAINING = 0.06, 0.03, 0.85
_TOO_SMALL, _TOO_LARGE = 5.0, 0.2  # right ones give 0.2 to 1.8, and 0.5 to 3; off by 57 times, 13 to 100, and 0.003 to 0.3


@dataclass(frozen=True)
class Gravity:
    """What pieces of seconds say about gravity, in g of the declared unit."""

    mean: float  # norm of the mean force over a piece, in the sensor's axes or turned back by the gyroscope: median, the larger
    world: float  # the same turned back by the gyroscope alone; NaN without one
    steady: float  # the mean as a share of the root mean square: 1 where the force is gravity alone, near 0 where it has none
    quiet: float  # root mean square of the quietest pieces
    dips: float  # lower fifth of the norm over its median: a force without gravity keeps passing near zero
    pieces: int
    agreement: float  # lower over upper quartile of the means: near 1 for gravity, which is the same in every piece
    rest: float  # norm of the force where it changes least: a forearm between two strokes shows 1 g there, or nothing

    @property
    def is_sure(self) -> bool:
        """True where the mean, turned back, is 1 g in every piece, as on public recordings however vigorous."""
        return 0.85 < self.world < 1.15 and self.agreement > 0.75 and self.steady > 0.55

    @property
    def is_lacking(self) -> bool:
        """True where no unit of this size can have gravity in it. With a gyroscope, real recordings have a mean of at least 0.84,
        an agreement of 0.76 and a steadiness of 0.45; without one, turns take some of it away. Quiet seconds have 0.94."""
        if self.quiet < 0.75:
            return True
        if np.isnan(self.world):
            few = self.mean < 0.12 or self.quiet < 0.9 or self.vanishes_at_rest
            return few or (
                self.pieces >= 2 and (self.mean < 0.4 or self.steady < 0.48 or (self.dips < 0.55 and self.steady < 0.6))
            )
        scattered = self.pieces >= 4 and (self.agreement < 0.6 or self.steady < 0.5)
        return self.mean < 0.7 or self.steady < 0.35 or scattered

    @property
    def vanishes_at_rest(self) -> bool:
        """True where the force of seconds is under 1 g and nearly vanishes where it is steadiest. Fast strokes have a mean without
        gravity too, that of the centripetal force, but between two strokes nothing is left of it; gravity would be."""
        return self.pieces >= 2 and self.rest < _LEAST_AT_REST and self.steady < _FILLS and self.mean < _STROKE

    @property
    def steadily_one_g(self) -> bool:
        """True where the mean in the sensor's own axes is nearly all of the force, and 1 g: no gyroscope is needed to see it."""
        return 0.8 < self.mean < 1.25 and self.steady > 0.85

    def is_vigorous(self, whole: float, norm: float) -> bool:
        """True for acceleration alone that swings through large angles as real recordings do: over all of it (`whole`, g) the mean
        keeps half of gravity, and the norm is 1 g or a little more both at its median (`norm`) and in the quietest seconds. Of 140
        recordings of shoulder exercises, those with gravity pass but for 8; without it, none does that the other limits refuse."""
        moves = whole > 0.5 and 0.95 < norm < 1.35 and 0.95 < self.quiet < 1.45 and self.steady > 0.4
        return moves and not self.vanishes_at_rest

    @property
    def shows(self) -> bool:
        """True where every piece has the same constant force in it, whatever its size: an accelerometer in some unit or other."""
        alike = self.pieces >= 3 and self.agreement > 0.75 and self.quiet > 0.8 * self.mean
        return self.agreement > 0.75 and (self.steady > 0.85 or (self.steady > 0.6 and alike))


@dataclass
class Pieces:
    """A bounded choice of pieces of `PIECE_S` out of all samples of a sensor: some evenly spaced, some that turn most."""

    _held: list[tuple[FloatArray, float]] = field(default_factory=list)  # samples (n, 6), rate
    _every: int = 1
    _seen: int = 0

    def add(self, samples: NDArray[Any], rate_hz: float) -> None:
        """Samples (n, 6) in m/s² and rad/s that follow each other at `rate_hz`; an angular rate that is not there is NaN."""
        length = min(round(PIECE_S * rate_hz), len(samples))
        if length < max(4, _SHORTEST_S * rate_hz):
            return
        cut = np.asarray(samples[: len(samples) // length * length], np.float64).reshape(-1, length, 6)
        if len(cut) > _PIECES_OF_ONE_ADD:
            middle = length // 2
            turn = np.linalg.norm(cut[:, :middle, :3].mean(1) - cut[:, middle:, :3].mean(1), axis=1)
            most = np.argsort(-turn, kind="stable")[: _PIECES_OF_ONE_ADD // 2]
            even = np.linspace(0, len(cut) - 1, _PIECES_OF_ONE_ADD // 2).astype(int)
            cut = cut[np.unique(np.r_[most, even])]
        for piece in cut:
            if self._seen % self._every == 0:
                self._held.append((piece.copy(), rate_hz))
            self._seen += 1
        if len(self._held) > _MOST_PIECES:
            self._held, self._every = self._held[::2], 2 * self._every

    def gravity(self, *, turned_back: bool = True) -> Gravity | None:
        """None where there are no samples; without `turned_back`, what the accelerometer alone says."""
        if not self._held:
            return None
        plain, turned, rms = np.concatenate([_means(pieces, rate) for pieces, rate in self._alike()]).T
        turned = turned if turned_back else np.full_like(turned, np.nan)
        known = turned[np.isfinite(turned)]
        world = float(np.median(known)) if len(known) else np.nan
        mean = max(float(np.median(plain)), world) if len(known) else float(np.median(plain))
        steady = float(np.median(np.fmax(plain, turned) / np.maximum(rms, 1e-12)))
        quiet = float(np.quantile(rms, 0.05)) if len(rms) >= 10 else float(rms.min())
        norm = np.concatenate([np.linalg.norm(piece[:, :3], axis=1) for piece, _ in self._held])
        dips = float(np.quantile(norm, 0.2) / max(float(np.median(norm)), 1e-12))
        low, high = np.quantile(known if len(known) else plain, (0.25, 0.75))
        return Gravity(
            mean / GRAVITY, world / GRAVITY, steady, quiet / GRAVITY, dips, len(rms), float(low / max(high, 1e-12)),
            self._at_rest() / GRAVITY,
        )  # fmt: skip

    def _at_rest(self) -> float:
        """Median norm of the mean force in the blocks of `_REST_S` in which it changes least."""
        spread, norm = [], []
        for pieces, rate in self._alike():
            length = min(max(4, round(_REST_S * rate)), pieces.shape[1])
            blocks = pieces[:, : pieces.shape[1] // length * length, :3].reshape(-1, length, 3)
            spread.append(blocks.var(1).sum(1))
            norm.append(np.linalg.norm(blocks.mean(1), axis=1))
        order = np.argsort(np.concatenate(spread), kind="stable")
        return float(np.median(np.concatenate(norm)[order[: max(_FEWEST_RESTS, round(_REST_SHARE * len(order)))]]))

    def _alike(self) -> list[tuple[FloatArray, float]]:
        """(pieces (p, n, 6) of one length, their mean rate)."""
        lengths = sorted({len(piece) for piece, _ in self._held})
        made = []
        for length in lengths:
            chosen = [(piece, rate) for piece, rate in self._held if len(piece) == length]
            made.append((np.stack([piece for piece, _ in chosen]), float(np.mean([rate for _, rate in chosen]))))
        return made

    def norm_is_constant(self) -> bool:
        """True where the norm varies by under 1 % although the sensor turns: that is a gravity vector, no accelerometer."""
        norms, total_s = [], 0.0
        for piece, rate in self._held:
            force = piece[:, :3]
            norm = np.linalg.norm(force, axis=1)
            apart = max(1, round(0.1 * rate))
            if len(piece) <= apart:
                continue
            direction = force / np.maximum(norm, 1e-12)[:, None]
            speed = np.linalg.norm(direction[apart:] - direction[:-apart], axis=1) * rate / apart
            turning = speed > _TURNING
            norms.append(norm[apart:][turning])
            total_s += float(turning.sum()) / rate
        found = np.concatenate([*norms, np.zeros(0)])
        if total_s < 0.4 or len(found) < 10:
            return False
        return bool(found.std() < 0.01 * found.mean())

    def rates_are_forces(self) -> bool:
        """True where what is called angular rate has the norm of an accelerometer, in m/s², g or mg, in radians or degrees."""
        rates = np.concatenate([piece[:, 3:] for piece, _ in self._held]) if self._held else np.zeros((0, 3))
        norm = np.linalg.norm(rates[np.isfinite(rates).all(axis=1)], axis=1)
        if len(norm) < 10:
            return False
        middle = float(np.median(norm))
        alike = float(np.quantile(norm, 0.2)) > 0.75 * middle and float(np.quantile(norm, 0.8)) < 1.4 * middle
        sizes = [size * unit for size in (GRAVITY, 1.0, 1000.0) for unit in (1.0, np.pi / 180)]
        return alike and any(abs(middle / size - 1) < 0.15 for size in sizes)

    def fitting_signs(self) -> tuple[float, float, float] | None:
        """Signs of the gyroscope's axes with which gravity stays where it is; None where no change makes it so."""
        for signs in [(-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1)]:
            factors = np.r_[np.ones(3), signs]
            changed = Pieces([(piece * factors, rate) for piece, rate in self._held])
            gravity = changed.gravity()
            if gravity is not None and gravity.is_sure and gravity.world > 0.9:
                return float(signs[0]), float(signs[1]), float(signs[2])
        return None

    def fitting_scale(self) -> float | None:
        """A factor on the angular rate with which gravity stays where it is; None where none of the usual mistakes explains it."""
        for scale in (0.5, 2.0, 0.25, 4.0, 0.1, 10.0, 1 / 16.4, 16.4, np.pi / 180, 180 / np.pi, 0.001, 1000.0):
            changed = Pieces([(piece * np.r_[np.ones(3), np.full(3, scale)], rate) for piece, rate in self._held])
            gravity = changed.gravity()
            if gravity is not None and gravity.is_sure and gravity.world > 0.9:
                return float(scale)
        return None

    def turn_scale(self) -> tuple[float, float] | None:
        """(factor, rate in Hz): a factor on the angular rate with which the mean force is gravity in every piece, although it is
        not without one; dividing the sampling rate by it does the same. None where nothing speaks for one, as in pieces that
        hardly turn.

        Of 21 movements of a wrist (UTD-MHAD, in pieces of 2 s) and a packer's two wrists, none is doubted as it is, all are with
        the angular rate 2.5 times too large, and 18 with it 2.5 times too small.
        """
        best = self._fitting([scale * np.eye(3) for scale in _SCALES], _GAIN)
        return None if best is None else (_SCALES[best[0]], best[1])

    def order_of_axes(self) -> str | None:
        """Which of the gyroscope's columns are x, y and z, as "zyx", where the mean force is gravity in every piece only with the
        columns in that order; None where nothing speaks for another order than xyz.

        Of 8 people of UTD-MHAD, 23 of GeoTec (and 92 of its files) and OpenPack's 4 wrists, none is doubted as it is; with x and z
        swapped, all but two of the people are."""
        best = self._fitting([np.eye(3)[:, list(order)] for order in _ORDERS], _ORDER_GAIN)
        return None if best is None else "".join("xyz"[column] for column in _ORDERS[best[0]])

    def _fitting(self, changes: list[FloatArray], least_gain: float) -> tuple[int, float] | None:
        """(number of the change, rate in Hz) of the angular rate that makes the mean force gravity in every piece.

        `changes`: matrices (3, 3), the first of which changes nothing. None if that one fits, or no other fits clearly better."""
        found: dict[float, list[FloatArray]] = {}
        for pieces, rate in self._alike():
            known = pieces[np.isfinite(pieces).all((1, 2))]
            if rate <= _SLOWEST_HZ or not len(known):
                continue
            known = known[:: -(-len(known) // _MOST_TURNING)]
            size = np.sqrt((known[..., :3] ** 2).sum(2).mean(1))
            tried = np.concatenate([np.concatenate([known[..., :3], known[..., 3:] @ change], axis=2) for change in changes])
            means = np.linalg.norm(_turned_back(tried, rate).mean(1), axis=1).reshape(len(changes), -1)
            share = means / np.maximum(size, 1e-12)
            turning = np.ptp(share, axis=0) > _TURNING_SHARE
            found.setdefault(rate, []).append(np.stack([share, means / GRAVITY])[:, :, turning])
        if not found:
            return None
        share, world = np.concatenate([part for parts in found.values() for part in parts], axis=2)
        if share.shape[1] < _FEWEST_TURNING:
            return None
        gain = share - share[0]
        best = int(gain.mean(1).argmax())
        low, high = np.quantile(world[best], (0.25, 0.75))
        is_gravity = 0.85 < float(np.median(world[best])) < 1.15 and low > 0.85 * high
        if not (gain[best].mean() > least_gain and (gain[best] > _PIECE_GAIN).mean() > _GAINING and is_gravity):
            return None
        return best, max(found, key=lambda rate: sum(part.shape[2] for part in found[rate]))

    def rate_factor(self) -> float | None:
        """How many times too small (over 1) or too large (under 1) the angular rate is, None where nothing speaks against it."""
        slow, fast = [], []
        for piece, rate in self._held:
            if np.isfinite(piece).all() and rate > _SLOWEST_HZ:
                slow += _turns(piece, rate, _SLOW_S, by_force=True)
                fast += _turns(piece, rate, _FAST_S, by_force=False)
        small, large = (float(np.median(turns)) if len(turns) >= _FEWEST_TURNS else 1.0 for turns in (slow, fast))
        return small if small > _TOO_SMALL else large if large < _TOO_LARGE else None


def rate_problem(factor: float) -> str:
    """In words what `Pieces.rate_factor` found."""
    times, word = (factor, "small") if factor > 1 else (1 / factor, "large")
    return f"the angular rate is about {times:.2g} times too {word} for how gravity turns in the accelerometer's axes"


def turn_problem(scale: float, rate_hz: float) -> str:
    """In words what `Pieces.turn_scale` found."""
    if scale < 0:
        return (
            "gravity turns in the accelerometer's axes against the angular rate: the signs of all gyroscope axes are changed "
            "(gyro_scale=-1), or samples run backwards"
        )
    return (
        f"gravity turns in the accelerometer's axes as if the sampling rate were about {rate_hz / scale:.2g} Hz instead of "
        f"{rate_hz:.4g} Hz, or the angular rate about {scale:.2g} times as large"
    )


def _means(pieces: FloatArray, rate_hz: float) -> FloatArray:
    """For every piece: norm of its mean force in the sensor's axes, turned back (NaN without gyroscope), root mean square."""
    force = pieces[..., :3]
    plain = np.linalg.norm(force.mean(1), axis=1)
    rms = np.sqrt((force**2).sum(2).mean(1))
    turned = np.full(len(pieces), np.nan)
    known = np.isfinite(pieces[..., 3:]).all((1, 2)) & (rate_hz > _SLOWEST_HZ)
    if known.any():
        turned[known] = np.linalg.norm(_turned_back(pieces[known], rate_hz).mean(1), axis=1)
    return np.stack([plain, turned, rms], axis=1)


def _turned_back(pieces: FloatArray, rate_hz: float) -> FloatArray:
    """Force (p, n, 3) in the axes that each sensor had at its first sample."""
    from scipy.spatial.transform import Rotation

    force, rate = pieces[..., :3], pieces[..., 3:]
    turns = ((rate[:, 1:] + rate[:, :-1]) / (2 * rate_hz)).reshape(-1, 3)
    steps = Rotation.from_rotvec(turns).as_matrix().reshape(len(pieces), -1, 3, 3)
    attitude = np.tile(np.eye(3), (len(pieces), 1, 1))
    made = np.empty_like(force)
    made[:, 0] = force[:, 0]
    for place in range(steps.shape[1]):
        attitude = attitude @ steps[:, place]
        made[:, place + 1] = np.einsum("pij,pj->pi", attitude, force[:, place + 1])
    return made


def _turns(piece: FloatArray, rate_hz: float, interval_s: float, *, by_force: bool) -> list[float]:
    """Turn of gravity over what the gyroscope says, for the intervals in which one of them turns enough.

    `by_force`: intervals in which the force turns, against the whole way of the gyroscope, which no turn can exceed. Otherwise
    those in which the gyroscope says that gravity turns, against the turn of the force.
    """
    force, rate = piece[:, :3], piece[:, 3:]
    step = round(interval_s * rate_hz)
    ends = max(1, round(0.04 * rate_hz)) if not by_force else max(1, round(0.1 * rate_hz))
    if step < 2 or len(piece) < step + ends:
        return []
    starts = np.arange(0, len(piece) - step - ends + 1, max(1, step // 4))
    sums = np.concatenate([np.zeros((1, 3)), np.cumsum(force, axis=0)])
    means = (sums[ends:] - sums[:-ends]) / ends
    first, last = means[starts], means[starts + step]
    norms = np.linalg.norm(first, axis=1), np.linalg.norm(last, axis=1)
    near_g = (np.abs(norms[0] / GRAVITY - 1) < 0.3) & (np.abs(norms[1] / GRAVITY - 1) < 0.3)
    cosine = (first * last).sum(1) / np.maximum(norms[0] * norms[1], 1e-12)
    turn = np.arccos(np.clip(cosine, -1, 1))
    if by_force:
        way = np.concatenate([[0.0], np.cumsum(np.linalg.norm(rate, axis=1))]) / rate_hz
        said = way[starts + step + ends] - way[starts]
        chosen = near_g & (turn > _SLOW_TURN)
    else:
        direction = force / np.maximum(np.linalg.norm(force, axis=1), 1e-12)[:, None]
        across = np.concatenate([np.zeros((1, 3)), np.cumsum(np.cross(rate, direction), axis=0)]) / rate_hz
        said = np.linalg.norm(across[starts + step] - across[starts], axis=1)
        chosen = near_g & (said > _FAST_TURN)
    return (turn[chosen] / np.maximum(said[chosen], 1e-9)).tolist()
