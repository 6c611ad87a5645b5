"""`--beside`: two places as one, such as simulated clips with the real recordings of the same movements, or predictions with the
recordings that were labelled.

Entries are paired by id; if no id is shared, by label, the k-th clip of a label with its k-th recording. Traces of one movement are
moved by the lag at which their norms agree best (`m3n.imu.fidelity`), since the clocks of a camera and a sensor differ.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace

import numpy as np

from m3n.commands.view.places import Listed
from m3n.errors import InputError
from m3n.imu.fidelity import SIGNALS, align, correlation, norm
from m3n.reports.view.clip import Clip, Trace
from m3n.reports.view.film import Film
from m3n.sources.shared.recording_rows import interpolated

_LONGEST_S = 120.0  # that is searched for the lag


class Beside(Listed):
    """The entries of one place that have a partner in the other."""

    def __init__(self, first: Listed, other: Listed) -> None:
        self.first, self.other = first, other
        self.moves = first.moves or other.moves
        self.by_id = bool({e.name for e in first.entries} & {e.name for e in other.entries})
        self.partner = _by_id(first, other) if self.by_id else _by_label(first, other)
        if not self.partner:
            names = [place.entries[0].name for place in (first, other)]
            raise InputError(
                f"{first.title} and {other.title} share no id ({names[0]}, {names[1]} …) and no label: expected recordings of"
                " the same movements, or of the same activities"
            )
        self.numbers = sorted(self.partner)
        alone = len(first.entries) - len(self.numbers)
        how = "" if self.by_id else "Paired by label: other people, other repetitions."
        left = f"{alone:,} without a partner are left out." * (alone > 0)
        said = " ".join(filter(None, (first.notice, how, left)))
        lines = [first.lines[n] for n in self.numbers]
        super().__init__(f"{first.title} beside {other.title}", lines, len(lines), said)

    def clip(self, number: int) -> Clip:
        chosen = self.numbers[number]
        a, b = self.first.clip(chosen), self.other.clip(self.partner[chosen])
        beside = {name: trace for name, trace in b.traces.items() if name in a.traces}
        if self.by_id:
            beside = {name: _aligned(a.traces[name], trace) for name, trace in beside.items()}
        elif beside:
            partner = self.other.entries[self.partner[chosen]].name
            beside = {name: replace(trace, note=partner) for name, trace in beside.items()}
        traces = {**a.traces, **{name: trace for name, trace in b.traces.items() if name not in a.traces}}
        note = a.note if a.traces or not traces else ""
        return replace(
            a, bands={**a.bands, **b.bands}, motion=a.motion or b.motion, traces=traces, beside=beside, note=note or b.note
        )

    def film(self, number: int, most_bytes: float) -> Film:
        return self.first.film(self.numbers[number], most_bytes)


def _by_id(first: Listed, other: Listed) -> dict[int, int]:
    places = {(e.name, e.start_s): n for n, e in enumerate(other.entries)}
    found = {n: places.get((e.name, e.start_s)) for n, e in enumerate(first.entries)}
    return {n: partner for n, partner in found.items() if partner is not None}


def _by_label(first: Listed, other: Listed) -> dict[int, int]:
    places = defaultdict(list)
    for n, entry in enumerate(other.entries):
        places[_plain(entry.label)].append(n)
    found, used = {}, defaultdict[str, int](int)
    for n, entry in enumerate(first.entries):
        label = _plain(entry.label)
        if label and places[label]:
            found[n] = places[label][used[label] % len(places[label])]
            used[label] += 1
    return found


def _plain(label: str | None) -> str:
    """A label without what spellings differ in."""
    return re.sub(r"[\W_]+", " ", (label or "").casefold()).strip()


def _aligned(one: Trace, other: Trace) -> Trace:
    """The other trace with the lag at which it fits the first, and how well it does."""
    seconds = min(len(t.samples) / t.rate_hz for t in (one, other))
    at = np.arange(int(min(seconds, _LONGEST_S) * one.rate_hz)) / one.rate_hz
    theirs = np.arange(len(other.samples)) / other.rate_hz
    same_rate = interpolated(theirs, np.asarray(other.samples, float), at)
    pair = align(same_rate, np.asarray(one.samples[: len(at)], float), one.rate_hz)
    if pair is None:
        return other
    fits = [
        correlation(norm(pair.real[:, part]), norm(pair.simulated[:, part]))
        for part in SIGNALS.values()
        if np.isfinite(pair.real[:, part]).all()
    ]
    note = f"r of norms {' and '.join(f'{r:.2f}' for r in fits)}, moved by {-pair.lag_s:+.2f} s"
    return replace(other, lag_s=pair.lag_s, note=note)
