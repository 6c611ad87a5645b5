"""The state of a pretraining run on the way: one safetensors file, replaced atomically.

Weights and moments are tensors, the rest is JSON in the file's header: where in the data the run is, the sums of the epoch under
way, and the metrics of those before. No state of a random generator is kept, because every draw comes from (seed, epoch, batch).
"""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, field
from typing import Any

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from m3n.io import storage
from m3n.io.storage import Location

LAST = "last.safetensors"
VERSION = 1


@dataclass
class Progress:
    """Where a run stands, and what it has seen; everything but its tensors."""

    epoch: int = 0
    step: int = 0  # optimiser steps done in this epoch
    best: float = math.inf  # the lowest validation loss of an epoch so far
    since_best: int = 0  # epochs since then
    skipped: int = 0  # steps skipped in this epoch because a loss or a gradient was not finite
    skipped_in_row: int = 0
    sums: dict[str, float] = field(default_factory=dict)  # of the losses of this epoch's steps
    history: list[dict[str, float]] = field(default_factory=list)  # metrics of the epochs done


def save_state(
    path: Location, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer, description: dict[str, Any]
) -> None:
    """Write the state atomically; `description` (fingerprint, config, normaliser, …) goes into the header as it is."""
    names: dict[Any, str] = {parameter: name for name, parameter in model.named_parameters()}
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    for parameter, moments in optimizer.state.items():
        tensors |= {f"optimizer/{names[parameter]}/{key}": value for key, value in moments.items()}
    header = {"version": VERSION, "progress": asdict(progress), **description}
    kept = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    storage.write(path, safetensors.torch.save(kept, {"state": json.dumps(header)}))


def read_header(path: Location) -> dict[str, Any] | None:
    """What `save_state` wrote beside the tensors, or None where there is no state that can be read."""
    try:
        if not path.exists():
            return None
        with storage.local_copy(path) as file, safetensors.safe_open(file, framework="pt") as content:
            header = json.loads((content.metadata() or {})["state"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return header if header.get("version") == VERSION else None


def restore(path: Location, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Put model and optimiser back to where `save_state` found them; a fresh `Progress` where there is no state."""
    header = read_header(path)
    if header is None:
        return Progress()
    tensors = safetensors.torch.load(storage.read(path))
    model.load_state_dict({n.removeprefix("model/"): v for n, v in tensors.items() if n.startswith("model/")})
    for name, parameter in model.named_parameters():
        prefix = f"optimizer/{name}/"
        moments = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
        if moments:
            optimizer.state[parameter] = {key: _placed(key, value, parameter) for key, value in moments.items()}
    return Progress(**header["progress"])


def _placed(key: str, value: Tensor, parameter: nn.Parameter) -> Tensor:
    return value if key == "step" else value.to(parameter.device)  # where torch.optim keeps them itself
