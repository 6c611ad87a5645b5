"""What the whole body does in each posture of a sketch. What is still sways, breathes and fidgets; what moves is in
`sketch_gaits`. Everything is drawn from wide ranges, and every signal has two continuous derivatives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from m3n.motion.rhythm import Rhythm
from m3n.motion.sketch import Sketch
from m3n.motion.sketch_behaviour import Behaviour, Pulling, Resting, Signal, Wish, both, either_way
from m3n.motion.sketch_gaits import GAITS

LYING = ("lying on back", "lying on front", "lying on side")


def behaviour(posture: str, r: Rhythm, sketch: Sketch, inner: tuple[float, float], alike: bool = False) -> Behaviour:
    """How somebody behaves in a posture over `r.t`; `alike`: both arms rest in the same way."""
    wish = Wish(sketch.cycle_s, sketch.swing, sketch.stride, sketch.heading, inner)
    if posture == "lying":
        posture = LYING[int(r.rng.integers(len(LYING)))]
    made = _POSTURES[posture](r, wish)
    heading = wish.heading
    if heading is not None and posture != "turning":
        made.moving["spin"] = (
            np.deg2rad(heading.draw(r.rng)) * either_way(r) * (1 + r.sway(0.3, 0.2)) / max(r.t[-1] - r.t[0], 1.0)
        )
    if isinstance(made.arms[0], Resting) and (alike or r.chance(0.6)):
        place = _pick(r, made.arms[0].places)
        made.arms = (_mostly(made.arms[0], place), _mostly(made.arms[0], place))
    breath = r.uniform(0.002, 0.008) * np.sin(2 * np.pi * r.t * r.uniform(0.18, 0.4) + r.uniform(0, 6.3))
    _add(made.channels, "bend", breath + r.sway(0.008))
    _add(made.channels, "tilt", r.sway(0.008))
    _add(made.channels, "turn", r.sway(0.015))
    _add(made.channels, "nod", r.normal(0.1, 0.15) + r.sway(0.05, 0.3))
    return made


def _add(channels: dict[str, Signal], name: str, value: Signal) -> None:
    channels[name] = channels.get(name, 0.0) + value


def _pick(r: Rhythm, places: Mapping[str, float]) -> str:
    names, edges = list(places), np.cumsum(list(places.values()))
    return names[int(np.searchsorted(edges, r.rng.random() * edges[-1], side="right"))]


def _mostly(arm: Resting, place: str) -> Resting:
    """The same places, one of them first."""
    return Resting({place: 1.0, **{name: 0.05 * w for name, w in arm.places.items() if name != place}}, arm.every_s)


def _standing(r: Rhythm, wish: Wish) -> Behaviour:
    soft = r.uniform(0.0, 0.12)
    shift = r.sway(0.03, 0.15)  # weight from one leg to the other
    places = {"side": 0.6, "pocket": 0.1, "hip": 0.06, "belly": 0.07, "phone": 0.05, "back": 0.04, "opposite elbow": 0.05}
    return Behaviour(
        {"lean": r.uniform(-0.03, 0.06) + r.sway(0.008), "tilt": shift, "apart_left": 0.02 + shift, "apart_right": 0.02 - shift,
         **both("hip", soft), **both("knee", 2 * soft), **both("ankle", soft)},
        {"left": r.sway(0.01, 0.3)},
        (Resting(places), Resting(places)),
    )  # fmt: skip


def _sitting(r: Rhythm, wish: Wish) -> Behaviour:
    hips = [r.normal(1.45, 0.08) for _ in range(2)]
    knees = [r.normal(1.5, 0.2) for _ in range(2)]
    places = {"lap": 0.28, "thigh": 0.2, "knee": 0.06, "table": 0.16, "armrest": 0.1, "phone": 0.07, "opposite elbow": 0.05,
              "side": 0.03, "chin": 0.03, "belly": 0.04}  # fmt: skip
    return Behaviour(
        {"lean": r.normal(-0.03, 0.12) + r.sway(0.015, 0.3), "bend": r.uniform(0.0, 0.3), "hip_left": hips[0],
         "hip_right": hips[1], "knee_left": knees[0], "knee_right": knees[1], "apart_left": r.uniform(0.0, 0.25),
         "apart_right": r.uniform(0.0, 0.25)},
        {},
        (Resting(places), Resting(places)),
    )  # fmt: skip


def _sitting_on_floor(r: Rhythm, wish: Wish) -> Behaviour:
    knee = r.uniform(0.1, 2.0)
    places = {"thigh": 0.3, "lap": 0.3, "knee": 0.2, "side": 0.2}
    channels = {
        "lean": r.normal(0.0, 0.12),
        "bend": r.uniform(0.0, 0.35),
        **both("hip", 1.4 + 0.45 * knee),
        **both("knee", knee),
    }
    return Behaviour(channels, {}, (Resting(places), Resting(places)))


def _kneeling(r: Rhythm, wish: Wish) -> Behaviour:
    back = r.uniform(0.0, 0.9) if r.chance(0.6) else 0.0  # sitting back on the heels
    places = {"thigh": 0.5, "side": 0.25, "belly": 0.15, "hip": 0.1}
    channels = {
        "lean": r.uniform(-0.05, 0.4),
        **both("hip", 0.9 * back),
        **both("knee", 1.57 + 0.9 * back),
        **both("ankle", -0.9),
    }
    return Behaviour(channels, {}, (Resting(places), Resting(places)))


def _squatting(r: Rhythm, wish: Wish) -> Behaviour:
    depth = r.uniform(0.75, 1.05)
    places = {"knee": 0.45, "thigh": 0.2, "low front": 0.35}
    channels = {"lean": r.uniform(0.2, 0.6) + r.sway(0.02), "bend": r.uniform(0, 0.3), **both("hip", 1.6 * depth),
                **both("knee", 2.1 * depth), **both("ankle", 0.45 * depth)}  # fmt: skip
    return Behaviour(channels, {}, (Resting(places, 7.0), Resting(places, 7.0)))


def _bent_over(r: Rhythm, wish: Wish) -> Behaviour:
    soft = r.uniform(0.02, 0.35)
    channels = {"lean": r.uniform(0.6, 1.4) + r.sway(0.02), "bend": r.uniform(0, 0.4), **both("hip", soft),
                **both("knee", 2 * soft), **both("ankle", soft)}  # fmt: skip
    places = {"floor": 0.6, "knee": 0.3, "shin": 0.1}
    return Behaviour(channels, {}, (Resting(places, 8.0), Resting(places, 8.0)))


def _lying(pitch: float, roll: float, places: Mapping[str, float]) -> Callable[[Rhythm, Wish], Behaviour]:
    def lie(r: Rhythm, wish: Wish) -> Behaviour:
        drawn_up = r.uniform(0.0, 1.0) * (0.3 if pitch > 0 else 1.0)
        propped = r.uniform(0.0, 0.4) if pitch < 0 and not roll else 0.0
        channels: dict[str, Signal] = {
            "pitch": pitch + r.normal(0, 0.04), "roll": roll * either_way(r) + r.normal(0, 0.08), "lean": propped,
            "hip_left": 0.8 * drawn_up, "hip_right": 0.8 * drawn_up * r.uniform(0.2, 1.1),
            "knee_left": 1.4 * drawn_up, "knee_right": 1.4 * drawn_up * r.uniform(0.4, 1.1),
        }  # fmt: skip
        return Behaviour(channels, {}, (Resting(places, 20.0), Resting(places, 20.0)))

    return lie


def _plank(r: Rhythm, wish: Wish) -> Behaviour:
    r_hands = (r.uniform(0.02, 0.12), r.uniform(-0.15, 0.0), r.uniform(0.47, 0.51))
    hold = Pulling(r_hands, r_hands, np.zeros(len(r.t)), elbow="out", palm="forward")
    return Behaviour({"pitch": 1.2, "lean": r.normal(0.02, 0.06), **both("ankle", 0.9)}, {}, (hold, hold))


def _hanging(r: Rhythm, wish: Wish) -> Behaviour:
    grip = (r.uniform(-0.05, 0.25), 0.5, r.uniform(0.0, 0.1))
    hold = Pulling(grip, grip, np.zeros(len(r.t)), elbow="out", palm="forward")
    swaying = r.sway(0.04, 0.5)
    return Behaviour({"pitch": swaying, **both("knee", r.uniform(0, 1.5))}, {}, (hold, hold))


_POSTURES: dict[str, Callable[[Rhythm, Wish], Behaviour]] = {
    **GAITS,
    "standing": _standing,
    "sitting": _sitting,
    "sitting on floor": _sitting_on_floor,
    "kneeling": _kneeling,
    "squatting": _squatting,
    "bent over": _bent_over,
    "lying on back": _lying(-np.pi / 2, 0.0, {"side": 0.45, "belly": 0.25, "chest": 0.1, "head": 0.08, "out": 0.12}),
    "lying on front": _lying(np.pi / 2, 0.0, {"side": 0.3, "forehead": 0.35, "overhead": 0.15, "ear": 0.2}),
    "lying on side": _lying(-np.pi / 2, np.pi / 2, {"front": 0.4, "ear": 0.2, "belly": 0.2, "hip": 0.2}),
    "plank": _plank,
    "hanging": _hanging,
}
