"""The rate that time stamps mean, and stamps that say when samples arrived rather than when they were taken.

A watch that sends packets over Bluetooth stamps ten samples within ten milliseconds, then none for a hundred: the steps say 1000
Hz, the rows over the duration say what the sensor did. A clock of whole milliseconds, or of whole seconds, is the same in small.
Such stamps are replaced by even ones that follow the clock's drift: over blocks of two seconds, the mean of what each stamp is
later than its row's number says.

Samples that were lost must not slow the rate: a longer step that no shorter ones make up for is a gap, and only the steps between
samples, or packets, that follow each other count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
_EDGES_S = np.geomspace(1e-6, 1e4, 2301)  # bins of 1 %
_BURSTS = 0.7  # standard deviation of the steps over their mean: jitter of a running clock has up to 0.3
_SMALL = 0.4  # share of steps that are under half of the mean
_STILL = 0.02  # share of stamps that repeat the one before
_BLOCK_S = 2.0
_USUAL_GAP_S = 0.5
_EVEN = 1.6  # steps: a clock of whole ticks strays by one
_NEAR = (0.55, 1.65)  # times the median: steps of one sample; longer ones are late or lost, shorter ones make up for being late
_MADE_UP = 0.3  # share of the time lost in longer steps that shorter ones make up for, up to which samples were lost
_LEAST_LOST = 0.002  # share of all time
_SHORTEST_RUN, _MOST_RUNS = 50, 200  # rows, and runs of one batch, that are compared with an even clock


class StepCounts:
    """Steps between time stamps, by size: enough for medians and means of hours in little memory."""

    def __init__(self) -> None:
        self._count = np.zeros(len(_EDGES_S) + 1)
        self._sum = np.zeros(len(_EDGES_S) + 1)
        self._squares = np.zeros(len(_EDGES_S) + 1)
        self.still = self.back = 0
        self._strayed = 0.0  # how far stamps got from an even clock, in steps of it

    def add(self, times: FloatArray, before: float | None) -> None:
        """Stamps in s, and the last one before them; steps that stand still or go back are counted apart."""
        steps = np.diff(times if before is None else np.r_[before, times])
        self.still += int((steps == 0).sum())
        self.back += int((steps < 0).sum())
        steps = steps[steps > 0]
        place = np.searchsorted(_EDGES_S, steps)
        size = len(self._count)
        self._count += np.bincount(place, minlength=size)
        self._sum += np.bincount(place, steps, minlength=size)
        self._squares += np.bincount(place, steps**2, minlength=size)
        self._follow(times)

    def _follow(self, times: FloatArray) -> None:
        steps = np.diff(times)
        cuts = np.flatnonzero((steps > _USUAL_GAP_S) | (steps < 0)) + 1
        for a, b in pairwise([0, *cuts.tolist(), len(times)] if len(cuts) < _MOST_RUNS else [0]):
            if b - a >= _SHORTEST_RUN:
                row = np.arange(b - a)
                slope, start = np.polyfit(row, times[a:b] - times[a], 1)
                late = times[a:b] - times[a] - start - slope * row
                self._strayed = max(self._strayed, float(np.ptp(late)) / max(float(slope), 1e-12))

    @property
    def is_even(self) -> bool:
        """True where every stamp is that of an even clock, but for the clock's own resolution."""
        return 0 < self._strayed < _EVEN

    @property
    def forwards(self) -> int:
        """Number of steps that go on."""
        return int(self._count.sum())

    def count(self, low: float, high: float) -> int:
        """Number of steps between two sizes."""
        return int(self._count[self._between(low, high)].sum())

    def median(self) -> float:
        """Median of the steps that go on, within 1 %."""
        half = np.searchsorted(np.cumsum(self._count), self._count.sum() / 2)
        return float(self._sum[half] / self._count[half])

    def mean(self, low: float, high: float, *, still: bool = False) -> float:
        """Mean of the steps between two sizes; `still` counts those of size 0 too."""
        chosen = self._between(low, high)
        count = self._count[chosen].sum() + (self.still if still else 0)
        return float(self._sum[chosen].sum() / max(count, 1))

    def spread(self, high: float) -> float:
        """Standard deviation over mean of all steps up to a size."""
        chosen = self._between(0.0, high)
        count = self._count[chosen].sum() + self.still
        mean = self._sum[chosen].sum() / max(count, 1)
        return float(np.sqrt(max(self._squares[chosen].sum() / max(count, 1) - mean**2, 0)) / max(mean, 1e-12))

    def share_below(self, size: float, high: float) -> float:
        """Share of all steps up to `high` that are smaller than `size`."""
        chosen = self._between(0.0, high)
        count = self._count[chosen].sum() + self.still
        return float((self._count[self._between(0.0, size)].sum() + self.still) / max(count, 1))

    def usual(self, low: float, high: float) -> tuple[float, bool]:
        """Mean of the steps between two sizes that are no longer than usual, s, and whether longer ones are of samples that were
        lost: samples that are late make the next steps shorter, lost ones do not."""
        counts, sums = (held[self._between(low, high)] for held in (self._count, self._sum))
        if not counts.any():
            return self.median(), False
        half = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))
        means = sums / np.maximum(counts, 1)
        median = means[half]
        near = (means > _NEAR[0] * median) & (means < _NEAR[1] * median)
        usual = float(sums[near].sum() / counts[near].sum())
        apart, long = counts * (means - usual), means >= _NEAR[1] * median
        longer, shorter = float(apart[long].sum()), -float(apart[~long & ~near].sum())
        if longer > _LEAST_LOST * sums.sum() and shorter < _MADE_UP * longer:
            return float(
                sums[~long].sum() / counts[~long].sum()
            ), True  # without bias by the shorter ones of stamps that jitter
        return usual, False

    def _between(self, low: float, high: float) -> slice:
        first, last = np.searchsorted(_EDGES_S, (low, high))
        return slice(int(first), int(last) + 1)


def gap_s(steps: StepCounts, usual_gap_s: float) -> float:
    """The longest step that is no gap: longer than usual where the stamps are of whole seconds."""
    if steps.still > steps.forwards:
        return max(usual_gap_s, 2.5 * steps.median())
    return usual_gap_s


class Step(NamedTuple):
    """Time between samples, s; where the stamps are of arrivals and must be replaced, the longest step between two packets of which
    the second is the next, s; how many longer steps are of lost samples."""

    step_s: float
    follows_s: float | None = None
    lost: int = 0


def step_of(steps: StepCounts, gap: float) -> Step:
    """What the stamps say, where steps over `gap` (s) part the recording."""
    every = steps.mean(0.0, gap, still=True)
    bursts = steps.spread(gap) > _BURSTS and steps.share_below(0.5 * every, gap) > _SMALL
    if bursts:
        return _step_of_packets(steps, every, gap)
    if steps.still > _STILL * (steps.still + steps.forwards):
        return Step(every, gap)
    usual, lost = steps.usual(0.0, gap)
    if steps.is_even:
        return Step(every)
    if lost:
        return Step(usual, lost=steps.count(_NEAR[1] * usual, gap))
    return Step(usual if abs(every / usual - 1) > 0.06 else every)


def _step_of_packets(steps: StepCounts, every: float, gap: float) -> Step:
    between, lost = steps.usual(0.5 * every, gap)
    if not lost:
        return Step(every, gap)
    packets = steps.count(0.5 * every, np.inf) + 1
    share = packets / (packets + steps.count(0.0, 0.5 * every) + steps.still)  # of samples that start a packet
    step = share * between + (1 - share) * steps.mean(0.0, 0.5 * every, still=True)
    return Step(step, _NEAR[1] * between, steps.count(_NEAR[1] * between, gap))


@dataclass
class _Run:
    first: int  # row
    goes_on: bool  # after samples that were lost
    rows: list[float] = field(default_factory=list)  # middles of blocks
    offsets: list[float] = field(default_factory=list)  # mean of stamp - row * step there


class EvenStamps:
    """Even time stamps for rows of arrivals: all stamps are added once, then any can be asked for.

    `gap`: the longest step (s) that parts no recording; `follows`: the longest one after which no sample was lost.
    """

    def __init__(self, step_s: float, gap: float, follows: float | None = None) -> None:
        self.step_s, self._gap, self._follows = step_s, gap, min(gap, follows or gap)
        self._block = max(2, round(_BLOCK_S / step_s))
        self._runs: list[_Run] = []
        self._held: list[FloatArray] = []
        self._last: float | None = None
        self._count = 0
        self._squares = 0.0

    def add(self, stamps_s: FloatArray) -> None:
        """Stamps of the next rows."""
        steps = np.diff(stamps_s, prepend=stamps_s[0] - 2 * self._gap if self._last is None else self._last)
        cuts = np.flatnonzero((steps > self._follows) | (steps < 0))
        edges = [0, *cuts.tolist(), len(stamps_s)]
        for number, (a, b) in enumerate(pairwise(edges)):
            if number:
                self._close()
                self._runs.append(_Run(self._count, goes_on=bool(0 < steps[a] <= self._gap)))
            if b > a:
                self._fill(stamps_s[a:b])
        self._last = float(stamps_s[-1])

    def finish(self) -> float:
        """No more stamps; returns their jitter, the standard deviation from the even ones, s."""
        self._close()
        weight = slope = 0.0
        for run in self._runs:  # the first and the last packet count as a whole, their time does not
            rows, offsets = np.array(run.rows), np.array(run.offsets)
            if len(rows) >= 3 and self._follows == self._gap:  # between packets that were lost, the step is exact
                weight += float(((rows - rows.mean()) ** 2).sum())
                slope += float(((rows - rows.mean()) * offsets).sum())
        if weight:
            self.step_s += slope / weight
            for run in self._runs:
                run.offsets = (np.array(run.offsets) - slope / weight * np.array(run.rows)).tolist()
        for before, run in pairwise(self._runs):
            if run.goes_on:  # time does not go back
                run.offsets[0] = max(run.offsets[0], before.offsets[-1])
        return float(np.sqrt(self._squares / max(self._count, 1)))

    def at(self, rows: NDArray[np.int64]) -> FloatArray:
        """Even stamps of rows, which are increasing."""
        made = np.empty(len(rows))
        starts = np.array([run.first for run in self._runs])
        run_of = np.searchsorted(starts, rows, side="right") - 1
        for number in np.unique(run_of):
            run, chosen = self._runs[number], run_of == number
            made[chosen] = rows[chosen] * self.step_s + np.interp(rows[chosen], run.rows, run.offsets)
        return made

    def _fill(self, stamps_s: FloatArray) -> None:
        self._held.append(stamps_s - self.step_s * (self._count + np.arange(len(stamps_s))))
        self._count += len(stamps_s)
        if sum(map(len, self._held)) >= 2 * self._block:
            late = np.concatenate(self._held)
            whole = len(late) // self._block - 1
            self._knots(late[: whole * self._block], self._count - len(late))
            self._held = [late[whole * self._block :]]

    def _close(self) -> None:
        if self._held:
            late = np.concatenate(self._held)
            self._knots(late, self._count - len(late), whole=False)
            self._held = []

    def _knots(self, late: FloatArray, first: int, whole: bool = True) -> None:
        pieces = np.split(late, range(self._block, len(late), self._block)) if whole else [late]
        for piece in pieces:
            if len(piece):
                self._runs[-1].rows.append(first + (len(piece) - 1) / 2)
                self._runs[-1].offsets.append(float(piece.mean()))
                self._squares += float(((piece - piece.mean()) ** 2).sum())
                first += len(piece)
