"""Apply a pretrained Multi3Net to windows and sentences; the other modules of evaluation see only its outputs.

Embeddings are unit vectors in the joint space; features are the outputs of the frozen IMU encoder, for probes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from m3n.data.windows import POSE_FEATURES, ClipWindows, RecordingWindows
from m3n.errors import InputError
from m3n.io.storage import Location
from m3n.models import Multi3Net
from m3n.training.checkpoint import Checkpoint, fill, load_pretrained, part
from m3n.training.classifier import tower_columns

# share of the windows done since the last call
OnShare = Callable[[float], None]


@dataclass
class ClipEmbeddings:
    """Outputs for n windows of synthetic clips."""

    pose_ne: np.ndarray
    imu_ne: np.ndarray
    pose2imu_npt6: np.ndarray  # m/s² and rad/s
    reconstruction_npt6: np.ndarray


# of a Multi3Net: what embeds IMU windows and sentences, which is what weights that come with m3n have
WITHOUT_POSES = ("imu.", "imu_projection.", "text_projection.")


def load_multi3net(folder: Location, *, whole: bool = True) -> tuple[Multi3Net, Checkpoint]:
    """The model of a folder made by `m3n pretrain`, ready to embed; InputError if it is missing, damaged or of another kind.

    `whole`: with the pose encoder and the decoders, which weights that come with m3n lack; without, those stay random.
    """
    found = load_pretrained(folder)
    if found.text_model is None or found.text_features is None:
        raise InputError(f"{folder}: the checkpoint does not name its text model: pretrain it again")
    model = Multi3Net(found.placements, POSE_FEATURES, found.text_features, **found.architecture.model_dump())
    if whole and not part(found.weights, "pose."):
        raise InputError(f"{folder} has no pose encoder, which clips need: give a folder made by `m3n pretrain`, or no --clips")
    for prefix in ("",) if whole else WITHOUT_POSES:
        inner = model.get_submodule(prefix.rstrip("."))
        fill(inner, part(found.weights, prefix), str(folder))
    return model.eval(), found


@torch.no_grad()
def embed_clips(
    model: Multi3Net,
    checkpoint: Checkpoint,
    windows: ClipWindows,
    worn: Sequence[bool],
    batch: int,
    on_share: OnShare = lambda share: None,
) -> ClipEmbeddings:
    """Embeddings and predicted samples of windows (not normalised) of all the model's placements; `worn`: which to use."""
    normaliser = checkpoint.normaliser
    scale = torch.tensor([normaliser.acc] * 3 + [normaliser.gyro] * 3)
    no_text_1c = torch.zeros(1, checkpoint.text_features or 0)
    parts: list[tuple[torch.Tensor, ...]] = []
    for start in range(0, len(windows.clip), batch):
        imu = torch.from_numpy(normaliser(windows.imu_npt6[start : start + batch]))
        out = model(
            {
                "imu_bpt6": imu,
                "worn_bp": torch.tensor(list(worn)).expand(len(imu), -1),
                "pose_bfd": torch.from_numpy(windows.pose_nfd[start : start + batch]),
                "text_bc": no_text_1c.expand(len(imu), -1),
            }
        )
        samples = (out[name] * scale for name in ("pose2imu_bpt6", "reconstruction_bpt6"))
        parts.append((out["pose_be"], out["imu_be"], *samples))
        on_share(len(imu) / len(windows.clip))
    return ClipEmbeddings(*(torch.cat(values).numpy() for values in zip(*parts, strict=True)))


@torch.no_grad()
def embed_recordings(
    model: Multi3Net,
    checkpoint: Checkpoint,
    windows: RecordingWindows,
    batch: int,
    on_share: OnShare = lambda share: None,
) -> tuple[np.ndarray, np.ndarray]:
    """(features (n, w), embeddings (n, e)) of windows (not normalised) of any of the model's placements."""
    columns = tower_columns(model.imu, windows.placements)
    parts = []
    for start in range(0, len(windows.label), batch):
        imu = torch.from_numpy(checkpoint.normaliser(windows.imu_npt6[start : start + batch]))
        worn, rate = (torch.from_numpy(x[start : start + batch]) for x in (windows.worn_np, windows.rate_n))
        features = model.imu(imu, worn, columns, rate)
        parts.append((features, functional.normalize(model.imu_projection(features), dim=-1)))
        on_share(len(imu) / len(windows.label))
    features, embeddings = (torch.cat(values).numpy() for values in zip(*parts, strict=True))
    return features, embeddings


@torch.no_grad()
def embed_sentences(model: Multi3Net, text_sc: np.ndarray) -> np.ndarray:
    """Embeddings (s, e) of sentence-encoder vectors (s, c)."""
    return functional.normalize(model.text_projection(torch.from_numpy(text_sc)), dim=-1).numpy()
