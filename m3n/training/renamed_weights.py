"""Weights that had another name in an earlier version: checkpoints made then still load."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

RENAMED = {"told_place": "placement_embedding", "told_rate": "rate_embedding"}  # until 0.1.0 -> today


def todays_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same weights by today's names."""
    return {re.sub(r"\w+", lambda part: RENAMED.get(part[0], part[0]), name): value for name, value in weights.items()}
