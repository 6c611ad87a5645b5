"""Everyday arm movements, each a formula in anatomical terms; `movements` holds their names and sentences.

A formula draws the variation between people and repetitions at random and returns the posture over time, for the left arm.
Points to reach are in metres from the shoulder (outwards, up, forward): the mouth is near (-0.15, 0.05, 0.2), the belly near
(-0.15, -0.35, 0.15), a table at (0, -0.3, 0.35).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from m3n.motion.posture import Arm, Body, Signal, reach, swing
from m3n.motion.rhythm import Array, Rhythm

TABLE = (0.0, -0.3, 0.3)
HELD = reach(-0.1, -0.33, 0.3)  # an arm that steadies something on a table
WING = (1.0, -0.3, -0.2)  # elbow lifted out


def _travel(r: Rhythm, start: tuple[float, ...], stop: tuple[float, ...], s: Array, spread: float = 0.03) -> list[Array]:
    """x, y, z (frames,) on the way from start to stop as s goes from 0 to 1, both ends moved a little at random."""
    starts, stops = (np.array(p) + spread * np.clip(r.rng.standard_normal(3), -2, 2) for p in (start, stop))
    reached = starts + (stops - starts) * r.amplitude
    return [a + (b - a) * s for a, b in zip(starts, reached, strict=True)]


def _circle(r: Rhythm, centre: tuple[float, ...], radius: float, angle: Array, plane: str) -> list[Signal]:
    """x, y, z (frames,) on a slightly squashed circle in the plane "xy", "xz" or "yz"."""
    point: list[Signal] = [c + r.normal(0.0, 0.025) for c in centre]
    first, second = ("xyz".index(axis) for axis in plane)
    point[first] = point[first] + radius * r.uniform(0.8, 1.2) * np.cos(angle)
    point[second] = point[second] + radius * r.uniform(0.8, 1.2) * np.sin(angle) * (1 if r.chance(0.5) else -1)
    return point


def _gait(r: Rhythm, body: Body, cycle: float, stride: float, speed: float, bounce: float) -> Body:
    """`body` walking or running ahead: legs, bobbing, sideways sway and forward travel."""
    step = r.phase(cycle)
    travel = speed * cycle * (step - step[0]) / (2 * np.pi)
    shift = np.stack([0.02 * np.sin(step + 0.5), bounce * np.cos(2 * step), travel], axis=-1)
    return replace(body, step=step, stride=stride, shift=shift, turn=body.turn + 0.12 * stride * np.sin(step))


def stir(r: Rhythm) -> Body:
    angle = r.phase(r.period(0.5, 1.8))
    x, y, z = _circle(r, (-0.05, -0.28, 0.32), r.uniform(0.03, 0.1) * r.amplitude, angle, "xz")
    return Body(reach(x, y, z, pole=WING, pronation=r.normal(0.9, 0.4)), HELD, bend=0.1)


def hammer(r: Rhythm) -> Body:
    s = r.reps(r.period(0.55, 1.4), 0.0, r.uniform(0.0, 0.2))
    arm = Arm(
        0.4 + 0.35 * s * r.amplitude, r.normal(1.1, 0.2), 0.2, 0.7 + 0.9 * s * r.amplitude, r.normal(0.1, 0.2), 0.2 - 0.4 * s
    )
    return Body(arm, HELD, bend=0.15 - 0.05 * s)


def wave(r: Rhythm) -> Body:
    side = r.swing(r.period(0.35, 1.2)) * r.amplitude
    arm = Arm(r.uniform(0.7, 1.7), r.uniform(0.1, 0.9), -1.3 + 0.35 * side, 1.6 + 0.25 * side, r.normal(0.6, 0.3), 0.0)
    return Body(arm)


def pour(r: Rhythm) -> Body:
    s = r.reps(r.period(2.5, 5.0), r.uniform(0.2, 0.4), 0.15)
    x, y, z = _travel(r, (0.0, -0.25, 0.3), (-0.05, -0.15, 0.35), s)
    return Body(reach(x, y, z, pole=(0.9, -0.8, -0.2), pronation=-0.1 + r.uniform(1.1, 1.8) * s, wrist=0.2), HELD)


def saw(r: Rhythm) -> Body:
    s = 0.5 + 0.5 * r.swing(r.period(0.45, 1.3))
    x, y, z = _travel(r, (0.05, -0.3, 0.05), (0.0, -0.34, 0.4), s)
    return Body(
        reach(x, y, z, pole=(0.4, -0.6, -1.0), pronation=r.normal(0.1, 0.25)), HELD, lean=r.uniform(0.2, 0.6), turn=-0.15 * s
    )


def drink(r: Rhythm) -> Body:
    s = r.reps(r.period(2.5, 5.5), r.uniform(0.15, 0.4), r.uniform(0.1, 0.3))
    x, y, z = _travel(r, TABLE, (-0.1, 0.0, 0.23), s, 0.02)
    return Body(reach(x, y, z, pole=(0.8, -0.8, 0.0), pronation=0.1 + 0.5 * s**2, wrist=-0.2), sit=float(r.chance(0.6)))


def knock(r: Rhythm) -> Body:
    bursts = r.reps(r.period(1.8, 3.5), 0.5, 0.1)
    beat = np.sin(r.phase(r.period(0.25, 0.5)))
    x, y, z = _travel(r, (0.0, -0.2, 0.2), (0.0, 0.05, 0.33), bursts)
    arm = reach(x, y, z + 0.04 * r.amplitude * bursts * beat, pronation=r.normal(0.5, 0.3), wrist=0.3 * bursts * beat)
    return Body(arm)


def screw(r: Rhythm) -> Body:
    s = r.reps(r.period(0.7, 1.8), 0.0, 0.1)
    x, y, z = _travel(r, (-0.05, -0.15, 0.36), (-0.05, -0.15, 0.38), s)
    return Body(reach(x, y, z, pronation=1.1 - r.uniform(1.4, 2.4) * s), reach(-0.12, -0.15, 0.33))


def wipe(r: Rhythm) -> Body:
    across = r.swing(r.period(0.6, 1.8))
    along = r.swing(r.period(1.5, 5.0))
    x = 0.0 + 0.17 * r.amplitude * across
    z = 0.33 + 0.08 * along - 0.2 * x**2
    return Body(reach(x, -0.32, z, pole=WING, pronation=1.3), HELD, lean=r.uniform(0.1, 0.5), turn=0.1 * across)


def carry(r: Rhythm) -> Body:
    both = reach(-0.05 + r.sway(0.01), -0.3, r.uniform(0.2, 0.32), pronation=r.uniform(-1.2, 0.0))
    return _gait(r, Body(both, both, bend=-0.05), r.uniform(1.0, 1.3), 0.35, 1.0, 0.015)


def throw(r: Rhythm) -> Body:
    s = r.reps(r.period(1.9, 3.5), 0.05, r.uniform(0.1, 0.3))
    elevation, k = 0.3 + 1.3 * s, 0.5 - 0.5 * np.cos(2 * np.pi * s)
    arm = Arm(elevation, r.normal(0.7, 0.15), -0.9 * k + 0.3 * s, 0.5 + 1.0 * k, r.normal(0.5, 0.3), 0.0)
    return Body(arm, turn=0.35 * s - 0.4 * k, lean=0.1 * s)


def clap(r: Rhythm) -> Body:
    apart = 0.5 + 0.5 * r.swing(r.period(0.28, 0.8))
    high = r.uniform(-0.25, 0.0)
    arm = reach(-0.13 + r.uniform(0.08, 0.25) * apart * r.amplitude, high, 0.28, pole=(0.7, -0.9, -0.2), pronation=0.1)
    return Body(arm, arm)


def brush_teeth(r: Rhythm) -> Body:
    scrub = r.swing(r.period(0.22, 0.5))
    place = r.sway(0.03, 0.3)
    x, y, z = -0.07 + place + 0.02 * r.amplitude * scrub, 0.02, 0.22 + 0.01 * scrub
    return Body(reach(x, y, z, pole=(1.0, -0.4, 0.0), pronation=0.6 + 3 * place))


def comb_hair(r: Rhythm) -> Body:
    s = r.reps(r.period(0.9, 2.2), 0.05, 0.15)
    x, y, z = _travel(r, (-0.05, 0.3, 0.2), (0.02, 0.18, -0.06), s, 0.02)
    return Body(reach(x, y, z, pole=(1.0, -0.2, 0.5), pronation=0.7 - 0.5 * s))


def type_keys(r: Rhythm) -> Body:
    tap = 0.008 * r.swing(r.period(0.18, 0.4))
    arms = [
        reach(-0.05 + r.sway(0.015), -0.3 + tap * k, 0.28 + r.sway(0.01), pole=(0.5, -1.0, -0.2), pronation=1.3 + r.sway(0.04))
        for k in (1, -1)
    ]
    return Body(arms[0], arms[1], sit=1.0, bend=r.uniform(0, 0.2))


def write(r: Rhythm) -> Body:
    line = r.reps(r.period(3.0, 6.0), 0.0, 0.05)
    curl = r.phase(r.period(0.25, 0.6))
    x, z = 0.08 - 0.16 * line + 0.008 * np.cos(curl), 0.3 + 0.01 * np.sin(curl)
    return Body(reach(x, -0.3, z, pole=WING, pronation=0.8 + 0.03 * np.cos(curl)), HELD, sit=1.0, bend=0.2)


def sweep(r: Rhythm) -> Body:
    s = r.swing(r.period(0.9, 2.2)) * r.amplitude
    low = reach(-0.1 + 0.12 * s, -0.42, 0.28 + 0.06 * s, pronation=r.normal(0.4, 0.3))
    high = reach(-0.08 - 0.08 * s, -0.2, 0.25, pronation=0.9)
    return Body(low, high, lean=r.uniform(0.1, 0.4), turn=0.3 * s)


def chop(r: Rhythm) -> Body:
    s = 0.5 + 0.5 * r.swing(r.period(0.3, 0.8))
    x, y, z = _travel(r, (-0.05, -0.32, 0.3), (-0.05, -0.22, 0.29), s, 0.02)
    return Body(reach(x, y, z, pole=(0.8, -0.6, -0.5), pronation=r.normal(0.4, 0.2), wrist=0.1 - 0.2 * s), HELD, bend=0.15)


def knead(r: Rhythm) -> Body:
    s = 0.5 + 0.5 * r.swing(r.period(0.7, 1.6))
    arm = reach(
        -0.08, -0.3 - 0.06 * s, 0.2 + 0.18 * r.amplitude * s, pole=(0.9, -0.4, -0.5), pronation=1.2 + 0.2 * s, wrist=-0.5
    )
    return Body(arm, arm, lean=0.2 + 0.2 * s)


def iron(r: Rhythm) -> Body:
    s, t = r.swing(r.period(1.2, 3.5)), r.swing(r.period(3.0, 6.0))
    return Body(
        reach(0.05 + 0.2 * r.amplitude * s, -0.28, 0.32 + 0.06 * t - 0.05 * s**2, pronation=1.2), HELD, bend=0.15, turn=0.15 * s
    )


def open_door(r: Rhythm) -> Body:
    s = r.reps(r.period(2.5, 4.5), 0.15, 0.25)
    twist = np.sin(np.pi * s) ** 2
    x, y, z = _travel(r, (0.0, -0.22, 0.42), (0.12, -0.25, 0.1), s)
    return Body(reach(x, y, z, pole=(0.7, -0.8, -0.5), pronation=0.9 + r.uniform(-0.9, 0.7) * twist), turn=0.3 * s)


def lift_box(r: Rhythm) -> Body:
    s = r.reps(r.period(2.5, 5.0), r.uniform(0.1, 0.3), r.uniform(0.1, 0.2))
    arm = reach(-0.05, -0.42 + 0.15 * s, 0.26 + 0.02 * s, pronation=0.1 - 0.3 * s)
    return Body(arm, arm, lean=0.9 * (1 - s), squat=r.uniform(0.3, 0.9) * (1 - s))


def punch(r: Rhythm) -> Body:
    beat = r.phase(r.period(0.8, 1.6))
    ours, theirs = (np.clip(np.sin(beat + k), 0, None) ** 3 for k in (0.0, np.pi))
    guard, hit = (-0.08, -0.02, 0.2), (-0.12, 0.04, 0.47)
    arm, other = (
        reach(*_travel(r, guard, hit, s, 0.01), pole=(0.7, -0.8, -0.3), pronation=0.3 + 1.0 * s) for s in (ours, theirs)
    )
    return Body(arm, other, turn=0.35 * (theirs - ours), squat=0.1)


def swim_crawl(r: Rhythm) -> Body:
    angle = r.phase(r.period(1.3, 2.6))
    arms = [
        Arm(1.6 + 1.2 * np.cos(angle + k), 1.2 + 0.5 * np.sin(angle + k), 0.5, 0.6 + 0.5 * np.sin(angle + k), 0.9)
        for k in (0, np.pi)
    ]
    return Body(arms[0], arms[1], lean=r.uniform(0.5, 1.3), turn=0.3 * np.sin(angle))


def conduct(r: Rhythm) -> Body:
    angle, size = r.phase(r.period(1.2, 3.0)), r.uniform(0.08, 0.18) * r.amplitude
    x, y = size * np.sin(angle), size * 0.8 * np.cos(2 * angle)
    arm = reach(x, -0.05 + y, 0.35, pronation=r.normal(0.9, 0.3) + 0.2 * np.sin(angle))
    return Body(arm, arm if r.chance(0.6) else Arm())


def shake_hands(r: Rhythm) -> Body:
    s = r.reps(r.period(2.5, 4.0), 0.45, 0.15)
    pump = np.sin(r.phase(r.period(0.3, 0.6)))
    x, y, z = _travel(r, (0.1, -0.48, 0.08), (-0.05, -0.22, 0.38), s)
    return Body(reach(x, y + 0.04 * r.amplitude * s * pump, z, pronation=0.3 - 0.2 * s))


def salute(r: Rhythm) -> Body:
    s = r.reps(r.period(2.2, 4.5), r.uniform(0.2, 0.4), r.uniform(0.05, 0.2))
    return Body(Arm(0.1 + 1.45 * s, 0.25, 0.1 - 0.8 * s, 0.2 + 2.0 * s, 0.3 + 0.7 * s, -0.1))


def point(r: Rhythm) -> Body:
    s = r.reps(r.period(2.0, 4.5), r.uniform(0.2, 0.5), r.uniform(0.1, 0.3))
    return Body(Arm(0.15 + r.uniform(1.0, 1.6) * s, r.uniform(0.4, 1.6), 0.0, 0.4 + 1.2 * s * (1 - s), r.normal(0.7, 0.4)))


def turn_crank(r: Rhythm) -> Body:
    angle = r.phase(r.period(0.6, 2.0))
    x, y, z = _circle(r, (-0.03, -0.2, 0.32), r.uniform(0.08, 0.15) * r.amplitude, angle, "yz" if r.chance(0.6) else "xy")
    return Body(reach(x, y, z, pronation=r.normal(0.9, 0.3)), HELD, bend=0.05 * np.sin(angle))


def row_boat(r: Rhythm) -> Body:
    s = 0.5 + 0.5 * r.swing(r.period(1.4, 3.2))
    arm = reach(0.0 + 0.05 * s, -0.12 - 0.08 * s, 0.48 - 0.33 * s, pole=(0.6, -0.7, -0.6), pronation=1.4)
    return Body(arm, arm, sit=1.0, lean=0.5 - 0.65 * s * r.amplitude)


def draw_circle(r: Rhythm) -> Body:
    angle = r.phase(r.period(1.0, 3.0))
    x, y, z = _circle(r, (0.0, 0.05, 0.38), r.uniform(0.1, 0.22) * r.amplitude, angle, "xy")
    return Body(reach(x, y, z, pole=(0.8, -0.9, 0.0), pronation=r.normal(0.9, 0.4)))


def swipe_left(r: Rhythm) -> Body:
    return _swipe(r, 1.0)


def swipe_right(r: Rhythm) -> Body:
    return _swipe(r, -1.0)


def _swipe(r: Rhythm, inwards: float) -> Body:
    s = r.reps(r.period(1.4, 3.0), r.uniform(0.0, 0.2), r.uniform(0.1, 0.3))
    x, y, z = _travel(r, (0.05 + 0.2 * inwards, -0.1, 0.36), (0.05 - 0.25 * inwards, -0.05, 0.36), s)
    return Body(reach(x, y, z, pole=(0.8, -0.9, 0.0), pronation=r.normal(0.5, 0.4)), turn=-0.15 * inwards * s)


def catch(r: Rhythm) -> Body:
    s = r.reps(r.period(1.8, 3.2), 0.1, r.uniform(0.1, 0.25))
    give = np.sin(np.pi * s) ** 2
    x, y, z = _travel(r, (0.0, -0.35, 0.2), (-0.08, 0.0, 0.3), s)
    arm = reach(x, y, z + 0.1 * give, pole=(0.7, -0.9, -0.2), pronation=0.3 - 0.3 * s)
    return Body(arm, arm if r.chance(0.7) else Arm(), squat=0.1 * s)


def arm_curl(r: Rhythm) -> Body:
    s = r.stroke(r.period(1.0, 3.5), 0.2, 0.2)
    arm = Arm(0.1 + 0.25 * s, 1.2, 0.0, 0.2 + 1.9 * s * min(1.0, r.amplitude), r.normal(-1.1, 0.4) if r.chance(0.7) else 0.1)
    return Body(arm, arm if r.chance(0.4) else Arm(), lean=-0.05 * s, sit=float(r.chance(0.3)))


def push(r: Rhythm) -> Body:
    s = r.reps(r.period(1.4, 3.2), r.uniform(0.0, 0.3), r.uniform(0.0, 0.2))
    x, y, z = _travel(r, (0.0, -0.12, 0.18), (-0.03, -0.05, 0.46), s)
    arm = reach(x, y, z, pole=(0.9, -0.7, -0.3), pronation=r.normal(0.9, 0.3), wrist=-0.6)
    return Body(arm, arm if r.chance(0.7) else Arm(), lean=0.05 + 0.15 * s)


def walk(r: Rhythm) -> Body:
    return _locomotion(r, r.uniform(0.95, 1.3), 0.42, r.uniform(1.0, 1.5), 0.02, r.uniform(0.15, 0.5), r.uniform(0.15, 0.5))


def jog(r: Rhythm) -> Body:
    return _locomotion(r, r.uniform(0.66, 0.8), 0.6, r.uniform(2.0, 3.0), 0.035, r.uniform(0.35, 0.7), r.uniform(1.2, 1.7))


def _locomotion(r: Rhythm, cycle: float, stride: float, speed: float, bounce: float, amount: float, elbow: float) -> Body:
    moving = _gait(r, Body(Arm(), lean=0.02 + 0.12 * (stride - 0.4)), cycle, stride, speed, bounce)
    step = np.asarray(moving.step)
    ahead = [-np.sin(step), np.sin(step)]  # each arm swings with the opposite leg
    amount *= r.amplitude
    arms = [swing(0.12, 0.05 + amount * a, elbow=elbow + 0.35 * amount * (1 + a), pronation=0.4) for a in ahead]
    return replace(moving, arm=arms[0], other=arms[1])


def eat(r: Rhythm) -> Body:
    s = r.reps(r.period(1.8, 4.0), r.uniform(0.05, 0.2), r.uniform(0.1, 0.3))
    x, y, z = _travel(r, (-0.05, -0.28, 0.3), (-0.08, -0.02, 0.24), s, 0.02)
    return Body(reach(x, y, z, pole=(0.9, -0.7, 0.0), pronation=0.9 - 1.1 * s), HELD, sit=1.0, bend=0.15)


def pick_up(r: Rhythm) -> Body:
    s = r.reps(r.period(2.5, 4.5), r.uniform(0.05, 0.15), r.uniform(0.15, 0.35))
    low = r.uniform(0.5, 1.0)
    arm = swing(0.1, 0.1 + 1.3 * s, elbow=0.25 + 0.4 * s * (1 - s), pronation=0.4 + 0.5 * s)
    return Body(arm, lean=(1.6 - 0.7 * low) * s, squat=low * 0.8 * s)


def shelve(r: Rhythm) -> Body:
    s = r.reps(r.period(2.0, 4.5), r.uniform(0.1, 0.3), r.uniform(0.1, 0.3))
    x, y, z = _travel(r, (0.0, -0.35, 0.22), (0.0, r.uniform(0.15, 0.3), 0.28), s)
    return Body(reach(x, y, z, pole=(1.0, -0.4, 0.1), pronation=r.normal(0.2, 0.4)), bend=-0.1 * s)


def paint_wall(r: Rhythm) -> Body:
    s = 0.5 + 0.5 * r.swing(r.period(1.2, 3.5))
    x, y, z = _travel(r, (0.05, -0.3, 0.34), (0.05, 0.36, 0.32), s)
    return Body(reach(x + r.sway(0.05, 0.2), y, z, pole=(1.0, -0.4, 0.1), pronation=r.normal(0.7, 0.4)), squat=0.1 * (1 - s))


def rest(r: Rhythm) -> Body:
    still = Arm(r.uniform(0.05, 0.3), r.uniform(0.0, 1.2), r.normal(0.1, 0.3), r.uniform(0.1, 1.4), r.spread(0.4, 0.4))
    return Body(still, still if r.chance(0.5) else Arm(), sit=float(r.chance(0.4)))


def look_at_watch(r: Rhythm) -> Body:
    s = r.reps(r.period(2.5, 5.0), r.uniform(0.25, 0.5), r.uniform(0.1, 0.3))
    x, y, z = _travel(r, (0.1, -0.48, 0.08), (-0.1, -0.1, 0.28), s)
    return Body(reach(x, y, z, pole=WING, pronation=0.4 + 0.8 * s))


def cross_arms(r: Rhythm) -> Body:
    s = r.reps(r.period(2.0, 4.5), r.uniform(0.2, 0.45), r.uniform(0.1, 0.2))
    arm = reach(0.12 - 0.36 * s, -0.45 + 0.26 * s, 0.1 + 0.15 * s, pole=(0.6, -0.9, 0.1), pronation=0.4 + 0.6 * s)
    return Body(arm, arm)
