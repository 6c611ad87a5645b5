"""Gestures and sports strokes, made once from a standing pose with hanging arms; each is a formula in anatomical terms.

They have the names of UTD-MHAD's arm actions (Chen, Jafari and Kehtarnavaz 2015) and were authored from these names alone, without
looking at a pose; ranges were widened where recordings of its subjects s5 and s6 were mistaken for other gestures. A finished clip
always uses the right arm, as the names imply; here, as everywhere in `posture`, the acting arm is the left one.

A hand passes through stations, points in metres from its shoulder (outwards, up, forward), with minimum jerk between them (Flash
and Hogan 1985); consecutive strokes overlap by a random share, which rounds the corners (Flash and Henis 1991).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from m3n.motion.posture import Arm, Body, Signal, reach
from m3n.motion.rhythm import Array, Rhythm, minimum_jerk

HANG = np.array([0.08, -0.5, 0.04])  # where the hand of a hanging arm is
SHOULDERS = 0.36  # from one shoulder to the other [m]
SHORTEST, LONGEST = 1.4, 4.5  # seconds of a clip
QUICKEST = 0.16  # seconds of a way, at least
OUT, DOWN = (1.0, -0.5, -0.3), (0.5, -1.0, -0.2)  # where elbows point
HIGH = (1.0, -0.3, 0.4)  # and where they do when the hand goes above the shoulder, so that they need not flip on the way

Station = tuple[float, float, float, float]  # x, y, z of the hand [m], pronation of the forearm [rad]


class Course:
    """When a gesture is where: times (n + 1,) of the stations of one performance, of ways that take `seconds` (n,) or so.

    The performance is as fast or slow as the person, hurried where the clip is short, and lies anywhere in the clip, of which its
    ends may stick out a little, as in recordings that were cut by hand.
    """

    def __init__(self, r: Rhythm, seconds: Sequence[float]) -> None:
        spans = np.array(seconds) * r.period(0.65, 1.6) * np.exp(0.2 * np.clip(r.rng.standard_normal(len(seconds)), -2, 2))
        spans = np.maximum(spans * min(1.0, 0.95 * r.t[-1] / spans.sum()), QUICKEST)
        start = r.uniform(-0.1, 1.1) * (r.t[-1] - spans.sum())
        self.r = r
        self.times = start + np.concatenate([[0.0], np.cumsum(spans)])
        self.overlap = r.uniform(0.0, 0.4)

    def through(self, values: Sequence[float]) -> Array:
        """Signal (frames,) that goes by these values (n + 1,), still before the first and after the last."""
        spans = np.diff(self.times)
        shorter = np.minimum(np.append(spans, spans[-1]), np.insert(spans, 0, spans[0])) * self.overlap
        shorter[[0, -1]] = 0.0
        signal = np.full(len(self.r.t), float(values[0]))
        for k, span in enumerate(spans):
            way = np.array([self.times[k] - shorter[k], self.times[k] + span + shorter[k + 1]])
            signal += minimum_jerk(self.r.t, way, np.array([0.0, values[k + 1] - values[k]]))
        return signal

    def bump(self, first: int, last: int, top: float = 1.0) -> Array:
        """Signal (frames,) that is `top` from station `first` to station `last`, and 0 at the others."""
        return self.through([top * (first <= k <= last) for k in range(len(self.times))])

    def beats(self, first: int, last: int, low_hz: float, high_hz: float) -> Array:
        """Sine (frames,) of a frequency drawn between these, that swells and fades between stations `first` and `last`."""
        rate = self.r.period(low_hz, high_hz)
        start = self.times[first]
        return np.asarray(self.bump(first, last) * np.sin(2 * np.pi * rate * (self.r.t - start) + 0.3 * self.r.sway(1.0)))

    def points(self, stations: Sequence[Station], spread: float = 0.045) -> tuple[Array, Array, Array, Array]:
        """x, y, z and pronation (frames,) of a hand that leaves the hanging arm, goes by the stations and hangs again."""
        r = self.r
        size = float(np.clip(r.amplitude * r.uniform(0.85, 1.1), 0.6, 1.2))
        twist = r.normal(0.0, 0.4)
        hang = np.array([*(HANG + 0.03 * r.rng.standard_normal(3)), r.normal(0.4, 0.35) - twist])
        via = np.array(stations)
        via[:, :3] = hang[:3] + (via[:, :3] - hang[:3]) * size + spread * np.clip(r.rng.standard_normal((len(via), 3)), -2, 2)
        via[:, 3] += 0.2 * np.clip(r.rng.standard_normal(len(via)), -2, 2)
        ways = np.concatenate([hang[None], via, hang[None]])
        x, y, z, pronation = (self.through(list(way)) for way in ways.T)
        return x, y, z, pronation + twist

    def hand(
        self, stations: Sequence[Station], pole: tuple[float, float, float] = DOWN, spread: float = 0.045, **others: Signal
    ) -> Arm:
        """The arm of that hand, its elbow towards `pole` or so; `others` are the wrist and the shrug, as in `Arm`."""
        x, y, z, pronation = self.points(stations, spread)
        tilted = tuple(p + self.r.normal(0.0, 0.3) for p in pole)
        return reach(x, y, z, pole=tilted, pronation=pronation, **others)  # type: ignore[arg-type]


def _turned(course: Course, values: Sequence[float]) -> Array:
    """Twist of the trunk (frames,), as much of it as this person uses."""
    return course.through(values) * course.r.uniform(0.2, 1.2)


def _elbow(r: Rhythm) -> tuple[float, float, float]:
    """Where the elbow points: half of the people lift it out, half let it hang."""
    return OUT if r.chance(0.5) else DOWN


def _other(r: Rhythm) -> Arm:
    return Arm(pronation=r.normal(0.4, 0.3), elbow=r.uniform(0.1, 0.5))


def swipe_left(r: Rhythm) -> Body:
    return _swipe(r, 1.0)


def swipe_right(r: Rhythm) -> Body:
    return _swipe(r, -1.0)


def _swipe(r: Rhythm, inwards: float) -> Body:
    course = Course(r, (0.6, r.uniform(0.3, 0.8), 0.6))
    high, ahead, palm = r.uniform(-0.35, 0.12), r.uniform(0.2, 0.44), r.normal(0.6, 0.5)
    near = (r.uniform(-0.42, -0.2), high + r.normal(0, 0.05), ahead - 0.06, palm)
    far = (r.uniform(0.15, 0.48), high + r.normal(0, 0.08), ahead, palm + r.normal(0, 0.3))
    stations = (far, near) if inwards > 0 else (near, far)
    arm = course.hand(stations, _elbow(r))
    return Body(arm, _other(r), turn=_turned(course, (0, 0.15 * inwards, -0.2 * inwards, 0)))


def wave(r: Rhythm) -> Body:
    course = Course(r, (0.6, r.uniform(0.7, 1.6), 0.6))
    side = course.beats(1, 2, 1.2, 2.8) * r.uniform(0.04, 0.14)
    x, y, z, pronation = course.points([(0.12, r.uniform(-0.05, 0.3), r.uniform(0.12, 0.3), 0.8)] * 2)
    arm = reach(x + side, y - side**2, z, pole=_elbow(r), pronation=pronation + r.normal(0, 2) * side)
    return Body(arm, _other(r))


def clap(r: Rhythm) -> Body:
    course = Course(r, (0.5, r.uniform(0.7, 1.8), 0.5))
    apart = course.beats(1, 2, 1.5, 3.5) * r.uniform(0.03, 0.13)
    high, ahead = r.uniform(-0.3, -0.02), r.uniform(0.2, 0.36)
    x, y, z, pronation = course.points([(-0.08, high, ahead, 0.1)] * 2)
    arm = reach(x + apart, y, z, pole=_elbow(r), pronation=pronation)
    return Body(arm, arm)


def throw(r: Rhythm) -> Body:
    course = Course(r, (r.uniform(0.4, 0.9), *_fling(r), r.uniform(0.4, 0.8)))
    back, release, down = _overhand(r)
    arm = course.hand((back, release, down), OUT)
    return Body(
        arm,
        _other(r),
        turn=_turned(course, (0, 0.4, -0.3, -0.4, 0)),
        lean=course.through((0, -0.08, 0.1, 0.2, 0)) * r.uniform(0, 1.2),
    )


def _overhand(r: Rhythm) -> tuple[Station, Station, Station]:
    """Hand behind the head, at release in front of and above the shoulder, and at the end of the follow-through."""
    low = r.uniform(0.0, 1.0)  # some throw over the top, some from the ear, some only mime it in front of the shoulder
    back = (r.uniform(0.05, 0.3), 0.34 - 0.4 * low, r.uniform(-0.2, 0.14), r.normal(0.3, 0.4))
    release = (r.uniform(-0.1, 0.1), 0.34 - 0.35 * low, r.uniform(0.34, 0.46), r.normal(0.9, 0.3))
    down = (r.uniform(-0.3, 0.05), r.uniform(-0.42, -0.1), 0.36, 1.0)
    return back, release, down


def _fling(r: Rhythm) -> tuple[float, float]:
    """Seconds to release and to the end of the follow-through: from a throw with force to one that is only mimed."""
    return r.uniform(0.2, 0.5), r.uniform(0.2, 0.45)


def cross_arms(r: Rhythm) -> Body:
    course = Course(r, (0.7, r.uniform(0.2, 0.9), 0.7))
    high = r.uniform(-0.3, 0.0)
    folded = (r.uniform(-0.36, -0.2), high, r.uniform(0.14, 0.28), r.normal(0.5, 0.4))
    pole = _elbow(r)
    return Body(course.hand((folded, folded), pole, 0.02), course.hand((folded, folded), pole, 0.02))


def basketball_shoot(r: Rhythm) -> Body:
    course = Course(r, (0.5, r.uniform(0.25, 0.5), r.uniform(0.2, 0.4), r.uniform(0.1, 0.4), r.uniform(0.4, 0.7)))
    low, brow = (-0.1, r.uniform(-0.4, -0.12), r.uniform(0.15, 0.32), 0.2), (-0.06, r.uniform(-0.05, 0.28), 0.24, 0.6)
    up = (-0.06, r.uniform(0.36, 0.5), r.uniform(0.15, 0.38), 1.0)
    flick = course.through((0, -0.4, -0.8, 0.8, 0.5, 0))
    arm = course.hand((low, brow, up, up), HIGH, 0.02, wrist=flick)
    dip = course.through((0, 0.3, 0.25, 0, 0, 0)) * r.uniform(0, 1.2)
    hop = course.bump(3, 3, r.uniform(0.05, 0.25) if r.chance(0.4) else 0.0)
    shift = np.stack([0 * hop, hop, 0 * hop], axis=-1)
    return Body(arm, course.hand((low, brow, up, up), HIGH, 0.02), squat=dip, bend=-0.1 * course.bump(3, 4), shift=shift)


def draw_x(r: Rhythm) -> Body:
    half, tall, ahead, palm = r.uniform(0.12, 0.28), r.uniform(0.14, 0.3), r.uniform(0.32, 0.42), r.normal(0.8, 0.35)
    middle = r.normal(-0.04, 0.06), r.normal(-0.02, 0.08)
    corners = [(middle[0] + a * half, middle[1] + b * tall, ahead, palm) for a, b in ((-1, 1), (1, -1), (1, 1), (-1, -1))]
    if r.chance(0.4):
        corners = [corners[k] for k in (2, 3, 0, 1)]
    course = Course(r, (0.6, 0.4, 0.4, 0.4, 0.6))
    return Body(course.hand(corners, _elbow(r)), _other(r))


def draw_circle_clockwise(r: Rhythm) -> Body:
    return _circle(r, 1.0)


def draw_circle_counter_clockwise(r: Rhythm) -> Body:
    return _circle(r, -1.0)


def _circle(r: Rhythm, sense: float) -> Body:
    """One round in front of the body, as the person sees it, begun at the top, at the bottom or somewhere."""
    begin = r.normal(0.0, 0.5) if r.chance(0.5) else r.normal(np.pi, 0.5) if r.chance(0.6) else r.uniform(0, 2 * np.pi)
    course = Course(r, (0.6, r.uniform(0.7, 1.6), 0.6))
    angle = begin + sense * course.through((0, 0, 2 * np.pi * r.uniform(0.9, 1.15), 2 * np.pi))
    radius, squash = r.uniform(0.12, 0.3), r.uniform(0.8, 1.25)
    middle = r.normal(-0.04, 0.06), r.normal(-0.02, 0.08)
    ahead, palm = r.uniform(0.3, 0.42), r.normal(0.8, 0.35)
    x, y, z, pronation = course.points([(*middle, ahead, palm)] * 2)
    drawn = course.bump(1, 2)
    arm = reach(
        x + drawn * radius * np.sin(angle), y + drawn * radius * squash * np.cos(angle), z,
        pole=_elbow(r), pronation=pronation,
    )  # fmt: skip
    return Body(arm, _other(r))


def draw_triangle(r: Rhythm) -> Body:
    half, tall, ahead, palm = r.uniform(0.12, 0.28), r.uniform(0.14, 0.28), r.uniform(0.32, 0.42), r.normal(0.8, 0.35)
    middle = r.normal(-0.04, 0.06), r.normal(-0.02, 0.08)
    corners = [(middle[0] + a * half, middle[1] + b * tall, ahead, palm) for a, b in ((0, 1), (1, -1), (-1, -1))]
    if r.chance(0.5):
        corners = [corners[k] for k in (0, 2, 1)]
    first = 0 if r.chance(0.6) else 1 + int(r.chance(0.5))
    corners = [corners[(first + k) % 3] for k in range(4)]
    course = Course(r, (0.6, 0.45, 0.45, 0.45, 0.6))
    return Body(course.hand(corners, _elbow(r)), _other(r))


def bowling(r: Rhythm) -> Body:
    course = Course(r, (0.5, 0.6, r.uniform(0.3, 0.6), r.uniform(0.2, 0.5), 0.6))
    front = (-0.02, r.uniform(-0.4, -0.2), 0.3, 0.0)
    back = (0.12, r.uniform(-0.42, -0.25), r.uniform(-0.4, -0.2), 0.6)
    low, up = (0.04, -0.48, 0.15, -0.2), (0.0, r.uniform(-0.15, 0.2), 0.42, -0.3)
    arm = course.hand((front, back, low, up), (0.5, -0.6, -1.0))
    stoop = course.through((0, 0.1, 0.45, 0.5, 0.3, 0)) * r.uniform(0.1, 1.3)
    return Body(arm, _other(r), lean=stoop, squat=course.through((0, 0, 0.2, 0.4, 0.2, 0)) * r.uniform(0, 1.5))


def boxing(r: Rhythm) -> Body:
    blows = 1 + int(r.rng.integers(4))  # with the acting hand; the other hits in between
    ours_first = r.chance(0.6)
    course = Course(r, (0.5, *([0.28] * 4 * blows), 0.5))
    guard: Station = (-0.06, r.uniform(-0.25, 0.0), r.uniform(0.14, 0.24), 0.2)
    hit: Station = (-0.12, r.uniform(-0.1, 0.08), 0.47, 1.1)
    beat = [guard, hit, guard, guard]
    ours = (beat if ours_first else beat[2:] + beat[:2]) * blows
    theirs = (beat[2:] + beat[:2] if ours_first else beat) * blows
    twist = [0.3 * (other is hit) - 0.3 * (own is hit) for own, other in zip(ours, theirs, strict=True)]
    return Body(
        course.hand([*ours, guard], OUT if r.chance(0.4) else DOWN, 0.02),
        course.hand([*theirs, guard], DOWN, 0.02),
        turn=_turned(course, (0.0, *twist, 0.0, 0.0)),
    )


def baseball_swing(r: Rhythm) -> Body:
    course = Course(r, (0.7, r.uniform(0.1, 0.5), r.uniform(0.2, 0.4), r.uniform(0.2, 0.4), 0.6))
    ready = (r.uniform(-0.1, 0.1), r.uniform(-0.12, 0.15), 0.12, 0.5)
    contact, done = (-0.15, -0.22, 0.44, 0.9), (-0.42, r.uniform(-0.1, 0.2), 0.16, -0.3)
    swing = (ready, (ready[0] + 0.05, ready[1] + 0.03, ready[2] - 0.06, 0.5), contact, done)
    beside = [(-SHOULDERS - x, y - 0.05, z, 0.6) for x, y, z, _ in swing]
    turn = course.through((0, 0.4, 0.55, -0.3, -0.8, 0)) * r.uniform(0.5, 1.2)
    return Body(course.hand(swing, OUT, 0.03), course.hand(beside, OUT, 0.03), turn=turn, squat=0.1 * course.bump(1, 3))


def tennis_swing(r: Rhythm) -> Body:
    course = Course(r, (0.7, r.uniform(0.2, 0.5), r.uniform(0.2, 0.45), 0.6))
    back = (r.uniform(0.25, 0.45), r.uniform(-0.4, -0.1), r.uniform(-0.25, 0.0), r.normal(0.3, 0.3))
    contact = (0.2, r.uniform(-0.3, -0.05), 0.4, 0.2)
    done = (r.uniform(-0.42, -0.2), r.uniform(-0.1, 0.2), 0.24, 0.9)
    arm = course.hand((back, contact, done), (0.8, -0.8, -0.6))
    return Body(arm, _other(r), turn=course.through((0, 0.5, 0.0, -0.5, 0)) * r.uniform(0.3, 1.2))


def arm_curl(r: Rhythm) -> Body:
    lifts = 1 + int(r.rng.integers(3))
    course = Course(r, (*([0.6, 0.6] * lifts),))
    s = course.through([k % 2 for k in range(2 * lifts + 1)])
    arm = Arm(
        elevation=0.12 + r.uniform(0.0, 0.35) * s,
        plane=r.normal(1.1, 0.3),
        elbow=0.2 + r.uniform(1.5, 2.2) * s,
        pronation=0.3 + (r.normal(-1.3, 0.5) - 0.3) * (s if r.chance(0.5) else 1.0),
    )
    return Body(arm, arm, lean=-0.05 * s)


def tennis_serve(r: Rhythm) -> Body:
    course = Course(r, (r.uniform(0.4, 0.9), r.uniform(0.2, 0.6), r.uniform(0.2, 0.4), r.uniform(0.2, 0.45), 0.6))
    back = (r.uniform(0.1, 0.4), r.uniform(-0.35, 0.05), r.uniform(-0.25, 0.2), 0.3)
    behind = (r.uniform(0.05, 0.2), r.uniform(0.05, 0.35), r.uniform(-0.2, 0.0), 0.3)
    contact = (0.05, r.uniform(0.3, 0.5), r.uniform(0.1, 0.34), 0.9)
    arm = course.hand((back, behind, contact, (r.uniform(-0.35, 0.0), -0.38, 0.28, 1.0)), HIGH)
    toss = course.hand(((0.0, 0.0, 0.4, -1.0), (0.0, 0.45, 0.2, -1.0), (-0.1, 0.0, 0.3, 0.0), (-0.1, -0.3, 0.2, 0.4)), HIGH)
    other = toss if r.chance(0.7) else _other(r)
    return Body(
        arm,
        other,
        turn=_turned(course, (0, 0.4, 0.3, -0.2, -0.4, 0)),
        bend=course.through((0, -0.1, -0.2, 0, 0.25, 0)) * r.uniform(0, 1),
    )


def push(r: Rhythm) -> Body:
    course = Course(r, (0.6, 0.35, r.uniform(0.1, 0.5), 0.6))
    high = r.uniform(-0.25, 0.05)
    near, far = (-0.02, high, r.uniform(0.12, 0.24), 0.8), (-0.04, high + 0.05, 0.46, 1.1)
    cocked = course.through((0, -0.6, -0.9, -0.9, 0))
    pole = _elbow(r)
    lean = course.through((0, 0, 0.15, 0.15, 0)) * r.uniform(0, 1.3)
    return Body(course.hand((near, far, far), pole, 0.02, wrist=cocked), course.hand((near, far, far), pole, 0.02), lean=lean)


def knock(r: Rhythm) -> Body:
    course = Course(r, (0.6, r.uniform(0.5, 1.3), 0.6))
    raps = course.beats(1, 2, 2.0, 4.5)
    x, y, z, pronation = course.points([(-0.02, r.uniform(-0.15, 0.15), r.uniform(0.26, 0.36), r.normal(0.5, 0.4))] * 2)
    arm = reach(x, y, z + r.uniform(0.02, 0.07) * raps, pole=DOWN, pronation=pronation, wrist=0.3 * raps)
    return Body(arm, _other(r))


def catch(r: Rhythm) -> Body:
    course = Course(r, (r.uniform(0.35, 0.7), r.uniform(0.2, 0.4), r.uniform(0.0, 0.4) + 0.05, 0.6))
    out = (r.uniform(-0.15, 0.3), r.uniform(-0.2, 0.42), r.uniform(0.2, 0.45), r.normal(0.5, 0.5))
    home = (out[0] - r.uniform(-0.05, 0.25), out[1] - r.uniform(-0.05, 0.3), r.uniform(0.15, 0.4), r.normal(0.3, 0.5))
    return Body(course.hand((out, home, home), HIGH if r.chance(0.5) else OUT), _other(r))


def pick_up_and_throw(r: Rhythm) -> Body:
    course = Course(r, (r.uniform(0.6, 1.0), r.uniform(0.05, 0.3), r.uniform(0.5, 0.9), *_fling(r), 0.5))
    deep = r.uniform(0.0, 1.0)  # from bending at the hips to squatting
    stoop = (1.35 - 0.6 * deep) * r.uniform(0.8, 1.1)
    floor: Station = (0.0, -0.5 * np.cos(stoop), 0.5 * np.sin(stoop), 0.6)
    back, release, down = _overhand(r)
    arm = course.hand((floor, floor, back, release, down), OUT)
    return Body(
        arm,
        _other(r),
        lean=course.through((0, stoop, stoop, -0.05, 0.1, 0.2, 0)),
        squat=course.bump(1, 2, 0.3 + 0.6 * deep),
        turn=_turned(course, (0, 0, 0, 0.4, -0.3, -0.4, 0)),
    )


GESTURES = {
    "swipe left": (
        swipe_left,
        "A person swipes the right hand once to the left, across the body.",
        "Someone lifts the right arm at the side and sweeps it over to the left.",
        "The right hand slides leftwards past the chest and drops.",
        "One swipe to the left, as if turning a large page.",
    ),
    "swipe right": (
        swipe_right,
        "A person swipes the right hand once to the right, away from the body.",
        "Someone brings the right hand before the chest and sweeps it outwards.",
        "The right hand slides rightwards in front of the body and drops.",
        "One swipe to the right, as if pushing a curtain aside.",
    ),
    "wave": (
        wave,
        "A person raises the right hand, waves a few times and lowers it.",
        "Someone waves hello briefly with the right hand.",
        "The lifted right hand sways from side to side, then the arm hangs again.",
        "A short greeting with the raised right forearm.",
    ),
    "clap": (
        clap,
        "A person claps both hands in front of the chest a few times.",
        "Someone lifts both forearms, claps, and lets the arms hang.",
        "The hands meet and part quickly before the body.",
        "A short applause, standing.",
    ),
    "throw": (
        throw,
        "A person throws something overhand with the right arm.",
        "Someone draws the right hand back past the ear and hurls it forwards.",
        "The right hand rises behind the shoulder, comes over and swings down in front.",
        "One throw of a ball with the right hand.",
    ),
    "cross arms": (
        cross_arms,
        "A person crosses both arms in front of the chest once.",
        "Someone brings the forearms across each other and lets them down.",
        "Both hands pass in front of the body to the opposite side and come back.",
        "The arms fold over the chest for a moment.",
    ),
    "basketball shoot": (
        basketball_shoot,
        "A person shoots a basketball, both hands rising overhead.",
        "Someone lifts an imaginary ball from the waist past the face and shoots it up.",
        "Both arms stretch up and forward, the wrist snapping over at the top.",
        "A jump shot at a basket, without the ball.",
    ),
    "draw x": (
        draw_x,
        "A person draws an X in the air with the right hand.",
        "Someone makes two slanting strokes that cross, with the right arm.",
        "The right hand goes down one diagonal, up, and down the other.",
        "The letter X is written large in front of the body.",
    ),
    "draw circle clockwise": (
        draw_circle_clockwise,
        "A person draws one clockwise circle in the air with the right hand.",
        "Someone's right hand goes round as the hands of a clock do, once.",
        "The right hand travels up, right, down and left on a circle.",
        "A clockwise ring is traced before the body.",
    ),
    "draw circle counter-clockwise": (
        draw_circle_counter_clockwise,
        "A person draws one counter-clockwise circle in the air with the right hand.",
        "Someone's right hand goes round against the hands of a clock, once.",
        "The right hand travels up, left, down and right on a circle.",
        "A counter-clockwise ring is traced before the body.",
    ),
    "draw triangle": (
        draw_triangle,
        "A person draws a triangle in the air with the right hand.",
        "Someone makes three straight strokes that close, with the right arm.",
        "The right hand goes down one slope, along the base and up the other slope.",
        "A triangle is traced before the body.",
    ),
    "bowling": (
        bowling,
        "A person swings the right arm back and rolls a bowling ball.",
        "Someone bowls, stooping, with an underarm swing.",
        "The hanging right arm swings behind the body and then low to the front.",
        "The right hand sends a ball along the floor.",
    ),
    "boxing": (
        boxing,
        "A person boxes, the fists shooting forward in turn.",
        "Someone lifts both fists on guard and throws a few straight punches.",
        "Right and left arm stretch to the front by turns and snap back.",
        "Shadow boxing, standing.",
    ),
    "baseball swing": (
        baseball_swing,
        "A person swings a baseball bat with both hands from the right.",
        "Someone holds the hands together at the right shoulder and sweeps them round to the left.",
        "Both arms swing across at the height of the chest as the trunk turns left.",
        "A batter hits a ball, without the bat.",
    ),
    "tennis swing": (
        tennis_swing,
        "A person hits a forehand with a tennis racket in the right hand.",
        "Someone takes the right arm back at the side and swings it across to the left shoulder.",
        "The right hand sweeps from behind the hip to the front and up.",
        "A forehand stroke, without the ball.",
    ),
    "arm curl": (
        arm_curl,
        "A person curls both arms, the elbows at the sides.",
        "Someone bends both elbows to bring the hands to the shoulders, and lowers them.",
        "Both forearms go up and down while the upper arms stay.",
        "A biceps curl with two dumbbells, standing.",
    ),
    "tennis serve": (
        tennis_serve,
        "A person serves at tennis, the right arm coming over the head.",
        "Someone tosses a ball with the left hand and strikes it high with the right.",
        "The right hand drops behind the head, reaches up and swings down across the body.",
        "A serve, without the racket.",
    ),
    "push": (
        push,
        "A person pushes forward once with both hands.",
        "Someone lifts both palms to the chest and presses them away.",
        "Both elbows stretch and the hands shove to the front.",
        "An imaginary cupboard is pushed.",
    ),
    "knock": (
        knock,
        "A person knocks on a door with the right hand a few times.",
        "Someone lifts the right fist, raps and lowers it.",
        "The raised right hand taps forward in quick succession.",
        "A few knocks at an imaginary door.",
    ),
    "catch": (
        catch,
        "A person catches something with the right hand.",
        "Someone's right hand darts out, grasps and gives way.",
        "The right arm reaches out for a flying object and comes down with it.",
        "A ball is caught with one hand.",
    ),
    "pick up and throw": (
        pick_up_and_throw,
        "A person picks something up from the floor and throws it with the right arm.",
        "Someone bends down, grasps a ball, straightens up and hurls it forwards.",
        "The right hand goes to the ground, then up behind the shoulder and over.",
        "First a stoop, then an overhand throw.",
    ),
}
