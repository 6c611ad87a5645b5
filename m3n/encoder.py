"""Embeddings of IMU windows and of sentences, for those who have arrays: three lines from an array to vectors.

import m3n
encoder = m3n.load("runs/pretrain")                   # or the name of weights that come with m3n
vectors = encoder.embed(X, rate_hz=50)                # X (windows, samples, 6) -> (windows, embedding)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils import check_array

from m3n.data import text
from m3n.data.scale import check_scale
from m3n.evaluation.embed import embed_recordings, embed_sentences, load_multi3net
from m3n.io import storage
from m3n.models import Multi3Net
from m3n.training.checkpoint import Checkpoint, named
from m3n.training.window_arrays import WindowArrays

BATCH = 256


def load(checkpoint: str | Path) -> Encoder:
    """The encoder of a folder made by `m3n pretrain` (local, s3:// or gs://), or of weights that come with m3n by name.

    Raises InputError for a folder without a checkpoint, and for an unknown name, with the names there are.
    """
    return Encoder(
        *load_multi3net(named(storage.location(checkpoint) if isinstance(checkpoint, str) else checkpoint), whole=False)
    )


@dataclass(frozen=True)
class Encoder:
    """A pretrained IMU encoder and its joint embedding with text.

    X is (windows, samples, 6 per placement): ax ay az gx gy gz of the first placement, then of the next. Specific force is in m/s²
    (a sensor at rest reads +9.81 along the axis that points up), angular rate in rad/s, both in the sensor's own frame: on a wrist,
    x along the forearm towards the hand, z out of the back of the wrist, y = z × x. Without gyroscopes X has 3 channels per
    placement. Windows are resampled from `rate_hz` to the encoder's rate; best are windows about as long as those it was
    pretrained on (`checkpoint.windows.window_s`).
    """

    model: Multi3Net
    checkpoint: Checkpoint

    def embed(self, X: Any, *, rate_hz: float = 50.0, placements: Sequence[str] | str = "right_wrist") -> np.ndarray:
        """Embeddings (windows, embedding) float32 of length 1, whose products with those of `embed_text` are cosines.

        Raises InputError for shapes, units and placements that do not fit.
        """
        return self._embedded(X, rate_hz, placements)[1]

    def features(self, X: Any, *, rate_hz: float = 50.0, placements: Sequence[str] | str = "right_wrist") -> np.ndarray:
        """What the encoder gives before the joint embedding, (windows, width) float32: best for classifiers of your own."""
        return self._embedded(X, rate_hz, placements)[0]

    def embed_text(self, sentences: Sequence[str]) -> np.ndarray:
        """Embeddings (sentences, embedding) float32 of length 1; NoTextModelError where `m3n[text]` is not installed."""
        return embed_sentences(self.model, text.embed(list(sentences), str(self.checkpoint.text_model)))

    def _embedded(self, X: Any, rate_hz: float, placements: Sequence[str] | str) -> tuple[np.ndarray, np.ndarray]:
        arrays = WindowArrays.checked(placements, rate_hz)
        flat = check_array(arrays.flat(X), dtype=np.float32)
        own_hz = float(self.checkpoint.windows.rate_hz)
        windows = arrays.windows(arrays.samples(flat), own_hz, np.zeros(len(flat), int), ())
        check_scale(self.checkpoint.normaliser, [windows.imu_npt6], "X")
        return embed_recordings(self.model, self.checkpoint, windows, BATCH)
