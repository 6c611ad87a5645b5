"""The state of a training run in progress: one safetensors file, replaced atomically, and the one before it.

Weights and moments are tensors; the rest is JSON in the file's header: the position in the data, the sums of the current epoch, and
the metrics of the epochs before. A pretraining needs no state of a random generator, because its random numbers depend on (seed,
epoch, batch) only. A file that a disk damages costs the steps since the state before it.
"""

from __future__ import annotations

import json
import logging
import math
from dataclasses import asdict, dataclass, field
from typing import Any

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from m3n.io import storage
from m3n.io.storage import L, Location
from m3n.training.renamed_weights import todays_names

LAST = "last.safetensors"
PREVIOUS, DAMAGED = ".previous", ".damaged"  # endings beside the name of the state
VERSION = 1
log = logging.getLogger(__name__)


@dataclass
class Progress:
    """The position of a run and its metrics so far: everything but the tensors."""

    epoch: int = 0
    step: int = 0  # steps of the optimiser done in this epoch
    best: float = math.inf  # the lowest validation loss of an epoch so far
    since_best: int = 0  # epochs since then
    skipped: int = 0  # steps skipped in this epoch because the loss or gradient was not finite
    skipped_in_row: int = 0
    sums: dict[str, float] = field(default_factory=dict)  # of the losses over this epoch's steps
    history: list[dict[str, float]] = field(default_factory=list)  # metrics of the finished epochs


def save_state(
    path: Location, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer, description: dict[str, Any]
) -> None:
    """Write the state atomically, and keep the last one; `description` (fingerprint, …) is put into the header unchanged."""
    names: dict[Any, str] = {parameter: name for name, parameter in model.named_parameters()}
    tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
    for parameter, moments in optimizer.state.items():
        tensors |= {f"optimizer/{names[parameter]}/{key}": value for key, value in moments.items()}
    header = {"version": VERSION, "progress": asdict(progress), **description}
    kept = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    content = safetensors.torch.save(kept, {"state": json.dumps(header)})
    if path.is_file():
        storage.keep(path, _beside(path, PREVIOUS))
    storage.write(path, content)


def recovered(path: Location) -> dict[str, Any] | None:
    """The header of the state, after the one before it has taken its place where its file is damaged or missing; None without a
    state. A damaged file is kept beside it, and named in the log."""
    if (header := read_header(path)) is not None:
        return header
    before = _beside(path, PREVIOUS)
    header = read_header(before)
    if path.is_file():
        storage.keep(path, _beside(path, DAMAGED))
        path.unlink(missing_ok=True)
        goes_on = "the training goes on from the state before it" if header else "no state before it is left: it starts anew"
        log.warning("%s is damaged, and is kept as %s; %s", path, _beside(path, DAMAGED).name, goes_on)
    if header is not None:
        storage.keep(before, path)
    return header


def remove_previous(path: Location) -> None:
    """Remove the state before the last."""
    _beside(path, PREVIOUS).unlink(missing_ok=True)


def remove(path: Location) -> None:
    """Remove the state and the one before it."""
    path.unlink(missing_ok=True)
    remove_previous(path)


def _beside(path: L, ending: str) -> L:
    return path.with_name(f"{path.name}{ending}")


def read_header(path: Location) -> dict[str, Any] | None:
    """The header that `save_state` wrote, or None if there is no readable state."""
    try:
        if not path.exists():
            return None
        with storage.local_copy(path) as file, safetensors.safe_open(file, framework="pt") as content:
            header = json.loads((content.metadata() or {})["state"])
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
    return header if header.get("version") == VERSION else None


def restore(path: Location, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Load the saved state, or the one before it, into model and optimiser; a new `Progress` if there is none."""
    header = read_header(path)
    if header is None:  # damaged since the run began
        path = _beside(path, PREVIOUS)
        header = read_header(path)
    if header is None:
        return Progress()
    tensors = todays_names(safetensors.torch.load(storage.read(path)))
    model.load_state_dict({n.removeprefix("model/"): v for n, v in tensors.items() if n.startswith("model/")})
    for name, parameter in model.named_parameters():
        prefix = f"optimizer/{name}/"
        moments = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
        if moments:
            optimizer.state[parameter] = {key: _placed(key, value, parameter) for key, value in moments.items()}
    return Progress(**header["progress"])


def _placed(key: str, value: Tensor, parameter: nn.Parameter) -> Tensor:
    return value if key == "step" else value.to(parameter.device)  # on the device where torch.optim keeps it
