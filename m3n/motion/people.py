"""The crowd of virtual people who make the authored movements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from m3n.motion.rhythm import Array

PEOPLE = 40  # of a crowd


@dataclass(frozen=True)
class Person:
    """What a virtual person brings to every clip: SMPL shape, factors on durations and ranges, stoop [rad]."""

    name: str
    betas: Array
    tempo: float
    amplitude: float
    stoop: float


def drawn_person(name: str, rng: np.random.Generator, amplitude: tuple[float, float]) -> Person:
    """A person called `name`, whose factor on ranges lies within `amplitude`."""
    return Person(
        name=name,
        betas=np.clip(rng.standard_normal(10), -2.5, 2.5),
        tempo=float(np.exp(rng.uniform(-0.15, 0.15))),
        amplitude=float(rng.uniform(*amplitude)),
        stoop=float(rng.uniform(-0.05, 0.2)),
    )
