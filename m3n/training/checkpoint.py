"""Checkpoints: `model.safetensors`, and `checkpoint.json` with everything that is needed to use the weights.

The window shape, the normaliser and the placements travel with the weights, so that nobody trains on two-second windows in m/s² and
predicts on one-second windows in g.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from m3n import packaged
from m3n.config import ModelConfig, WindowsConfig, check
from m3n.data.windows import Normaliser
from m3n.errors import InputError, nearest, one_line
from m3n.io import storage, tables
from m3n.io.storage import L, Location
from m3n.schema import check_placement_names
from m3n.training.renamed_weights import todays_names

WEIGHTS, DESCRIPTION = "model.safetensors", "checkpoint.json"
VERSION = 1
C = TypeVar("C", ModelConfig, WindowsConfig)


@dataclass(frozen=True)
class Checkpoint:
    """Weights by name, and the model and data that they belong to."""

    kind: str  # "multi3net" or "classifier"
    weights: Mapping[str, Tensor]
    architecture: ModelConfig
    windows: WindowsConfig
    placements: list[str]
    normaliser: Normaliser
    classes: list[str] = field(default_factory=list)
    head: str | None = None  # of a classifier, one of `m3n.models.HEADS`
    dense: bool = False  # of a classifier: whether the head gives a label for every step of the encoder
    text_model: str | None = None
    text_features: int | None = None
    subjects: dict[str, list[str]] = field(default_factory=dict)  # source -> subjects that it was trained on
    labelled_subjects: dict[str, list[str]] = field(default_factory=dict)  # those of them whose recordings' labels it learned


def save(folder: Location, checkpoint: Checkpoint) -> None:
    """Write a checkpoint into an existing folder. The description comes last, so a folder that has one is complete."""
    weights = {k: v.detach().cpu().contiguous() for k, v in checkpoint.weights.items()}
    storage.write(folder / WEIGHTS, safetensors.torch.save(weights))
    content = {k: v for k, v in vars(checkpoint).items() if k != "weights"}
    content |= {name: getattr(checkpoint, name).model_dump() for name in ("architecture", "windows")}
    content = {"version": VERSION, **content, "normaliser": asdict(checkpoint.normaliser)}
    tables.write_text(folder / DESCRIPTION, json.dumps(content, indent=2) + "\n")


def named(folder: L) -> L:
    """A checkpoint's folder, given by its place or by the name of weights that come with m3n, such as "wrist-small".

    A folder at that place wins over a name. Raises InputError, with the names there are, for a name without either.
    """
    if not isinstance(folder, Path) or folder.exists() or len(folder.parts) > 1:
        return folder
    known = packaged.weights()
    if folder.name not in known:
        name = one_line(str(folder), 300)
        raise InputError(
            f"no checkpoint '{name}'{nearest(name, known)}: expected a folder made by m3n; {packaged.weights_known()}"
        )
    return known[folder.name]


def load(folder: Location, kind: str) -> Checkpoint:
    """Read a checkpoint of one kind; InputError if it is missing, damaged, of another kind or made by another version."""
    if not (folder / DESCRIPTION).is_file():
        raise InputError(f"{folder} holds no {DESCRIPTION}: expected a checkpoint folder made by m3n")
    try:
        content = json.loads(storage.read(folder / DESCRIPTION).decode())
        if content.pop("version") != VERSION:
            raise InputError(f"{folder}: the checkpoint was made by another version of m3n: make it again")
        content["normaliser"] = Normaliser(**content["normaliser"])
        content["architecture"] = _settings(ModelConfig, content["architecture"], folder)
        content["windows"] = _settings(WindowsConfig, content["windows"], folder)
        checkpoint = Checkpoint(weights=todays_names(safetensors.torch.load(storage.read(folder / WEIGHTS))), **content)
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as error:
        raise InputError(f"{folder} is not a readable checkpoint: {str(error).splitlines()[0]}") from None
    if checkpoint.kind != kind:
        maker = {"multi3net": "m3n pretrain", "classifier": "m3n finetune"}[kind]
        raise InputError(f"{folder} holds a {checkpoint.kind} checkpoint; expected one made by `{maker}`")
    return checkpoint


def load_pretrained(folder: Location) -> Checkpoint:
    """A checkpoint made by `m3n pretrain`; InputError as in `load`, and for placements that nobody could have."""
    found = load(folder, "multi3net")
    try:
        check_placement_names(found.placements)
    except InputError as error:
        raise InputError(f"{folder} was made by another version of m3n, or damaged: {error}") from None
    return found


def _settings(schema: type[C], values: Any, folder: Location) -> C:
    try:
        return check(schema, values)
    except InputError as error:
        raise InputError(f"{folder} was made by another version of m3n, or damaged: {error}") from None


def fill(model: nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    """Load weights into a model; InputError, naming the weight, for the first that is missing or has another shape."""
    own = model.state_dict()
    for name, value in own.items():
        if name not in weights:
            raise InputError(f"{where}: the checkpoint has another architecture: it has no weight '{name}'")
        if weights[name].shape != value.shape:
            found, expected = tuple(weights[name].shape), tuple(value.shape)
            raise InputError(f"{where}: the checkpoint has another architecture: '{name}' is {found}, expected {expected}")
    model.load_state_dict({name: weights[name] for name in own})


def part(weights: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The weights below a prefix, without it."""
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
