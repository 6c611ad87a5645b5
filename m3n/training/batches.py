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
from m3n.training.augment import Augmented, Rows, augment, draw_worn, turned_by_right_angles

if TYPE_CHECKING:
    from m3n.config import AugmentConfig


class BatchMaker:
    """Makes batches of a store's windows on one device; `views`: with a second view of the windows of real recordings."""

    def __init__(self, store: WindowStore, device: torch.device, rate_hz: float, *, views: bool = False) -> None:
        self.sentences, self.device, self.rate_hz, self.views = store.sentences, device, rate_hz, views
        acc, gyro = store.normaliser.acc, store.normaliser.gyro
        self.scale_6 = torch.tensor([acc] * 3 + [gyro] * 3, device=device)

    def __call__(self, raw: Block) -> dict[str, Tensor]:
        """Without augmentation, all placements worn that were recorded."""
        ideal_bpt6 = self._moved(raw["imu"]) / self.scale_6
        inputs = {
            "imu_bpt6": ideal_bpt6,
            "worn_bp": torch.ones(ideal_bpt6.shape[:2], dtype=torch.bool, device=self.device),
            "ideal_bpt6": ideal_bpt6,
            "clean_bpt6": ideal_bpt6,
            "pose_bfd": self._moved(raw["pose"]),
            "text_bc": self._moved(self.sentences[raw["keys"][:, 1]]),
            "keys_bk": self._moved(raw["keys"]),
        }
        if "signals" in raw:  # only where windows of the store lack something
            signals_bp2 = self._moved(raw["signals"])
            inputs |= {
                "signals_bp2": signals_bp2,
                "worn_bp": signals_bp2[..., 0],
                "has_pose_b": self._moved(raw["has_pose"]),
                "recorded_b": self._moved(~raw["has_pose"]),
                "unknown_b": self._moved(raw["unknown"]),
                "rate_b": self._moved(raw["rate"]).clamp(max=self.rate_hz),
            }
        return inputs

    def validated(self, raw: Block, strength: AugmentConfig, draw: tuple[int, int]) -> dict[str, Tensor]:
        """Without augmentation but for the second view; `raw` is a whole batch, `draw` is (seed, number of the batch)."""
        inputs = self(raw)
        return inputs | self._second_view(inputs, strength, (draw[0], "validation", draw[1]), 0, len(raw["imu"]))

    def augmented(
        self, raw: Block, strength: AugmentConfig, draw: tuple[int, int, int], rank: int, total: int
    ) -> dict[str, Tensor]:
        """With augmentation. `raw` holds the rows of worker `rank` of a global batch of `total` windows; `draw` is (seed, epoch,
        batch)."""
        inputs = self(raw)
        draws = _draws("augment", *draw)
        rows = slice(rank * len(raw["imu"]), (rank + 1) * len(raw["imu"]))
        mounted_bpt6 = self._mounted(inputs, "mounting", draw, rows, total)
        changed = augment(mounted_bpt6, strength, draws, rows, total, self.rate_hz)
        worn_bp = draw_worn(inputs["ideal_bpt6"], strength, draws, rows, total, _recorded(inputs))
        inputs["clean_bpt6"] = changed.clean_bpt6
        seen = _as_recorded(inputs, changed)
        views = self._second_view(inputs, strength, draw, rank, total)
        return inputs | {"imu_bpt6": seen.imu_bpt6, "rate_b": seen.rate_b, "worn_bp": worn_bp} | views

    def _second_view(
        self, inputs: dict[str, Tensor], strength: AugmentConfig, draw: tuple[int | str, ...], rank: int, total: int
    ) -> dict[str, Tensor]:
        """Another augmentation of the windows `recorded_b`, and of those alone."""
        if not self.views:
            return {}
        own = inputs["recorded_b"].nonzero().squeeze(1)
        rows = own.cpu() + rank * len(inputs["recorded_b"])
        of = {name: inputs[name][own] for name in ("ideal_bpt6", "signals_bp2", "unknown_b", "rate_b")}
        draws = _draws("view", *draw)
        mounted_rpt6 = self._mounted(of, "view mounting", draw, rows, total)
        seen = _as_recorded(of, augment(mounted_rpt6, strength, draws, rows, total, self.rate_hz))
        worn_rp = draw_worn(of["ideal_bpt6"], strength, draws, rows, total, _recorded(of))
        return {"view_rpt6": seen.imu_bpt6, "view_rate_r": seen.rate_b, "view_worn_rp": worn_rp}

    def _mounted(self, inputs: dict[str, Tensor], purpose: str, draw: tuple[int | str, ...], rows: Rows, total: int) -> Tensor:
        """The signals, those of sensors with an unknown mounting turned by right angles."""
        ideal_bpt6 = inputs["ideal_bpt6"]
        if "unknown_b" not in inputs:
            return ideal_bpt6
        turned_bpt6 = turned_by_right_angles(ideal_bpt6, _draws(purpose, *draw), rows, total)
        return torch.where(inputs["unknown_b"][:, None, None, None], turned_bpt6, ideal_bpt6)

    def _moved(self, values: np.ndarray) -> Tensor:
        found = torch.from_numpy(values)
        return found if self.device.type == "cpu" else found.pin_memory().to(self.device, non_blocking=True)


def _draws(purpose: str, seed: int | str, *names: int | str) -> torch.Generator:
    return torch.Generator().manual_seed(int(generator(int(seed), purpose, *names).integers(2**62)))


def _recorded(inputs: dict[str, Tensor]) -> Tensor | None:
    """Placements that were recorded; None for all."""
    return inputs["signals_bp2"][..., 0] if "signals_bp2" in inputs else None


def _as_recorded(inputs: dict[str, Tensor], changed: Augmented) -> Augmented:
    """Without the noise of signals that were not recorded, and at no higher rate than that of the sensor."""
    if "signals_bp2" not in inputs:
        return changed
    there_bp16 = inputs["signals_bp2"].repeat_interleave(3, dim=2)[:, :, None]
    return changed._replace(imu_bpt6=changed.imu_bpt6 * there_bp16, rate_b=changed.rate_b.minimum(inputs["rate_b"]))
