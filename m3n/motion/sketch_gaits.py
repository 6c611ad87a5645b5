"""Postures of sketches that go on by themselves: walking, running, stairs, and the machines of a gym.

Hips and knees of walking follow the curves of normal gait (Winter, Biomechanics and Motor Control of Human Movement, 1991);
arms swing against the legs. Everything is drawn from wide ranges, and every signal has two continuous derivatives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from m3n.motion.rhythm import Array, Rhythm
from m3n.motion.sketch_behaviour import (
    Behaviour,
    NaturalArm,
    Pulling,
    Resting,
    Signal,
    Swing,
    Wish,
    both,
    cycle_of,
    either_way,
    wished,
)  # fmt: skip
from m3n.motion.sketch_timing import rise


def _curve(step: Array, at: float, sharpness: float) -> Array:
    """A smooth hump once a cycle, 1 at the share `at` of it (von Mises)."""
    return np.asarray(np.exp(sharpness * (np.cos(step - 2 * np.pi * at) - 1)))


def _legs(step: Array, stride: float, stance_knee: float, swing_knee: float, lifted: float = 0.0) -> dict[str, Signal]:
    """Hips, knees and ankles of a gait whose left heel strikes at step 0; `stride`: amplitude of the hips [rad]."""
    legs: dict[str, Signal] = {}
    for side, shift in (("left", 0.0), ("right", np.pi)):
        angle = step + shift
        knee = 0.08 + stance_knee * _curve(angle, 0.14, 6.0) + swing_knee * _curve(angle, 0.73, 4.5)
        hip = 0.45 * stride + stride * np.cos(angle + 0.25) + lifted * _curve(angle, 0.9, 3.0)
        legs |= {
            f"hip_{side}": hip,
            f"knee_{side}": knee,
            f"ankle_{side}": 0.5 * (knee - hip) - 0.3 * _curve(angle, 0.62, 12.0),
        }
    return legs


def _swinging(
    r: Rhythm, step: Array, amount: float, elbow: tuple[float, float], pump: float = 0.35, centre: float = 0.0
) -> tuple[Swing, Swing]:
    """Arms that swing against the legs by `amount` [rad] each way."""
    wide, axial, turn = r.uniform(0.05, 0.25), r.normal(0.15, 0.2), r.normal(0.45, 0.35)
    bent, late = r.uniform(*elbow), r.normal(0.0, 0.25)
    arms = []
    for k in (np.pi, 0.0):  # the left arm is ahead when the right heel strikes
        own = amount * r.uniform(0.75, 1.2)
        ahead = np.cos(step + k - late) + r.uniform(-0.12, 0.12) * np.cos(2 * (step + k)) + r.sway(0.06, 0.3)
        arms.append(
            Swing(
                wide + 0.12 * own * ahead + r.normal(0, 0.03),
                centre + own * ahead,
                axial + r.normal(0.1, 0.3) * own * ahead,
                bent + r.normal(0, 0.08) + pump * own * (1 + ahead),
                turn + r.normal(0, 0.15) + r.normal(0.2, 0.3) * own * ahead,
            )
        )
    return arms[0], arms[1]


def _gait(r: Rhythm, step: Array, bounce: float, speed: float) -> dict[str, Signal]:
    beat = 2 * (step - 0.4)
    return {
        "support": 0.0,
        "lift": -bounce * np.cos(beat) - r.uniform(0.0, 0.12) * bounce * np.cos(2 * beat + r.uniform(-0.6, 0.6)),
        "forward": speed * (1 + r.uniform(0.02, 0.08) * np.sin(beat)),
        "left": r.uniform(0.02, 0.09) * np.cos(step),
    }


def _walking(r: Rhythm, wish: Wish) -> Behaviour:
    cycle = cycle_of(wish, r, 0.9, 1.45)
    step = r.phase(cycle)
    stride = wished(wish.stride, r, 0.28, 0.48, np.pi / 180) * min(1.0, r.amplitude + 0.1)
    swing = wished(wish.swing, r, 0.08, 0.55, np.pi / 180) * r.amplitude
    channels = _legs(step, stride, 0.25 * stride / 0.4, r.uniform(0.8, 1.05))
    channels |= {"lean": r.normal(0.04, 0.04), "turn": 0.25 * stride * np.cos(step), "tilt": r.uniform(0, 0.04) * np.sin(step)}
    moving = _gait(r, step, r.uniform(0.012, 0.028), 3.4 * stride / cycle)
    return Behaviour(channels, moving, _swinging(r, step, swing, (0.15, 0.6)))


def _running(r: Rhythm, wish: Wish) -> Behaviour:
    cycle = cycle_of(wish, r, 0.6, 0.8)
    step = r.phase(cycle)
    stride = wished(wish.stride, r, 0.45, 0.75, np.pi / 180)
    swing = wished(wish.swing, r, 0.3, 0.75, np.pi / 180) * r.amplitude
    channels = _legs(step, stride, 0.4, r.uniform(1.2, 1.8))
    channels |= {"lean": r.uniform(0.03, 0.2), "turn": 0.3 * stride * np.cos(step)}
    beat = 2 * (step - 0.7)
    bounce = min(r.uniform(0.025, 0.045), 11.0 / (4 * np.pi / cycle) ** 2)
    moving: dict[str, Signal] = {"support": 0.0, "forward": 3.0 * stride / cycle + r.uniform(0, 1.0),
                                 "left": r.uniform(0.02, 0.08) * np.cos(step),
                                 "lift": bounce * (np.cos(beat) - r.uniform(0.05, 0.11) * np.cos(2 * beat))}  # fmt: skip
    return Behaviour(channels, moving, _swinging(r, step, swing, (1.1, 1.8), 0.2, -0.1))


def _jumping(r: Rhythm, wish: Wish) -> Behaviour:
    cycle = cycle_of(wish, r, 0.5, 1.3)
    step = r.phase(cycle)
    high = min(r.uniform(0.05, 0.25), 9.0 / (2 * np.pi / cycle) ** 2)
    crouch = (0.5 - 0.5 * np.cos(step)) ** 2 * r.uniform(0.15, 0.5)
    channels = {
        **both("hip", 1.1 * crouch),
        **both("knee", 1.9 * crouch),
        **both("ankle", 0.8 * crouch),
        "lean": 0.5 * crouch,
    }
    swing = wished(wish.swing, r, 0.05, 0.8, np.pi / 180) * np.sin(step + r.normal(0, 0.5))
    arm = Swing(r.uniform(0.1, 0.4), 0.15 + swing, 0.1, r.uniform(0.2, 1.2) + 0.2 * swing, r.normal(0.4, 0.3))
    return Behaviour(channels, {"lift": high * np.cos(0.5 * step) ** 4, "support": 1.0}, (arm, arm))


def _side_steps(r: Rhythm, wish: Wish) -> Behaviour:
    cycle = cycle_of(wish, r, 0.8, 1.6)
    step = r.phase(cycle)
    to_side = np.tanh(3 * np.sin(step * 0.25 + r.uniform(0, 6)))
    apart = 0.12 + 0.14 * np.cos(step)
    channels = {**both("apart", apart), **both("hip", 0.2), **both("knee", 0.4), "tilt": 0.04 * to_side}
    moving: dict[str, Signal] = {"left": 0.5 * to_side * (1 + 0.3 * np.cos(step)), "lift": 0.02 * np.cos(step), "support": 0.0}
    return Behaviour(channels, moving, _swinging(r, step, wished(wish.swing, r, 0.05, 0.3, np.pi / 180), (0.3, 1.5)))


def _stairs(up: bool) -> Callable[[Rhythm, Wish], Behaviour]:
    def climb(r: Rhythm, wish: Wish) -> Behaviour:
        cycle = cycle_of(wish, r, 0.95, 1.5)
        step = r.phase(cycle)
        stride = wished(wish.stride, r, 0.22, 0.36, np.pi / 180)
        channels = _legs(step, stride, 0.35 if up else 0.2, r.uniform(0.9, 1.2), 0.45 if up else 0.1)
        channels |= {"lean": r.uniform(0.05, 0.3) if up else r.uniform(-0.02, 0.1), "turn": 0.2 * stride * np.cos(step),
                     "nod": 0.0 if up else 0.25}  # fmt: skip
        rising = r.uniform(0.3, 0.36) / cycle
        beat = 2 * (step - (0.9 if up else 0.3))
        moving: dict[str, Signal] = {
            "support": 0.0, "forward": 0.56 / cycle, "left": r.uniform(0.02, 0.08) * np.cos(step),
            "up": (1.0 if up else -1.0) * rising * (1 + r.uniform(0.3, 0.75) * np.cos(beat)),
            "lift": r.uniform(0.0, 0.012) * np.cos(beat + 1.0),
        }  # fmt: skip
        arms: tuple[NaturalArm, NaturalArm] = _swinging(
            r, step, wished(wish.swing, r, 0.05, 0.4, np.pi / 180) * r.amplitude, (0.2, 0.8)
        )
        if r.chance(0.25):  # one hand slides along the rail
            place = r.uniform(0.08, 0.2)
            share = 0.5 + 0.5 * np.cos(0.5 * step)
            arms = (Pulling((place, -0.28, 0.12), (place, -0.22, 0.4), share, "out", "down"), arms[1])
        return Behaviour(channels, moving, arms if r.chance(0.5) else arms[::-1])

    return climb


def _turning(r: Rhythm, wish: Wish) -> Behaviour:
    start, stop = wish.inner
    angle = wished(wish.heading, r, 60, 200) * np.pi / 180 * either_way(r)
    turned = rise(r.t, start, stop) * angle
    step = r.phase(cycle_of(wish, r, 0.9, 1.4))
    rate = np.gradient(turned, r.t)
    pace = np.abs(rate) / max(float(np.abs(rate).max()), 1e-6)
    pace = pace**2 / (pace**2 + 0.05)  # feet step while the body turns
    stride = r.uniform(0.1, 0.25)
    channels = {name: 0.1 + pace * value for name, value in _legs(step, stride, 0.15, r.uniform(0.5, 0.8)).items()}
    channels["turn"] = r.uniform(0.0, 0.25) * rate / max(float(np.abs(rate).max()), 1e-6)
    arms = _swinging(r, step, r.uniform(0.02, 0.2), (0.15, 0.6))
    ahead = np.asarray(channels["turn"]) * r.uniform(0, 1.5)
    arms = (
        replace(arms[0], sideways=arms[0].sideways + 0.3 * np.abs(ahead), forwards=arms[0].forwards - ahead),
        replace(arms[1], sideways=arms[1].sideways + 0.3 * np.abs(ahead), forwards=arms[1].forwards + ahead),
    )
    moving: dict[str, Signal] = {"spin": rate, "support": 0.0, "lift": 0.008 * pace * np.cos(2 * step),
                                 "forward": r.uniform(0, 0.4) * pace}  # fmt: skip
    return Behaviour(channels, moving, arms)


def _cycling(r: Rhythm, wish: Wish) -> Behaviour:
    step = r.phase(cycle_of(wish, r, 0.55, 1.1))
    channels: dict[str, Signal] = {"lean": r.uniform(0.25, 0.8), "bend": r.uniform(0.1, 0.4), "nod": -0.3}
    for side, shift in (("left", 0.0), ("right", np.pi)):
        up = np.cos(step + shift)
        channels |= {f"hip_{side}": 0.95 + 0.38 * up, f"knee_{side}": 1.25 + 0.6 * np.cos(step + shift + 0.4)}
    rock = r.uniform(0.0, 0.03) * np.sin(step)
    shaken = r.uniform(0.0, 0.0015) * np.asarray(
        sum(np.sin(2 * np.pi * r.uniform(4, 10) * r.t + r.uniform(0, 6)) for _ in range(4))
    )
    channels["tilt"] = rock
    moving: dict[str, Signal] = {
        "support": 0.0,
        "height": 1.0,
        "lift": shaken,
        "forward": r.uniform(0, 7) if r.chance(0.6) else 0.0,
    }
    places = {"handlebar": 1.0}
    return Behaviour(channels, moving, (Resting(places, 25.0), Resting(places, 25.0)))


def _rowing(r: Rhythm, wish: Wish) -> Behaviour:
    step = r.phase(cycle_of(wish, r, 1.6, 3.4))
    step = step + 0.35 * np.sin(step)  # the drive is quicker than the recovery
    drive = 0.5 - 0.5 * np.cos(step)  # 0 at the catch, 1 at the finish
    late = 0.5 - 0.5 * np.cos(step - r.uniform(0.2, 0.6))
    size = r.uniform(0.75, 1.05)
    channels = {
        "lean": 0.45 - 0.8 * size * late,
        **both("hip", 1.9 - 0.6 * size * drive),
        **both("knee", 1.95 - 1.7 * size * drive),
    }
    moving: dict[str, Signal] = {"support": 0.0, "height": 0.4, "forward": -np.gradient(0.45 * size * drive, r.t)}
    high = r.uniform(-0.3, -0.15)
    pull = Pulling((-0.03, high - 0.06, 0.5), (-0.02, high, 0.16), late, "back", "down")
    return Behaviour(channels, moving, (pull, pull))


def _stepper(r: Rhythm, wish: Wish) -> Behaviour:
    step = r.phase(cycle_of(wish, r, 0.9, 1.8))
    size = r.uniform(0.25, 0.5)
    channels: dict[str, Signal] = {"lean": r.uniform(0.05, 0.35), "tilt": 0.06 * np.sin(step), "turn": 0.06 * np.sin(step)}
    for side, up in (("left", 0.5 + 0.5 * np.sin(step)), ("right", 0.5 - 0.5 * np.sin(step))):
        channels |= {f"hip_{side}": 0.25 + size * up, f"knee_{side}": 0.3 + 1.5 * size * up}
    moving: dict[str, Signal] = {"support": 0.0, "lift": 0.012 * np.cos(2 * step), "left": r.uniform(0.02, 0.1) * np.cos(step)}
    arms: tuple[NaturalArm, NaturalArm] = (Resting({"rail": 0.5, "handlebar": 0.5}, 15.0),) * 2
    if r.chance(0.4):
        arms = _swinging(r, step + np.pi / 2, wished(wish.swing, r, 0.1, 0.45, np.pi / 180), (0.6, 1.6))
    return Behaviour(channels, moving, arms)


def _cross_trainer(r: Rhythm, wish: Wish) -> Behaviour:
    step = r.phase(cycle_of(wish, r, 0.9, 1.7))
    channels = _legs(step, r.uniform(0.2, 0.35), 0.3, r.uniform(0.5, 0.8))
    channels |= {"lean": r.uniform(0.0, 0.2), "turn": r.uniform(0.05, 0.2) * np.cos(step)}
    high, long, centre = r.uniform(-0.2, 0.0), r.uniform(0.1, 0.2) * r.amplitude, r.uniform(0.3, 0.36)
    arms = [
        Pulling(
            (0.0, high - 0.03, centre - long), (0.0, high, min(centre + long, 0.5)), 0.5 - 0.5 * np.cos(step + k), "down", "in"
        )
        for k in (0.0, np.pi)
    ]
    return Behaviour(channels, {"support": 0.0, "lift": 0.015 * np.cos(2 * step)}, (arms[0], arms[1]))


GAITS: dict[str, Callable[[Rhythm, Wish], Behaviour]] = {
    "walking": _walking,
    "running": _running,
    "jumping": _jumping,
    "side steps": _side_steps,
    "stairs up": _stairs(up=True),
    "stairs down": _stairs(up=False),
    "turning": _turning,
    "cycling": _cycling,
    "rowing": _rowing,
    "stepper": _stepper,
    "cross trainer": _cross_trainer,
}
