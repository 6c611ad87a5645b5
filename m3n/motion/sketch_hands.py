"""One arm through the stations of a sketch: from targets and directions in words to rotations over time.

Stations are resolved for the left arm, in the trunk's axes; a target in the room or on a knee moves against the trunk when the
trunk moves. Each clip has its own habits (where exactly, how high the elbow, how the palm is turned), each repetition misses a
little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from m3n.motion import quaternions as q
from m3n.motion.rhythm import Array, Rhythm
from m3n.motion.sketch import Choice, Hold, Phase, Place, Range, Shake, one
from m3n.motion.sketch_arm import (
    FARTHEST,
    Corrections,
    chain,
    kept_out,
    possible,
    pronation_for,
    reaching,
    swivel_of,
    swung,
    within,
)  # fmt: skip
from m3n.motion.sketch_behaviour import NaturalArm, Pulling, Swing
from m3n.motion.sketch_body import SHOULDER, SWAP, Stance, floor_height
from m3n.motion.sketch_targets import DIRECTIONS, POLES, TARGETS, Target
from m3n.motion.sketch_timing import Strokes, fidgeting

SPREAD = 0.04  # metres by which targets vary between clips, unless the sketch says so
_EVERY_S = Range(0.4, 1.2)
_ON_TRUNK = Target((0.0, 0.0, 0.0), "in", "down")
_FREE = Target((0.0, 0.0, 0.0), "in", "down", "room", fixed=False)
_ELBOW = (0.02, 2.6)  # radians
_AROUND = np.array([0.5, -0.1, 0.6])
_FAR_M, _HOPELESS_M = 0.15, 0.7  # out of reach: from where it counts, and from where a sketch is refused
_BERTH = 0.24  # metres from the shoulder, within which a hand goes round it


@dataclass(frozen=True)
class Station:
    """A place of the wrist, drawn: `at` as in `Target`, palm a direction or an angle [rad], pole of the elbow, wrist flexion
    [rad]."""

    target: Target
    at: Array
    palm: Array | float
    pole: Array
    wrist: float


def drawn(hold: Hold, r: Rhythm, habit: Array, first: Array | None, amplitude: float) -> Station:
    """A station of a hand's hold; `habit` (5,): this clip's tendencies; free targets scale their way from the `first`
    station."""
    place: Place = hold.hand.draw(r.rng) if hold.hand is not None else "side"
    target = TARGETS[place] if isinstance(place, str) else _FREE
    at = np.array(target.at if isinstance(place, str) else [axis.draw(r.rng) for axis in place])
    spread = SPREAD if hold.spread is None else hold.spread
    if first is not None and not target.fixed:
        at = first + amplitude * (at - first)
    at = at + spread * (0.6 * np.clip(r.rng.standard_normal(3), -2, 2) + 0.4 * habit[:3])
    elbow: Place = (hold.elbow or one(target.elbow)).draw(r.rng)
    pole = np.array(POLES[elbow] if isinstance(elbow, str) else [axis.draw(r.rng) for axis in elbow])
    if np.linalg.norm(pole) < 1e-3:
        pole = np.array(POLES["down"])
    pole = pole / np.linalg.norm(pole) + 0.22 * np.clip(r.rng.standard_normal(3), -2, 2) + np.array([0.3 * habit[3], 0.0, 0.0])
    palm: str | Range = (hold.palm or Choice((target.palm,), (1.0,))).draw(r.rng)
    turned = np.array(DIRECTIONS[palm]) if isinstance(palm, str) else np.deg2rad(palm.draw(r.rng))
    return Station(target, at, turned, pole, np.deg2rad(hold.wrist.draw(r.rng)) + r.normal(0, 0.1))


def through(
    stations: Sequence[Station],
    strokes: Strokes,
    r: Rhythm,
    below: Stance,
    habit: Array,
    left: bool,
    amplitude: float = 1.0,
    shakes: Sequence[tuple[Shake, Range | None]] = (),
) -> tuple[list[Array], Corrections, str | None]:
    """Rotations of collar, shoulder, elbow and wrist of an arm that passes stations, what was corrected, and what no correction
    helps."""
    count = len(stations)
    shoulder, chest, places, lying = _seen_from(below, left)
    miss = (
        0.3 * SPREAD * np.clip(r.rng.standard_normal((len(strokes.stations), 4)), -2, 2) * min(1.0, float(len(strokes.starts)))
    )
    weights, missing = strokes.weights(r.t, count, miss)
    targets = np.stack([_in_trunk(s, shoulder, chest, places, lying) for s in stations])  # (K, F, 3)
    busiest = np.argmax(weights, axis=0)
    typical = targets[np.arange(count), busiest]
    safe, _ = kept_out(typical)
    swivels, changed, hopeless = possible(safe, swivel_of(safe, np.stack([s.pole for s in stations])))
    beyond = float(np.linalg.norm(safe, axis=-1).max()) - FARTHEST
    problem = None
    if beyond > _HOPELESS_M:
        problem = f"a hand target is {beyond:.2f} m out of reach; lean, bend, squat or sit, or move it nearer"
    if hopeless:
        problem = "no shoulder turns far enough for a hand target; move it forward or outwards"
    swivels = np.unwrap(swivels)
    humerus, flexion = reaching(safe, swivels)
    asked = np.stack([s.palm if isinstance(s.palm, np.ndarray) else np.zeros(3) for s in stations])
    body = q.times(q.inverse(chest[busiest]), lying[busiest])  # palms look in the body's directions, however the trunk leans
    looks = q.apply(body, asked)
    pronation = pronation_for(looks, humerus, flexion)
    pronation = np.array([p if isinstance(s.palm, np.ndarray) else s.palm for p, s in zip(pronation, stations, strict=True)])
    pronation = pronation + 0.18 * np.clip(r.rng.standard_normal(count), -2, 2) + 0.25 * habit[4]

    wrist = _path(targets, weights, typical, strokes) + missing[:, :3]
    twist = weights @ pronation + 4.0 * missing[:, 3]
    for k, (shake, every) in enumerate(shakes):
        moved, twisted = _shaken(shake, every, r, amplitude)
        wrist = wrist + weights[:, k, None] * moved
        twist = twist + weights[:, k] * twisted
    wrist = wrist + np.stack([r.sway(0.004) for _ in range(3)], axis=-1)
    wrist, was_inside = kept_out(wrist)
    humerus, flexion = reaching(wrist, weights @ swivels + r.sway(0.03))
    bent = weights @ np.array([s.wrist for s in stations])
    twist = within(twist + r.sway(0.03) + r.tremor())
    shrug = 0.25 * np.clip(wrist[:, 1] / 0.5, 0, 1) ** 3
    arm = chain(humerus, flexion + r.tremor(), twist, bent, shrug)
    return arm, Corrections(int(was_inside), changed, int(beyond > _FAR_M)), problem


def by_angles(
    phases: Sequence[Phase], strokes: Strokes, r: Rhythm, habit: Array, amplitude: float
) -> tuple[list[Array], Corrections]:
    """The same for phases that give joint angles; `amplitude` scales ways from the first phase."""
    rows = []
    for phase in phases:
        angles = {name: np.deg2rad(given.draw(r.rng)) for name, given in (phase.hold_at.arm or {}).items()}
        up, plane = angles.get("elevation", 0.1), angles.get("plane", 0.5)
        rows.append([up * np.cos(plane), up * np.sin(plane), angles.get("axial", 0.0), angles.get("elbow", 0.2),
                     angles.get("pronation", 0.3), np.deg2rad(phase.hold_at.wrist.draw(r.rng))])  # fmt: skip
    values = np.array(rows)
    values = values[:1] + amplitude * (values - values[:1])
    values += 0.06 * np.clip(r.rng.standard_normal(values.shape), -2, 2)
    values += np.array([0.08, 0.08, 0.15, 0.08, 0.25, 0.08]) * np.clip(r.rng.standard_normal(6), -2, 2)
    miss = 0.04 * np.clip(r.rng.standard_normal((len(strokes.stations), 6)), -2, 2) * min(1.0, float(len(strokes.starts)))
    weights, missing = strokes.weights(r.t, len(phases), miss)
    signals = weights @ values + missing
    for k, phase in enumerate(phases):
        signals[:, 4] += weights[:, k] * _shaken(phase.shake, phase.every_s, r, amplitude)[1]
    unrest = np.stack([r.sway(0.015) for _ in range(6)], axis=-1)
    signals = signals + unrest
    return swinging(Swing(*(signals[:, i] for i in range(5))), r, signals[:, 5]), Corrections()


def swinging(arm: Swing, r: Rhythm, wrist: Array | None = None) -> list[Array]:
    """Rotations of an arm that is given by angles."""

    def over_time(value: float | Array) -> Array:
        return np.broadcast_to(np.asarray(value, float), r.t.shape)

    low, high = _ELBOW
    elbow = over_time(arm.elbow) + r.tremor()
    elbow = low + 0.03 * np.logaddexp(0.0, (elbow - low) / 0.03)
    elbow = high - 0.03 * np.logaddexp(0.0, (high - elbow) / 0.03)
    sideways, forwards = over_time(arm.sideways), over_time(arm.forwards)
    humerus = swung(sideways, forwards, over_time(arm.axial))
    shrug = 0.15 * np.clip((np.hypot(sideways, forwards) - 1.0) / 2.0, 0, 1) ** 3
    twist = within(over_time(arm.pronation) + r.tremor())
    return chain(humerus, elbow, twist, np.zeros(len(r.t)) if wrist is None else wrist, shrug)


def natural(arm: NaturalArm, r: Rhythm, below: Stance, left: bool) -> list[Array]:
    """An arm that does what its posture does."""
    if isinstance(arm, Swing):
        return swinging(arm, r)
    habit = np.clip(r.rng.standard_normal(5), -2, 2)
    if isinstance(arm, Pulling):
        ends = []
        for outwards, up, forward in (arm.near, arm.far):
            at = (Range(outwards, outwards), Range(up, up), Range(forward, forward))
            end = drawn(Hold(one(at), palm=one(arm.palm), elbow=one(arm.elbow), spread=0.02), r, habit, None, 1.0)
            ends.append(replace(end, target=_ON_TRUNK))
        return through(ends, _Between(np.zeros(0), np.zeros(0), [0], arm.share), r, below, habit, left)[0]
    names = list(arm.places)
    edges = np.cumsum(list(arm.places.values()))
    first = int(np.searchsorted(edges, r.rng.random() * edges[-1], side="right"))
    strokes = fidgeting(r, arm.every_s, len(names), 0.75)
    chosen = [names[(k + first) % len(names)] for k in strokes.stations]
    stations = [drawn(Hold(hand=one(name)), r, habit, None, 1.0) for name in chosen]
    return through(stations, Strokes(strokes.starts, strokes.stops, list(range(len(stations)))), r, below, habit, left)[0]


@dataclass(frozen=True)
class _Between(Strokes):
    """Two stations and how far between them the hand is (F,), whatever the strokes say."""

    share: Array

    def weights(self, t: Array, count: int, jitter: Array) -> tuple[Array, Array]:
        """As of `Strokes`."""
        return np.stack([1 - self.share, self.share], axis=-1), np.zeros((len(t), jitter.shape[1]))


def _path(targets: Array, weights: Array, typical: Array, strokes: Strokes) -> Array:
    """The wrist (F, 3) between stations (K, F, 3): straight, or where that would lead close by the shoulder, around it."""
    straight = np.einsum("fk,kfc->fc", weights, targets)
    if all(_passes(typical[a], typical[b]) > _BERTH for a, b in pairwise(strokes.stations)):
        return np.asarray(straight)
    length = np.sqrt(np.sum(targets**2, axis=-1))
    ways = np.einsum("fk,kfc->fc", weights, targets / np.maximum(length, 0.05)[..., None])
    ways = ways + (1 - np.sum(ways**2, axis=-1))[:, None] * _AROUND  # between opposite directions, by the front
    size = np.sqrt(np.sum(ways**2, axis=-1))
    return np.asarray(ways / size[:, None] * np.sum(weights * length.T, axis=1)[:, None])


def _passes(start: Array, stop: Array) -> float:
    """How near to the shoulder the straight way between two points leads [m]."""
    way = stop - start
    share = float(np.clip(-(start @ way) / max(float(way @ way), 1e-9), 0.0, 1.0))
    return float(np.linalg.norm(start + share * way))


def _seen_from(below: Stance, left: bool) -> tuple[Array, Array, Array, Array]:
    """Shoulder (F, 3), chest (F, 4), joints (F, 22, 3) and lie of the body (F, 4), mirrored where the arm is the right one."""
    if left:
        return below.places[:, 16], below.chest, below.places, below.lying
    places = below.places[:, SWAP] * np.array([-1.0, 1.0, 1.0])
    return places[:, 16], below.chest * q.MIRROR, places, below.lying * q.MIRROR


def _in_trunk(station: Station, shoulder: Array, chest: Array, places: Array, lying: Array) -> Array:
    """Where the station is (F, 3), in the trunk's axes from the shoulder."""
    target, at = station.target, station.at
    if target.anchor == "trunk":
        return np.broadcast_to(at, shoulder.shape)
    if target.anchor == "knee":
        spot = places[:, 4] + at
    elif target.anchor == "foot":
        spot = places[:, 7] + at
    elif target.anchor == "floor":
        spot = np.stack([np.full(len(places), SHOULDER[0] + at[0]), at[1] - floor_height(places),
                         0.5 * (places[:, 7, 2] + places[:, 8, 2]) + at[2]], axis=-1)  # fmt: skip
    else:
        spot = q.apply(lying, SHOULDER + at)
    return np.asarray(q.apply(q.inverse(chest), spot - shoulder))


def _shaken(shake: Shake, every: Range | None, r: Rhythm, amplitude: float) -> tuple[Array, Array]:
    """Movement around a station: wrist (F, 3) m and forearm (F,) rad."""
    moved, twisted = np.zeros((len(r.t), 3)), np.zeros(len(r.t))
    if not (shake.shake.high or shake.circle.high or shake.twist.high):
        return moved, twisted
    period = (every or _EVERY_S).draw_log(r.rng)
    if shake.shake.high:
        axis = {"side": 0, "up": 1, "forward": 2}[shake.along.draw(r.rng)]
        tilted = np.eye(3)[axis] + 0.2 * r.rng.standard_normal(3)
        moved += 0.5 * shake.shake.draw(r.rng) * amplitude * r.swing(period)[:, None] * tilted
    if shake.circle.high:
        first, second = {"level": (0, 2), "front": (0, 1), "side": (2, 1)}[shake.plane.draw(r.rng)]
        angle, radius, sense = r.phase(period), shake.circle.draw(r.rng) * amplitude, 1.0 if r.chance(0.5) else -1.0
        moved[:, first] += radius * r.uniform(0.8, 1.2) * np.cos(angle) * (1 + r.sway(0.1, 0.3))
        moved[:, second] += sense * radius * r.uniform(0.8, 1.2) * np.sin(angle) * (1 + r.sway(0.1, 0.3))
    if shake.twist.high:
        twisted += 0.5 * np.deg2rad(shake.twist.draw(r.rng)) * amplitude * r.swing(period)
    return moved, twisted
