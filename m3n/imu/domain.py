"""Domain randomisation: body shape, tempo, how a sensor is worn, and which chip is inside.

A network trained on one body with one watch strapped on in one way learns that body and that strap. So every clip gets a domain
of its own, drawn from (seed, clip_id) alone.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

from m3n.body.model import FloatArray
from m3n.imu.placement import Mount
from m3n.imu.sensor import SENSORS
from m3n.randomness import generator


@dataclass(frozen=True)
class Wearing:
    """How one sensor deviates from its nominal placement."""

    turn: float = 0.0  # rad: the strap rotated about the bone, moving the sensor and the skin point together
    tilt: tuple[float, float, float] = (0.0, 0.0, 0.0)  # rad, axis-angle in the sensor frame: the sensor tilted on the skin
    distance_m: float = 0.0  # moved along the bone, away from its far end
    slip: float = 0.0  # rad: further rotation of the strap in the course of the clip

    def mounted(self, ideal: Mount) -> Mount:
        """The nominal mount, with turn, distance and tilt applied."""
        along = ideal.rotation[:, 0]
        turn = Rotation.from_rotvec(self.turn * along).as_matrix()
        offset = turn @ ideal.offset - self.distance_m * along
        return replace(ideal, offset=offset, rotation=turn @ ideal.rotation @ Rotation.from_rotvec(self.tilt).as_matrix())

    def slipped(self, quaternions: FloatArray) -> FloatArray:
        """Orientations (frames, 4) xyzw of a sensor whose strap slips, easing in and out so that the angular rate stays finite."""
        share = np.linspace(0.0, 1.0, len(quaternions))
        half = 0.5 * self.slip * share**3 * (10 - 15 * share + 6 * share**2)
        x, y, z, w = quaternions.T
        sine, cosine = np.sin(half), np.cos(half)  # q times a turn about the sensor's own x axis
        return np.stack([x * cosine + w * sine, y * cosine + z * sine, z * cosine - y * sine, w * cosine - x * sine], axis=1)


@dataclass(frozen=True)
class Domain:
    """The random conditions of one clip."""

    betas: FloatArray = field(default_factory=lambda: np.zeros(0))  # added to the clip's own shape coefficients
    tempo: float = 1.0  # factor on the clip's frame rate
    sensor: str = "ideal"
    wearing: dict[str, Wearing] = field(default_factory=dict)  # by placement; a placement not listed is worn as nominal
    swapped: bool = False  # left and right sensor exchanged

    def of_clip(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of `pose_clips` with the shape and tempo of this domain; its segments keep their frames."""
        betas = np.zeros(max(len(row["betas"]), len(self.betas)))
        betas[: len(row["betas"])] += row["betas"]
        betas[: len(self.betas)] += self.betas
        segments = row.get("segments") and [
            {**segment, **{name: segment[name] / self.tempo for name in ("start_s", "stop_s")}} for segment in row["segments"]
        ]
        return {**row, "fps": float(row["fps"]) * self.tempo, "betas": betas, "segments": segments}

    def of_samples(self, samples: dict[str, FloatArray]) -> dict[str, FloatArray]:
        """Simulated samples by placement, with left and right exchanged if `swapped`."""
        return {_other_side(p, samples): values for p, values in samples.items()} if self.swapped else samples


@dataclass(frozen=True)
class Spread:
    """How widely domains vary: standard deviations, unless stated otherwise."""

    betas: float = 0.7
    tempo: float = 0.15  # of the logarithm
    turn: float = 0.35  # rad
    tilt: float = 0.1  # rad
    distance_m: float = 0.02  # half-normal: a watch sits above the wrist, never on the hand
    slip: float = 0.1  # rad
    swap: float = 0.02  # chance
    sensors: tuple[str, ...] = tuple(name for name in SENSORS if name != "ideal")


def _other_side(placement: str, known: Container[str]) -> str:
    side, _, part = placement.partition("_")
    other = {"left": f"right_{part}", "right": f"left_{part}"}.get(side, placement)
    return other if other in known else placement


def draw_domain(seed: int, clip_id: str, placements: Sequence[str], spread: Spread = Spread()) -> Domain:
    """The domain of one clip; it depends on nothing but the seed, the clip and the placements."""
    rng = generator(seed, clip_id, "domain")
    betas, tempo = spread.betas * rng.standard_normal(10), float(np.exp(spread.tempo * rng.standard_normal()))
    sensor, swapped = spread.sensors[rng.integers(len(spread.sensors))], bool(rng.random() < spread.swap)
    wearing = {}
    for placement in placements:
        own = generator(seed, clip_id, "wearing", placement)
        turn, slip, distance = own.standard_normal(3) * [spread.turn, spread.slip, spread.distance_m]
        tilt = spread.tilt * own.standard_normal(3)
        wearing[placement] = Wearing(
            float(turn), (float(tilt[0]), float(tilt[1]), float(tilt[2])), abs(float(distance)), float(slip)
        )
    return Domain(betas, tempo, sensor, wearing, swapped)
