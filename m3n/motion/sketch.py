"""What a sketch is: an activity described by stations of the hands, postures and ranges, before anything is drawn at random.

Sketches are written in YAML (docs/sketches.md) and read by `sketch_file`; `sketch_part` and `sketch_clip` make motion of them.
The vocabulary stands in tables here and in `sketch_targets`, so that the reader, its messages and the engine agree. Lengths
are metres, times seconds, angles degrees, as in the file; the engine turns them into radians.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import numpy as np

T = TypeVar("T")

HANDS = ("right", "left", "either", "both")
BOTH = ("in step", "in turn")
PALMS = ("down", "up", "in", "out", "back", "forward")
ELBOWS = ("down", "out", "back", "in", "up", "forward")
ALONG = ("up", "side", "forward")
PLANES = ("level", "front", "side")
ANGLES: dict[str, tuple[float, float]] = {  # of `arm`, and what a shoulder and an elbow allow [degrees]
    "elevation": (-60.0, 180.0), "plane": (-120.0, 150.0), "axial": (-100.0, 100.0), "elbow": (0.0, 150.0),
    "pronation": (-95.0, 95.0),
}  # fmt: skip
TRUNK: dict[str, tuple[float, float]] = {  # degrees
    "lean": (-40.0, 110.0), "bend": (-30.0, 70.0), "turn": (-80.0, 80.0), "tilt": (-45.0, 45.0), "nod": (-45.0, 50.0),
}  # fmt: skip
LEGS: dict[str, tuple[float, float]] = {  # shares of the whole movement; `jump` in metres
    "squat": (0.0, 1.0), "lunge": (0.0, 1.0), "kick": (0.0, 1.0), "raise_knee": (0.0, 1.0), "tiptoe": (0.0, 1.0),
    "legs_apart": (0.0, 1.0), "jump": (0.0, 0.6),
}  # fmt: skip
POSTURES = (
    "standing", "sitting", "sitting on floor", "kneeling", "squatting", "bent over", "lying", "lying on back", "lying on front",
    "lying on side", "plank", "hanging", "walking", "running", "jumping", "side steps", "stairs up", "stairs down", "turning",
    "cycling", "rowing", "stepper", "cross trainer",
)  # fmt: skip


@dataclass(frozen=True)
class Range:
    """A number, or an interval from which one is drawn for each clip."""

    low: float
    high: float

    def draw(self, rng: np.random.Generator) -> float:
        """Uniform."""
        return float(rng.uniform(self.low, self.high)) if self.high > self.low else self.low

    def draw_log(self, rng: np.random.Generator) -> float:
        """Log-uniform, for times."""
        return float(np.exp(rng.uniform(np.log(self.low), np.log(self.high)))) if self.high > self.low else self.low


@dataclass(frozen=True)
class Choice(Generic[T]):
    """One of several, by weight."""

    options: tuple[T, ...]
    weights: tuple[float, ...]

    def draw(self, rng: np.random.Generator) -> T:
        """One of the options."""
        if len(self.options) == 1:
            return self.options[0]
        edges = np.cumsum(self.weights)
        return self.options[int(np.searchsorted(edges, rng.random() * edges[-1], side="right"))]


def one(value: T) -> Choice[T]:
    """A choice that is none."""
    return Choice((value,), (1.0,))


_UP, _LEVEL, _STANDING, _IN_STEP = one("up"), one("level"), one("standing"), one("in step")


Point = tuple[Range, Range, Range]  # outwards, up, forward
Place = str | Point  # a target's name, or metres from the shoulder


@dataclass(frozen=True)
class Hold:
    """Where one hand is: a place or joint angles (neither: as the posture has it), and how the arm lies there."""

    hand: Choice[Place] | None = None
    arm: Mapping[str, Range] | None = None
    palm: Choice[str | Range] | None = None
    elbow: Choice[Place] | None = None
    wrist: Range = Range(0.0, 0.0)
    spread: float | None = None


@dataclass(frozen=True)
class Shake:
    """Small periodic movement around a station: metres to and fro, metres of radius, degrees of the forearm."""

    shake: Range = Range(0.0, 0.0)
    circle: Range = Range(0.0, 0.0)
    twist: Range = Range(0.0, 0.0)
    along: Choice[str] = _UP
    plane: Choice[str] = _LEVEL


@dataclass(frozen=True)
class Phase:
    """A station of a repetition: `share` (None: an equal one) of it is spent travelling here, `hold` staying."""

    hold_at: Hold = Hold()
    share: Range | None = None
    hold: Range = Range(0.0, 0.0)
    shake: Shake = Shake()
    every_s: Range | None = None
    other: Hold | str | None = None  # "rest", "same", a place; None: the sketch's
    body: Mapping[str, Range] = field(default_factory=dict)  # of TRUNK and LEGS


@dataclass(frozen=True)
class Step:
    """One part of a sequence: the label of a sketch and how long it lasts (None: as that sketch says)."""

    label: str
    seconds: Range | None = None


@dataclass(frozen=True)
class Sketch:
    """An activity. A transition has `start` and `stop`, a sequence has `steps`; any other sketch is a posture with phases."""

    label: str
    sentences: tuple[str, ...]
    also: tuple[str, ...] = ()
    posture: Choice[str] = _STANDING
    hand: Choice[str] = Choice(("right", "left"), (0.8, 0.2))
    both: Choice[str] = _IN_STEP
    other: Hold | str = "rest"
    phases: tuple[Phase, ...] = ()
    tempo_s: Range = Range(1.5, 4.0)
    pause_s: Range = Range(0.0, 0.0)
    repetitions: Range | None = None
    seconds: Range | None = None
    amplitude: Range = Range(0.8, 1.2)
    cycle_s: Range | None = None
    swing: Range | None = None
    stride: Range | None = None
    heading: Range | None = None
    weight: float = 1.0
    start: str | None = None
    stop: str | None = None
    lean: Range | None = None
    steps: tuple[Step, ...] = ()

    @property
    def is_transition(self) -> bool:
        """Whether it leads from one posture to another."""
        return self.start is not None
