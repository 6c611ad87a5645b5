"""One stretch of one sketch: posture, phases and arms become a `Motion`.

Authored with the acting arm on the left; the motion of a right-handed clip is mirrored at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from m3n.errors import InputError
from m3n.motion.people import Person
from m3n.motion.rhythm import Array, Rhythm
from m3n.motion.sketch import LEGS, TRUNK, Hold, Phase, Sketch
from m3n.motion.sketch_arm import Corrections, calmed, hand
from m3n.motion.sketch_behaviour import Behaviour
from m3n.motion.sketch_body import Motion, stance, whole
from m3n.motion.sketch_hands import Station, by_angles, drawn, natural, through
from m3n.motion.sketch_postures import behaviour
from m3n.motion.sketch_timing import Strokes, repeated, still

DURATION_S = (6.0, 12.0)


class ImpossiblePoseError(InputError):
    """What a sketch asks for is nothing that a body can do."""


@dataclass(frozen=True)
class Part:
    """A sketch in motion over (F,) frames, the side of the acting hand, and when counted repetitions end [s] (infinite:
    never)."""

    motion: Motion
    left: bool
    corrections: Corrections
    end: float


def author(
    sketch: Sketch,
    posture: str,
    who: Person,
    rng: np.random.Generator,
    t: Array,
    inner: tuple[float, float],
    left: bool | None = None,
) -> Part:
    """The motion of a sketch in a posture at times `t` (F,) s, of which `inner` is the part's own; `left`: the acting hand, if
    known.

    Raises ImpossiblePoseError where no position of the shoulder does what is asked.
    """
    amplitude = sketch.amplitude.draw(rng) * who.amplitude
    r = Rhythm(rng, t, amplitude)
    hand = sketch.hand.draw(rng)
    side = rng.random() < 0.5 if hand in ("either", "both") else hand == "left"
    asked = {"left" if left else "right", "either", "both"}
    if left is None or not asked & set(sketch.hand.options):
        left = bool(side)
    both = hand == "both"
    in_turn = both and sketch.both.draw(rng) == "in turn"
    strokes, late, end = repeated(r, sketch, who.tempo)
    body = behaviour(posture, r, sketch, inner)
    for name, value in _bodily(sketch.phases, strokes, late if in_turn else None, r, amplitude).items():
        if name == "jump":
            body.moving["lift"] = body.moving.get("lift", 0.0) + value
        else:
            body.channels[name] = body.channels.get(name, 0.0) + value
    body.channels["bend"] = body.channels.get("bend", 0.0) + who.stoop
    frames = len(t)
    below = stance({name: np.asarray(value) for name, value in body.channels.items()}, frames)
    habit = np.clip(rng.standard_normal(5), -2, 2)
    chosen = [phase.hold_at for phase in sketch.phases]
    corrections = Corrections()

    def acting(phases: tuple[Phase, ...], when: Strokes, on_left: bool, own: Array) -> list[Array]:
        nonlocal corrections
        if phases[0].hold_at.arm is not None:
            arm, made = by_angles(phases, when, r, own, amplitude)
        else:
            stations: list[Station] = []
            for phase in phases:
                stations.append(drawn(phase.hold_at, r, own, stations[0].at if stations else None, amplitude))
            shakes = [(phase.shake, phase.every_s) for phase in phases]
            arm, made, problem = through(stations, when, r, below, own, on_left, amplitude, shakes)
            if problem is not None:
                raise ImpossiblePoseError(f"'{sketch.label}': {problem}")
        corrections = corrections + made
        return arm

    if not sketch.phases or (chosen[0].hand is None and chosen[0].arm is None):
        arms = [natural(body.arms[0], r, below, True), natural(body.arms[1], r, below, False)]
    else:
        arms = [acting(sketch.phases, strokes, True, habit)]
        other = _other(sketch, both)
        if isinstance(other, str):
            own = 0.7 * habit + 0.7 * np.clip(rng.standard_normal(5), -2, 2)
            arms.append(acting(sketch.phases, late if in_turn else strokes, False, own))
        elif other is None:
            arms.append(natural(body.arms[1], r, below, False))
        else:
            own = np.clip(rng.standard_normal(5), -2, 2)
            when = strokes if len(other) == len(sketch.phases) else still()
            arms.append(acting(other, when, False, own))
    made = [calmed(arm, (frames - 1) / max(t[-1] - t[0], 1e-9)) for arm in arms]
    arms = [arm for arm, _ in made]
    corrections = corrections + Corrections(quick=int(any(quick for _, quick in made)))
    if posture == "plank":  # the body comes down as the elbows bend
        body.channels["pitch"] = _plank_pitch(arms[0])
        below = stance({name: np.asarray(value) for name, value in body.channels.items()}, frames)
    motion = whole(below, arms[0], arms[1], _hung(body, arms) if posture == "hanging" else body.moving, frames)
    return Part(motion if left else motion.mirrored(), left, corrections, end)


def _other(sketch: Sketch, both: bool) -> tuple[Phase, ...] | Literal["same"] | None:
    """What the other arm does: "same", its own phases (one, or as many as the acting arm's), or None for what the posture
    does."""
    if both:
        return "same"
    if any(phase.other is not None for phase in sketch.phases):
        wanted = [phase.other if phase.other is not None else sketch.other for phase in sketch.phases]
        if all(w == "same" for w in wanted):
            return "same"
        rest = Hold()
        return tuple(
            Phase(
                hold_at=phase.hold_at if w == "same" else w if isinstance(w, Hold) else rest,
                shake=phase.shake if w == "same" else Phase().shake,
            )
            for phase, w in zip(sketch.phases, wanted, strict=True)
        )
    if isinstance(sketch.other, Hold):
        return (Phase(hold_at=sketch.other),)
    return "same" if sketch.other == "same" else None


def _bodily(phases: tuple[Phase, ...], strokes: Strokes, late: Strokes | None, r: Rhythm, amplitude: float) -> dict[str, Array]:
    """Channels (F,) of what phases say about trunk and legs; with `late`, the other side's turn comes half a repetition
    later."""
    names = [name for name in (*TRUNK, *LEGS) if any(name in phase.body for phase in phases)]
    if not names:
        return {}
    values = np.array([[phase.body[n].draw(r.rng) if n in phase.body else 0.0 for n in names] for phase in phases]) * amplitude
    none = np.zeros((len(strokes.stations), 0))
    ours = strokes.weights(r.t, len(phases), none)[0] @ values
    theirs = late.weights(r.t, len(phases), np.zeros((len(late.stations), 0)))[0] @ values if late is not None else None
    channels: dict[str, Array] = {}

    def add(name: str, value: Array) -> None:
        channels[name] = channels.get(name, np.zeros(len(r.t))) + value

    for k, name in enumerate(names):
        one, two = ours[:, k], (theirs[:, k] if theirs is not None else None)
        if name in ("turn", "tilt"):
            add(name, np.deg2rad(one if two is None else one - two))
        elif name in TRUNK:
            add(name, np.deg2rad(one if two is None else 0.5 * (one + two)))
        elif name == "jump":
            add("jump", one if two is None else 0.5 * (one + two))
        else:
            for side, signal in (("left", one), ("right", two)):
                if signal is not None or name in _TWO_LEGS:
                    for joint, size in _LEGS[name].items():
                        add(f"{joint}_{side}", size * (one if signal is None else signal))
            if name == "lunge":
                add("hip_right", -0.5 * one)
                add("knee_right", 1.3 * one)
                add("lean", 0.1 * one)
    return channels


_TWO_LEGS = ("squat", "tiptoe", "legs_apart")
_LEGS = {  # radians at 1
    "squat": {"hip": 1.5, "knee": 2.0, "ankle": 0.5},
    "lunge": {"hip": 1.3, "knee": 1.5},
    "kick": {"hip": 1.4, "knee": 0.15},
    "raise_knee": {"hip": 1.6, "knee": 1.7},
    "tiptoe": {"ankle": -0.6},
    "legs_apart": {"apart": 0.6},
}


def _plank_pitch(arm: list[Array]) -> Array:
    """How far the body is from upright (F,) when its toes and hands are on the floor: the hand's distance in front of the
    shoulder."""
    return np.asarray(np.pi / 2 - np.arcsin(np.clip((hand(arm)[:, 2] + 0.02) / 1.45, 0.02, 0.6)))


def _hung(body: Behaviour, arms: list[list[Array]]) -> dict[str, Array | float]:
    """Moving channels of a body that hangs from, or props itself on, hands that stay where they are."""
    return {**body.moving, "support": 0.0, "height": 1.4 - 0.5 * (hand(arms[0]) + hand(arms[1]))[:, 1]}
