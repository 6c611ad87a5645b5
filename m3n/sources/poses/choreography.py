"""Pose clips of arm movements authored by formula: training material that needs no file, no licence and no download.

Clips of seven shoulder exercises (`exercises`), of everyday arm movements (`movements`) and, where asked for, of gestures that are
made once (`gestures`) are drawn at random, each a full SMPL motion with a sentence that describes it. About forty virtual people,
each with a body shape, a tempo, a range of motion and a way of holding the arms, share the clips, so that they can be split by
person. A clip depends on the seed and on its own number alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from m3n import config
from m3n.errors import InputError
from m3n.motion.exercises import EXERCISES
from m3n.motion.gestures import GESTURES, LONGEST, SHORTEST
from m3n.motion.movements import MOVEMENTS
from m3n.motion.people import PEOPLE, Person, drawn_person
from m3n.motion.posture import in_world, mirrored, smpl_motion
from m3n.motion.rhythm import Rhythm
from m3n.randomness import generator
from m3n.schema import Rejected

LASTS = (6.0, 12.0)  # seconds of a clip in which a movement goes on
PELVIS_HEIGHT = 0.93  # of a standing adult [m]


class Options(config.Options):
    """What to author."""

    clips: int = Field(600, ge=1, description="number of clips to author")
    seed: int = Field(0, ge=0, description="seed of everything random")
    fps: float = Field(60.0, ge=10, le=1000, description="frames per second of the clips [Hz]")
    exercises_share: float = Field(0.5, ge=0, le=1, description="share of the clips that are shoulder exercises")
    gestures_share: float = Field(0.0, ge=0, le=1, description="share that are gestures of the right hand, each made once")


def pose_clips(path: Path | None, options: Options) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `pose_clips`: SMPL, z-up world, metres and radians, poses (n_frames, 72) and trans (n_frames, 3) float32.

    Raises InputError where a path is given: there is nothing to read.
    """
    if path is not None:
        raise InputError(f"choreography authors its clips by formula and needs no file; leave out '{path}'")
    for index in range(options.clips):
        yield clip(index, options)


def clip(index: int, options: Options) -> dict[str, Any]:
    """The row of clip number `index`, whatever other clips are authored."""
    rng = generator(options.seed, "choreography", index)
    who, left_handed = person(int(rng.integers(PEOPLE)), options.seed)
    kind = rng.random()
    catalogue: Mapping[str, tuple[Any, ...]]
    seconds = LASTS
    if kind >= 1 - options.gestures_share:
        catalogue, left_share, seconds = GESTURES, 0.0, (SHORTEST, LONGEST)
    elif kind < options.exercises_share:
        catalogue, left_share = EXERCISES, 0.5
    else:
        catalogue, left_share = MOVEMENTS, 0.8 if left_handed else 0.2
    label = list(catalogue)[int(rng.integers(len(catalogue)))]
    formula, *sentences = catalogue[label]
    left = rng.random() < left_share
    text = sentences[int(rng.integers(len(sentences)))].format(side="left" if left else "right")

    t = np.arange(round(rng.uniform(*seconds) * options.fps)) / options.fps
    t_own = t / who.tempo  # a slow person's clock runs slower
    rhythm = Rhythm(rng, t_own, who.amplitude * float(rng.uniform(0.75, 1.2)))
    body = formula(rhythm)
    shake = rhythm.sway(float(rng.uniform(0.005, 0.03))) + rhythm.tremor()
    body = replace(
        body,
        arm=replace(body.arm, unrest=shake),
        other=replace(body.other, unrest=rhythm.sway(0.02)),
        bend=body.bend + who.stoop + rhythm.sway(0.01),
        tilt=body.tilt + rhythm.sway(0.01),
        turn=body.turn + rhythm.sway(0.015),
    )
    poses, trans = smpl_motion(body, len(t))
    if not left:
        poses, trans = mirrored(poses, trans)
    poses, trans = in_world(poses, trans, float(rng.uniform(-np.pi, np.pi)), PELVIS_HEIGHT)
    return {
        "clip_id": f"choreography-{options.seed}-{index:05d}",
        "source": "choreography",
        "subject": who.name,
        "text": text,
        "label": label,
        "fps": options.fps,
        "body_model": "smpl",
        "gender": "neutral",
        "betas": who.betas.astype(np.float32),
        "n_frames": len(t),
        "poses": poses.astype(np.float32),
        "trans": trans.astype(np.float32),
        "segments": None,
    }


def person(number: int, seed: int) -> tuple[Person, bool]:
    """Virtual person `number` of the crowd of this seed, and whether they are left-handed in everyday movements."""
    rng = generator(seed, "choreography", "person", number)
    who = drawn_person(f"choreo-{number:03d}", rng, amplitude=(0.8, 1.15))
    return who, bool(rng.random() < 0.15)
