"""Pose clips of activities that people write down in YAML (docs/sketches.md): no camera, no licence, and the classes of your
own study.

    m3n ingest sketch moves.yaml --out data/moves clips=2000 seed=0

Forty virtual people, each with a body shape, a tempo, a range and a stoop, share the clips, so that they can be split by
person. A clip depends on the seed, its sketch and its own number alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from m3n.config.names import SKETCH as SOURCE
from m3n.errors import InputError
from m3n.motion.sketch import Sketch
from m3n.motion.sketch_clip import clip
from m3n.motion.sketch_file import read_sketches, shipped_sketches
from m3n.motion.sketch_part import ImpossiblePoseError
from m3n.schema import Rejected
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.plausibility import PoseOptions
from m3n.sources.shared.pose_rows import pose_row
from m3n.sources.shared.processes import cores, in_order

_WORTH_FORKING = 200  # clips


class Options(PoseOptions):
    """What to author from a YAML file of sketches (docs/sketches.md); without a file, from the sketches that come with m3n.
    The shortest file: [{label: drink, sentences: [A person drinks.], phases: [{hand: table}, {hand: mouth, hold: 0.3}]}]"""

    clips: int = Field(600, ge=1, description="number of clips to author, shared by the sketches by their weights")
    seed: int = Field(0, ge=0, description="seed of everything random")
    fps: float = Field(60.0, ge=20, le=1000, description="frames per second of the clips [Hz]")
    workers: int = Field(0, ge=0, le=256, description="processes that author; 0: one per core where it pays")
    allow_lying: bool = Field(True, description="people may lie in a whole clip: the trunk's direction is not checked")


def pose_clips(path: Path | None, options: Options, notes: Notes | None = None) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `pose_clips`: SMPL, z-up world, metres and radians; without a path, of the sketches that come with m3n.

    Raises InputError with line and column for a mistake in the file.
    """
    shipped = shipped_sketches()
    sketches = shipped if path is None else read_sketches(Path(path))
    yield from authored(sketches, {**shipped, **sketches}, options, notes or Notes())


def authored(
    sketches: Mapping[str, Sketch], known: Mapping[str, Sketch], options: Options, notes: Notes
) -> Iterator[dict[str, Any] | Rejected]:
    """A row for each clip of `sketches`; `known`: what their sequences and transitions may name."""
    tasks = (
        _Task(
            f"{SOURCE}-{options.seed}-{number:05d}",
            sketches[label],
            _named(sketches[label], known),
            options.seed,
            number,
            options.fps,
        )
        for number, label in enumerate(shared_out(sketches, options.clips, options.seed))
    )
    workers = options.workers or (cores() if options.clips >= _WORTH_FORKING else 1)
    for row, corrections in in_order(_authored, tasks, workers):
        for what, times in corrections.items():
            notes.count(what, min(times, 1))
        yield row


@dataclass(frozen=True)
class _Task:
    """A clip to be made: its name, sketch and number, and the sketches that it names."""

    name: str
    sketch: Sketch
    known: dict[str, Sketch]
    seed: int
    number: int
    fps: float


def _authored(task: _Task) -> tuple[dict[str, Any] | Rejected, dict[str, int]]:
    """The row of a clip, and what had to be corrected."""
    try:
        made = clip(task.sketch, task.known, task.seed, task.number, task.fps)
    except ImpossiblePoseError as error:
        return Rejected(task.name, str(error)), {}
    row = pose_row(
        task.name, SOURCE, task.fps, made.poses, made.trans, made.who.betas,
        subject=made.who.name, text=made.text, label=made.label, segments=made.segments or None,
    )  # fmt: skip
    return row, {
        "clips whose hand was kept out of the body": made.corrections.trunk,
        "clips whose elbow was turned to where a shoulder can": made.corrections.shoulder,
        "clips with a target out of reach": made.corrections.reach,
        "clips whose hand was slowed down": made.corrections.quick,
    }


def _named(sketch: Sketch, known: Mapping[str, Sketch]) -> dict[str, Sketch]:
    """The sketches that a sequence or transition names, and those that they name."""
    names = [*(step.label for step in sketch.steps), *(name for name in (sketch.start, sketch.stop) if name is not None)]
    found: dict[str, Sketch] = {}
    for name in names:
        if name in known:
            found |= {name: known[name], **_named(known[name], known)}
    return found


def shared_out(sketches: Mapping[str, Sketch], clips: int, seed: int) -> Iterator[str]:
    """The label of each clip: every stretch of clips holds the sketches in their weights, as nearly as whole numbers allow
    (steps of the golden ratio, so that a clip's label does not depend on how many there are)."""
    labels = list(sketches)
    edges = np.cumsum([sketches[label].weight for label in labels])
    if not edges[-1] > 0:
        raise InputError("the weights of all sketches are 0, so there is nothing to make")
    for number in range(clips):
        share = (0.5 + 0.61803398874989485 * (number + 7919 * seed)) % 1.0
        yield labels[int(np.searchsorted(edges, share * edges[-1], side="right"))]
