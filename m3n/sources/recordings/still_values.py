"""Values that stand still: a sensor that hung, or a logger that repeated its last sample, writes the same numbers again and again.

A real sensor's noise changes the last digit of three channels with every sample. Runs of equal samples of over half a second are
therefore gaps, not rest; a coarse sensor at rest repeats itself too, but its steps are large, or it does so everywhere, and none
of it goes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_SHORTEST = 8  # rows of a run that is remembered
_NOTHING = 1e-9  # a change of less is one of arithmetic
_COARSE = 0.05  # share of repeated rows outside long runs, from which on the sensor is coarse


class Frozen:
    """Runs of equal rows: all rows are added once, then the long runs can be asked for.

    `coarse`: a sensor whose smallest change is larger than this stands still at rest.
    """

    def __init__(self, starts: Any = (), lengths: Any = (), coarse: float = np.inf) -> None:
        self._coarse, self._smallest = coarse, np.inf
        self._starts, self._lengths = list(starts), list(lengths)  # of the repeated rows: the first of a run is data
        self._row = self._seen = self._repeated = 0
        self._last: NDArray[Any] | None = None
        self._open = 0  # repeated rows at the end of what was added

    @property
    def rows(self) -> int:
        """How many rows stand still."""
        return int(sum(self._lengths))

    def add(self, values: NDArray[Any], good: NDArray[np.bool_]) -> None:
        """The next rows (n, channels), those that are not `good` left out."""
        places = np.flatnonzero(good)
        if len(places):
            chosen = values[places]
            same = np.zeros(len(chosen), bool)
            same[1:] = (chosen[1:] == chosen[:-1]).all(axis=1)
            same[0] = self._last is not None and bool((chosen[0] == self._last).all())
            self._last = chosen[-1]
            self._seen += len(chosen)
            changes = np.abs(np.diff(chosen, axis=0))
            self._smallest = min(self._smallest, float(np.min(changes, where=changes > _NOTHING, initial=np.inf)))
            self._repeated += int(same.sum())
            edges = np.flatnonzero(np.diff(np.r_[False, same, False].astype(np.int8)))
            for number, (a, b) in enumerate(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)):
                joins = number == 0 and a == 0 and self._open
                if joins:
                    self._lengths[-1] += int(places[b - 1]) + self._row - (self._starts[-1] + self._lengths[-1] - 1)
                elif b - a >= _SHORTEST or b == len(chosen):
                    self._starts.append(self._row + int(places[a]))
                    self._lengths.append(int(places[b - 1] - places[a]) + 1)
                self._open = int(b == len(chosen))
            if not len(edges) or edges[-1] != len(chosen):
                self._open = 0
        self._row += len(good)

    @classmethod
    def together(cls, several: list[Frozen]) -> Frozen:
        """The rows in which any of several sensors stands still."""
        runs = sorted(
            (start, start + length) for held in several for start, length in zip(held._starts, held._lengths, strict=True)
        )
        joined: list[list[int]] = []
        for start, stop in runs:
            if joined and start <= joined[-1][1]:
                joined[-1][1] = max(joined[-1][1], stop)
            else:
                joined.append([start, stop])
        return cls([start for start, _ in joined], [stop - start for start, stop in joined])

    def longer_than(self, rows: float) -> Frozen:
        """The runs that are longer, or none where the sensor repeats itself everywhere."""
        long = [(start, length) for start, length in zip(self._starts, self._lengths, strict=True) if length > rows]
        inside = sum(length for _, length in long)
        if self._coarse < self._smallest < np.inf or self._repeated - inside > _COARSE * max(self._seen - inside, 1):
            long = []
        return Frozen([start for start, _ in long], [length for _, length in long])

    def rows_in(self, start: int, stop: int) -> NDArray[np.bool_]:
        """Which of the rows from start to stop stand still."""
        found = np.zeros(stop - start, bool)
        starts = np.array(self._starts, int)
        for number in range(max(int(np.searchsorted(starts, start)) - 1, 0), len(starts)):
            if starts[number] >= stop:
                break
            found[max(starts[number] - start, 0) : max(starts[number] + self._lengths[number] - start, 0)] = True
        return found
