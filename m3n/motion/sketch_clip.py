"""A clip of a sketch: one part, a transition, or a sequence of parts that join smoothly, with its segments in time.

A clip is a row of parts. Where one hands over to the next, both go on for a while and are blended joint by joint by a
minimum-jerk weight, so that neither angles nor accelerations jump; a transition is such a blend of its own length, with a
trunk that leans and arms that help.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from m3n.motion import quaternions as q
from m3n.motion.people import PEOPLE, Person, drawn_person
from m3n.motion.posture import in_world
from m3n.motion.rhythm import Array, Rhythm
from m3n.motion.sketch import POSTURES, Hold, Phase, Range, Sketch, one
from m3n.motion.sketch_arm import Corrections
from m3n.motion.sketch_body import Motion, blended, cut, floor_height, placed, smpl, standin_root, strung, turned, with_arms_of
from m3n.motion.sketch_part import DURATION_S, author
from m3n.motion.sketch_timing import bump, rise
from m3n.randomness import generator

_STILL_S = Range(1.0, 4.0)  # before and after a transition that is a clip of its own
_JOIN_S = (0.4, 0.9)
_SEAT = "sitting"
_TEXTS = {name: f"A person is {name}." for name in POSTURES}


@dataclass(frozen=True)
class Clip:
    """A finished motion: poses (F, 72) rad and trans (F, 3) m in a z-up world, who moves, what it shows and when."""

    label: str
    text: str
    who: Person
    poses: Array
    trans: Array
    segments: list[dict[str, Any]]
    corrections: Corrections


@dataclass
class _Piece:
    """A part of a planned clip: a blend of `join` seconds leads into it, then it lasts `seconds`. With a `change`, the blend is
    that transition."""

    sketch: Sketch
    posture: str
    seconds: float
    join: float = 0.0
    change: Sketch | None = None


def clip(sketch: Sketch, known: Mapping[str, Sketch], seed: int, number: int, fps: float) -> Clip:
    """Clip `number` of a sketch, whatever other clips are made; `known`: sketches that it may name.

    Raises ImpossiblePoseError where no body can do what the sketch asks.
    """
    rng = generator(seed, "sketch", sketch.label, number)
    who = _person(int(rng.integers(PEOPLE)), seed)
    pieces = _pieces(sketch, known, rng)
    starts = [0.0]
    for piece in pieces:
        starts.append(starts[-1] + piece.join + piece.seconds)
    frames = max(2, round(starts[-1] * fps))
    clock = np.arange(frames) / fps
    left: bool | None = None
    motion: Motion | None = None
    corrections = Corrections()
    for k, piece in enumerate(pieces):
        begin, end = starts[k] + piece.join, starts[k + 1]
        leave = end + (pieces[k + 1].join if k + 1 < len(pieces) else 0.0)
        first, last = int(np.searchsorted(clock, starts[k])), min(frames, int(np.searchsorted(clock, leave)) + 2)
        own = generator(seed, "sketch", sketch.label, number, "part", k)
        part = author(piece.sketch, piece.posture, who, own, clock[first:last], (begin, end), left)
        left = part.left if left is None and piece.sketch.phases else left
        corrections = corrections + part.corrections
        if len(pieces) == 1 and np.isfinite(part.end):  # counted repetitions: the clip ends after them
            frames = int(np.clip(round((part.end + 0.3) * fps), 2, frames))
        if motion is None:
            motion = part.motion
            continue
        shared = min(len(motion.spin) - first, last - first)
        way = _joined(cut(motion, first, first + shared), cut(part.motion, 0, shared), piece, starts[k], begin,
                      clock[first : first + shared], who, own)  # fmt: skip
        motion = strung(cut(motion, 0, first), way, cut(part.motion, shared, last - first))
    assert motion is not None
    poses, trans = smpl(cut(motion, 0, frames), fps)
    poses, trans = in_world(poses, trans + standin_root(), float(rng.uniform(-np.pi, np.pi)), 0.0)
    trans = trans - standin_root()
    side = "left" if left or (left is None and part.left) else "right"
    text = _told(sketch, side, rng)
    segments = _segments(pieces, starts, side, frames / fps, rng) if len(pieces) > 1 else []
    return Clip(sketch.label, text, who, poses, trans, segments, corrections)


def _person(number: int, seed: int) -> Person:
    """Virtual person `number` of the crowd of this seed."""
    return drawn_person(f"sketch-{number:03d}", generator(seed, "sketch", "person", number), amplitude=(0.85, 1.12))


def _pieces(sketch: Sketch, known: Mapping[str, Sketch], rng: np.random.Generator) -> list[_Piece]:
    if sketch.is_transition:
        return _with_change([_still(str(sketch.start), known, _STILL_S.draw(rng), rng)], sketch, known, rng, _STILL_S.draw(rng))
    if not sketch.steps:
        return [_own(sketch, sketch.seconds, rng)]
    pieces: list[_Piece] = []
    for step in sketch.steps:
        part = known[step.label]
        if not part.is_transition:
            piece = _own(part, step.seconds or part.seconds, rng)
            if pieces:
                different = _class(pieces[-1].posture) != _class(piece.posture)
                piece.join = float(rng.uniform(1.2, 2.2) if different else rng.uniform(*_JOIN_S))
            pieces.append(piece)
            continue
        if not pieces:
            pieces.append(_still(str(part.start), known, float(rng.uniform(0.3, 1.0)), rng))
        change = replace(part, seconds=step.seconds or part.seconds)
        pieces = _with_change(pieces, change, known, rng, float(rng.uniform(0.2, 0.8)))
    return pieces


def _own(sketch: Sketch, seconds: Range | None, rng: np.random.Generator) -> _Piece:
    length = seconds.draw(rng) if seconds is not None else float(rng.uniform(*DURATION_S))
    return _Piece(sketch, sketch.posture.draw(rng), length)


def _still(name: str, known: Mapping[str, Sketch], seconds: float, rng: np.random.Generator) -> _Piece:
    """Time spent in a posture or sketch that a transition leads from or to."""
    sketch = known.get(name) or Sketch(name, (_TEXTS[name],), posture=one(name))
    return _Piece(sketch, sketch.posture.draw(rng), seconds)


def _with_change(
    pieces: list[_Piece], change: Sketch, known: Mapping[str, Sketch], rng: np.random.Generator, stay: float
) -> list[_Piece]:
    """The pieces, then a transition and what it leads to. Between standing and lying, people sit for a moment."""
    seconds = change.seconds.draw(rng) if change.seconds is not None else float(rng.uniform(1.0, 3.0))
    goal = _still(str(change.stop), known, stay, rng)
    goal.join, goal.change = seconds, change
    if {_class(pieces[-1].posture), _class(goal.posture)} != {"upright", "lying"}:
        return [*pieces, goal]
    seat = _still(_SEAT, {}, 0.0, rng)
    first = float(rng.uniform(0.4, 0.6))
    seat.join, seat.change, goal.join = first * seconds, change, (1 - first) * seconds
    return [*pieces, seat, goal]


def _class(posture: str) -> str:
    if posture.startswith("lying"):
        return "lying"
    if posture in ("sitting", "cycling", "rowing", "sitting on floor", "kneeling", "squatting", "plank", "hanging"):
        return posture
    return "upright"


def _joined(
    before: Motion, after: Motion, piece: _Piece, start: float, stop: float, clock: Array, who: Person, rng: np.random.Generator
) -> Motion:
    """`before` until `start`, `after` from `stop`, and between them the way."""
    if piece.change is None:
        return blended(before, after, rise(clock, start, stop))
    middle = int(np.clip(np.searchsorted(clock, 0.5 * (start + stop)), 0, len(clock) - 1))
    heights = [float(floor_height(placed(m.quats[:, middle : middle + 1]))[0]) for m in (before, after)]
    rising, lying = heights[1] - heights[0] > 0.1, piece.posture.startswith("lying")
    span = stop - start
    early, late = (start + 0.22 * span, stop) if rising else (start, stop - 0.12 * span)
    motion = blended(before, after, rise(clock, early, late))
    r = Rhythm(rng, clock, 1.0)
    changes = abs(heights[1] - heights[0]) > 0.1 and not lying
    wanted = piece.change.lean
    lean = np.deg2rad(wanted.draw(rng)) if wanted is not None else r.uniform(0.25, 0.85) if changes else 0.0
    swell = bump(clock, start, stop, 0.42 if rising else 0.55)
    about = q.about("x", lean * swell)
    quats = motion.quats.copy()
    quats[0] = q.times(quats[0], about)
    motion = turned(replace(motion, quats=quats), {1: q.inverse(about), 2: q.inverse(about)})
    if changes and r.chance(0.75):  # hands on the thighs or armrests, or stretched out for balance
        places = {"thigh": 0.35, "knee": 0.15, "armrest": 0.2, "low front": 0.2, "front": 0.1}
        names = list(places)
        name = names[int(rng.choice(len(names), p=list(places.values())))]
        helping = Sketch("", ("",), posture=one("sitting" if name in ("thigh", "knee", "armrest") else "standing"),
                         hand=one("both"), phases=(Phase(hold_at=Hold(hand=one(name))),))  # fmt: skip
        arms = author(helping, helping.posture.options[0], who, rng, clock, (start, stop), True).motion
        motion = with_arms_of(motion, arms, r.uniform(0.5, 1.0) * bump(clock, start, stop, 0.45 if rising else 0.55))
    return motion


def _segments(
    pieces: list[_Piece], starts: list[float], side: str, seconds: float, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """What is shown when: parts and transitions; where parts merely join, the border is in the middle."""
    rows: list[tuple[float, float, Sketch]] = []
    for k, piece in enumerate(pieces):
        begin = starts[k] + (piece.join if piece.change is not None else 0.5 * piece.join)
        following = pieces[k + 1] if k + 1 < len(pieces) else None
        end = starts[k + 1] + (0.5 * following.join if following is not None and following.change is None else 0.0)
        if piece.change is not None:
            rows.append((starts[k], begin, piece.change))
        rows.append((begin, min(end, seconds), piece.sketch))
    shown: list[tuple[float, float, Sketch]] = []
    for start, stop, sketch in (row for row in rows if row[1] - row[0] > 1e-3):
        if shown and shown[-1][2] is sketch:
            start = shown.pop()[0]
        shown.append((start, stop, sketch))
    return [
        {"start_s": start, "stop_s": stop, "label": sketch.label, "text": _told(sketch, side, rng)}
        for start, stop, sketch in shown
    ]


def _told(sketch: Sketch, side: str, rng: np.random.Generator) -> str:
    return sketch.sentences[int(rng.integers(len(sketch.sentences)))].replace("{side}", side)
