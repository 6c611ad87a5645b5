"""The seven shoulder exercises of the smartwatch recordings, authored by formula after the instructions of physiotherapists.

The description of the recordings (SPAR dataset, Burns et al. 2018) lists pendulum, abduction, forward elevation, internal
and external rotation against an elastic band, lower trapezius row against a band, and bent over row with a 3 lb dumbbell; the
names below are m3n's names for the recordings, so "upright row" covers both kinds of row. Ranges are those of healthy
shoulders, or wider; none was tuned on a score.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from m3n.motion.posture import Arm, Body, reach, swing
from m3n.motion.rhythm import Array, Rhythm

FASTEST, SLOWEST = 0.8, 4.0  # seconds per repetition


def pendulum(r: Rhythm) -> Body:
    """Bent forward, the relaxed arm swings in circles, ellipses or lines below the shoulder."""
    lean, bend = r.uniform(0.25, 1.1), r.uniform(0.0, 0.5)
    period = r.period(FASTEST, 2.2)
    size = r.uniform(0.15, 0.75) * r.amplitude * min(1.0, period / 1.2)
    angle = r.phase(period)
    way = r.uniform(-np.pi, np.pi)
    roundness = r.uniform(0.7, 1.0) if r.chance(0.65) else r.uniform(0.0, 0.4)
    roundness *= 1.0 if r.chance(0.5) else -1.0
    long, short = size * np.sin(angle), size * roundness * np.cos(angle)
    sideways = long * np.cos(way) - short * np.sin(way)
    forwards = long * np.sin(way) + short * np.cos(way)
    rock = r.uniform(0.0, 0.12) * np.sin(angle + r.uniform(-1, 1))
    arm = swing(
        sideways + r.normal(0.05, 0.1),
        forwards + lean + bend + r.normal(0.12, 0.15),
        elbow=r.uniform(0.05, 0.5) + 0.2 * size * np.sin(angle + r.uniform(-3, 3)),
        axial=r.normal(0.1, 0.4),
        pronation=r.spread(0.9, 0.5),
    )
    support = reach(0.05, -0.35, 0.3, pole=(1.0, -0.5, -0.3)) if r.chance(0.7) else swing(0.2, 0.2)
    return Body(arm, support, lean=lean + rock, bend=bend, squat=r.uniform(0, 0.1))


def abduction(r: Rhythm) -> Body:
    """The straight arm is lifted sideways, part of the way or overhead, and lowered."""
    return _raise_arm(r, plane=r.normal(0.15, 0.22), top=(1.5, 3.0), natural_pronation=0.0)


def forward_elevation(r: Rhythm) -> Body:
    """The straight arm is lifted forward, part of the way or overhead, and lowered."""
    return _raise_arm(r, plane=r.normal(1.4, 0.17), top=(1.7, 3.1), natural_pronation=0.9)


def _raise_arm(r: Rhythm, plane: float, top: tuple[float, float], natural_pronation: float) -> Body:
    period = r.period(FASTEST, SLOWEST)
    s = r.stroke(period)
    low = r.uniform(-0.1, 0.45)
    reachable = low + (r.uniform(*top) - low) * r.amplitude * min(1.0, period / 1.05)
    elevation = low + (min(reachable, 3.05) - low) * s
    thumb_turn = r.normal(0.0, 0.5) if r.chance(0.5) else 0.0  # some turn the palm as the arm rises
    outward = r.uniform(-0.1, 0.5)  # the upper arm turns outward to pass the acromion
    arm = Arm(
        elevation=elevation,
        plane=plane + r.sway(0.04),
        axial=r.normal(0.0, 0.25) - outward * s,
        elbow=r.uniform(0.03, 0.4) + r.uniform(-0.1, 0.25) * s * (1 - s) + 0.02,
        pronation=r.spread(natural_pronation, 0.5) + thumb_turn * s,
        shrug=0.15 * s,
    )
    both = r.chance(0.3)
    other = replace(arm, pronation=arm.pronation + 0.1) if both else Arm()
    recoil = r.uniform(0.0, 0.1) * s
    return Body(arm, other, lean=-recoil * np.sin(plane), tilt=-recoil * np.cos(plane), sit=1.0 if r.chance(0.2) else 0.0)


def internal_rotation(r: Rhythm) -> Body:
    """Elbow at the side and bent to a right angle, the forearm sweeps from pointing outward or forward to the belly."""
    return _rotate(r, start=r.uniform(-1.2, 0.1), stop=r.uniform(0.8, 1.6))


def external_rotation(r: Rhythm) -> Body:
    """Elbow at the side and bent to a right angle, the forearm sweeps from the belly outward, often against a band."""
    return _rotate(r, start=r.uniform(0.6, 1.6), stop=r.uniform(-1.4, -0.2))


def _rotate(r: Rhythm, start: float, stop: float) -> Body:
    period = r.period(FASTEST, SLOWEST)
    s = r.stroke(period)
    span = (stop - start) * min(1.0, r.amplitude) * min(1.0, period / 1.0)
    outward = s if stop < start else 1 - s  # 1 where the forearm points furthest out
    arm = Arm(
        elevation=r.uniform(0.02, 0.3) + r.uniform(-0.05, 0.25) * outward,
        plane=r.normal(0.2, 0.5),
        axial=start + span * s,
        elbow=r.normal(1.55, 0.16) + r.uniform(-0.15, 0.25) * outward,
        pronation=r.spread(0.05, 0.2) - r.normal(0.2, 0.25) * outward,
        wrist=r.uniform(-0.2, 0.2),
    )
    turning = r.uniform(0.0, 0.25) * (outward - 0.5)
    other = Arm() if r.chance(0.6) else reach(-0.1, -0.35, 0.2)
    return Body(arm, other, turn=turning, sit=1.0 if r.chance(0.15) else 0.0)


def trapezius_extension(r: Rhythm) -> Body:
    """A band is pulled back with a straight arm, from in front of the thigh to beside or behind the hip; or so, bent over."""
    period = r.period(FASTEST, 3.0)
    s = r.stroke(period)
    bent_over = r.chance(0.15)
    lean = r.uniform(0.7, 1.2) if bent_over else r.uniform(-0.05, 0.3)
    front = lean * 0.8 + r.uniform(0.0, 0.6)
    straightness = r.uniform(0.03, 0.4)
    reached = r.uniform(0.3, 1.1) * r.amplitude * min(1.0, period / 1.1)
    arm = swing(
        r.uniform(0.0, 0.25) + r.uniform(-0.1, 0.3) * s,
        front - reached * s,
        elbow=straightness + r.uniform(-0.6 * straightness, 0.4) * s,
        axial=r.normal(0.0, 0.35) + r.normal(0.0, 0.5) * s,
        pronation=r.spread(0.7, 0.5),
        shrug=r.uniform(-0.15, 0.15) * s,
    )
    other = arm if r.chance(0.3) else Arm()
    return Body(arm, other, lean=lean - r.uniform(0.0, 0.08) * s, turn=r.uniform(-0.05, 0.2) * s, squat=r.uniform(0, 0.1))


def upright_row(r: Rhythm) -> Body:
    """The hand is lifted along the body, elbow leading: from the thigh to the chest, or bent over from below the shoulder."""
    period = r.period(FASTEST, 3.0)
    s = r.stroke(period)
    extent = min(1.0, r.amplitude) * min(1.0, period / 1.0)
    if r.chance(0.6):
        return _bent_over_row(r, s, extent)
    low, high = (r.uniform(-0.08, 0.08), -0.49, r.uniform(0.08, 0.2)), (r.uniform(-0.16, 0.0), r.uniform(-0.2, 0.02), 0.17)
    x, y, z = (a + (b - a) * extent * s for a, b in zip(low, high, strict=True))
    pronation = r.normal(0.25, 0.3) if r.chance(0.7) else r.uniform(-1.0, 1.6)
    arm = reach(x, y, z, pole=(1.0, r.uniform(-0.2, 0.7), r.uniform(-0.2, 0.2)), pronation=pronation, shrug=0.2 * s)
    other = reach(x, y, z, pole=(1.0, 0.4, 0.0), pronation=0.25, shrug=0.2 * s) if r.chance(0.4) else Arm()
    return Body(arm, other, lean=-0.06 * s * r.uniform(0, 1), sit=0.0)


def _bent_over_row(r: Rhythm, s: Array, extent: float) -> Body:
    lean, bend = r.uniform(0.4, 1.2), r.uniform(0.0, 0.35)
    folded = r.uniform(0.9, 1.9) * extent
    down = lean + bend + r.normal(0.05, 0.12)  # hanging straight down, seen from the leaning trunk
    lifted = folded * r.uniform(0.5, 0.85)  # the upper arm goes back while the forearm stays near the vertical
    arm = swing(
        r.uniform(0.02, 0.25) + r.uniform(0.0, 0.5) * extent * s,
        down - lifted * s,
        elbow=0.15 + folded * s,
        axial=r.normal(0.1, 0.25),
        pronation=r.spread(0.2, 0.5),
        shrug=0.1 * s,
    )
    support = reach(0.05, -0.4, 0.2, pole=(1.0, -0.5, -0.3)) if r.chance(0.6) else arm
    return Body(
        arm, support, lean=lean - r.uniform(0, 0.08) * s, bend=bend, turn=r.uniform(0.0, 0.15) * s, squat=r.uniform(0, 0.15)
    )


EXERCISES = {
    "pendulum": (
        pendulum,
        "A person leans forward and lets the {side} arm swing in circles like a pendulum.",
        "Bending over a table, someone swings the relaxed {side} arm below the shoulder.",
        "Pendulum exercise: the hanging arm draws small circles towards the floor.",
        "The arm dangles from the shoulder and swings back and forth.",
        "A patient bends at the hips, and the loose {side} arm circles gently.",
        "Codman's exercise for the shoulder, with the arm swinging freely downward.",
    ),
    "abduction": (
        abduction,
        "A person lifts the straight {side} arm out to the side and lowers it again.",
        "Shoulder abduction: the arm goes sideways up above the head.",
        "The {side} arm is raised sideways away from the body, over and over.",
        "Someone raises an outstretched arm to the side, palm down, like half a jumping jack.",
        "A patient lifts the arm laterally as high as possible and brings it back to the hip.",
        "With a straight elbow the {side} hand travels in a wide arc at the side of the body.",
    ),
    "forward elevation": (
        forward_elevation,
        "A person raises the straight {side} arm forward and up over the head, then lowers it.",
        "Forward elevation of the shoulder, with the arm going up in front of the body.",
        "The {side} arm swings forward and upward until it points at the ceiling.",
        "Someone lifts an outstretched arm in front and lets it down slowly.",
        "A patient flexes the {side} shoulder, hand reaching high, elbow straight.",
        "The straight arm rises in front of the chest to overhead and returns to the thigh.",
    ),
    "internal rotation": (
        internal_rotation,
        "With the elbow at the side, a person pulls a resistance band inward to the belly with the {side} hand.",
        "Internal rotation of the shoulder: the forearm swings in across the stomach.",
        "The {side} elbow stays bent at the waist while the hand sweeps towards the body.",
        "Someone keeps the upper arm still and turns the forearm inward, thumb up.",
        "A patient rotates the {side} arm inward against an elastic band.",
        "The level forearm moves from pointing outward to lying across the abdomen.",
    ),
    "external rotation": (
        external_rotation,
        "With the elbow at the side, a person pulls a resistance band outward with the {side} hand.",
        "External rotation of the shoulder: the forearm swings out, away from the belly.",
        "The {side} elbow stays tucked at the waist while the hand sweeps outward.",
        "Someone keeps the upper arm still and opens the forearm to the side, thumb up.",
        "A patient rotates the {side} arm outward against an elastic band.",
        "The level forearm moves from across the stomach to pointing sideways.",
    ),
    "trapezius extension": (
        trapezius_extension,
        "A person pulls a resistance band backward with the straight {side} arm, squeezing the shoulder blade.",
        "Trapezius extension: the straight arm moves from the front to behind the hip.",
        "The {side} arm is drawn back and down along the body against a band.",
        "Standing upright, someone extends the shoulder, hand passing the thigh to the rear.",
        "A lower trapezius row with an elastic band, with the elbow almost straight.",
        "A patient pulls the {side} hand back beside the hip and lets it return forward.",
    ),
    "upright row": (
        upright_row,
        "A person lifts the {side} hand along the body up to the chest, with the elbow leading.",
        "Upright row: a dumbbell is pulled from the thigh up towards the chin.",
        "Bent over, someone rows a small weight up to the ribs with the {side} arm.",
        "The {side} elbow rises high while the hand with a weight follows close to the body.",
        "A patient pulls a dumbbell straight up and lowers it again.",
        "The hand moves up and down vertically in front of the trunk, elbow pointing out.",
    ),
}
