"""What a posture hands to the engine of sketches: channels of trunk and legs, travel, and two arms that no phase has spoken for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from m3n.motion.rhythm import Array, Rhythm
from m3n.motion.sketch import Range

Signal = float | Array


@dataclass(frozen=True)
class Swing:
    """An arm by angles: components of the upper arm's swing from hanging, turn about itself, elbow, pronation [rad]."""

    sideways: Signal = 0.1
    forwards: Signal = 0.05
    axial: Signal = 0.1
    elbow: Signal = 0.3
    pronation: Signal = 0.4


@dataclass(frozen=True)
class Resting:
    """An arm that rests: names of targets by weight, shifted now and then."""

    places: Mapping[str, float]
    every_s: float = 12.0


@dataclass(frozen=True)
class Pulling:
    """A hand on something that goes to and fro: two points from the shoulder [m], and where it is between them (F,)."""

    near: tuple[float, float, float]
    far: tuple[float, float, float]
    share: Array
    elbow: str = "down"
    palm: str = "down"


NaturalArm = Swing | Resting | Pulling


@dataclass
class Behaviour:
    """Channels of `sketch_body.stance` and `moving` of `whole`, and the arms (left, right)."""

    channels: dict[str, Signal] = field(default_factory=dict)
    moving: dict[str, Signal] = field(default_factory=dict)
    arms: tuple[NaturalArm, NaturalArm] = (Swing(), Swing())


@dataclass(frozen=True)
class Wish:
    """What a sketch asks of its posture; None: the posture's own range."""

    cycle_s: Range | None
    swing: Range | None
    stride: Range | None
    heading: Range | None
    inner: tuple[float, float]  # when the part begins and ends [s], without the time that joins need


def either_way(r: Rhythm) -> float:
    """1 or -1."""
    return 1.0 if r.chance(0.5) else -1.0


def wished(wish: Range | None, r: Rhythm, low: float, high: float, factor: float = 1.0) -> float:
    """What a sketch asks for, times `factor`, or else a number between low and high."""
    return wish.draw(r.rng) * factor if wish is not None else r.uniform(low, high)


def cycle_of(wish: Wish, r: Rhythm, low: float, high: float) -> float:
    """The time of a cycle [s] that a sketch asks for, or else one between low and high."""
    return wish.cycle_s.draw_log(r.rng) if wish.cycle_s is not None else r.period(low, high)


def both(name: str, value: Signal) -> dict[str, Signal]:
    """One value for the left and the right of a joint."""
    return {f"{name}_left": value, f"{name}_right": value}
