"""A classifier of IMU windows: made from random weights or a pretrained tower, applied, saved and loaded."""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch.nn import functional

from m3n.config import ModelConfig, WindowsConfig
from m3n.data import text
from m3n.data.windows import Normaliser, RecordingWindows
from m3n.errors import InputError
from m3n.io.storage import Location
from m3n.models import HEADS, Classifier, ImuTower, TextHead, make_classifier
from m3n.models.heads import projection
from m3n.training.checkpoint import Checkpoint, fill, load, part

Sentences = dict[str, list[str]]  # label -> sentences that describe it


def new_classifier(
    placements: tuple[str, ...],
    classes: list[str],
    head: str,
    architecture: ModelConfig,
    pretrained: Checkpoint | None,
    seed: int,
    sentences: Sentences | None = None,
    dense: bool = False,
) -> Classifier:
    """A classifier with fresh weights, or with the IMU tower of a pretrained checkpoint.

    A text head on a pretrained tower also takes the checkpoint's projection, and starts from each class's sentences: from the mean
    of their embeddings, as CLIP ensembles its prompts (Radford et al. 2021).
    """
    torch.manual_seed(seed)
    model = make_classifier(
        placements if pretrained is None else tuple(pretrained.placements), len(classes), head, architecture.model_dump(), dense
    )
    if pretrained is not None:
        fill(model.imu, part(pretrained.weights, "imu."), "--checkpoint")
        if isinstance(model.head, TextHead):
            fill(model.head.projection, part(pretrained.weights, "imu_projection."), "--checkpoint")
            model.head.directions_ce.data = _directions(pretrained, classes, sentences or {})
    return model


@torch.no_grad()
def _directions(pretrained: Checkpoint, classes: list[str], sentences: Sentences) -> torch.Tensor:
    """(classes, embedding): unit vectors, the mean of each class's sentences in the joint embedding."""
    lines = [line for name in classes for line in sentences[name]]
    vectors_sc = torch.from_numpy(text.embed(lines, str(pretrained.text_model)))
    weights = part(pretrained.weights, "text_projection.")
    towards = projection(vectors_sc.shape[1], pretrained.architecture.embedding)
    fill(towards, weights, "--checkpoint")
    vectors_se = functional.normalize(towards(vectors_sc), dim=-1)
    groups = torch.split(vectors_se, [len(sentences[name]) for name in classes])
    return functional.normalize(torch.stack([group.mean(0) for group in groups]), dim=-1)


@torch.no_grad()
def predict(model: Classifier, windows: RecordingWindows, normaliser: Normaliser, batch: int = 512) -> np.ndarray:
    """Class probabilities (windows, classes) float32."""
    model.eval()
    columns = tower_columns(model.imu, windows.placements)
    out = []
    for start in range(0, len(windows.imu_npt6), batch):
        piece = slice(start, start + batch)
        imu = torch.from_numpy(normaliser(windows.imu_npt6[piece]))
        worn, rate = (torch.from_numpy(x[piece]) for x in (windows.worn_np, windows.rate_n))
        logits, _ = model(imu, worn, columns, rate)
        out.append(logits.softmax(-1).numpy())
    return np.concatenate(out)


def recording_probabilities(probabilities: np.ndarray, windows: RecordingWindows) -> tuple[np.ndarray, np.ndarray]:
    """(class probabilities averaged over the windows, label) of every labelled example, in order."""
    example = windows.example
    first = np.unique(example, return_index=True)[1]
    means = np.add.reduceat(probabilities, first, axis=0) / np.diff([*first, len(example)])[:, None]
    return means, windows.label[first]


def tower_columns(tower: ImuTower, placements: tuple[str, ...]) -> list[int]:
    """Positions of the windows' placements among the tower's; InputError for one that it was not trained with."""
    known = tower.placements
    for placement in placements:
        if placement not in known:
            raise InputError(
                f"the recordings have the placement '{placement}', but the checkpoint was trained with {', '.join(known)}"
            )
    return [known.index(p) for p in placements]


def classifier_checkpoint(
    model: Classifier,
    classes: list[str],
    head: str,
    normaliser: Normaliser,
    architecture: ModelConfig,
    shape: WindowsConfig,
) -> Checkpoint:
    """A checkpoint of a trained classifier."""
    return Checkpoint(
        kind="classifier",
        weights=copy.deepcopy(model.state_dict()),
        architecture=architecture,
        windows=shape,
        placements=list(model.imu.placements),
        normaliser=normaliser,
        classes=classes,
        head=head,
        dense=model.dense,
    )


def load_classifier(folder: Location) -> tuple[Classifier, Checkpoint]:
    """The classifier in a folder made by `m3n finetune`, ready to predict; InputError as in `m3n.training.checkpoint.load`."""
    found = load(folder, "classifier")
    if found.head not in HEADS or not found.classes:
        raise InputError(
            f"{folder} was made by another version of m3n, or damaged: head is '{found.head}' with {len(found.classes)} classes, "
            f"expected one of {', '.join(HEADS)}"
        )
    model = make_classifier(found.placements, len(found.classes), found.head, found.architecture.model_dump(), found.dense)
    fill(model, found.weights, str(folder))
    return model.eval(), found
