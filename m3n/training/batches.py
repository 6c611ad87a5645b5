"""From raw windows to the tensors that the model and its losses read: normalised, augmented, with sentence embeddings.

Random numbers depend on (seed, epoch, batch) only and are drawn for the whole global batch, from which a worker takes its own rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from m3n.data.window_store import Block, WindowStore
from m3n.randomness import generator
from m3n.training.augment import augment, draw_worn

if TYPE_CHECKING:
    from m3n.config import AugmentConfig


class BatchMaker:
    """Makes batches of a store's windows on one device."""

    def __init__(self, store: WindowStore, device: torch.device, rate_hz: float) -> None:
        self.sentences, self.device, self.rate_hz = store.sentences, device, rate_hz
        acc, gyro = store.normaliser.acc, store.normaliser.gyro
        self.scale_6 = torch.tensor([acc] * 3 + [gyro] * 3, device=device)

    def __call__(self, raw: Block) -> dict[str, Tensor]:
        """Without augmentation, all placements worn."""
        ideal_bpt6 = self._moved(raw["imu"]) / self.scale_6
        return {
            "imu_bpt6": ideal_bpt6,
            "worn_bp": torch.ones(ideal_bpt6.shape[:2], dtype=torch.bool, device=self.device),
            "ideal_bpt6": ideal_bpt6,
            "clean_bpt6": ideal_bpt6,
            "pose_bfd": self._moved(raw["pose"]),
            "text_bc": self._moved(self.sentences[raw["keys"][:, 1]]),
            "keys_bk": self._moved(raw["keys"]),
        }

    def augmented(
        self, raw: Block, strength: AugmentConfig, draw: tuple[int, int, int], rank: int, total: int
    ) -> dict[str, Tensor]:
        """With augmentation. `raw` holds the rows of worker `rank` of a global batch of `total` windows; `draw` is (seed, epoch,
        batch)."""
        inputs = self(raw)
        seed, epoch, batch = draw
        draws = torch.Generator().manual_seed(int(generator(seed, "augment", epoch, batch).integers(2**62)))
        rows = slice(rank * len(raw["imu"]), (rank + 1) * len(raw["imu"]))
        changed = augment(inputs["ideal_bpt6"], strength, draws, rows, total, self.rate_hz)
        inputs["imu_bpt6"], inputs["clean_bpt6"], inputs["rate_b"] = changed
        inputs["worn_bp"] = draw_worn(inputs["ideal_bpt6"], strength, draws, rows, total)
        return inputs

    def _moved(self, values: np.ndarray) -> Tensor:
        found = torch.from_numpy(values)
        return found if self.device.type == "cpu" else found.pin_memory().to(self.device, non_blocking=True)
