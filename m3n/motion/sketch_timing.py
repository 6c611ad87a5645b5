"""When a sketch's stations are reached: strokes of minimum jerk between them, repetitions that wander, pauses and rests.

A hand travels from station to station by minimum jerk (Flash and Hogan 1985). Where it does not stop, consecutive strokes
overlap, which rounds the corner as people do (Flash and Henis 1991). Positions, angles and everything else that a station has
are carried by the same weights, so all of it has two continuous derivatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from m3n.motion.rhythm import Array, Rhythm, minimum_jerk
from m3n.motion.sketch import Sketch

QUICKEST = 0.12  # seconds of a way, at least


@dataclass(frozen=True)
class Strokes:
    """Ways between stations: `starts` and `stops` (n,) in seconds, and the station (n + 1,) before the first and after each."""

    starts: Array
    stops: Array
    stations: list[int]

    def weights(self, t: Array, count: int, jitter: Array) -> tuple[Array, Array]:
        """Weights (F, count) of the stations, which sum to 1, and `jitter` (n + 1, D) carried along, (F, D)."""
        ends = np.eye(count)[self.stations]
        points = np.concatenate([ends, jitter], axis=1)
        signal = _travel(np.ascontiguousarray(t, float), self.starts, self.stops, points[0], np.diff(points, axis=0))
        return signal[:, :count], signal[:, count:]


def still() -> Strokes:
    """One station throughout."""
    return Strokes(np.zeros(0), np.zeros(0), [0])


def repeated(r: Rhythm, sketch: Sketch, tempo: float) -> tuple[Strokes, Strokes, float]:
    """Strokes through the phases, again and again over `r.t`; the same half a repetition later, for an arm that moves in turn;
    and the time when `sketch.repetitions` are done (infinite where as many are made as fit).

    `tempo`: a factor on durations. The first repetition is under way at the start, unless repetitions are counted.
    """
    rng, phases = r.rng, sketch.phases
    if len(phases) < 2:
        return still(), still(), np.inf
    period = sketch.tempo_s.draw_log(rng) * tempo
    holds = np.array([p.hold.draw(rng) for p in phases])
    shares = np.array([1.0 if p.share is None else p.share.draw(rng) for p in phases])
    spare = max(0.0, 1 - len(phases) * min(0.2, 0.6 * period / len(phases)) / period)
    holds *= min(1.0, spare / max(holds.sum(), 1e-9))
    unset = np.array([p.share is None for p in phases])
    if unset.any() and not unset.all():  # what is not said shares what is left
        shares[unset] = max(0.1, 1 - holds.sum() - shares[~unset].sum()) / unset.sum()
    ways = shares / shares.sum() * (1 - holds.sum())
    counted = sketch.repetitions is not None
    begin = r.uniform(0.2, 0.8) if counted else float(r.t[0]) - r.uniform(0.0, period)
    wanted = round(sketch.repetitions.draw(rng)) if sketch.repetitions is not None else 10**6
    overlap = r.uniform(0.0, 0.4)
    drift = 0.1 * rng.standard_normal()
    rows: list[tuple[float, float]] = []
    late: list[tuple[float, float]] = []
    clock, made = begin, 0
    while made < wanted and clock < r.t[-1] + 0.1:
        drift = 0.7 * drift + 0.07 * float(np.clip(rng.standard_normal(), -2, 2))
        own = period * np.exp(drift)
        noise = np.exp(0.1 * np.clip(rng.standard_normal((2, len(phases))), -2, 2))
        stay, go = holds * own * noise[0], np.maximum(ways * own * noise[1], min(QUICKEST, period / len(phases)))
        pause = sketch.pause_s.draw(rng) if sketch.pause_s.high > 0 else 0.0
        half = 0.5 * (stay.sum() + go.sum())
        at = clock + stay[0]
        for k in (*range(1, len(phases)), 0):
            rows.append((at, at + go[k]))
            late.append((at + half, at + go[k] + half))
            at += go[k] + (stay[k] if k else pause)
        clock, made = at, made + 1
    stations = [0, *([*range(1, len(phases)), 0] * made)]
    end = clock if counted and made >= wanted else np.inf
    return _overlapped(rows, stations, overlap), _overlapped(late, stations, overlap), end


def _overlapped(rows: list[tuple[float, float]], stations: list[int], share: float) -> Strokes:
    """Strokes where those that follow each other without a stop begin early and end late, by a share of the shorter one."""
    starts, stops = (np.array(column) for column in zip(*rows, strict=True))
    spans = stops - starts
    meets = (starts[1:] - stops[:-1]) < 0.06 * np.minimum(spans[1:], spans[:-1]) + 0.02
    shorter = 0.5 * share * np.minimum(spans[1:], spans[:-1]) * meets
    return Strokes(starts - np.append(0.0, shorter), stops + np.append(shorter, 0.0), stations)


def fidgeting(r: Rhythm, every_s: float, options: int, stay: float) -> Strokes:
    """Strokes of somebody who rests and shifts now and then: about every so many seconds, to another of the options or, with
    probability `stay`, to the same one again. Every rest is a station of its own; its option is `stations[k] % options`."""
    rng = r.rng
    starts, stops, stations, clock = [], [], [0], float(r.t[0])
    while options:
        clock += float(rng.exponential(every_s)) + 0.5
        way = r.uniform(0.5, 1.8)
        if clock > r.t[-1]:
            break
        starts.append(clock)
        stops.append(clock + way)
        stations.append(stations[-1] if rng.random() < stay else int(rng.integers(options)))
        clock += way
    return Strokes(np.array(starts), np.array(stops), stations)


def bump(t: Array, start: float, stop: float, peak: float = 0.5) -> Array:
    """0 outside, 1 at the share `peak` of the way, with two continuous derivatives."""
    u = np.clip((t - start) / (stop - start), 0.0, 1.0)
    u = u ** (np.log(0.5) / np.log(peak))
    return np.asarray(64 * (u * (1 - u)) ** 3)


def rise(t: Array, start: float, stop: float) -> Array:
    """0 before, 1 after, by minimum jerk between."""
    return minimum_jerk(t, np.array([start, stop]), np.array([0.0, 1.0]))


@njit(cache=True, nogil=True)
def _travel(t: Array, starts: Array, stops: Array, first: Array, steps: Array) -> Array:
    """Signals (F, C) that begin at `first` and make each of `steps` (n, C) by minimum jerk from its start to its stop."""
    frames, channels = len(t), len(first)
    signal = np.zeros((frames, channels))
    done = np.zeros((frames + 1, channels))
    for i in range(len(starts)):
        begin, end = np.searchsorted(t, starts[i]), np.searchsorted(t, stops[i])
        for f in range(begin, end):
            u = (t[f] - starts[i]) / (stops[i] - starts[i])
            share = u * u * u * (10 - 15 * u + 6 * u * u)
            for c in range(channels):
                signal[f, c] += share * steps[i, c]
        for c in range(channels):
            done[end, c] += steps[i, c]
    total = first.copy()
    for f in range(frames):
        for c in range(channels):
            total[c] += done[f, c]
            signal[f, c] += total[c]
    return signal
