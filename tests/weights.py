"""Weights of two pretrainings that should be one."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch


def felt(name: str, value: torch.Tensor) -> torch.Tensor:
    """The part of a weight that any output depends on.

    A softmax does not see what is added to all of its inputs, so the biases of attention keys and scores have no gradient but
    rounding noise, and Adam turns noise of any size into steps of its own.
    """
    if name.endswith("pool.score.bias"):
        return value[:0]
    if name.endswith("self_attn.in_proj_bias"):
        query, _, values = value.chunk(3)
        return torch.cat([query, values])
    return value


def assert_same_weights(first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor]) -> None:
    assert set(first) == set(second)
    for name, value in first.items():
        np.testing.assert_allclose(felt(name, second[name]), felt(name, value), atol=1e-5, rtol=0, err_msg=name)
