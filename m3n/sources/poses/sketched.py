"""Pose clips of activities that people write down in YAML (docs/sketches.md): no camera, no licence, and the classes of your
own study.

    m3n ingest sketch moves.yaml --out data/moves clips=2000 seed=0

Forty virtual people, each with a body shape, a tempo, a range and a stoop, share the clips, so that they can be split by
person. A clip depends on the seed, its sketch and its own number alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field

from m3n.motion.sketch import Sketch
from m3n.motion.sketch_clip import clip
from m3n.motion.sketch_file import read_sketches, shipped_sketches
from m3n.motion.sketch_part import ImpossiblePoseError
from m3n.schema import Rejected
from m3n.sources.shared.ingest_notes import Notes
from m3n.sources.shared.plausibility import PoseOptions
from m3n.sources.shared.pose_rows import pose_row

SOURCE = "sketch"


class Options(PoseOptions):
    """What to author from a file of sketches, as `- label: drink` with `sentences`, `posture` and `phases`
    (docs/sketches.md)."""

    clips: int = Field(600, ge=1, description="number of clips to author, shared by the sketches by their weights")
    seed: int = Field(0, ge=0, description="seed of everything random")
    fps: float = Field(60.0, ge=20, le=1000, description="frames per second of the clips [Hz]")
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
    for number, label in enumerate(shared_out(sketches, options.clips, options.seed)):
        name = f"{SOURCE}-{options.seed}-{number:05d}"
        try:
            made = clip(sketches[label], known, options.seed, number, options.fps)
        except ImpossiblePoseError as error:
            yield Rejected(name, str(error))
            continue
        for what, times in (
            ("clips whose hand was kept out of the body", made.corrections.trunk),
            ("clips whose elbow was turned to where a shoulder can", made.corrections.shoulder),
            ("clips with a target out of reach", made.corrections.reach),
            ("clips whose hand was slowed down", made.corrections.quick),
        ):
            notes.count(what, min(times, 1), label)
        yield pose_row(
            name, SOURCE, options.fps, made.poses, made.trans, made.who.betas,
            subject=made.who.name, text=made.text, label=made.label,
        ) | {"segments": made.segments or None}  # fmt: skip


def shared_out(sketches: Mapping[str, Sketch], clips: int, seed: int) -> Iterator[str]:
    """The label of each clip: every stretch of clips holds the sketches in their weights, as nearly as whole numbers allow
    (steps of the golden ratio, so that a clip's label does not depend on how many there are)."""
    labels = list(sketches)
    edges = np.cumsum([sketches[label].weight for label in labels])
    for number in range(clips):
        share = (0.5 + 0.61803398874989485 * (number + 7919 * seed)) % 1.0
        yield labels[int(np.searchsorted(edges, share * edges[-1], side="right"))]
