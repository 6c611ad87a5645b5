"""What the outputs of video pose estimators have in common: people followed over frames, in a camera's or a world's frame.

A track becomes one clip, or several where the person was out of sight for long (`gaps`). Frame rates are hardly ever in the files,
so `fps` is an option that must be given. An estimator that sees one camera guesses depth from size, so its depth jumps: it is held
at its median unless `depth` says otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.spatial.transform import Rotation

from m3n.config import Positive
from m3n.errors import InputError, one_line
from m3n.schema import JOINT_COUNT, Rejected
from m3n.sources.shared.gaps import bridged, part_id, stretches
from m3n.sources.shared.plausibility import Up, repairs
from m3n.sources.shared.pose_files import PoseFile, PoseFileOptions
from m3n.sources.shared.pose_rows import MAX_FRAMES, TURN_UP, FloatArray, pose_row

# The pelvis of the neutral body at rest (m), about which a root turns: SMPL's and SMPL-X's J_regressor times v_template.
PELVIS_AT_REST = {"smpl": (-0.0022, -0.2408, 0.0286), "smplx": (0.0031, -0.3514, 0.0120)}
_LONGEST_NAME = 400  # characters: the path of an image


class EstimateOptions(PoseFileOptions):
    """Settings that all video estimators share."""

    fps: Positive | None = Field(default=None, description="frames per second of the video; it must be given [Hz]")
    subject: str | None = Field(
        default=None, description="who moves, where all clips of a file show one person; null: that of path=, or unknown"
    )
    gender: Literal["neutral", "female", "male"] = Field(default="neutral", description="body of every clip")
    up: Up | None = Field(
        default=None, description="axis that points up, where it is not the one of the format; null: the format's"
    )

    def vertical(self) -> str:
        """The file's axis that is taken to point up."""
        return self.up or self.format_up()

    def format_up(self) -> str:
        """The axis that points up in files of this format."""
        return "y" if getattr(self, "frame", "camera") == "world" else "-y"


class CameraOptions(EstimateOptions):
    """Settings of estimators that place people relative to the camera."""

    depth: Literal["constant", "estimated"] = Field(
        default="constant", description="distance from the camera: 'constant' (its median) or as 'estimated', which jitters"
    )


@dataclass(frozen=True)
class Track:
    """One person: increasing frame numbers (F,), poses (F, J, 3) rad, position (F, 3) m, betas (F, B) or (B,).

    `at_pelvis` says that the position is the pelvis', not SMPL's `transl`, which counts from the pelvis at rest.
    """

    frames: NDArray[np.int64]
    poses: FloatArray
    position: FloatArray
    betas: FloatArray
    at_pelvis: bool = False


E = TypeVar("E", bound=EstimateOptions)


def of_file(options: E, one: PoseFile) -> E:
    """The settings for one file: what its name says of its clips is in them."""
    return options.model_copy(update=one.said(options))


def required_fps(where: object, options: EstimateOptions) -> float:
    """The option fps; InputError, which names `where`, if it was not given."""
    if options.fps is None:
        raise InputError(f"{where}: the frame rate is not in the file; give fps=<frames per second of the video>")
    return options.fps


def track_rows(
    track: Track, clip_id: str, options: EstimateOptions, *, source: str, body_model: str, where: str
) -> Iterator[dict[str, Any] | Rejected]:
    """Rows of `pose_clips` of one person, z up, from a track whose vertical axis is `options.vertical()`."""
    fps = required_fps(where, options)
    if len(track.frames) and (np.diff(track.frames) <= 0).any():
        yield Rejected(clip_id, f"{where}: frame numbers do not increase")
        return
    turn = TURN_UP[options.vertical()]
    rest = np.array(PELVIS_AT_REST[body_model])
    position = track.position.copy()
    if isinstance(options, CameraOptions) and options.depth == "constant" and len(position):
        position[:, 2] = np.median(position[:, 2])
    pelvis = position if track.at_pelvis else position + rest
    betas = np.median(track.betas.reshape(-1, track.betas.shape[-1]), axis=0) if track.betas.size else np.zeros(10)
    pieces = stretches(track.frames, options.max_gap_frames)
    if not pieces:
        yield Rejected(clip_id, f"{where}: seen in {len(track.frames)} frame(s), expected at least 2 that follow each other")
        return
    first, count = int(track.frames[0]), int(track.frames[-1] - track.frames[0]) + 1
    spans = [(int(track.frames[p.start]) - first, int(track.frames[p.stop - 1]) - first + 1) for p in pieces]
    over = sum(b - a - (piece.stop - piece.start) for (a, b), piece in zip(spans, pieces, strict=True))
    done = repairs(clip_id, count, spans, over, f"{where}: the person was not seen")
    for number, part in enumerate(pieces):
        poses, place = bridged(track.frames[part], track.poses[part], pelvis[part])
        poses[:, 0] = (Rotation.from_matrix(turn) * Rotation.from_rotvec(poses[:, 0])).as_rotvec()
        yield pose_row(
            part_id(clip_id, number, len(pieces)), source, fps, poses, place @ turn.T - rest,
            betas, body_model=body_model, gender=options.gender, subject=options.subject, text=options.text or "",
            label=options.label, repairs=done if number == 0 else (), file=where,
        )  # fmt: skip


def turned_z_up(poses: FloatArray, trans: FloatArray, up: str, pelvis: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Poses (F, 3 J) and trans (F, 3) m in a world turned z up; a root turns about the pelvis, which is at `pelvis` at rest."""
    turned = poses.copy()
    turned[:, :3] = (Rotation.from_matrix(TURN_UP[up]) * Rotation.from_rotvec(poses[:, :3])).as_rotvec()
    return turned, (trans + pelvis) @ TURN_UP[up].T - pelvis


def names_of(keys: Iterable[Any]) -> dict[Any, str]:
    """Key -> text, a different one for each, for what a file calls its people or its images: numbers, text, or tuples of them."""
    made: dict[Any, str] = {}
    taken: set[str] = set()
    for key in keys:
        parts = key if isinstance(key, tuple) else (key,)
        plain = "-".join(str(part.item()) if isinstance(part, np.generic) else _as_text(part) for part in parts)
        text = plain = one_line(plain, _LONGEST_NAME) or "unnamed"
        count = 1
        while text in taken:
            count += 1
            text = f"{plain}-{count}"
        made[key] = text
        taken.add(text)
    return made


def _as_text(key: Any) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def with_hands(body: FloatArray, body_model: str) -> FloatArray:
    """Poses (F, J, 3) of a body model from (F, n, 3) of its first n joints; the rest stays at rest."""
    return np.pad(body, ((0, 0), (0, JOINT_COUNT[body_model] - body.shape[1]), (0, 0)))


def rotvecs(where: str, key: str, matrices: FloatArray) -> FloatArray:
    """Axis-angle (..., 3) of rotation matrices (..., 3, 3); InputError for matrices that are no rotations."""
    flat = matrices.reshape(-1, 3, 3)
    off = np.abs(flat @ np.swapaxes(flat, 1, 2) - np.eye(3)).max(initial=0.0)
    if off > 0.05 or (np.linalg.det(flat) < 0).any():
        raise InputError(f"{where}: {key} holds matrices that are no rotations (off by {off:.2g})")
    turned: FloatArray = Rotation.from_matrix(flat).as_rotvec().reshape(*matrices.shape[:-2], 3)
    return turned


def in_order(names: Sequence[str]) -> list[tuple[int, str]]:
    """(frame number, name) by the last number in each name, so that frames without people leave a gap; by name without numbers."""
    found = [re.findall(r"\d+", re.sub(r"\.\w+$", "", name.replace("\\", "/").rsplit("/", 1)[-1])) for name in names]
    numbered = [int(digits[-1][-12:]) for digits in found if digits]
    if len(numbered) != len(names) or len(set(numbered)) != len(names):
        return list(enumerate(sorted(names)))
    return sorted(zip(numbered, names, strict=True))


def frame_numbers(where: str, key: str, values: FloatArray) -> NDArray[np.int64]:
    """Whole frame numbers (F,); InputError for others."""
    if (values != np.round(values)).any() or (values < 0).any() or (values > 100 * MAX_FRAMES).any():
        raise InputError(f"{where}: {key} are no frame numbers")
    return values.astype(np.int64)
