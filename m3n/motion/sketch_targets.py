"""Where hands go, in words: the targets of sketches, for the left arm of an average adult.

A place is where the *wrist* is when the hand is there, so `mouth` is a hand's length away from the lips. Places on the body
move with the trunk; places in the room do not move when the trunk leans, so that leaning brings the hand nearer. Axes:
outwards (to the acting arm's side), up, forward; metres.
"""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    """`at` is relative to the `anchor`: "trunk": the shoulder, moving with the trunk; "room": where the shoulder is when
    upright; "knee", "foot": the acting side's; "floor": the ground below the feet; `palm`, `elbow`: where they look, unless a
    sketch says so; `fixed`: `amplitude` does not move it."""

    at: tuple[float, float, float]
    palm: str
    elbow: str
    anchor: str = "trunk"
    fixed: bool = True


TARGETS: dict[str, Target] = {
    "side": Target((0.07, -0.52, 0.04), "in", "back"),
    "hip": Target((0.06, -0.34, 0.02), "back", "out"),
    "pocket": Target((0.03, -0.42, 0.06), "in", "back"),
    "back": Target((-0.1, -0.38, -0.17), "back", "out"),
    "belly": Target((-0.12, -0.32, 0.17), "back", "out"),
    "chest": Target((-0.1, -0.12, 0.16), "back", "out"),
    "shoulder": Target((-0.02, -0.08, 0.15), "back", "down"),
    "neck": Target((-0.11, 0.15, -0.04), "forward", "up"),
    "chin": Target((-0.13, 0.05, 0.18), "in", "down"),
    "mouth": Target((-0.12, 0.08, 0.22), "in", "out"),
    "nose": Target((-0.13, 0.1, 0.21), "back", "down"),
    "eyes": Target((-0.1, 0.15, 0.2), "back", "out"),
    "ear": Target((-0.02, 0.1, 0.13), "in", "out"),
    "forehead": Target((-0.06, 0.24, 0.18), "back", "out"),
    "head": Target((-0.06, 0.34, 0.06), "down", "out"),
    "opposite shoulder": Target((-0.29, -0.1, 0.16), "back", "down"),
    "opposite elbow": Target((-0.32, -0.26, 0.13), "back", "down"),
    "opposite wrist": Target((-0.24, -0.3, 0.25), "down", "out"),
    "opposite hip": Target((-0.26, -0.4, 0.12), "back", "out"),
    "thigh": Target((-0.04, 0.1, -0.2), "down", "out", "knee"),
    "lap": Target((-0.1, 0.12, -0.26), "in", "out", "knee"),
    "knee": Target((0.0, 0.1, -0.08), "down", "out", "knee"),
    "shin": Target((0.0, -0.12, 0.08), "in", "out", "knee"),
    "foot": Target((0.02, 0.12, 0.1), "in", "out", "foot"),
    "floor": Target((-0.04, 0.1, 0.22), "in", "out", "floor"),
    "reach": Target((0.0, -0.05, 0.5), "in", "down", "room", fixed=False),
    "front": Target((-0.04, -0.16, 0.32), "in", "down", "room", fixed=False),
    "low front": Target((-0.04, -0.36, 0.28), "in", "back", "room", fixed=False),
    "high front": Target((-0.02, 0.2, 0.34), "in", "down", "room", fixed=False),
    "out": Target((0.5, -0.04, 0.08), "down", "down", fixed=False),
    "across": Target((-0.34, -0.1, 0.28), "in", "down", fixed=False),
    "behind": Target((0.1, -0.4, -0.24), "in", "back", fixed=False),
    "overhead": Target((0.0, 0.48, 0.1), "forward", "out", fixed=False),
    "shelf": Target((0.0, 0.22, 0.34), "in", "out", "room", fixed=False),
    "table": Target((-0.03, -0.28, 0.34), "down", "down", "room"),
    "keyboard": Target((-0.07, -0.3, 0.28), "down", "down", "room"),
    "plate": Target((-0.08, -0.26, 0.33), "down", "down", "room"),
    "counter": Target((-0.04, -0.36, 0.3), "down", "down", "room"),
    "wall": Target((0.0, -0.05, 0.42), "forward", "down", "room"),
    "door": Target((0.0, -0.32, 0.38), "down", "down", "room"),
    "phone": Target((-0.12, -0.18, 0.28), "up", "down"),
    "armrest": Target((0.08, -0.3, 0.22), "down", "out", "room"),
    "handlebar": Target((-0.02, -0.28, 0.4), "down", "out"),
    "steering wheel": Target((-0.04, -0.14, 0.4), "in", "down", "room"),
    "rail": Target((0.12, -0.3, 0.26), "in", "out", "room"),
    "backpack": Target((-0.05, -0.12, 0.1), "back", "down"),
}  # fmt: skip

DIRECTIONS: dict[str, tuple[float, float, float]] = {  # of palms and elbows
    "down": (0.0, -1.0, 0.0), "up": (0.0, 1.0, 0.0), "in": (-1.0, 0.0, 0.0), "out": (1.0, 0.0, 0.0), "back": (0.0, 0.0, -1.0),
    "forward": (0.0, 0.0, 1.0),
}  # fmt: skip
POLES: dict[str, tuple[float, float, float]] = {  # where an elbow really goes when a sketch says so
    "down": (0.45, -1.0, -0.25), "out": (1.0, -0.45, -0.15), "back": (0.4, -0.5, -1.0), "in": (-0.25, -1.0, 0.1),
    "up": (0.7, 0.8, 0.1), "forward": (0.3, -0.2, 1.0),
}  # fmt: skip
