"""A table of synthetic clips to rehearse: two labels by two people, and a label that no recording has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from m3n import schema
from m3n.config import ModelConfig, WindowsConfig
from m3n.data.windows import Normaliser
from m3n.io import tables
from m3n.training.checkpoint import Checkpoint

SHAPE = WindowsConfig(window_s=1.0, hop_s=1.0)
WRIST = ("right_wrist",)
_COLUMNS = schema.synthetic_clips(("left_wrist", "right_wrist"))


def filmed(folder: Path, synthetic_clip: Callable[..., Any]) -> Path:
    """Write the table."""
    rows = [
        synthetic_clip(f"{who}-{label}", 41, 20.0, subject=who, source="film", label=label)
        for who in ("anna", "bela")
        for label in ("knock", "wave", "bow")
    ]
    folder.mkdir()
    tables.write_table(folder, rows, _COLUMNS, rows_per_shard=4)
    return folder


def pretrained_on(*subjects: str) -> Checkpoint:
    """A checkpoint without weights that saw these people of the film."""
    return Checkpoint("multi3net", {}, ModelConfig(), SHAPE, [*WRIST], Normaliser(9.8, 1.0), subjects={"film": [*subjects]})


def damage(folder: Path, clip_id: str) -> None:
    """Put a NaN into the samples of one clip."""
    for shard in tables.shard_paths(folder):
        rows = list(tables.rows(tables.read_shard(shard, _COLUMNS)))
        for row in rows:
            if row["clip_id"] == clip_id:
                row["imu_right_wrist"] = np.where(np.arange(row["imu_right_wrist"].size) == 9, np.nan, row["imu_right_wrist"])
        tables.write_shard(shard, tables.to_table(rows, _COLUMNS))
